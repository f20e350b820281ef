package flight

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestDo(t *testing.T) {
	t.Run("all who ask meanwhile share one result", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g Group[int]
			var calls, joins atomic.Int64
			open := make(chan struct{})
			for range 100 {
				go func() {
					v, joined, err := g.Do(t.Context(), "k", func(context.Context) (int, error) {
						<-open
						return int(calls.Add(1)), nil
					})
					if joined {
						joins.Add(1)
					}
					if v != 1 || err != nil {
						t.Errorf("%d, %v", v, err)
					}
				}()
			}
			synctest.Wait()
			close(open)
			synctest.Wait()
			if calls.Load() != 1 || joins.Load() != 99 {
				t.Errorf("%d calls, %d joined", calls.Load(), joins.Load())
			}
			if v, _, _ := g.Do(t.Context(), "k", func(context.Context) (int, error) { return 7, nil }); v != 7 {
				t.Errorf("a later call got %d", v)
			}
		})
	})
	t.Run("the first caller may leave", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g Group[string]
			open := make(chan struct{})
			work := func(ctx context.Context) (string, error) {
				select {
				case <-open:
					return "done", nil
				case <-ctx.Done():
					return "", ctx.Err()
				}
			}
			first, leave := context.WithCancel(t.Context())
			gone := make(chan error)
			go func() { _, _, err := g.Do(first, "k", work); gone <- err }()
			synctest.Wait()
			stayed := make(chan string)
			go func() { v, _, _ := g.Do(t.Context(), "k", work); stayed <- v }()
			synctest.Wait()
			leave()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
			close(open)
			if v := <-stayed; v != "done" {
				t.Errorf("who stayed got %q", v)
			}
		})
	})
	t.Run("work that nobody waits for is cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g Group[int]
			ctx, leave := context.WithCancel(t.Context())
			cancelled := make(chan struct{})
			go func() {
				_, _, _ = g.Do(ctx, "k", func(ctx context.Context) (int, error) {
					<-ctx.Done()
					close(cancelled)
					return 0, ctx.Err()
				})
			}()
			synctest.Wait()
			leave()
			<-cancelled
		})
	})
	t.Run("a panic is an error", func(t *testing.T) {
		var g Group[int]
		if _, _, err := g.Do(t.Context(), "k", func(context.Context) (int, error) { panic("oh") }); err == nil {
			t.Error("no error")
		}
	})
}
