package cache

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// Entry is one filled response. A Fill makes it; from then on it is shared by
// many goroutines and nobody writes to it or to what it points to.
type Entry struct {
	Body     []byte
	Type     string    // media type of Body; opaque here
	ETag     string    // strong validator with its quotes; opaque here
	Modified time.Time // zero: unknown
	Fields   []Field   // what else is answered with it; opaque here
	Tags     []string  // it dies when one of them is purged

	// From Filled on it is served as it is for Fresh, then for Stale while a
	// refill runs, then for Grace only if a refill fails. All are cut to
	// Options.MaxLife. With neither Fresh nor Stale it is handed to those who
	// wait for it and not kept.
	Fresh, Stale, Grace time.Duration
	Filled              time.Time // when its fill began; set by Cache

	// Fault, if any, is the answer: a negative entry. Only Tags and times are
	// set beside it.
	Fault *fault.Error
}

// Field is a name and a value.
type Field struct{ Name, Value string }

// Overheads in bytes, so that small entries do not look free.
const (
	entryOverhead  = 320
	stringOverhead = 16
)

// Cost is about how many bytes e holds in memory.
func (e *Entry) Cost() int64 {
	cost := entryOverhead + len(e.Body) + len(e.Type) + len(e.ETag)
	for _, f := range e.Fields {
		cost += 2*stringOverhead + len(f.Name) + len(f.Value)
	}
	for _, tag := range e.Tags {
		cost += stringOverhead + len(tag)
	}
	if e.Fault != nil {
		cost += len(e.Fault.Public) + stringOverhead
	}
	return int64(cost)
}

// TTL is how much longer e is fresh at now; negative once it is stale.
func (e *Entry) TTL(now time.Time) time.Duration { return e.Fresh - now.Sub(e.Filled) }

// Tier keeps entries. It is safe for concurrent use.
//
// Get returns the entry that was last Set for key, whole and unchanged, or
// reports that it has none; it never waits longer than ctx. Set may refuse
// silently: a cache may forget. But when it returns, Get sees what it kept. It must not keep e's memory beyond its
// budget, which counts real bytes. A tier need not look at times or tags: Cache
// does. After Close, Get finds nothing and Set does nothing.
type Tier interface {
	Get(ctx context.Context, key string) (*Entry, bool)
	Set(ctx context.Context, key string, e *Entry)
	Stats() TierStats
	Close() error
}

// Sweeper is a tier that can be searched, so that the bytes of what was purged are
// not kept until somebody asks for them.
type Sweeper interface {
	// Sweep removes the entries for which dead reports true, and returns how many.
	// dead sees entries without their bodies. Ending ctx ends it.
	Sweep(ctx context.Context, dead func(*Entry) bool) (removed int, err error)
}

// TierStats tells how full a tier is.
type TierStats struct {
	Bytes, Budget int64  // both 0 where another process keeps the budget
	Entries       int64  // 0 where nobody counts them
	Failures      uint64 // of the medium: reads and writes that it could not do
}
