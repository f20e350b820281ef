package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// budget lets so many transforms run at once, lets a bounded number wait for a
// bounded time, and turns away the rest: beyond the number of processors more
// work at once only makes all of it later. Safe for use by many goroutines.
type budget struct {
	slots   chan struct{} // one element for each that runs
	room    int64         // how many may wait
	wait    time.Duration
	waiting atomic.Int64
	shed    atomic.Int64
}

func newBudget(workers, queue int, wait time.Duration) *budget {
	return &budget{slots: make(chan struct{}, workers), room: int64(queue), wait: wait}
}

// enter returns once the caller may run; it must then call leave. It fails as
// Overloaded if the queue is full or the wait was too long, or with ctx's error.
func (b *budget) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	select {
	case b.slots <- struct{}{}:
		return nil
	default:
	}
	defer b.waiting.Add(-1)
	if b.waiting.Add(1) > b.room {
		b.shed.Add(1)
		return fault.New(fault.Overloaded, "Too many images are being made; try again shortly")
	}
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	case <-timer.C:
		b.shed.Add(1)
		return fault.New(fault.Overloaded, "No capacity to make the image within %s; try again shortly", b.wait)
	}
}

func (b *budget) leave() { <-b.slots }
