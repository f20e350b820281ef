// Package disk keeps cache entries, and the purges that they must not outlive, in files within a budget of bytes.
package disk

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/cache"
)

// MinBytes is the smallest budget that Open takes.
const MinBytes = 8 << 20

const (
	block   = 4 << 10 // what a file system gives out at the least
	access  = 256     // reads and writes at once; with more, the disk is no help
	largest = 4       // an entry may take this part of the budget, and no more
	touch   = time.Hour

	patience = time.Second // for a read or a write; what hangs is not waited for
)

// Options are what a Tier is made from.
type Options struct {
	Folder string           // required; made when absent. It belongs to one process at a time
	Bytes  int64            // budget, in whole blocks of the file system
	Now    func() time.Time // nil: time.Now
}

// Validate says what is wrong with o, as far as that can be seen without opening it.
func (o Options) Validate() error {
	if o.Bytes < MinBytes {
		return fmt.Errorf("expected at least %d bytes, received %d", MinBytes, o.Bytes)
	}
	return nil
}

// Tier is a cache.Tier in a folder: one file an entry, named by the hash of its
// key. Files are not synced: the checksum in each tells a whole one from what a
// power cut left. Its ledger of purges is synced.
//
// A disk that hangs costs its callers a second, and once too many wait for it nothing
// but misses.
type Tier struct {
	purges   ledger
	root     string
	budget   int64
	now      func() time.Time
	patience time.Duration
	lock     *os.File

	slots   chan struct{}    // who reads or writes holds one
	stripes [64]sync.RWMutex // to write a name, or to take it away
	closing chan struct{}
	running sync.WaitGroup // the scan

	mu       sync.Mutex
	files    map[name]*list.Element // of *file
	recent   *list.List             // the one asked for last first
	bytes    int64                  // of files, and of those being written
	shut     bool
	failures atomic.Uint64
}

// name is the first half of a key's SHA-256. The file holds the key itself.
type name [16]byte

// file is one entry on disk.
type file struct {
	name    name
	bytes   int64 // blocks
	touched time.Time
}

func nameOf(key string) name {
	sum := sha256.Sum256([]byte(key))
	return name(sum[:16])
}

// path is where the entry is: in one of 256 folders.
func (t *Tier) path(n name) string {
	return filepath.Join(t.root, entriesFolder, hex.EncodeToString(n[:1]), hex.EncodeToString(n[1:]))
}

const (
	entriesFolder = "entries"
	writingFolder = "writing" // what is here at the start, nobody finished
)

// Open returns the tier in o.Folder. What an earlier process kept there is there at
// once; how much that is, it counts in the background.
func Open(o Options) (_ *Tier, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	t := &Tier{
		root: o.Folder, budget: o.Bytes, now: o.Now, patience: patience, slots: make(chan struct{}, access), closing: make(chan struct{}),
		files: map[name]*list.Element{}, recent: list.New(),
	}
	if t.now == nil {
		t.now = time.Now
	}
	if err := os.MkdirAll(t.root, 0o700); err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	if t.lock, err = lock(filepath.Join(t.root, "lock")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.lock.Close())
		}
	}()
	if err := t.prepare(); err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	t.running.Go(t.scan)
	return t, nil
}

// prepare opens the ledger, and makes the folders. Entries without a ledger that can
// be read may have been purged: they go.
func (t *Tier) prepare() error {
	if err := os.RemoveAll(filepath.Join(t.root, writingFolder)); err != nil {
		return err
	}
	if err := t.purges.open(filepath.Join(t.root, "purges"), t.now); err != nil {
		if err := t.forgetAll(); err != nil {
			return err
		}
		if err := t.purges.create(); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(t.root, writingFolder), 0o700)
}

