package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/plugins"
)

// edition is a module whose rule rewrites to /<n>.
func edition(t testing.TB, n int) []byte {
	t.Helper()
	body := read(t, "testdata/edition.wasm")
	at := bytes.Index(body, []byte("/0000"))
	if at < 0 {
		t.Fatal("the text is not there")
	}
	copy(body[at:], fmt.Sprintf("/%04d", n))
	return body
}

// replace puts body in the place of a file at once, as tools that deploy do.
func replace(t testing.TB, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// now is what the rule makes of a request.
func now(t testing.TB, chain *plugins.Chain) string {
	t.Helper()
	uri := ""
	if f := send(t, chain, func(x *plugins.Exchange) { uri = string(x.URI()) }); f != nil {
		t.Fatal(f)
	}
	return uri
}

func TestReload(t *testing.T) {
	name := file(t, edition(t, 1))
	chain, rule := chainOf(t, Options{File: name, Patience: time.Minute})
	if got := now(t, chain); got != "/0001" {
		t.Fatal(got)
	}
	long := time.Now().Add(-time.Minute)
	t.Run("an old file has not changed", func(t *testing.T) {
		if err := os.Chtimes(name, long, long); err != nil {
			t.Fatal(err)
		}
		if err := chain.Reload(t.Context()); err != nil || rule.Changed() {
			t.Error(err, rule.Changed())
		}
	})
	t.Run("a changed file is taken up", func(t *testing.T) {
		replace(t, name, edition(t, 2))
		if !rule.Changed() {
			t.Error("nobody notices")
		}
		if err := chain.Reload(t.Context()); err != nil || now(t, chain) != "/0002" {
			t.Error(err, now(t, chain))
		}
	})
	t.Run("the same bytes again are not", func(t *testing.T) {
		replace(t, name, edition(t, 2))
		before := rule.Load().Reloads
		if err := chain.Reload(t.Context()); err != nil || rule.Load().Reloads != before {
			t.Error(err, rule.Load())
		}
	})
	t.Run("a broken file keeps the old rule, and says why", func(t *testing.T) {
		for _, body := range [][]byte{[]byte("no module"), edition(t, 3)[:200], read(t, "testdata/start-trap.wasm"), {}} {
			replace(t, name, body)
			if err := chain.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "the old one stays") || now(t, chain) != "/0002" {
				t.Error(err)
			}
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := chain.Reload(t.Context()); err == nil || now(t, chain) != "/0002" {
			t.Error(err)
		}
		if n := rule.Load().Refused; n != 5 {
			t.Errorf("%d were refused", n)
		}
	})
	t.Run("and the next good one is taken up", func(t *testing.T) {
		replace(t, name, edition(t, 4))
		if err := chain.Reload(t.Context()); err != nil || now(t, chain) != "/0004" {
			t.Error(err)
		}
	})
}

func TestChangesAreNoticed(t *testing.T) {
	name := file(t, edition(t, 1))
	chain, _ := chainOf(t, Options{File: name, Patience: time.Minute})
	done := make(chan struct{})
	go func() {
		defer close(done)
		chain.Watch(t.Context(), time.Millisecond)
	}()
	replace(t, name, edition(t, 2))
	for deadline := time.Now().Add(30 * time.Second); now(t, chain) != "/0002"; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("nobody has noticed")
		}
	}
	t.Cleanup(func() { <-done })
}

// Swaps under load: no request fails, and what a version held is free again.
func TestReloadsUnderLoad(t *testing.T) {
	swaps, slack := 100, int64(8<<20)
	if os.Getenv("FOVEA_SLOW") != "" {
		swaps = 1000
	}
	name := file(t, edition(t, 0))
	chain, rule := chainOf(t, Options{File: name, Instances: 4, Patience: time.Minute})
	var stop atomic.Bool
	var calls atomic.Int64
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for !stop.Load() {
				if got := now(t, chain); len(got) != 5 {
					t.Errorf("%q", got)
					return
				}
				calls.Add(1)
			}
		})
	}
	var settled int64
	for n := 1; n <= swaps; n++ {
		replace(t, name, edition(t, n))
		if err := chain.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n == swaps/5 {
			settled = resident(t)
		}
	}
	stop.Store(true)
	load.Wait()
	if grown := resident(t) - settled; grown > slack {
		t.Errorf("%d swaps took %d KiB", swaps-swaps/5, grown>>10)
	}
	s := chain.Stats()[0]
	if s.Error+s.Skipped != 0 || rule.Load().Reloads != uint64(swaps) || now(t, chain) != fmt.Sprintf("/%04d", swaps) {
		t.Errorf("%+v", s)
	}
	t.Logf("%d swaps, %d calls", swaps, calls.Load())
}

// resident is the memory that the process has, after a collection, in bytes.
func resident(t testing.TB) int64 {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory() // otherwise it goes on behind our back, between the two readings below
	text, err := os.ReadFile("/proc/self/statm")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the process's memory is known on Linux alone: go test on Linux")
	}
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return pages*int64(os.Getpagesize()) - int64(m.HeapIdle-m.HeapReleased) // what the collector may reuse is free
}

// Many at once, guests that fail, and swaps meanwhile: each request gets what its rule
// makes of it, or the failure that the rule's policy says. A minute of it with FOVEA_SLOW=1.
func TestCrowdsFaultsAndSwaps(t *testing.T) {
	long, pause := 3*time.Second, 20*time.Millisecond
	if os.Getenv("FOVEA_SLOW") != "" {
		long, pause = time.Minute, 100*time.Millisecond
	}
	name := file(t, edition(t, 0))
	good, rule := chainOf(t, Options{File: name, Instances: 4, Patience: time.Minute})
	faulty, broken := chainOf(t, Options{File: "testdata/faults.wasm", Instances: 4, Patience: time.Minute})
	var group sync.WaitGroup
	var served, failed atomic.Int64
	until := time.Now().Add(long)
	for i := range 64 {
		group.Go(func() {
			for time.Now().Before(until) {
				if i%2 == 0 {
					if got := now(t, good); len(got) != 5 {
						t.Errorf("%q", got)
					}
					served.Add(1)
					continue
				}
				if f := send(t, faulty, nil); f == nil {
					served.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 1; time.Now().Before(until); n++ {
		<-tick.C
		replace(t, name, edition(t, n%10000))
		if err := good.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	g, f := good.Stats()[0], faulty.Stats()[0]
	if g.Error+g.Skipped != 0 || f.Error == 0 || uint64(failed.Load()) != f.Error+f.Skipped {
		t.Errorf("%+v\n%+v", g, f)
	}
	if rule.Load().Instances > 4 || broken.Load().Instances > 4 {
		t.Errorf("%+v %+v", rule.Load(), broken.Load())
	}
	t.Logf("%d served, %d failed, %d swaps, %d instances thrown away", served.Load(), failed.Load(), g.Reloads, f.Discarded)
}
