package cache

import (
	"context"
	"errors"
)

// Layers is a tier made of tiers, the fastest first. What a slower one has is kept
// in the faster ones when it is asked for; what is Set is kept in all.
type Layers []Tier

// Get implements Tier.
func (l Layers) Get(ctx context.Context, key string) (*Entry, bool) {
	for i, tier := range l {
		entry, ok := tier.Get(ctx, key)
		if !ok {
			continue
		}
		for _, faster := range l[:i] {
			faster.Set(ctx, key, entry)
		}
		return entry, true
	}
	return nil, false
}

// Set implements Tier. The fastest comes last: what it shows, the others have.
func (l Layers) Set(ctx context.Context, key string, e *Entry) {
	for i := len(l) - 1; i >= 0; i-- {
		l[i].Set(ctx, key, e)
	}
}

// Stats implements Tier: those of the fastest, in which hits are served.
func (l Layers) Stats() TierStats {
	if len(l) == 0 {
		return TierStats{}
	}
	return l[0].Stats()
}

// Sweep implements Sweeper for those of its tiers that do.
func (l Layers) Sweep(ctx context.Context, dead func(*Entry) bool) (removed int, err error) {
	for _, tier := range l {
		if s, ok := tier.(Sweeper); ok {
			n, fault := s.Sweep(ctx, dead)
			removed, err = removed+n, errors.Join(err, fault)
		}
	}
	return removed, err
}

// Close implements Tier.
func (l Layers) Close() error {
	var err error
	for _, tier := range l {
		err = errors.Join(err, tier.Close())
	}
	return err
}

// Sweeper is a tier that can be searched, so that the bytes of what was purged are
// not kept until somebody asks for them.
type Sweeper interface {
	// Sweep removes the entries for which dead reports true, and returns how many.
	// dead sees entries without their bodies. Ending ctx ends it.
	Sweep(ctx context.Context, dead func(*Entry) bool) (removed int, err error)
}

// Sweep removes what was purged or has outlived its use from tiers that outlast the
// process. It is for now and then: it looks at everything that is kept.
func (c *Cache) Sweep(ctx context.Context) (removed int, err error) {
	s, ok := c.Tier.(Sweeper)
	if !ok {
		return 0, nil
	}
	return s.Sweep(ctx, func(e *Entry) bool {
		return c.purges.dead(e.Filled.UnixNano(), e.Tags) || c.Now().Sub(e.Filled) > e.Fresh+e.Stale+e.Grace
	})
}
