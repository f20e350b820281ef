package proxy

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/fovea-images/fovea/internal/fault"
)

// Who waits is let in as they came, and those of a place that has all that it may have
// are not in the way of others.
func TestSourcesAreWaitedForInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSources(4) // one is kept for places of which there is nothing yet
		ctx, end := context.WithCancel(t.Context())
		var slow []func()
		for range 2 {
			leave, err := s.enter(t.Context(), "slow")
			if err != nil {
				t.Fatal(err)
			}
			slow = append(slow, leave)
		}
		var order []int // one at a time is let in
		var errs []error
		wait := func(ctx context.Context, place string, n int) {
			go func() {
				leave, err := s.enter(ctx, place)
				if err != nil {
					errs = append(errs, err)
					return
				}
				order = append(order, n)
				if place != "slow" {
					leave()
				}
			}()
			synctest.Wait()
		}
		gone := 20
		for n := range 50 {
			if n == gone {
				wait(ctx, "slow", n)
				continue
			}
			wait(t.Context(), "slow", n)
		}
		if len(order) > 1 {
			t.Fatalf("%d of a place that leaves no more to others", len(order))
		}
		begun := len(order)
		wait(t.Context(), "other", 100)
		if !slices.Contains(order, 100) {
			t.Fatal("another place waits for one that is slow")
		}
		end()
		synctest.Wait()
		if len(errs) != 1 || !fault.Is(errs[0], fault.Overloaded) || !errors.Is(errs[0], context.Canceled) {
			t.Errorf("who had gone: %v", errs)
		}
		order = order[:begun]
		for range 48 {
			s.leave("slow")
			synctest.Wait()
		}
		for _, leave := range slow {
			leave()
		}
		want := make([]int, 0, 49)
		for n := range 50 {
			if n != gone {
				want = append(want, n)
			}
		}
		if !slices.Equal(order, want) {
			t.Errorf("expected them in the order in which they came, received %v", order)
		}
	})
}
