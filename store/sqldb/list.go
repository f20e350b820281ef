package sqldb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/fovea-images/fovea/store"
)

// List implements store.Names. Without conditions on the metadata a page costs the
// same wherever it begins: it is a stretch of an index. With them it costs what is
// passed over.
func (db *DB) List(ctx context.Context, q store.Query) (list []store.Image, err error) {
	s := db.read.compose(&q)
	if len(q.Where) == 0 && q.Search == "" {
		return all(ctx, db.read, db.read.stmt(s.text.String()), scanImage, s.values...)
	}
	ctx, end := db.read.limit(ctx)
	defer end()
	query, err := db.read.PrepareContext(ctx, db.read.spell(s.text.String())) // of too many forms to be kept
	if err != nil {
		return nil, db.read.failed(err)
	}
	defer func() { err = errors.Join(err, query.Close()) }()
	return all(ctx, db.read, query, scanImage, s.values...)
}

// forms are the texts of all lists without conditions and search.
func forms(p *pool) (texts []string) {
	for i := range 8 {
		q := form(i)
		texts = append(texts, p.compose(&q).text.String())
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

func (p *pool) compose(q *store.Query) *statement {
	s := &statement{dialect: p.dialect}
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
	s.add("SELECT " + imageColumns + " FROM images WHERE (account, id) IN (SELECT account, id FROM images" + p.index(index))
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
		s.add(" AND creator = ?", clean(*q.Creator))
	}
	if q.After != nil {
		compare := "<"
		if q.Ascending {
			compare = ">"
		}
		s.add(" AND (uploaded, id) "+compare+" (?, ?)", q.After.Uploaded.UnixMilli(), q.After.ID)
	}
	for i := range q.Where {
		s.where(&q.Where[i])
	}
	if q.Search != "" {
		s.add(" AND "+s.search(), clean(q.Search))
	}
	s.add(" ORDER BY uploaded "+order(q)+", id "+order(q)+" LIMIT ? OFFSET ?", q.Limit, q.Offset)
}

// statement is a text with its values.
type statement struct {
	dialect
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

// where adds one filter: any of its values.
func (s *statement) where(c *store.Condition) {
	s.add(" AND (FALSE")
	for i := range c.Values {
		s.condition(s, c, &c.Values[i])
	}
	s.add(")")
}

// keyOf is how the last name of a condition's field is spelt before a value.
func keyOf(c *store.Condition) string { return `"` + c.Field[len(c.Field)-1] + `":` }

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
