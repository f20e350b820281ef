package sqldb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/fovea-images/fovea/store"
)

// List implements store.Names. Without conditions on the metadata a page costs the
// same wherever it begins: it is a stretch of an index. With them it costs what is
// passed over.
func (db *DB) List(ctx context.Context, q store.Query) (list []store.Image, err error) {
	s := compose(&q)
	if len(q.Where) == 0 && q.Search == "" {
		return all(ctx, db.read.stmt(s.text.String()), scanImage, s.values...)
	}
	query, err := db.read.PrepareContext(ctx, s.text.String()) // of too many forms to be kept
	if err != nil {
		return nil, failed(err)
	}
	defer func() { err = errors.Join(err, query.Close()) }()
	return all(ctx, query, scanImage, s.values...)
}

// forms are the texts of all lists without conditions and search.
func forms() (texts []string) {
	for i := range 8 {
		q := form(i)
		texts = append(texts, compose(&q).text.String())
	}
	return texts
}

// form is a query that does or does not say creator, order and place.
func form(i int) store.Query {
	q := store.Query{Ascending: i&1 != 0}
	if i&2 != 0 {
		q.Creator = new(string)
	}
	if i&4 != 0 {
		q.After = &store.Position{}
	}
	return q
}

func compose(q *store.Query) *statement {
	s := &statement{}
	if len(q.Where) == 0 {
		s.add("SELECT " + imageColumns + " FROM images")
		s.page(q)
		return s
	}
	// What is passed over is read in the one index that has all that is asked of it. A
	// creator mostly has so few images that looking at each of those is less.
	index := "images_by_meta"
	if q.Creator != nil && *q.Creator != "" {
		index = "images_by_creator"
	}
	s.add("SELECT " + imageColumns + " FROM images WHERE (account, id) IN (SELECT account, id FROM images INDEXED BY " + index)
	s.page(q)
	s.add(") ORDER BY uploaded " + order(q) + ", id " + order(q))
	return s
}

func order(q *store.Query) string {
	if q.Ascending {
		return "ASC"
	}
	return "DESC"
}

// page adds which images, in which order, and how many.
func (s *statement) page(q *store.Query) {
	s.add(" WHERE draft = 0 AND account = ?", q.Account)
	if q.Creator != nil {
		s.add(" AND creator = ?", *q.Creator)
	}
	if q.After != nil {
		compare := "<"
		if q.Ascending {
			compare = ">"
		}
		s.add(" AND (uploaded, id) "+compare+" (?, ?)", q.After.Uploaded.UnixMilli(), q.After.ID)
	}
	for i := range q.Where {
		s.condition(&q.Where[i])
	}
	if q.Search != "" {
		s.add(" AND instr(lower(id || char(10) || filename || char(10) || creator), lower(?)) > 0", q.Search)
	}
	s.add(" ORDER BY uploaded "+order(q)+", id "+order(q)+" LIMIT ? OFFSET ?", q.Limit, q.Offset)
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
// ->> is the value, and -> its spelling. Before any of them is asked, the text has to
// have what it must have if they hold: most rows are not parsed. See canonical.
func (s *statement) condition(c *store.Condition) {
	path := "$"
	for _, name := range c.Field {
		path += `."` + name + `"`
	}
	field := `"` + c.Field[len(c.Field)-1] + `":`
	s.add(" AND (0")
	for _, v := range c.Values {
		if v.Text != nil {
			s.add(" OR (instr(meta, ?) AND json_type(meta, ?) = 'text' AND meta ->> ? = ?)", field+quoted(*v.Text), path, path, *v.Text)
		}
		if v.Literal != nil {
			s.add(" OR (instr(meta, ?) AND json_type(meta, ?) IN ('integer', 'real', 'true', 'false') AND meta -> ? = ?)", field+*v.Literal, path, path, *v.Literal)
		}
		if v.Number != nil {
			s.add(" OR (instr(meta, ?) AND json_type(meta, ?) IN ('integer', 'real') AND meta ->> ? "+comparisons[c.Operator]+" CAST(? AS NUMERIC))", field, path, path, *v.Number)
		}
		if v.Bool != nil {
			s.add(" OR (instr(meta, ?) AND json_type(meta, ?) = ?)", field+strconv.FormatBool(*v.Bool), path, strconv.FormatBool(*v.Bool))
		}
	}
	s.add(")")
}

// quoted spells a string as canonical does.
func quoted(text string) string {
	spelt, err := spell(text)
	if err != nil {
		panic(err) // a string
	}
	return string(spelt)
}

// spell is JSON without spaces, each value in the one way that there is.
func spell(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// canonical spells metadata so that the same value is the same text; numbers keep
// their digits. Nothing is an empty object.
func canonical(meta []byte) (string, error) {
	if meta == nil {
		return "{}", nil
	}
	decoder := json.NewDecoder(bytes.NewReader(meta))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return "", errors.Join(errors.New("expected metadata that is a JSON object"), err)
	}
	text, err := spell(object)
	return string(text), err
}
