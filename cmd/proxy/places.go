package main

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/engine"
)

// How often it is looked whether pictures are made, and how long ago the last one may be
// while there are still likely to be more.
const (
	placesLook   = 250 * time.Millisecond
	placesLinger = 10 * time.Second
)

// places has Go's scheduler run one goroutine more at once for each worker of the engine
// while pictures are made, until ctx ends. A transform keeps its place in the scheduler for
// up to 10 ms before others get their turn; requests that need a few microseconds are not
// to wait for that, and the kernel divides the processors far more finely. While there
// are only hits, more places than processors would cost them a twentieth.
func places(ctx context.Context, stats func() engine.Stats, widen func(more int)) {
	tick := time.NewTicker(placesLook)
	defer tick.Stop()
	var last engine.Spent
	var until time.Time
	given := 0
	defer func() { widen(-given) }()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s := stats()
			if s.Running > 0 || s.Spent != last {
				until = now.Add(placesLinger)
			}
			last = s.Spent
			if wanted := s.Workers; now.Before(until) && given == 0 {
				given = wanted
				widen(given)
			} else if !now.Before(until) && given > 0 {
				widen(-given)
				given = 0
			}
		}
	}
}
