package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fovea-images/fovea/bench/load"
)

// runRule asks for one picture by its own path and by a friendly one that a rule in
// WebAssembly turns into it: what the second costs more is the rule.
func runRule(ctx context.Context, b *bench) error {
	// The worked example of the contract: it reads the path, writes another one and
	// looks at a header. The account is written in it.
	const account = "Vi7wi5KSItxGFsWRG2Us6Q"
	module, err := b.rig.File("plugins/wasm/testdata/products.wasm")
	if err != nil {
		return b.leftOut(err)
	}
	file := filepath.Join(b.rig.Folder, "rules.yaml")
	rules := fmt.Sprintf("rules:\n  - name: products\n    module: %s\n    match: ['/p/*']\n", module)
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		return err
	}
	f, err := b.rig.Fovea(ctx, "FOVEA_CONFIG="+file, "FOVEA_ACCOUNT="+account)
	if err != nil {
		return err
	}
	b.result.contender(f.Process)
	photo, err := photograph(1600, 1200, 1)
	if err == nil {
		err = f.Upload(ctx, "photo", photo, false)
	}
	if err != nil {
		return err
	}
	direct := "/cdn-cgi/imagedelivery/" + account + "/photo/width=640"
	got, err := fetch(ctx, f.Address, load.Get(f.Address, direct, 200, accept))
	if err != nil {
		return err
	}
	r := race{name: "a friendly path", duration: 10 * time.Second, rate: b.open, note: "one server; memory is that of all"}
	for _, e := range []struct{ name, path string }{{"by its own path", direct}, {"by a rule", "/p/photo"}} {
		request := load.Get(f.Address, e.path, 200, accept)
		request.Body = got.Body
		one := steady(f.Process, request)
		one.name = e.name
		r.entrants = append(r.entrants, one)
	}
	c, err := b.race(ctx, r)
	if err == nil {
		b.bound("CPU of a rule that rewrites a path, µs", c.difference("by a rule", "by its own path", cpu), "≤ 0.8", .8)
	}
	return err
}
