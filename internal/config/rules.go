package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Rule is one rule plugin. Only the file has rules.
type Rule struct {
	Name      string   `yaml:"name" doc:"1 to 40 small letters, digits and '-'"`
	Module    string   `yaml:"module" doc:"the .wasm file"`
	Match     []string `yaml:"match" doc:"requests that it is for: /p/*, shop.example.com/products/**"`
	Config    any      `yaml:"config" doc:"handed over to the module: as JSON, or as it is if it is a string"`
	OnError   string   `yaml:"on_error" doc:"closed: answer 503 when it fails; open: go on without it"`
	Budget    int64    `yaml:"budget" doc:"metered instructions a call"`
	Memory    Bytes    `yaml:"memory" doc:"memory of an instance"`
	Instances int      `yaml:"instances" doc:"most instances at once"`
	Expose    []string `yaml:"expose" doc:"hidden headers that it may read: authorization, cookie, proxy-authorization"`
}

// Settings is what the module is told: compact JSON with sorted keys, or the string that
// stands in the file; "" for none.
func (r Rule) Settings() (string, error) {
	switch c := r.Config.(type) {
	case nil:
		return "", nil
	case string:
		return c, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r.Config); err != nil {
		return "", fmt.Errorf("config: expected what JSON can say: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

var unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)

// nearest completes err, about an unknown key, by the known one that is most like it.
func nearest(err error) error {
	found := unknownField.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	best, least := "", len(found[1])/2+1
	for _, key := range keys(reflect.TypeFor[Config]()) {
		if d := distance(found[1], key); d < least {
			best, least = key, d
		}
	}
	if best == "" {
		return err
	}
	return fmt.Errorf("%w\nexpected %q perhaps", err, best)
}

// keys are those of a section and of all in it.
func keys(section reflect.Type) []string {
	var all []string
	for i := range section.NumField() {
		field := section.Field(i)
		all = append(all, field.Tag.Get("yaml"))
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			all = append(all, keys(inner)...)
		}
	}
	return all
}

// distance is how many letters must change, come or go to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
