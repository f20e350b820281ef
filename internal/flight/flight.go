// Package flight does a piece of work once for all who ask for it at the same time.
package flight

import (
	"context"
	"fmt"
	"sync"
)

// Group joins calls by key. The zero value is ready; it is safe for concurrent use.
type Group[T any] struct {
	mu    sync.Mutex
	calls map[string]*call[T]
}

// call is one piece of work. Its result is set before done closes.
type call[T any] struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int
	value   T
	err     error
}

// Do returns what work returns, which is called on a goroutine of its own unless
// it is under way for key already: joined tells. The value is shared by all who
// wait. Work gets the values of the first caller's ctx but not its end: it is
// cancelled when nobody waits any more. When ctx ends, Do returns its error. A
// panic in work is an error for all who wait.
func (g *Group[T]) Do(ctx context.Context, key string, work func(context.Context) (T, error)) (value T, joined bool, err error) {
	g.mu.Lock()
	c, joined := g.calls[key]
	if !joined {
		if g.calls == nil {
			g.calls = map[string]*call[T]{}
		}
		detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
		c = &call[T]{done: make(chan struct{}), cancel: cancel}
		g.calls[key] = c
		go g.run(detached, key, c, work)
	}
	c.waiting++
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.value, joined, c.err
	case <-ctx.Done():
		g.leave(key, c)
		return value, joined, ctx.Err()
	}
}

// leave cancels the work of c if nobody else waits; a later caller begins anew.
func (g *Group[T]) leave(key string, c *call[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		c.cancel()
		if g.calls[key] == c {
			delete(g.calls, key)
		}
	}
}

func (g *Group[T]) run(ctx context.Context, key string, c *call[T], work func(context.Context) (T, error)) {
	defer func() {
		if v := recover(); v != nil {
			c.err = fmt.Errorf("panic: %v", v)
		}
		g.mu.Lock()
		if g.calls[key] == c {
			delete(g.calls, key)
		}
		g.mu.Unlock()
		c.cancel()
		close(c.done)
	}()
	c.value, c.err = work(ctx)
}
