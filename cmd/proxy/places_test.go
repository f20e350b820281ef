package main

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fovea-images/fovea/engine"
)

// Requests do not stand in Go's scheduler behind the pictures that are being made.
func TestEachWorkerHasAPlaceInTheSchedulerWhileItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		stats, more := engine.Stats{Workers: 3}, 0
		go places(ctx, func() engine.Stats {
			mu.Lock()
			defer mu.Unlock()
			return stats
		}, func(by int) {
			mu.Lock()
			defer mu.Unlock()
			more += by
		})
		works := func(running int64, spent time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			stats.Running, stats.Spent.Encode = running, spent
		}
		has := func(when string, after time.Duration, want int) {
			t.Helper()
			<-time.After(after)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if more != want {
				t.Errorf("%s: %d places more, expected %d", when, more, want)
			}
		}
		has("at rest", time.Minute, 0)
		works(1, 0)
		has("while one runs", placesLook, 3)
		has("a long one", time.Minute, 3)
		works(0, 0)
		has("between two", placesLinger-placesLook, 3)
		works(0, 1) // one that nobody has seen run
		has("after another", placesLinger-placesLook, 3)
		has("at rest again", 2*placesLook, 0)
		works(2, 1)
		has("once more", placesLook, 3)
		cancel()
		has("at the end", 0, 0)
	})
}
