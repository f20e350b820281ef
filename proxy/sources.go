package proxy

import (
	"container/list"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// sources bounds how many sources are in memory at once, or on their way there: a crowd
// of cold URLs must not fill it. No one place that they come from may take what the
// others need, however slow it is. Who waits is woken when it is let in, and not before:
// there may be thousands.
type sources struct {
	mu      sync.Mutex
	free    int
	reserve int            // of free: for places of which there is nothing yet
	used    map[string]int // by place
	lines   []*sourceLine  // those that wait, by place; the place whose turn is next in front
}

// sourceLine is who waits for one place, the first to come in front: chan struct{},
// which close when they are let in.
type sourceLine struct {
	place   string
	waiting list.List
}

func newSources(n int) *sources {
	return &sources{free: n, reserve: n / 4, used: map[string]int{}}
}

// enter waits for room for one from place, until ctx ends. leave gives it back.
func (s *sources) enter(ctx context.Context, place string) (leave func(), err error) {
	leave = func() { s.leave(place) }
	line, at := s.take(place)
	if at == nil {
		return leave, nil
	}
	admitted := at.Value.(chan struct{})
	select {
	case <-admitted:
		return leave, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-admitted:
		return leave, nil
	default:
	}
	line.waiting.Remove(at)
	s.lines = slices.DeleteFunc(s.lines, func(l *sourceLine) bool { return l.waiting.Len() == 0 })
	return nil, fault.Wrap(fault.Overloaded, ctx.Err(), "Too many images are being fetched; try again shortly")
}

// take takes room for one, or lines it up.
func (s *sources) take(place string) (*sourceLine, *list.Element) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fits(place) { // and so nobody waits for this place
		s.admit(place)
		return nil, nil
	}
	i := slices.IndexFunc(s.lines, func(l *sourceLine) bool { return l.place == place })
	if i < 0 {
		i = len(s.lines)
		s.lines = append(s.lines, &sourceLine{place: place})
	}
	return s.lines[i], s.lines[i].waiting.PushBack(make(chan struct{}))
}

// fits reports whether there is room for one from place. A place has no more than what
// it leaves to all others, and nothing of the reserve but its first; our own store, "",
// is never waited for.
func (s *sources) fits(place string) bool {
	used := s.used[place]
	return s.free > 0 && (used == 0 || place == "" || used <= s.free && s.free > s.reserve)
}

func (s *sources) admit(place string) {
	s.free--
	s.used[place]++
}

func (s *sources) leave(place string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.used[place]--; s.used[place] == 0 {
		delete(s.used, place)
	}
	for i := 0; i < len(s.lines) && s.free > 0; {
		line := s.lines[i]
		if !s.fits(line.place) {
			i++
			continue
		}
		s.admit(line.place)
		close(line.waiting.Remove(line.waiting.Front()).(chan struct{}))
		s.lines = slices.Delete(s.lines, i, i+1) // it is the turn of the others
		if line.waiting.Len() > 0 {
			s.lines = append(s.lines, line)
		}
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
