package config

import (
	"bytes"
	"encoding/json"
	"fmt"
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
