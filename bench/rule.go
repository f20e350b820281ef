package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fovea-images/fovea/bench/load"
)

// rulesAccount is the account that the worked example of the contract has written in it.
const rulesAccount = "Vi7wi5KSItxGFsWRG2Us6Q"

// friendly is a path that a rule turns into that of the picture.
type friendly struct{ name, host, path string }

// runRule asks for one picture by its own path and by friendly ones that rules in
// WebAssembly turn into it: what those cost more is the rule.
func runRule(ctx context.Context, b *bench) error {
	entries, file, err := b.rules(ctx)
	if err != nil || len(entries) == 0 {
		return err
	}
	f, err := b.rig.Fovea(ctx, "FOVEA_CONFIG="+file, "FOVEA_ACCOUNT="+rulesAccount)
	if err != nil {
		return err
	}
	b.result.contender(f.Process)
	photo, err := photograph(1600, 1200, 1)
	for _, id := range []string{"photo", "products/4711.jpg"} {
		if err == nil {
			err = f.Upload(ctx, id, photo, false)
		}
	}
	if err != nil {
		return err
	}
	direct := "/cdn-cgi/imagedelivery/" + rulesAccount + "/photo/width=640"
	got, err := fetch(ctx, f.Address, load.Get(f.Address, direct, 200, accept))
	if err != nil {
		return err
	}
	r := race{name: "a friendly path", duration: 10 * time.Second, rate: b.open, note: "one server; memory is that of all"}
	for _, e := range append([]friendly{{"by its own path", f.Address, direct}}, entries...) {
		request := load.Get(e.host, e.path, 200, accept)
		request.Body = got.Body
		one := steady(f.Process, request)
		one.name = e.name
		r.entrants = append(r.entrants, one)
	}
	c, err := b.race(ctx, r)
	if err != nil {
		return err
	}
	for _, e := range entries {
		limit := .8
		if e.name == "by a rule in go" {
			limit = 1.5
		}
		b.bound("CPU of a friendly path "+e.name+", µs", c.difference(e.name, "by its own path", cpu), fmt.Sprintf("≤ %g", limit), limit)
	}
	return nil
}

// rules writes a configuration of the rules that can be measured here: the worked example
// of the contract, which copies byte by byte and looks at a header, and the products of
// the examples, which also tag, in the languages whose tools there are.
func (b *bench) rules(ctx context.Context) (entries []friendly, file string, err error) {
	var text strings.Builder
	text.WriteString("rules:\n")
	add := func(name, module, match, more string) {
		fmt.Fprintf(&text, "  - name: %s\n    module: %s\n    match: ['%s']\n%s", name, module, match, more)
	}
	module, err := b.rig.File("plugins/wasm/testdata/products.wasm")
	if err = b.leftOut(err); err != nil {
		return nil, "", err
	}
	if module != "" {
		add("example", module, "/p/*", "")
		entries = append(entries, friendly{"by a rule in text", "localhost", "/p/photo"})
	}
	for _, lang := range []string{"c", "rust", "go"} {
		module, err := b.rig.Rule(ctx, lang)
		if err = b.leftOut(err); err != nil {
			return nil, "", err
		}
		if module != "" {
			add("products-"+lang, module, lang+".example/products/**", "    config: {account: "+rulesAccount+", sizes: {s: 640, m: 800, l: 1600}}\n")
			entries = append(entries, friendly{"by a rule in " + lang, lang + ".example", "/products/red-running-shoe-4711-s.jpg"})
		}
	}
	file = filepath.Join(b.rig.Folder, "rules.yaml")
	return entries, file, os.WriteFile(file, []byte(text.String()), 0o600)
}
