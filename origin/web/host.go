package web

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// hosts keeps the hosts apart: one that is slow or broken costs the others nothing.
type hosts struct {
	mu    sync.Mutex
	all   map[string]*host
	slots int
	now   func() time.Time
}

// host is what is known of one host while somebody asks it, or it is broken.
type host struct {
	slots    chan struct{}
	users    int
	failures int       // in a row
	until    time.Time // it is left alone until then; zero = it is not
	probing  bool      // one asks whether it is well again
}

// A breaker opens after so many failures in a row, for so long; then one request
// may try.
const (
	breakAfter = 5
	breakFor   = 10 * time.Second
)

var errCrowded = fault.New(fault.Overloaded, "Too many images of this origin are being fetched; try again shortly")

var errBroken = fault.New(fault.FetchFailed, "The origin has failed several times in a row and is left alone for a moment")

// enter waits for a slot of the host and returns what to call with the outcome. As
// many may wait as there are slots: who waits here holds what others could use. The
// wait ends with ctx; a broken host is not waited for.
func (h *hosts) enter(ctx context.Context, name string) (leave func(outcome), err error) {
	name = strings.ToLower(name)
	h.mu.Lock()
	if h.all == nil {
		h.all = map[string]*host{}
	}
	at := h.all[name]
	if at == nil {
		h.forget()
		at = &host{slots: make(chan struct{}, h.slots)}
		h.all[name] = at
	}
	if !at.until.IsZero() && (at.probing || h.now().Before(at.until)) {
		h.mu.Unlock()
		return nil, errBroken
	}
	at.probing = !at.until.IsZero()
	if at.users >= 2*h.slots {
		h.mu.Unlock()
		return nil, errCrowded
	}
	at.users++
	h.mu.Unlock()
	select {
	case at.slots <- struct{}{}:
	default:
		select {
		case at.slots <- struct{}{}:
		case <-ctx.Done():
			h.left(name, at, unknown)
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, fault.Of(ctx.Err())
			}
			return nil, fault.Wrap(errCrowded.Kind, ctx.Err(), "%s", errCrowded.Public)
		}
	}
	return func(came outcome) {
		<-at.slots
		h.left(name, at, came)
	}, nil
}

// maxHosts bounds how many hosts are known because they have failed: visitors name them.
const maxHosts = 4096

// forget makes room where there is none: of hosts that nobody asks, first those that are
// not left alone.
func (h *hosts) forget() {
	if len(h.all) < maxHosts {
		return
	}
	now := h.now()
	maps.DeleteFunc(h.all, func(_ string, at *host) bool { return at.users == 0 && !now.Before(at.until) })
	if len(h.all) > maxHosts/2 { // else it would be looked for again at once
		maps.DeleteFunc(h.all, func(_ string, at *host) bool { return at.users == 0 })
	}
}

// left takes note of an outcome.
func (h *hosts) left(name string, at *host, came outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at.users--
	at.probing = false
	switch came {
	case unknown:
	case well:
		at.failures, at.until = 0, time.Time{}
	case failing:
		if at.failures++; at.failures >= breakAfter {
			at.until = h.now().Add(breakFor)
		}
	}
	if at.users == 0 && at.failures == 0 {
		delete(h.all, name)
	}
}

// retries is how often a request that failed in passing is sent again.
const retries = 2

// backoff is how long to wait before the next attempt: longer each time, and never
// the same for all.
func backoff(attempt int) time.Duration {
	base := 50 * time.Millisecond << attempt
	return base/2 + rand.N(base) //nolint:gosec // spreads load, keeps no secret
}

// passing reports whether a failure may be gone a moment later: the connection was
// refused or broke, or the origin's own backend did. Time limits are not: the time
// has been spent. Nor is what the origin means: a 500 comes from this very URL.
func passing(err error) bool {
	e := fault.Of(err)
	return e.Kind == fault.FetchFailed && e.Cause != nil || e.Kind == fault.OriginBroken && e.Status >= 502 && e.Status <= 504
}

// outcome is what a request tells of its host.
type outcome uint8

const (
	unknown outcome = iota // nobody waited for it
	well
	failing
)

// tells says what a request tells of its host: a failure may be one of what was asked for.
func tells(err error) outcome {
	if err == nil {
		return well
	}
	switch fault.Of(err).Kind {
	case fault.Canceled:
		return unknown
	case fault.ConnectTimeout, fault.DownloadTimeout, fault.DNSFailed:
		return failing
	}
	if passing(err) {
		return failing
	}
	return well
}
