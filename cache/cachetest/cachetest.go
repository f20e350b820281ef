// Package cachetest is the conformance suite of cache.Tier.
package cachetest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/fault"
)

// Budget is the least that open must give the tiers under test, in bytes.
const Budget = 8 << 20

// Tier runs the suite. open returns an empty tier with a budget of Budget bytes, on
// whose clock, if it has one, it is 1,700,000,200.
func Tier(t *testing.T, open func(t *testing.T) cache.Tier) {
	full := &cache.Entry{
		Body: []byte("\x00\xff binary \r\n"), Type: "image/webp", ETag: `"cf-1:ä"`, Modified: time.Unix(1_700_000_000, 5),
		Fields: []cache.Field{{Name: "Vary", Value: "Accept"}, {Name: "done", Value: " q=0"}},
		Tags:   []string{"image:h/a/b", "account:h"},
		Fresh:  time.Hour, Stale: time.Minute, Grace: time.Second, Filled: time.Unix(1_700_000_100, 7),
	}
	t.Run("what is kept comes back whole", func(t *testing.T) {
		tier := open(t)
		negative := &cache.Entry{Fault: fault.New(fault.NotFound, "No such image"), Tags: []string{"x"}, Fresh: time.Hour, Filled: full.Filled}
		for key, want := range map[string]*cache.Entry{"a": full, "key with spaces / and ä": full, "n": negative} {
			tier.Set(t.Context(), key, want)
			got, ok := tier.Get(t.Context(), key)
			if !ok {
				t.Fatalf("%q is not there", key)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-want +got)\n%s", key, diff)
			}
		}
	})
	t.Run("what was not kept is not there", func(t *testing.T) {
		tier := open(t)
		tier.Set(t.Context(), "a", full)
		for _, key := range []string{"", "b", "aa", "A"} {
			if _, ok := tier.Get(t.Context(), key); ok {
				t.Errorf("%q is there", key)
			}
		}
	})
	t.Run("the last one kept counts", func(t *testing.T) {
		tier := open(t)
		for i := range 10 {
			e := *full
			e.Body = fmt.Append(nil, i)
			tier.Set(t.Context(), "a", &e)
		}
		if got, ok := tier.Get(t.Context(), "a"); !ok || string(got.Body) != "9" {
			t.Errorf("got %v %v", got, ok)
		}
	})
	t.Run("the budget is kept", func(t *testing.T) {
		tier := open(t)
		for i := range 200 {
			e := *full
			e.Body = make([]byte, 256<<10)
			tier.Set(t.Context(), fmt.Sprint(i), &e)
		}
		s := tier.Stats()
		if s.Budget == 0 {
			t.Skip("somebody else keeps the budget")
		}
		if s.Bytes > s.Budget || s.Bytes == 0 || s.Budget != Budget {
			t.Errorf("stats = %+v after 50 MiB into %d bytes", s, Budget)
		}
	})
	t.Run("nobody gets what belongs to another key", func(t *testing.T) { concurrent(t, open(t)) })
	t.Run("a closed tier has nothing", func(t *testing.T) {
		tier := open(t)
		tier.Set(t.Context(), "a", full)
		if err := tier.Close(); err != nil {
			t.Fatal(err)
		}
		tier.Set(t.Context(), "b", full)
		for _, key := range []string{"a", "b"} {
			if _, ok := tier.Get(t.Context(), key); ok {
				t.Errorf("%q is there", key)
			}
		}
	})
}

func concurrent(t *testing.T, tier cache.Tier) {
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 500 {
				key := fmt.Sprint((i*7 + w) % 50)
				tier.Set(t.Context(), key, &cache.Entry{Body: []byte(key), Fresh: time.Hour, Filled: time.Unix(1_700_000_100, 0)})
				other := fmt.Sprint((i*3 + w) % 50)
				if got, ok := tier.Get(t.Context(), other); ok && !bytes.Equal(got.Body, []byte(other)) {
					t.Errorf("%s got %s", other, got.Body)
				}
			}
		})
	}
	all.Wait()
}
