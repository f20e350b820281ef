package sqldb

import (
	"context"
	"strings"

	"github.com/fovea-images/fovea/store"
)

// List implements store.Names. Without conditions on the metadata a page costs the
// same wherever it begins: it is a stretch of an index.
func (db *DB) List(ctx context.Context, q store.Query) ([]store.Image, error) {
	var s statement
	s.add("SELECT "+columns(imageColumns)+" FROM images WHERE draft = 0 AND account = ?", q.Account)
	if q.Creator != nil {
		s.add(" AND creator = ?", *q.Creator)
	}
	for i := range q.Where {
		s.condition(&q.Where[i])
	}
	if q.Search != "" {
		s.add(" AND instr(lower(id || char(10) || filename || char(10) || creator), lower(?)) > 0", q.Search)
	}
	compare, order := "<", "DESC"
	if q.Ascending {
		compare, order = ">", "ASC"
	}
	if q.After != nil {
		s.add(" AND (uploaded, id) "+compare+" (?, ?)", q.After.Uploaded.UnixMilli(), q.After.ID)
	}
	s.add(" ORDER BY uploaded "+order+", id "+order+" LIMIT ? OFFSET ?", q.Limit, q.Offset)
	return all(ctx, db.read, scanImage, s.text.String(), s.values...)
}

// statement is a text with its values.
type statement struct {
	text   strings.Builder
	values []any
}

func (s *statement) add(text string, values ...any) {
	s.text.WriteString(text)
	s.values = append(s.values, values...)
}

var comparisons = [...]string{
	store.Equal: "=", store.Greater: ">", store.GreaterEqual: ">=", store.Less: "<", store.LessEqual: "<=",
}

// condition adds one filter. Of a value in the metadata, json_type says the type,
// ->> is the value, and -> its spelling.
func (s *statement) condition(c *store.Condition) {
	path := "$"
	for _, name := range c.Field {
		path += `."` + name + `"`
	}
	s.add(" AND (0")
	for _, v := range c.Values {
		if v.Text != nil {
			s.add(" OR (json_type(meta, ?) = 'text' AND meta ->> ? = ?)", path, path, *v.Text)
		}
		if v.Literal != nil {
			s.add(" OR (json_type(meta, ?) IN ('integer', 'real', 'true', 'false') AND meta -> ? = ?)", path, path, *v.Literal)
		}
		if v.Number != nil {
			s.add(" OR (json_type(meta, ?) IN ('integer', 'real') AND meta ->> ? "+comparisons[c.Operator]+" ?)", path, path, *v.Number)
		}
		if v.Bool != nil {
			s.add(" OR json_type(meta, ?) = ?", path, map[bool]string{true: "true", false: "false"}[*v.Bool])
		}
	}
	s.add(")")
}
