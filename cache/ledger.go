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
	// Record returns once p is known to every later Recall, after a crash too. A
	// ledger that cannot do that sees to it that no entry kept before p is found
	// after a restart, and returns what is wrong.
	Record(p Purge) error
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

// record tells the ledger of a purge that is already true here.
func (c *Cache) record(p Purge) {
	if c.Ledger == nil {
		return
	}
	if err := c.Ledger.Record(p); err != nil {
		c.unrecorded.Add(1)
	}
}
