package main

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runNotModified asks with the ETag that each contender gave for the 15 KB version.
func runNotModified(ctx context.Context, b *bench) error {
	f, versions, err := b.warmed(ctx)
	if err != nil {
		return err
	}
	peers, err := b.caches(ctx, 1<<30)
	if err != nil {
		return err
	}
	v := versions[1]
	floor, err := b.rig.Floor(ctx, 304, v.answer.Body)
	if err != nil {
		return err
	}
	entrants := []entrant{steady(floor, load.Get(floor.Address, "/", 304, `If-None-Match: "a"`))}
	for _, p := range append([]*rig.Process{f.Process}, peers...) {
		path := rig.Path(v.id, v.options)
		got, err := fetch(ctx, p.Address, load.Get(p.Address, path, 200, accept))
		if err != nil {
			return err
		}
		entrants = append(entrants, steady(p, load.Get(p.Address, path, 304, accept, "If-None-Match: "+string(got.Header("ETag")))))
	}
	entrants[0], entrants[1] = entrants[1], entrants[0] // ours first
	c, err := b.race(ctx, race{name: "15 KB", duration: 10 * time.Second, rate: b.open, entrants: entrants})
	if err == nil {
		b.bound("CPU per 304, ours / nginx", c.ratio("Fovea", "nginx", cpu), "≤ 0.80", .8)
	}
	return err
}
