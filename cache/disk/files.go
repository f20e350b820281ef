package disk

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fovea-images/fovea/cache"
)

// reserve makes room for size bytes, and reports false once the tier is closed.
func (t *Tier) reserve(size int64) bool {
	for {
		t.mu.Lock()
		if t.shut {
			t.mu.Unlock()
			return false
		}
		oldest := t.recent.Back()
		if t.bytes+size <= t.budget || oldest == nil {
			t.bytes += size
			t.mu.Unlock()
			return true
		}
		victim := oldest.Value.(*file).name
		t.forget(victim)
		t.mu.Unlock()
		t.unlink(victim)
	}
}

// release gives back what was reserved.
func (t *Tier) release(size int64) {
	t.mu.Lock()
	t.bytes -= size
	t.mu.Unlock()
}

// put takes note of a file for which size bytes are reserved.
func (t *Tier) put(n name, size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(n) // what it replaces
	t.files[n] = t.recent.PushFront(&file{n, size, t.now()})
}

// used takes note that a file was read; the time is kept on the file, too, now and
// then, for the next process to know.
func (t *Tier) used(n name, length int64) {
	t.mu.Lock()
	element, now := t.files[n], t.now()
	if element == nil { // the scan has not come to it
		size := blocks(length)
		element = t.recent.PushFront(&file{n, size, now})
		t.files[n] = element
		t.bytes += size
	}
	t.recent.MoveToFront(element)
	f := element.Value.(*file)
	late := now.Sub(f.touched) > touch
	if late {
		f.touched = now
	}
	t.mu.Unlock()
	if late && os.Chtimes(t.path(n), now, now) != nil {
		t.failures.Add(1)
	}
}

// drop forgets a file that is not there.
func (t *Tier) drop(n name) {
	t.mu.Lock()
	t.forget(n)
	t.mu.Unlock()
}

// forget needs mu.
func (t *Tier) forget(n name) {
	if element := t.files[n]; element != nil {
		t.bytes -= element.Value.(*file).bytes
		t.recent.Remove(element)
		delete(t.files, n)
	}
}

// remove forgets a file and takes it away. It needs the stripe.
func (t *Tier) remove(n name) {
	t.drop(n)
	if err := os.Remove(t.path(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.failures.Add(1)
	}
}

// discard takes away a file that is of no use.
func (t *Tier) discard(n name) {
	stripe := t.stripe(n)
	stripe.Lock()
	defer stripe.Unlock()
	t.remove(n)
}

// unlink takes away a file that was forgotten, unless it was written again since.
func (t *Tier) unlink(n name) {
	stripe := t.stripe(n)
	stripe.Lock()
	defer stripe.Unlock()
	t.mu.Lock()
	_, back := t.files[n]
	t.mu.Unlock()
	if !back {
		t.remove(n)
	}
}

// found is a file that the scan came across.
type found struct {
	name  name
	bytes int64
	used  time.Time
}

// scan counts what an earlier process left, and evicts what is too much of it.
func (t *Tier) scan() {
	var all []found
	for i := range 256 {
		if t.closed() {
			return
		}
		all = append(all, t.list(hex.EncodeToString([]byte{byte(i)}))...)
	}
	slices.SortFunc(all, func(a, b found) int { return b.used.Compare(a.used) })
	t.mu.Lock()
	for _, f := range all {
		if t.files[f.name] == nil {
			t.files[f.name] = t.recent.PushBack(&file{f.name, f.bytes, f.used})
			t.bytes += f.bytes
		}
	}
	t.mu.Unlock()
	if t.reserve(0) {
		t.clear()
	}
}

// list returns the entries in one folder. What comes from the future goes: the clock
// was set back, and no purge could be told to be after it.
func (t *Tier) list(folder string) []found {
	entries, err := os.ReadDir(filepath.Join(t.root, entriesFolder, folder))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.failures.Add(1)
		return nil
	}
	var all []found
	for _, entry := range entries {
		var n name
		raw, err := hex.DecodeString(folder + entry.Name())
		if err != nil || len(raw) != len(n) {
			continue // not ours
		}
		copy(n[:], raw)
		info, err := entry.Info()
		switch {
		case err != nil: // removed meanwhile
		case info.ModTime().After(t.now().Add(time.Minute)):
			t.unlink(n)
		default:
			all = append(all, found{n, blocks(info.Size()), info.ModTime()})
		}
	}
	return all
}

// clear removes what forgetAll has put aside.
func (t *Tier) clear() {
	left, err := os.ReadDir(t.root)
	if err != nil {
		t.failures.Add(1)
		return
	}
	for _, entry := range left {
		if strings.HasPrefix(entry.Name(), "forgotten-") && os.RemoveAll(filepath.Join(t.root, entry.Name())) != nil {
			t.failures.Add(1)
		}
	}
}

// Sweep implements cache.Sweeper.
func (t *Tier) Sweep(ctx context.Context, dead func(*cache.Entry) bool) (removed int, err error) {
	t.mu.Lock()
	names := make([]name, 0, len(t.files))
	for n := range t.files {
		names = append(names, n)
	}
	t.mu.Unlock()
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if t.closed() {
			return removed, nil
		}
		if t.sweep(n, dead) {
			removed++
		}
	}
	return removed, nil
}

func (t *Tier) sweep(n name, dead func(*cache.Entry) bool) bool {
	stripe := t.stripe(n)
	stripe.Lock()
	defer stripe.Unlock()
	f, err := os.Open(t.path(n))
	if err != nil {
		return false
	}
	entry, err := cache.ReadHead(f)
	closing := f.Close()
	if errors.Is(err, cache.ErrFrame) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && dead(entry) {
		t.remove(n)
		return true
	}
	if err != nil || closing != nil {
		t.failures.Add(1)
	}
	return false
}
