package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/plugins"
)

type pluginTestCmd struct {
	File  string `arg:"" help:"The .wasm file." type:"path"`
	Table string `help:"Table of requests and what must become of them (tests.json beside the file)." type:"path" placeholder:"FILE"`
}

// Help shows a table.
func (*pluginTestCmd) Help() string {
	return `A table has the rule's configuration, the headers that it may read, and tests:

  {
    "config": {"account": "FoveaDemoAccountHash00", "width": 640},
    "expose": ["cookie"],
    "tests": [
      {"name": "an image", "url": "/short/a", "headers": ["Save-Data: on"],
       "want": {"outcome": "next", "after": "/cdn-cgi/image/width=640/a", "tags": null}}
    ]
  }

want names fields of what plugin run --json prints under rules, and their values;
null: the field is not there. Other fields may be as they like.`
}

// ruleTable is what a tests.json says.
type ruleTable struct {
	Config any        `json:"config"`
	Expose []string   `json:"expose"`
	Tests  []ruleTest `json:"tests"`
}

type ruleTest struct {
	Name    string                     `json:"name"`
	URL     string                     `json:"url"`
	Headers []string                   `json:"headers"`
	Want    map[string]json.RawMessage `json:"want"`
}

// parseTable reads a table, whole and strictly.
func parseTable(text []byte) (ruleTable, error) {
	var table ruleTable
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&table); err != nil {
		return table, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return table, errors.New("expected one JSON object, received more after it")
	}
	if len(table.Tests) == 0 {
		return table, errors.New("tests: expected at least one, received none")
	}
	fields := stepFields()
	for i, test := range table.Tests {
		if test.URL == "" || len(test.Want) == 0 {
			return table, fmt.Errorf("tests[%d] %s: expected url and want, received %q and %d fields", i, test.Name, test.URL, len(test.Want))
		}
		for field := range test.Want {
			if !slices.Contains(fields, field) {
				return table, fmt.Errorf("tests[%d] %s: want: expected one of %s, received %q", i, test.Name, strings.Join(fields, ", "), field)
			}
		}
	}
	return table, nil
}

// stepFields are the names that want may use: those of what is printed.
func stepFields() []string {
	var names []string
	step := reflect.TypeFor[plugins.Step]()
	for i := range step.NumField() {
		if name, _, _ := strings.Cut(step.Field(i).Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// Run sends the requests of the table through the rule, as the only one.
func (c *pluginTestCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	file := c.Table
	if file == "" {
		file = filepath.Join(filepath.Dir(c.File), "tests.json")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	table, err := parseTable(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	settings.Rules = []config.Rule{{Name: "plugin", Module: c.File, Match: []string{"/**"}, Config: table.Config, Expose: table.Expose}}
	a, err := lookingApp(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	failed := 0
	for _, test := range table.Tests {
		wrong, err := test.run(ctx, a)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", file, test.Name, err)
		}
		if len(wrong) == 0 {
			fmt.Fprintln(w.stdout, "ok      ", test.Name)
			continue
		}
		failed++
		fmt.Fprintln(w.stdout, "FAILED  ", test.Name)
		for _, complaint := range wrong {
			fmt.Fprintln(w.stdout, "         ", complaint)
		}
	}
	fmt.Fprintf(w.stdout, "%d passed, %d failed\n", len(table.Tests)-failed, failed)
	if failed > 0 {
		return errTold
	}
	return nil
}

// run sends the request, and complains of each field that is not as it should be.
func (t ruleTest) run(ctx context.Context, a *app) ([]string, error) {
	header, err := parseHeaders(t.Headers)
	if err != nil {
		return nil, err
	}
	host, target := split(t.URL)
	steps := a.current.Load().Explain(ctx, host, target, header, nil).Rules
	if len(steps) != 1 {
		return nil, fmt.Errorf("url: expected a path that begins with /, or a URL, received %q", t.URL)
	}
	text, err := json.Marshal(steps[0])
	if err != nil {
		return nil, err
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(text, &got); err != nil {
		return nil, err
	}
	var wrong []string
	for _, field := range slices.Sorted(maps.Keys(t.Want)) {
		want, received := compact(t.Want[field]), "null"
		if value, ok := got[field]; ok {
			received = compact(value)
		}
		if want != received {
			wrong = append(wrong, fmt.Sprintf("%s: expected %s, received %s", field, want, received))
		}
	}
	if reason, failed := got["reason"]; failed && len(wrong) > 0 && t.Want["reason"] == nil {
		wrong = append(wrong, "reason: "+string(reason))
	}
	return wrong, nil
}

// compact is a JSON value in one spelling.
func compact(value json.RawMessage) string {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return string(value)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return string(value)
	}
	return strings.TrimSpace(b.String())
}
