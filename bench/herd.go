package main

import (
	"context"
	"math"
	"time"

	"github.com/fovea-images/fovea/bench/load"
)

// runHerd lets a thousand clients ask for one picture that nobody has seen.
func runHerd(ctx context.Context, b *bench) error {
	s, err := b.cold()
	if err != nil {
		return err
	}
	f, ours, err := b.fovea(ctx)
	if err != nil {
		return err
	}
	// So slow an origin that everybody is there before it has answered.
	b.rig.Origin.Delay.Store(int64(300 * time.Millisecond))
	defer b.rig.Origin.Delay.Store(0)
	const herd = 1000
	var times []float64
	fetches, decodes := 1.0, 1.0 // of the round that was furthest off
	for range b.rounds {
		before, err := f.Metrics(ctx)
		if err != nil {
			return err
		}
		asked, request := b.rig.Origin.Fetches(""), load.Get(ours.host, ours.path(s.another(), 512, "webp"), 200, accept)
		got, err := load.Run(ctx, load.Plan{
			Address: ours.address, Connections: herd, Count: herd, Next: func(int) *load.Request { return request }, Sample: 100,
			Judge: func(r *load.Request, a *load.Answer, sampled bool) error { return whole(r, a, sampled, "webp", 512) },
		})
		if err != nil {
			return err
		}
		b.complain(ours.name, got)
		after, err := f.Metrics(ctx)
		if err != nil {
			return err
		}
		fetches = further(fetches, float64(b.rig.Origin.Fetches("")-asked))
		decodes = further(decodes, after["fovea_engine_decodes_total"]-before["fovea_engine_decodes_total"])
		times = append(times, float64(got.Elapsed)/float64(time.Millisecond))
	}
	b.exactly("fetches for 1,000 clients of one cold URL", fetches, 1)
	b.exactly("decodes for 1,000 clients of one cold URL", decodes, 1)
	b.find(finding{Name: "all 1,000 have their answer, of an origin that takes 300 ms", Value: figureOf(times), Unit: "ms"})
	return nil
}

// further is which of two counts is further from 1.
func further(a, b float64) float64 {
	if math.Abs(b-1) > math.Abs(a-1) {
		return b
	}
	return a
}
