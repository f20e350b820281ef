package plugins

import (
	"sync"
	"sync/atomic"
	"time"
)

// What a breaker counts and how long it keeps a rule away.
const (
	breakerFailures = 20
	breakerWindow   = 10 * time.Second
	breakerRest     = 5 * time.Second
)

// breaker keeps a rule away that fails too often: after 20 failures within 10 s for
// 5 s, then it lets single requests through until one succeeds. While all is well it
// costs one atomic read.
type breaker struct {
	open     atomic.Bool
	mu       sync.Mutex
	failures [breakerFailures]time.Time // a ring of the last ones
	next     int
	until    time.Time
	probing  bool
}

// permit is what a breaker says of one call.
type permit uint8

const (
	refused permit = iota
	allowed
	probe // allowed, alone, to see how the rule is
)

// allow says whether the rule may be called now. Who was allowed says afterwards how it
// went, by succeeded, failed or released.
func (b *breaker) allow(now time.Time) permit {
	if !b.open.Load() {
		return allowed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open.Load() {
		return allowed
	}
	if now.Before(b.until) || b.probing {
		return refused
	}
	b.probing = true
	return probe
}

func (b *breaker) succeeded(was permit) {
	if was != probe { // a call from before it opened tells of then
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	b.failures = [breakerFailures]time.Time{}
	b.open.Store(false)
}

func (b *breaker) failed(was permit, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures[b.next] = now
	b.next = (b.next + 1) % breakerFailures
	oldest := b.failures[b.next] // of the last twenty
	if was == probe || !b.open.Load() && !oldest.IsZero() && now.Sub(oldest) <= breakerWindow {
		b.until = now.Add(breakerRest)
		b.open.Store(true)
	}
	if was == probe {
		b.probing = false
	}
}

// released takes back a call that tells nothing of the rule.
func (b *breaker) released(was permit) {
	if was != probe {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

// resting reports whether the rule is kept away.
func (b *breaker) resting() bool { return b.open.Load() }
