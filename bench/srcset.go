package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/bench/load"
)

// runSrcset asks for eight sizes of one source at once, as a page does whose
// pictures have just changed.
func runSrcset(ctx context.Context, b *bench) error {
	widths := []int{320, 480, 640, 800, 960, 1280, 1600, 1920}
	s, err := b.cold()
	if err != nil {
		return err
	}
	f, ours, err := b.fovea(ctx)
	if err != nil {
		return err
	}
	peers, err := b.makers(ctx)
	if err != nil {
		return err
	}
	bursts := 20
	if b.short {
		bursts = 2
	}
	times := map[string][]float64{}
	before, err := f.Metrics(ctx)
	if err != nil {
		return err
	}
	var fetches int64
	for range bursts {
		for _, m := range append([]maker{ours}, peers...) {
			source, asked := s.another(), b.rig.Origin.Fetches("")
			got, err := load.Run(ctx, load.Plan{
				Address: m.address, TLS: m.secure, Connections: len(widths), Count: len(widths),
				Next: func(i int) *load.Request {
					r := load.Get(m.host, m.path(source, widths[i], "webp"), 200, accept)
					r.Key = widths[i]
					return r
				},
				Judge: func(r *load.Request, a *load.Answer, sampled bool) error { return whole(r, a, sampled, "webp", 0) },
			})
			if err != nil {
				return err
			}
			b.complain(m.name, got)
			times[m.name] = append(times[m.name], float64(got.Elapsed)/float64(time.Millisecond))
			if m.name == ours.name {
				fetches += b.rig.Origin.Fetches("") - asked
			}
		}
	}
	after, err := f.Metrics(ctx)
	if err != nil {
		return err
	}
	const decodes = "fovea_engine_decodes_total"
	b.exactly("fetches of a source for eight sizes", float64(fetches)/float64(bursts), 1)
	decoded := (after[decodes] - before[decodes]) / float64(bursts)
	if b.images == "" {
		b.exactly("decodes of a source for eight sizes", decoded, 1)
	} else { // small ones, and high ones whose widest size needs more pixels, are decoded again
		b.find(finding{Name: "decodes of a source for eight sizes", Value: figureOf([]float64{decoded})})
	}
	for _, m := range append([]maker{ours}, peers...) {
		b.find(finding{Name: fmt.Sprintf("all eight sizes, 320 to 1920 pixels, as WebP: %s", m.name), Value: figureOf(times[m.name]), Unit: "ms"})
	}
	return nil
}
