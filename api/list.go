package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/store"
)

// Pages (R-page). Larger numbers are taken for the largest.
const (
	pageV1, mostV1 = 100, 10_000
	pageV2, mostV2 = 1000, 1000
)

func (a *API) page(ctx context.Context, c *call, q store.Query) ([]image, []store.Image, error) {
	list, err := a.Library.Names.List(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	variants, err := a.Catalog.VariantNames(ctx, c.account.Hash)
	if err != nil {
		return nil, nil, err
	}
	out := make([]image, len(list))
	for i := range list {
		out[i] = a.show(c.request, &list[i], variants)
	}
	return out, list, nil
}

// listV1 is GET v1: pages by number.
func (a *API) listV1(ctx context.Context, c *call) (reply, error) {
	values, err := c.values("page", "per_page")
	if err != nil {
		return reply{}, err
	}
	for key := range values {
		if strings.HasPrefix(key, metaPrefix) {
			return reply{}, bad("Metadata filters are for images/v2, received " + clip(key))
		}
	}
	page, err := whole(values, "page", 1, math.MaxInt32)
	if err != nil {
		return reply{}, err
	}
	size, err := whole(values, "per_page", pageV1, mostV1)
	if err != nil {
		return reply{}, err
	}
	images, _, err := a.page(ctx, c, store.Query{Account: c.account.Hash, Creator: creator(values), Offset: (page - 1) * size, Limit: size})
	return reply{result: map[string]any{"images": images}}, err
}

// listV2 is GET v2: pages by a token that says where to go on, and filters over
// the metadata.
func (a *API) listV2(ctx context.Context, c *call) (reply, error) {
	values, err := c.values("per_page", "continuation_token", "sort_order", "creator")
	if err != nil {
		return reply{}, err
	}
	q := store.Query{Account: c.account.Hash, Creator: creator(values)}
	size, err := whole(values, "per_page", pageV2, mostV2)
	if err != nil {
		return reply{}, err
	}
	q.Limit = size + 1 // one more tells whether there is more
	switch order := values.Get("sort_order"); order {
	case "", "desc":
	case "asc":
		q.Ascending = true
	default:
		return reply{}, bad("Expected the sort_order asc or desc, received " + clip(order))
	}
	if q.Where, err = conditions(values); err != nil {
		return reply{}, err
	}
	if text := values.Get("continuation_token"); text != "" {
		if q.After, err = parsePosition(text); err != nil {
			return reply{}, err
		}
	}
	images, list, err := a.page(ctx, c, q)
	if err != nil {
		return reply{}, err
	}
	out := struct {
		Images []image `json:"images"`
		Next   *string `json:"continuation_token"`
	}{Images: images}
	if len(images) > size {
		next := spellPosition(store.PositionOf(&list[size-1]))
		out.Images, out.Next = images[:size], &next
	}
	return reply{result: out}, nil
}

// values reads the query. Of the named ones there may be one each.
func (c *call) values(single ...string) (url.Values, error) {
	values, err := url.ParseQuery(c.query)
	if err != nil {
		return nil, &refusal{status: 400, code: 5400, text: "Expected a query in URL encoding", cause: err}
	}
	for _, name := range single {
		if len(values[name]) > 1 {
			return nil, bad("Expected one " + name + ", received several")
		}
	}
	return values, nil
}

// creator is the filter by creator; an empty one finds images without.
func creator(values url.Values) *string {
	if !values.Has("creator") {
		return nil
	}
	text := values.Get("creator")
	return &text
}

// whole reads a number of 1 or more; one above most is most.
func whole(values url.Values, name string, without, most int) (int, error) {
	text := values.Get(name)
	if text == "" {
		return without, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if errors.Is(err, strconv.ErrRange) { // digits, and many
		return most, nil
	}
	if err != nil || n < 1 {
		return 0, bad("Expected a number of 1 or more for " + name + ", received " + clip(text))
	}
	return min(int(n), most), nil
}

// A continuation token is the place behind the last image shown, so that nothing
// that comes or goes before it moves the rest.
type place struct {
	Millis int64  `json:"t"`
	ID     string `json:"i"`
}

func spellPosition(p store.Position) string {
	text, err := json.Marshal(place{p.Uploaded.UnixMilli(), p.ID})
	if err != nil {
		panic(err) // a number and a string
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func parsePosition(text string) (*store.Position, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	var p place
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil || p.ID == "" {
		return nil, &refusal{status: 400, code: 5400, text: "Expected a continuation_token from an earlier answer", cause: err}
	}
	return &store.Position{Uploaded: time.UnixMilli(p.Millis).UTC(), ID: p.ID}, nil
}

// Bounds of metadata filters (contract 5).
const (
	mostConditions = 5
	mostValues     = 10
	mostLevels     = 5
)

// metaPrefix begins what is a metadata filter or a misspelt one.
const metaPrefix = "meta"

var (
	filterKey  = regexp.MustCompile(`^meta\.([A-Za-z0-9_.]+)\[([a-z]+)(?::([a-z]+))?\]$`)
	filterName = regexp.MustCompile(`^[A-Za-z0-9_]{1,100}$`)
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$`)
)

var operators = map[string]store.Operator{
	"eq": store.Equal, "in": store.Equal, "gt": store.Greater, "gte": store.GreaterEqual, "lt": store.Less, "lte": store.LessEqual,
}

// conditions reads every parameter that begins with "meta". One that is no filter
// is refused: an answer that were not filtered would look like one that is (R-filter).
func conditions(values url.Values) ([]store.Condition, error) {
	var list []store.Condition
	for key, texts := range values {
		if !strings.HasPrefix(key, metaPrefix) {
			continue
		}
		for _, text := range texts {
			if len(list) == mostConditions {
				return nil, bad(fmt.Sprintf("Expected at most %d metadata filters", mostConditions))
			}
			condition, err := parseCondition(key, text)
			if err != nil {
				return nil, err
			}
			list = append(list, condition)
		}
	}
	return list, nil
}

func parseCondition(key, text string) (c store.Condition, err error) {
	parts := filterKey.FindStringSubmatch(key)
	if parts == nil {
		return c, bad("Expected a metadata filter such as meta.status[eq]=active, received " + clip(key))
	}
	c.Field = strings.Split(parts[1], ".")
	if len(c.Field) > mostLevels {
		return c, bad(fmt.Sprintf("Expected a metadata field of at most %d levels, received %s", mostLevels, clip(parts[1])))
	}
	for _, name := range c.Field {
		if !filterName.MatchString(name) {
			return c, bad("Expected metadata field names of 1 to 100 letters, digits and '_', received " + clip(parts[1]))
		}
	}
	operator, known := operators[parts[2]]
	if !known {
		return c, bad("Expected the operator eq, in, gt, gte, lt or lte, received " + clip(parts[2]))
	}
	c.Operator = operator
	texts := []string{text}
	if parts[2] == "in" {
		if texts = strings.Split(text, "|"); len(texts) > mostValues {
			return c, bad(fmt.Sprintf("Expected at most %d values for in, received %d", mostValues, len(texts)))
		}
	}
	kind := parts[3]
	if kind == "" && operator != store.Equal {
		kind = "number"
	}
	for _, text := range texts {
		value, err := parseValue(parts[2], kind, text)
		if err != nil {
			return c, err
		}
		c.Values = append(c.Values, value)
	}
	return c, nil
}

// parseValue reads what a field is compared with. Without a type it may be a
// string, or a number or boolean of the same text.
func parseValue(operator, kind, text string) (v store.Value, err error) {
	ranged := operators[operator] != store.Equal
	switch {
	case kind == "":
		v.Text = &text
		if jsonNumber.MatchString(text) || text == "true" || text == "false" {
			v.Literal = &text
		}
		return v, nil
	case kind == "string" && !ranged:
		v.Text = &text
		return v, nil
	case kind == "number":
		if _, err := strconv.ParseFloat(text, 64); !jsonNumber.MatchString(text) || err != nil {
			return v, bad("Expected a number to compare with, received " + clip(text))
		}
		v.Number = &text // its digits: an id of 19 of them is no float
		return v, nil
	case kind == "boolean" && operator == "eq":
		if text != "true" && text != "false" {
			return v, bad("Expected true or false to compare with, received " + clip(text))
		}
		yes := text == "true"
		v.Bool = &yes
		return v, nil
	}
	return v, bad("There is no operator " + clip(operator+":"+kind))
}
