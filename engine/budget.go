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
// A burst, such as the pictures of a page, is waited for. In a flood, when most have been
// turned away for a second, it takes what keeps the workers busy, and finds out by itself
// how much that is: as many pictures are made, and who is admitted waits for little.
// Safe for use by many goroutines.
type budget struct {
	workers, room int
	bytes         int64
	wait          time.Duration

	mu      sync.Mutex
	running int
	held    int64 // bytes
	queue   list.List
	since   time.Time // when the queue was last empty; zero = it is
	low     list.List
	shed    int64
	coming  int // whose sources are being fetched

	// Of those who came since began, for about as long as a burst.
	began            time.Time
	offered, refused int
	flood            bool      // most of those who came before were turned away
	limit            int       // how many may come or wait in a flood
	settled          time.Time // when limit was set
	settling         int       // how many are still to arrive who came before that
	idle             int       // how often nobody waited for a worker since then
	rested           time.Time // when the last worker had nothing left to do
}

// rank says how work waits.
type rank int

const (
	usual rank = iota
	// idle work is admitted when nobody else waits, and waits as long as its context
	// lets it.
	idle
	// begun work has been admitted before, and its worker has made what it needs: it
	// is first in line and not turned away.
	begun
)

// burst is how long many may come at once before it counts as a flood. It is over when the
// workers rest.
const (
	burst = time.Second
	rest  = burst / 4
)

// In a flood most times the room may be on the way, if they take long. Who takes so much
// longer than others that he holds them up is waited for no longer than patience.
const (
	most     = 4
	patience = 50 * time.Millisecond
)

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
func (b *budget) enter(ctx context.Context, bytes int64, as rank) error {
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	p, at, err := b.line(bytes, as)
	if err != nil || p == nil {
		return err
	}
	var late <-chan time.Time
	if as != idle {
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
	return b.giveUp(p, at, as, err)
}

// line admits the caller at once, with a nil place, or lines it up.
func (b *budget) line(bytes int64, as rank) (*place, *list.Element, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue.Len() == 0 && (as != idle || b.low.Len() == 0) && b.fits(bytes) {
		b.take(bytes)
		return nil, nil, nil
	}
	p := &place{bytes, make(chan struct{})}
	switch {
	case as == idle && b.low.Len() < b.room:
		return p, b.low.PushBack(p), nil
	case as == idle:
		return nil, nil, b.full()
	case as == usual && b.queue.Len() >= b.room:
		return nil, nil, b.full()
	}
	if b.queue.Len() == 0 {
		b.since = time.Now()
	}
	if as == begun {
		return p, b.queue.PushFront(p), nil
	}
	return p, b.queue.PushBack(p), nil
}

// judge begins to count anew after a burst's time, and decides whether there is a flood. It
// looks at who else was turned away meanwhile; what is longer ago says nothing.
func (b *budget) judge() {
	now := time.Now()
	resting := b.running == 0 && b.queue.Len() == 0 && now.Sub(b.rested) >= rest
	past := now.Sub(b.began)
	if past < burst && (!b.flood || !resting) {
		return
	}
	flood := !resting && past < 2*burst && 2*b.refused > b.offered
	if flood && !b.flood {
		b.limit, b.settling, b.idle = max(b.room, min(b.queue.Len()+b.coming, most*b.room)), b.coming, 0
	}
	b.flood, b.began, b.offered, b.refused = flood, now, 0, 0
}

// full turns the caller away.
func (b *budget) full() error {
	b.shed++
	return fault.New(fault.Overloaded, "Too many images are being made; try again shortly")
}

// offer fails as Overloaded if there is no room for one more picture now.
func (b *budget) offer() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judge()
	if b.flood && b.running < b.workers && b.queue.Len() == 0 && time.Since(b.settled) >= patience {
		b.idle = max(b.idle, b.workers)
		b.settle()
	}
	b.offered++
	if b.crowded() {
		b.refused++
		return b.full()
	}
	return nil
}

// expect fails as Overloaded if enter would now, before the caller has fetched what
// it would enter with, or if it has waited for longer than a burst to fetch it and the
// workers have not kept up meanwhile. Else it must call arrived before it enters or gives
// up.
func (b *budget) expect(waited time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.crowded() || waited >= burst && b.stands() {
		b.refused++
		return b.full()
	}
	b.coming++
	return nil
}

// crowded reports whether nobody else may come. Once the queue has stood for a while, two
// who are expected count as one who waits: what they fetch is not to be in vain, nor the
// workers to wait for it. In a flood limit is the measure of both.
func (b *budget) crowded() bool {
	if b.flood {
		return b.queue.Len()+b.coming >= b.limit
	}
	waiting := b.queue.Len()
	if b.stands() {
		waiting += b.coming / 2
	}
	return waiting >= b.room
}

// stands reports whether there has been more to do than a burst.
func (b *budget) stands() bool { return !b.since.IsZero() && time.Since(b.since) >= burst }

func (b *budget) arrived() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming--
	if b.settling--; b.settling < 0 {
		b.settle()
	}
}

// settle sets the limit by what the last one has led to: about half as many are to wait as
// there are workers, and those have something to do.
func (b *budget) settle() {
	excess := b.queue.Len() - (b.workers+1)/2
	if b.idle > 0 {
		excess = -min(b.idle, max(b.workers, b.limit/4))
	}
	b.limit = min(max(b.limit-excess, b.workers), most*b.room)
	b.settled, b.settling, b.idle = time.Now(), b.coming, 0
}

// giveUp takes p out of its queue, unless it was admitted meanwhile.
func (b *budget) giveUp(p *place, at *list.Element, as rank, why error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-p.ready:
		return nil
	default:
	}
	if as == idle {
		b.low.Remove(at)
	} else {
		b.queue.Remove(at)
	}
	if fault.Is(why, fault.Overloaded) {
		b.shed++
	}
	b.admit() // those behind may be smaller
	return why
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
	if b.running--; b.running == 0 {
		b.rested = time.Now()
	}
	b.held -= bytes
	b.admit()
	if b.queue.Len() == 0 {
		b.idle++
	}
}

// admit lets in who is first in line, as long as it fits: in turn, so that large
// pictures are not kept waiting by small ones for ever.
func (b *budget) admit() {
	defer func() {
		if b.queue.Len() == 0 {
			b.since = time.Time{}
		}
	}()
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
