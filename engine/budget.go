package engine

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// budget admits transforms: so many at once, holding so many bytes together; a
// bounded number waits in turn for a bounded time, and the rest is turned away.
// Beyond the number of processors more work at once only makes all of it later.
// Work of low priority is admitted when nobody else waits; it waits as long as its
// context lets it. Safe for use by many goroutines.
type budget struct {
	workers, room int
	bytes         int64
	wait          time.Duration

	mu      sync.Mutex
	running int
	held    int64 // bytes
	queue   list.List
	low     list.List
	shed    int64
}

// place is one transform that waits; ready closes when it is admitted.
type place struct {
	bytes int64
	ready chan struct{}
}

func newBudget(workers, room int, bytes int64, wait time.Duration) *budget {
	return &budget{workers: workers, room: room, bytes: bytes, wait: wait}
}

// enter returns once the caller may run and hold that many bytes; it must then
// call leave with the same number. One that needs more than there are runs alone.
// It fails as Overloaded if the queue is full or the wait was too long, or with
// ctx's error.
func (b *budget) enter(ctx context.Context, bytes int64, low bool) error {
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	p, at, err := b.line(bytes, low)
	if err != nil || p == nil {
		return err
	}
	var late <-chan time.Time
	if !low {
		timer := time.NewTimer(b.wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-p.ready:
		return nil
	case <-ctx.Done():
		err = fault.Of(ctx.Err())
	case <-late:
		err = fault.New(fault.Overloaded, "No capacity to make the image within %s; try again shortly", b.wait)
	}
	return b.giveUp(p, at, low, err)
}

// line admits the caller at once, with a nil place, or lines it up.
func (b *budget) line(bytes int64, low bool) (*place, *list.Element, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue.Len() == 0 && (!low || b.low.Len() == 0) && b.fits(bytes) {
		b.take(bytes)
		return nil, nil, nil
	}
	if b.list(low).Len() >= b.room {
		b.shed++
		return nil, nil, fault.New(fault.Overloaded, "Too many images are being made; try again shortly")
	}
	p := &place{bytes, make(chan struct{})}
	return p, b.list(low).PushBack(p), nil
}

// giveUp takes p out of its queue, unless it was admitted meanwhile.
func (b *budget) giveUp(p *place, at *list.Element, low bool, why error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-p.ready:
		return nil
	default:
	}
	b.list(low).Remove(at)
	if fault.Is(why, fault.Overloaded) {
		b.shed++
	}
	b.admit() // those behind may be smaller
	return why
}

func (b *budget) list(low bool) *list.List {
	if low {
		return &b.low
	}
	return &b.queue
}

func (b *budget) fits(bytes int64) bool {
	return b.running < b.workers && (b.running == 0 || b.held+bytes <= b.bytes)
}

func (b *budget) take(bytes int64) {
	b.running++
	b.held += bytes
}

func (b *budget) leave(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running--
	b.held -= bytes
	b.admit()
}

// admit lets in who is first in line, as long as it fits: in turn, so that large
// pictures are not kept waiting by small ones for ever.
func (b *budget) admit() {
	for _, line := range []*list.List{&b.queue, &b.low} {
		for line.Len() > 0 {
			p := line.Front().Value.(*place)
			if !b.fits(p.bytes) {
				return
			}
			line.Remove(line.Front())
			b.take(p.bytes)
			close(p.ready)
		}
	}
}

// counts are what runs, what waits, what was turned away, and the bytes held.
func (b *budget) counts() (running, queued int, shed, held int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running, b.queue.Len(), b.shed, b.held
}
