package wasm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/plugins"
)

var errClosed = errors.New("the rule is closed")

// pool is the instances of one version, each in a slot of its own: who owns them and
// closes them is never in doubt. A hint that stays with the processor says which slot to
// try first, so that processors do not meet.
type pool struct {
	slots   []slot
	hints   sync.Pool // *int
	waiting atomic.Int32
	freed   chan struct{} // one token for each slot that was freed while somebody waited
	closed  atomic.Bool
	closing chan struct{} // closed with it
}

// slot has one instance or none. Who holds it may use the instance, or change it.
type slot struct {
	held     atomic.Bool
	instance atomic.Pointer[instance]
	_        [40]byte // neighbours do not share a cache line
}

func newPool(size int) *pool {
	return &pool{slots: make([]slot, size), freed: make(chan struct{}, size), closing: make(chan struct{})}
}

// close lets nobody take an instance any more.
func (p *pool) close() {
	p.closed.Store(true)
	close(p.closing)
}

// try returns a free instance and its slot, held; nil if there is none.
func (p *pool) try() *instance {
	hint, _ := p.hints.Get().(*int)
	if hint == nil {
		hint = new(int)
	}
	n := len(p.slots)
	for i := range n {
		at := *hint + i
		if at >= n {
			at -= n
		}
		s := &p.slots[at]
		if s.held.Load() || !s.held.CompareAndSwap(false, true) {
			continue
		}
		if in := s.instance.Load(); in != nil && !p.closed.Load() {
			*hint = at
			p.hints.Put(hint)
			return in
		}
		s.held.Store(false)
	}
	p.hints.Put(hint)
	return nil
}

// free gives a slot back. Whoever waits looks again.
func (p *pool) free(s *slot) {
	s.held.Store(false)
	if p.waiting.Load() > 0 {
		select {
		case p.freed <- struct{}{}:
		default: // there are tokens for every slot already
		}
	}
}

// take waits for an instance until ctx ends or for so long. need is called when there is
// none free.
func (p *pool) take(ctx context.Context, patience time.Duration, need func()) (*instance, error) {
	if in := p.try(); in != nil {
		return in, nil
	}
	if p.closed.Load() {
		return nil, errClosed
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if in := p.try(); in != nil {
			return in, nil
		}
		need()
		select {
		case <-p.freed:
		case <-p.closing:
			return nil, errClosed
		case <-timer.C:
			return nil, &plugins.Failure{Reason: plugins.Timeout, Err: errors.New("no instance became free in time")}
		case <-ctx.Done():
			return nil, &plugins.Failure{Reason: plugins.Timeout, Err: ctx.Err()}
		}
	}
}

// live counts the instances, memory their bytes.
func (p *pool) live() (n int) {
	for i := range p.slots {
		if p.slots[i].instance.Load() != nil {
			n++
		}
	}
	return n
}

func (p *pool) memory() (n int64) {
	for i := range p.slots {
		if in := p.slots[i].instance.Load(); in != nil {
			n += in.memory.Load()
		}
	}
	return n
}

// empty returns a slot without an instance, held; nil if every slot has one.
func (p *pool) empty() *slot {
	for i := range p.slots {
		s := &p.slots[i]
		if s.instance.Load() != nil || !s.held.CompareAndSwap(false, true) {
			continue
		}
		if s.instance.Load() == nil {
			return s
		}
		s.held.Store(false)
	}
	return nil
}
