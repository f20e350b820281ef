package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

const (
	metadataBytes = 1024 // of compact JSON (contract 5)
	metadataDepth = 32
)

// metadata is gathered from the parts metadata (a JSON object), metadata[k][l] and
// metadata.k.l, whose values are strings (contract 8.1).
type metadata struct {
	object map[string]any // nil = nothing was said
	whole  bool           // a part metadata has been read
}

// part takes a part if it is one of metadata.
func (m *metadata) part(name, value string) (bool, error) {
	rest, ok := strings.CutPrefix(name, "metadata")
	switch {
	case !ok:
		return false, nil
	case rest == "":
		if m.whole {
			return true, bad("Expected one part named metadata, received several")
		}
		m.whole = true
		object, err := parseObject([]byte(value))
		if err != nil {
			return true, err
		}
		return true, m.merge(object)
	}
	path, ok := partPath(rest)
	if !ok {
		return false, nil
	}
	return true, m.set(path, value)
}

// partPath reads [k][l] and .k.l; a last [] means "one more of a list".
func partPath(rest string) ([]string, bool) {
	var path []string
	if rest[0] == '.' {
		path = strings.Split(rest[1:], ".")
	} else {
		for rest != "" {
			end := strings.IndexByte(rest, ']')
			if rest[0] != '[' || end < 0 {
				return nil, false
			}
			path = append(path, rest[1:end])
			rest = rest[end+1:]
		}
	}
	for i, key := range path {
		if key == "" && (i == 0 || i < len(path)-1) {
			return nil, false
		}
	}
	return path, len(path) <= metadataDepth
}

// parseObject reads exactly one JSON object. Numbers keep their spelling.
func parseObject(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return nil, &refusal{status: 400, code: 5400, text: "Expected metadata that is a JSON object", cause: err}
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, bad("Expected metadata that is one JSON object and nothing more")
	}
	return object, nil
}

// merge takes a whole object; what parts have said before stays beside it.
func (m *metadata) merge(object map[string]any) error {
	if m.object == nil {
		m.object = object
		return nil
	}
	return mergeInto(m.object, object)
}

// mergeInto adds what from has and to has not. Only objects may be in both.
func mergeInto(to, from map[string]any) error {
	for key, value := range from {
		old, taken := to[key]
		inner, isObject := old.(map[string]any)
		more, alike := value.(map[string]any)
		switch {
		case !taken:
			to[key] = value
		case !isObject || !alike:
			return bad("Expected each metadata key once, received several " + clip(key))
		default:
			if err := mergeInto(inner, more); err != nil {
				return err
			}
		}
	}
	return nil
}

// set puts value at the end of path.
func (m *metadata) set(path []string, value string) error {
	if m.object == nil {
		m.object = map[string]any{}
	}
	conflict := bad("Expected each metadata key once, received several " + clip(strings.Join(path, ".")))
	at := m.object
	for len(path) > 1 && path[1] != "" {
		next, ok := at[path[0]].(map[string]any)
		if _, taken := at[path[0]]; taken && !ok {
			return conflict
		}
		if !ok {
			next = map[string]any{}
			at[path[0]] = next
		}
		at, path = next, path[1:]
	}
	old, taken := at[path[0]]
	if len(path) == 2 { // one more of a list
		list, ok := old.([]any)
		if taken && !ok {
			return conflict
		}
		at[path[0]] = append(list, value)
		return nil
	}
	if taken {
		return conflict
	}
	at[path[0]] = value
	return nil
}

// text is the metadata as it is kept: compact JSON; nil if nothing was said.
func (m *metadata) text() ([]byte, error) {
	if m.object == nil {
		return nil, nil
	}
	if depth(m.object) > metadataDepth {
		return nil, bad(fmt.Sprintf("Expected metadata of at most %d levels", metadataDepth))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m.object); err != nil {
		return nil, err
	}
	compact := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if len(compact) > metadataBytes {
		return nil, bad(fmt.Sprintf("Expected metadata of at most %d bytes of compact JSON, received %d", metadataBytes, len(compact)))
	}
	return compact, nil
}

func depth(value any) int {
	deepest := 0
	switch value := value.(type) {
	case map[string]any:
		for _, inner := range value {
			deepest = max(deepest, depth(inner))
		}
	case []any:
		for _, inner := range value {
			deepest = max(deepest, depth(inner))
		}
	default:
		return 0
	}
	return deepest + 1
}
