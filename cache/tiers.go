package cache

import (
	"context"
	"errors"
	"time"
)

// find returns what the first tier has for key that may be served at now, or nil.
// One that was purged hides none behind it, nor, if it has to be fresh, one that is
// stale: another node may have made it anew. What a slower tier has, the faster ones
// keep from then on.
func (c *Cache) find(ctx context.Context, key string, now time.Time, fresh bool) *Entry {
	if entry, ok := c.Tier.Get(ctx, key); ok && c.good(entry, now, fresh) {
		return entry
	}
	return c.further(ctx, key, now, fresh)
}

// further is find behind the first tier.
func (c *Cache) further(ctx context.Context, key string, now time.Time, fresh bool) *Entry {
	for i, tier := range c.Slower {
		entry, ok := tier.Get(ctx, key)
		if !ok || !c.good(entry, now, fresh) {
			continue
		}
		for _, faster := range c.Slower[:i] {
			faster.Set(ctx, key, entry)
		}
		c.Tier.Set(ctx, key, entry)
		return entry
	}
	return nil
}

// good reports whether e is alive. One from a clock that runs ahead is not to be trusted.
func (c *Cache) good(e *Entry, now time.Time, fresh bool) bool {
	age := now.Sub(e.Filled)
	return age >= -time.Second && (!fresh || age < e.Fresh) && !c.purges.dead(e.Filled.UnixNano(), e.Tags)
}

// Sweep removes what was purged or has outlived its use from tiers that outlast the
// process. It is for now and then: it looks at everything that is kept.
func (c *Cache) Sweep(ctx context.Context) (removed int, err error) {
	dead := func(e *Entry) bool {
		return !c.good(e, c.time(), false) || c.time().Sub(e.Filled) > e.Fresh+e.Stale+e.Grace
	}
	for _, tier := range append([]Tier{c.Tier}, c.Slower...) {
		if s, ok := tier.(Sweeper); ok {
			n, failed := s.Sweep(ctx, dead)
			removed, err = removed+n, errors.Join(err, failed)
		}
	}
	return removed, err
}
