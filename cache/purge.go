package cache

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// purges remembers when each tag was purged, so that an entry can be judged when
// it is read instead of being hunted for: it is dead when one of its tags was
// purged at or after its fill began. Reading takes no lock.
type purges struct {
	last  atomic.Int64 // newest stamp of all: an entry filled after it needs no look-up
	table atomic.Pointer[purgeTable]

	mu sync.Mutex // one writer
}

// purgeTable is immutable. Recent stamps have a small map of their own, so that
// a purge copies that one and not the whole.
type purgeTable struct {
	recent, old map[string]int64
	prefixes    []prefixPurge // newest first
	floor       int64         // every entry filled at or before it is dead
}

// prefixPurge says that every tag that begins with text was purged at that stamp.
type prefixPurge struct {
	text string
	at   int64
}

const (
	maxRecent = 256
	maxTags   = 16_384 // beyond it the oldest half becomes the floor
	// maxPrefixes bounds what a look-up compares one by one; beyond it the oldest
	// half becomes the floor.
	maxPrefixes = 64
)

// dead reports whether something with these tags, begun at stamp, was purged since.
func (p *purges) dead(stamp int64, tags []string) bool {
	if stamp > p.last.Load() {
		return false
	}
	table := p.table.Load()
	if table == nil {
		return false
	}
	if stamp <= table.floor {
		return true
	}
	for _, tag := range tags {
		if at, ok := table.recent[tag]; ok && stamp <= at {
			return true
		}
		if at, ok := table.old[tag]; ok && stamp <= at {
			return true
		}
	}
	for i := range table.prefixes {
		p := &table.prefixes[i]
		if stamp > p.at { // and so it is later than all behind it
			break
		}
		for _, tag := range tags {
			if strings.HasPrefix(tag, p.text) {
				return true
			}
		}
	}
	return false
}

// addPrefix notes that all tags that begin with prefix are purged at stamp. What is
// as old as maxLife is forgotten, and what the new one covers.
func (p *purges) addPrefix(stamp int64, maxLife time.Duration, prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.copy()
	next.addPrefix(stamp, stamp-int64(maxLife), prefix)
	p.publish(next, stamp)
}

// addPrefix takes in a prefix. Another node's may come late, so its place is looked for.
func (t *purgeTable) addPrefix(stamp, oldest int64, prefix string) {
	var kept []prefixPurge
	placed := false
	for _, old := range t.prefixes {
		if !placed && stamp >= old.at {
			kept, placed = append(kept, prefixPurge{prefix, stamp}), true
		}
		covers := old.at >= stamp && strings.HasPrefix(prefix, old.text)
		covered := old.at <= stamp && strings.HasPrefix(old.text, prefix)
		placed = placed || covers
		if old.at > oldest && !covered {
			kept = append(kept, old)
		}
	}
	if !placed {
		kept = append(kept, prefixPurge{prefix, stamp})
	}
	if len(kept) > maxPrefixes {
		t.floor = max(t.floor, kept[maxPrefixes/2].at)
		kept = kept[:maxPrefixes/2]
	}
	t.prefixes = kept
}

// known reports whether what p says is so already.
func (p *purges) known(purge Purge) bool {
	table := p.table.Load()
	switch {
	case table == nil:
		return false
	case purge.Stamp <= table.floor:
		return true
	case purge.All:
		return false
	}
	for _, tag := range purge.Tags {
		if max(table.recent[tag], table.old[tag]) < purge.Stamp {
			return false
		}
	}
	for _, prefix := range purge.Prefixes {
		if !slices.ContainsFunc(table.prefixes, func(p prefixPurge) bool { return p.at >= purge.Stamp && strings.HasPrefix(prefix, p.text) }) {
			return false
		}
	}
	return true
}

// add notes that tags are purged at stamp. What no living entry can be older
// than, maxLife ago, is forgotten.
func (p *purges) add(stamp int64, maxLife time.Duration, tags []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.copy()
	for _, tag := range tags {
		next.recent[tag] = max(stamp, next.recent[tag]) // another node's may come late
	}
	if len(next.recent) > maxRecent {
		next.merge(stamp - int64(maxLife))
	}
	p.publish(next, stamp)
}

// all notes that everything is purged at stamp.
func (p *purges) all(stamp int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.copy()
	next.merge(stamp)
	next.floor = max(stamp, next.floor)
	p.publish(next, stamp)
}

// recall takes in what earlier runs purged, and returns the newest stamp.
func (p *purges) recall(known []Purge) (newest int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	table := &purgeTable{recent: map[string]int64{}, old: map[string]int64{}}
	var prefixes []prefixPurge
	for _, purge := range known {
		newest = max(newest, purge.Stamp)
		if purge.All {
			table.floor = max(table.floor, purge.Stamp)
		}
		for _, tag := range purge.Tags {
			table.old[tag] = max(table.old[tag], purge.Stamp)
		}
		for _, prefix := range purge.Prefixes {
			prefixes = append(prefixes, prefixPurge{prefix, purge.Stamp})
		}
	}
	slices.SortFunc(prefixes, func(a, b prefixPurge) int { return cmp.Compare(a.at, b.at) })
	for _, p := range prefixes {
		table.addPrefix(p.at, 0, p.text)
	}
	if newest > 0 {
		p.publish(table, newest)
	}
	return newest
}

func (p *purges) copy() *purgeTable {
	next := &purgeTable{recent: map[string]int64{}}
	if now := p.table.Load(); now != nil {
		next.old, next.prefixes, next.floor = now.old, now.prefixes, now.floor
		maps.Copy(next.recent, now.recent)
	}
	return next
}

// publish shows the table before the stamp that sends readers to it.
func (p *purges) publish(next *purgeTable, stamp int64) {
	p.table.Store(next)
	p.last.Store(max(stamp, p.last.Load()))
}

func (t *purgeTable) merge(oldest int64) {
	merged := make(map[string]int64, len(t.old)+len(t.recent))
	keep := func(from map[string]int64) {
		for tag, at := range from {
			if at > oldest {
				merged[tag] = max(at, merged[tag])
			}
		}
	}
	keep(t.old)
	keep(t.recent)
	for len(merged) > maxTags {
		// Too many to remember: forgetting one must not bring entries back to
		// life, so all that are as old die with it.
		var sum int64
		low := int64(1<<63 - 1)
		for _, at := range merged {
			low = min(low, at)
		}
		for _, at := range merged {
			sum += (at - low) / int64(len(merged))
		}
		t.floor = max(t.floor, low+sum)
		maps.DeleteFunc(merged, func(_ string, at int64) bool { return at <= t.floor })
	}
	t.old, t.recent = merged, map[string]int64{}
}
