// Package memory keeps cache entries in memory, within a budget of bytes.
package memory

import (
	"context"
	"fmt"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/fovea-images/fovea/cache"
)

// MinBytes is the smallest budget that New takes.
const MinBytes = 1 << 20

// Tier is a cache.Tier in memory. What it keeps is decided by how often a key is
// asked for (TinyLFU), so a Set may be refused.
type Tier struct {
	store *ristretto.Cache[string, *item]
}

// item carries its key: the store tells keys apart by two 64-bit hashes only,
// and one visitor's picture must never be another's.
type item struct {
	key   string
	entry *cache.Entry
}

const (
	typicalEntry    = 16 << 10 // bytes; sizes the frequency sketch, nothing else
	countersPerItem = 10       // as ristretto advises
)

// New returns an empty tier that keeps at most so many bytes.
func New(bytes int64) (*Tier, error) {
	if bytes < MinBytes {
		return nil, fmt.Errorf("expected at least %d bytes, received %d", MinBytes, bytes)
	}
	store, err := ristretto.NewCache(&ristretto.Config[string, *item]{
		NumCounters: max(bytes/typicalEntry*countersPerItem, 10_000),
		MaxCost:     bytes,
		BufferItems: 64, // gets recorded per batch: the size ristretto was tuned for
		// Cost is counted in Set, with our own overheads; its metrics would put
		// shared counters on the hit path.
		IgnoreInternalCost: true,
		Metrics:            false,
	})
	if err != nil {
		return nil, fmt.Errorf("memory cache: %w", err)
	}
	return &Tier{store: store}, nil
}

// Get implements cache.Tier.
func (t *Tier) Get(_ context.Context, key string) (*cache.Entry, bool) {
	found, ok := t.store.Get(key)
	if !ok || found.key != key {
		return nil, false
	}
	return found.entry, true
}

// Set implements cache.Tier. An entry leaves by itself when nothing may serve it
// any more. The store takes it in a moment later, which is waited for: those who
// ask meanwhile would fill the key again.
func (t *Tier) Set(_ context.Context, key string, e *cache.Entry) {
	t.store.SetWithTTL(key, &item{key, e}, e.Cost()+int64(len(key)), e.Fresh+e.Stale+e.Grace)
	t.store.Wait()
}

// Stats implements cache.Tier.
func (t *Tier) Stats() cache.TierStats {
	budget := t.store.MaxCost()
	return cache.TierStats{Bytes: budget - t.store.RemainingCost(), Budget: budget}
}

// Close implements cache.Tier.
func (t *Tier) Close() error {
	t.store.Close()
	return nil
}