// forgetAll puts the entries aside, which takes no time, and removes them after.
func (t *Tier) forgetAll() error {
	aside, err := os.MkdirTemp(t.root, "forgotten-*")
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(t.root, entriesFolder), filepath.Join(aside, entriesFolder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Get implements cache.Tier.
func (t *Tier) Get(ctx context.Context, key string) (*cache.Entry, bool) {
	select {
	case t.slots <- struct{}{}:
	default:
		return nil, false
	}
	found := make(chan *cache.Entry, 1)
	go func() {
		defer func() { <-t.slots }()
		found <- t.read(key)
	}()
	limit := time.NewTimer(t.patience)
	defer limit.Stop()
	select {
	case entry := <-found:
		return entry, entry != nil
	case <-limit.C:
	case <-ctx.Done():
	}
	return nil, false
}

// read returns the entry of key; nil if there is none that is whole.
func (t *Tier) read(key string) *cache.Entry {
	n := nameOf(key)
	frame, err := t.load(n)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.failures.Add(1)
		return nil
	}
	kept, entry, err := cache.ReadFrame(frame)
	if err != nil || kept == key && t.over(entry) {
		t.discard(n)
		return nil
	}
	if kept != key {
		return nil
	}
	return entry
}

// load reads a file, and takes note of that.
func (t *Tier) load(n name) ([]byte, error) {
	stripe := t.stripe(n)
	stripe.RLock()
	defer stripe.RUnlock()
	if t.closed() {
		return nil, os.ErrNotExist
	}
	frame, err := os.ReadFile(t.path(n))
	switch {
	case err == nil:
		t.used(n, int64(len(frame)))
	case errors.Is(err, os.ErrNotExist):
		t.drop(n)
	}
	return frame, err
}

// over reports whether nothing may serve e any more, or it comes from a time ahead
// of the clock, so that no purge could be told to be after it.
func (t *Tier) over(e *cache.Entry) bool {
	age := t.now().Sub(e.Filled)
	return age > e.Fresh+e.Stale+e.Grace || age < -time.Second
}

// Set implements cache.Tier.
func (t *Tier) Set(ctx context.Context, key string, e *cache.Entry) {
	select {
	case t.slots <- struct{}{}:
	default:
		return
	}
	kept := make(chan struct{})
	go func() {
		defer func() { <-t.slots }()
		defer close(kept)
		t.keep(key, e)
	}()
	limit := time.NewTimer(t.patience)
	defer limit.Stop()
	select {
	case <-kept:
	case <-limit.C:
	case <-ctx.Done():
	}
}

// keep writes e, if there is room for it.
func (t *Tier) keep(key string, e *cache.Entry) {
	frame := e.AppendFrame(make([]byte, 0, e.Cost()+int64(len(key))), key)
	size := blocks(int64(len(frame)))
	if size > t.budget/largest {
		return
	}
	if !t.reserve(size) {
		return
	}
	n := nameOf(key)
	stripe := t.stripe(n)
	stripe.Lock()
	defer stripe.Unlock()
	if err := t.write(n, frame); err != nil {
		t.failures.Add(1)
		t.release(size)
		return
	}
	t.put(n, size)
}

// write puts frame in its place, all of it at once.
func (t *Tier) write(n name, frame []byte) error {
	f, err := os.CreateTemp(filepath.Join(t.root, writingFolder), "*")
	if err != nil {
		return err
	}
	_, err = f.Write(frame)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), t.path(n))
	}
	if errors.Is(err, os.ErrNotExist) { // the first of its folder
		if err = os.MkdirAll(filepath.Dir(t.path(n)), 0o700); err == nil {
			err = os.Rename(f.Name(), t.path(n))
		}
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Ledger remembers the purges of what the tier keeps, for the cache over it.
func (t *Tier) Ledger() cache.Ledger { return &t.purges }

// Stats implements cache.Tier.
func (t *Tier) Stats() cache.TierStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return cache.TierStats{Bytes: t.bytes, Budget: t.budget, Entries: int64(len(t.files)), Failures: t.failures.Load()}
}

// Close implements cache.Tier. The entries stay.
func (t *Tier) Close() error {
	t.mu.Lock()
	again := t.shut
	t.shut = true
	t.mu.Unlock()
	if again {
		return nil
	}
	close(t.closing)
	t.running.Wait()
	for range access { // whoever reads or writes now, finishes
		t.slots <- struct{}{}
	}
	return errors.Join(t.purges.close(), t.lock.Close())
}

func (t *Tier) closed() bool {
	select {
	case <-t.closing:
		return true
	default:
		return false
	}
}

func (t *Tier) stripe(n name) *sync.RWMutex { return &t.stripes[int(n[0])%len(t.stripes)] }

func blocks(bytes int64) int64 { return (bytes + block - 1) / block * block }
