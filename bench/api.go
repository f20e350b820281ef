package main

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runAPI calls the management API: uploads of 20 KB, each on disk with its name
// before the answer, then lists and details of what is there.
func runAPI(ctx context.Context, b *bench) error {
	f, err := b.rig.Fovea(ctx)
	if err != nil {
		return err
	}
	b.result.contender(f.Process)
	photo, err := photograph(300, 225, 1)
	if err != nil {
		return err
	}
	path, authorization := f.API()
	var next atomic.Int64
	upload := func(int) *load.Request {
		n := next.Add(1)
		// Distinct bytes: equal ones are kept once.
		own := append(bytes.Clone(photo), fmt.Sprint(n)...)
		content, form, err := rig.Form(fmt.Sprintf("api/%d", n), own, false)
		if err != nil {
			form = nil // the server will say so
		}
		return load.Ask("POST", f.Address, path, 200, form, authorization, "Content-Type: "+content)
	}
	for _, kind := range []struct {
		name        string
		connections int
		next        func(int) *load.Request
	}{
		{fmt.Sprintf("uploads of %d KB", len(photo)/1000), 16, upload},
		{"details of an image", 16, func(i int) *load.Request {
			return load.Ask("GET", f.Address, fmt.Sprintf("%s/api/%d", path, 1+i%int(next.Load())), 200, nil, authorization)
		}},
		{"lists of 100 images", 4, func(int) *load.Request {
			return load.Ask("GET", f.Address, path+"?page=1&per_page=100", 200, nil, authorization)
		}},
	} {
		_, err := b.race(ctx, race{name: kind.name, duration: 10 * time.Second, entrants: []entrant{
			{f.Name, f.Process, load.Plan{Address: f.Address, Connections: kind.connections, Next: kind.next, Judge: succeeded}},
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// succeeded judges an answer of the API.
func succeeded(r *load.Request, a *load.Answer, sampled bool) error {
	if err := load.Plain(r, a, sampled); err != nil {
		return err
	}
	if !bytes.Contains(a.Body, []byte(`"success":true`)) {
		return fmt.Errorf("%s: no success: %.200s", r.Target(), a.Body)
	}
	return nil
}
