package proxy

import (
	"context"
	"strings"
	"sync"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// sources bounds how many sources are in memory at once, or on their way there: a crowd
// of cold URLs must not fill it. No one place that they come from may take what the
// others need, however slow it is.
type sources struct {
	mu      sync.Mutex
	free    int
	reserve int            // of free: for places of which there is nothing yet
	used    map[string]int // by place
	changed chan struct{}  // closes when one leaves; nil: nobody waits
}

func newSources(n int) *sources {
	return &sources{free: n, reserve: n / 4, used: map[string]int{}}
}

// enter waits for room for one from place, until ctx ends. leave gives it back.
func (s *sources) enter(ctx context.Context, place string) (leave func(), err error) {
	for {
		changed := s.take(place)
		if changed == nil {
			return func() { s.leave(place) }, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Overloaded, ctx.Err(), "Too many images are being fetched; try again shortly")
		}
	}
}

// take takes room for one, or returns what closes when there may be some. A place has no
// more than what it leaves to all others, and nothing of the reserve but its first; our
// own store, "", is never waited for.
func (s *sources) take(place string) (changed chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.used[place]
	if s.free > 0 && (used == 0 || place == "" || used <= s.free && s.free > s.reserve) {
		s.free--
		s.used[place]++
		return nil
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *sources) leave(place string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.used[place]--; s.used[place] == 0 {
		delete(s.used, place)
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// place names where the plan's source comes from.
func (pl *plan) place() string {
	switch source := pl.target.Source; {
	case pl.target.Kind == params.Hosted && pl.elsewhere():
		return "account " + pl.target.Account
	case pl.target.Kind == params.Hosted:
		return ""
	case source.Absolute:
		_, rest, _ := strings.Cut(source.Value, "://")
		host, _, _ := strings.Cut(rest, "/")
		return "host " + host
	default:
		return "zone " + source.Zone
	}
}
