package api

import (
	"encoding/json"
	"io"
	"reflect"
	"sort"
	"strings"
)

// jsonBytes bounds a JSON body.
const jsonBytes = 64 << 10

// rawJSON is a field that is looked at later; nil = it was not there.
type rawJSON = json.RawMessage

// readJSON reads one JSON object into the struct that into points to, and returns
// the names that it has no field for. An empty body is an object without fields
// if empty says so. A field that is null is one that is not there.
func readJSON(body io.Reader, into any, empty bool) (ignored []string, err error) {
	text, err := io.ReadAll(io.LimitReader(body, jsonBytes+1))
	if err != nil {
		return nil, broken(err, "Expected a whole body; it is cut off or malformed")
	}
	if len(text) > jsonBytes {
		return nil, &refusal{status: 413, code: 5413, text: "Expected a JSON body of at most 64 KiB"}
	}
	if empty && len(strings.TrimSpace(string(text))) == 0 {
		return nil, nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil || given == nil {
		return nil, &refusal{status: 400, code: 5400, text: "Expected a body that is one JSON object", cause: err}
	}
	fields := map[string]reflect.Value{}
	value := reflect.ValueOf(into).Elem()
	for i := range value.NumField() {
		fields[value.Type().Field(i).Tag.Get("json")] = value.Field(i)
	}
	for name, raw := range given {
		field, known := fields[name]
		switch {
		case !known:
			ignored = append(ignored, clip(name))
		case string(raw) == "null":
		default:
			if err := json.Unmarshal(raw, field.Addr().Interface()); err != nil {
				return nil, &refusal{status: 400, code: 5400, text: "Expected " + expectation(field) + " for " + name + ", received " + clip(string(raw)), cause: err}
			}
		}
	}
	sort.Strings(ignored)
	return ignored, nil
}

func expectation(field reflect.Value) string {
	t := field.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Map:
		return "an object"
	}
	return "a whole number"
}
