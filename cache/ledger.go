package cache

import (
	"context"
	"fmt"
	"time"
)

// MaxLife is the longest life of an entry unless Options say otherwise, and so how
// long a purge has to be remembered.
const MaxLife = 30 * 24 * time.Hour

// Purge says that everything with one of Tags, or a tag that begins with one of
// Prefixes, or everything, died at Stamp.
type Purge struct {
	Stamp    int64 // Unix nanoseconds
	Tags     []string
	Prefixes []string
	All      bool
}

// Ledger remembers purges for entries that outlive the process. It is safe for
// concurrent use.
type Ledger interface {
	// Recall returns every purge that an entry kept until now may be older than, in
	// any order. It may say more than was recorded (all of an age), never less.
	Recall(ctx context.Context) ([]Purge, error)
	// Record returns once all are known to every later Recall, after a crash too. A
	// ledger that cannot do that sees to it that no entry kept before them is found
	// after a restart, and returns what is wrong.
	Record(all ...Purge) error
}

// recall makes the purges of earlier runs true in this one.
func (c *Cache) recall() error {
	if c.Ledger == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.FillTimeout)
	defer cancel()
	known, err := c.Ledger.Recall(ctx)
	if err != nil {
		return fmt.Errorf("cache: purges: %w", err)
	}
	newest := c.purges.recall(known)
	c.clock.Store(newest) // stamps never run backwards, whatever the clock does
	return nil
}

// purge makes p true for everybody, at a stamp of now.
func (c *Cache) purge(p Purge) {
	c.purged.Add(1)
	if c.Fleet == nil {
		p.Stamp = c.stamp()
	} else {
		p.Stamp = c.Fleet.Purge(c.ctx, p)
	}
	c.apply(p)
}

// Heard takes in what other nodes have purged. What is known already changes nothing.
func (c *Cache) Heard(all []Purge) {
	c.purged.Add(1)
	c.apply(all...)
}

// apply makes purges true here, and for what of here outlives the process.
func (c *Cache) apply(all ...Purge) {
	var news []Purge
	for _, p := range all {
		if c.purges.known(p) {
			continue
		}
		news = append(news, p)
		if p.All {
			c.purges.all(p.Stamp)
		}
		if len(p.Tags) > 0 {
			c.purges.add(p.Stamp, c.MaxLife, p.Tags)
		}
		for _, prefix := range p.Prefixes {
			c.purges.addPrefix(p.Stamp, c.MaxLife, prefix)
		}
	}
	if c.Ledger == nil || len(news) == 0 {
		return
	}
	if err := c.Ledger.Record(news...); err != nil {
		c.unrecorded.Add(1)
	}
}
