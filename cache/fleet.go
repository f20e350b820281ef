package cache

import (
	"context"
	"time"
)

// Fleet is what nodes have in common that share a tier: a clock, the purges, and
// whose turn it is to fill a key. It is safe for concurrent use.
//
// No node's own clock is in any stamp, so that clocks that differ by minutes bring
// nothing back that was purged.
type Fleet interface {
	// Stamp returns a time, in Unix nanoseconds, that the shared clock has certainly
	// reached by now, or reports that it knows none yet. It asks nobody.
	Stamp() (int64, bool)
	// Purge makes p known to every node and returns its stamp: later than any Stamp
	// that was returned to any node before. If it cannot reach the others it sees to
	// it that they hear of it later, and returns a stamp that is right for this node.
	Purge(ctx context.Context, p Purge) (stamp int64)
	// Vouched reports whether what the other nodes have purged is known here but for
	// the last second; or that it need not be.
	Vouched() bool
	// Turn waits until no other node fills key, or landed reports that one has, or
	// there is no telling, or ctx ends. The caller calls done when its fill has ended,
	// and says whether the others can have the result.
	Turn(ctx context.Context, key string, landed func() bool) (done func(kept bool))
}

// unknown is the stamp of a fill that began when the shared clock was not known:
// whether a purge came after it cannot be told, so it is not kept.
const unknown = 0

// begin returns the stamp of a fill. Of purges that were heard of it is later: they
// were before it.
func (c *Cache) begin() int64 {
	if c.Fleet == nil {
		return c.stamp()
	}
	stamp, ok := c.Fleet.Stamp()
	if !ok {
		return unknown
	}
	return max(stamp, c.purges.last.Load()+1)
}

// time is the time by which entries age: the shared one, for entries of all nodes.
func (c *Cache) time() time.Time {
	if c.Fleet != nil {
		if stamp, ok := c.Fleet.Stamp(); ok {
			return time.Unix(0, stamp)
		}
	}
	return c.Now()
}

// vouched reports whether what is kept may be served.
func (c *Cache) vouched() bool { return c.Fleet == nil || c.Fleet.Vouched() }

// turn waits for the other nodes. If one of them has filled key meanwhile, f has
// its entry.
func (c *Cache) turn(ctx context.Context, key string, f *flight) (done func(kept *bool)) {
	if c.Fleet == nil || f.again {
		return func(*bool) {}
	}
	end := c.Fleet.Turn(ctx, key, func() bool {
		f.entry = c.landed(key)
		return f.entry != nil
	})
	return func(kept *bool) { end(*kept) }
}
