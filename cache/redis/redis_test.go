package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/cache/cachetest"
	"github.com/fovea-images/fovea/cache/memory"
	"github.com/fovea-images/fovea/cache/redis/redistest"
)

// node is a cache in memory over what is shared.
type node struct {
	*cache.Cache
	shared *Shared
	fills  atomic.Int64
}

// join makes a node whose own clock is wrong by skew.
func join(t *testing.T, s *redistest.Server, o Options, skew time.Duration) *node {
	t.Helper()
	o.URL, o.Timeout = s.URL, max(o.Timeout, 2*time.Second)
	if o.Prefix == "" { // another test's server may get the port of one that restarts
		o.Prefix = t.Name() + ":"
	}
	n := &node{}
	var heard atomic.Pointer[cache.Cache]
	o.Heard = func(all []cache.Purge) { heard.Load().Heard(all) }
	var err error
	if n.shared, err = Open(o); err != nil {
		t.Fatal(err)
	}
	fast, err := memory.New(memory.MinBytes)
	if err != nil {
		t.Fatal(err)
	}
	n.Cache, err = cache.New(cache.Options{
		Tier: fast, Slower: []cache.Tier{n.shared}, Fleet: n.shared,
		Now: func() time.Time { return time.Now().Add(skew) },
	})
	if err != nil {
		t.Fatal(err)
	}
	heard.Store(n.Cache)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.shared.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) ready(t *testing.T) *node {
	t.Helper()
	redistest.Until(t, "the node vouches", n.shared.Vouched)
	return n
}

// job fills key with the number of the fill in the whole fleet.
type job struct {
	n     *node
	count *atomic.Int64
	hold  chan struct{} // closed: the fill may end; nil: at once
	began chan struct{} // is sent to when a fill begins; nil: nobody looks
	fresh time.Duration
}

func (j *job) Tags() []string { return []string{"image:a", "odd \"tag\n"} }

func (j *job) Fill(ctx context.Context) (cache.Entry, error) {
	j.n.fills.Add(1)
	number := j.count.Add(1)
	if j.began != nil {
		j.began <- struct{}{}
	}
	if j.hold != nil {
		select {
		case <-j.hold:
		case <-ctx.Done():
			return cache.Entry{}, ctx.Err()
		}
	}
	return cache.Entry{Body: strconv.AppendInt(nil, number, 10), Tags: j.Tags(), Fresh: j.fresh}, nil
}

func (n *node) get(t *testing.T, count *atomic.Int64) string {
	t.Helper()
	e, outcome, err := n.Get(t.Context(), "key", &job{n: n, count: count, fresh: time.Hour})
	if err != nil {
		t.Fatalf("%v: %v", outcome, err)
	}
	return string(e.Body)
}

// number is which fill of all it got.
func (n *node) number(t *testing.T, count *atomic.Int64) int64 {
	t.Helper()
	number, err := strconv.ParseInt(n.get(t, count), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func TestTier(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	prefix := 0
	cachetest.Tier(t, func(t *testing.T) cache.Tier {
		prefix++
		shared, err := Open(Options{URL: s.URL, Prefix: fmt.Sprint(prefix, ":"), Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = shared.Close() })
		return shared
	})
}

func TestOneNodeFillsForAll(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	hold, began := make(chan struct{}), make(chan struct{}, 3)
	nodes := []*node{join(t, s, Options{}, 0), join(t, s, Options{}, 5*time.Minute), join(t, s, Options{}, -5*time.Minute)}
	var all sync.WaitGroup
	for _, n := range nodes {
		n.ready(t)
		all.Go(func() {
			e, _, err := n.Get(t.Context(), "key", &job{n: n, count: &count, hold: hold, began: began, fresh: time.Hour})
			if err != nil || string(e.Body) != "1" {
				t.Errorf("got %v, error %v", e, err)
			}
		})
	}
	<-began
	close(hold)
	all.Wait()
	if count.Load() != 1 {
		t.Errorf("filled %d times", count.Load())
	}
}

func TestAPurgeReachesEveryNodeWhateverItsClock(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint("strict=", strict), func(t *testing.T) {
			var count atomic.Int64
			o := Options{Strict: strict, Prefix: fmt.Sprint(strict, ":")}
			nodes := []*node{join(t, s, o, 0).ready(t), join(t, s, o, 10*time.Minute).ready(t), join(t, s, o, -10*time.Minute).ready(t)}
			// A strict node on a busy machine may lose touch for a second, and fills anew.
			filled := func() int64 { return count.Load() }
			for round := range 6 {
				for i, n := range nodes {
					if got := n.get(t, &count); !strict && got != fmt.Sprint(round+1) {
						t.Fatalf("round %d, node %d: got %s", round, i, got)
					}
				}
				by, before := nodes[round%len(nodes)], filled()
				switch round % 3 {
				case 0:
					by.Purge("odd \"tag\n")
				case 1:
					by.PurgePrefix("odd \"")
				case 2:
					by.PurgeAll()
				}
				if got := by.number(t, &count); got <= before {
					t.Fatalf("round %d: the node that purged got %d of %d", round, got, before)
				}
				for i, n := range nodes {
					redistest.Until(t, "the purge has reached the node", func() bool { return n.number(t, &count) > before })
					if got := filled(); !strict && got != int64(round+2) {
						t.Fatalf("round %d, node %d: filled %d times", round, i, got)
					}
				}
			}
		})
	}
}

func TestANewNodeKnowsWhatWasPurgedBeforeItCame(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	first := join(t, s, Options{}, 0).ready(t)
	if got := first.get(t, &count); got != "1" {
		t.Fatal(got)
	}
	if got := join(t, s, Options{}, time.Hour).ready(t).get(t, &count); got != "1" {
		t.Errorf("what the first node has made is not found: got %s", got)
	}
	first.Purge("image:a") // the entry is still in Redis
	if got := join(t, s, Options{}, time.Hour).ready(t).get(t, &count); got != "2" {
		t.Errorf("after the purge got %s", got)
	}
}

func TestAFillThatBeganBeforeAPurgeElsewhereIsNotServed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	slow, other := join(t, s, Options{}, 0).ready(t), join(t, s, Options{}, 0).ready(t)
	hold, began := make(chan struct{}), make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _, _ = slow.Get(t.Context(), "key", &job{n: slow, count: &count, hold: hold, began: began, fresh: time.Hour})
	}()
	<-began
	other.Purge("image:a")
	close(hold)
	<-done
	redistest.Until(t, "the first fill is not served", func() bool { return slow.get(t, &count) == "2" })
	if got := other.get(t, &count); got != "2" {
		t.Errorf("the other node got %s", got)
	}
}

func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, strict := range map[string]bool{"eventual goes on serving": false, "strict serves nothing that it cannot vouch for": true} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			var count atomic.Int64
			n := join(t, s, Options{Strict: strict, Timeout: 100 * time.Millisecond}, 0).ready(t)
			if got := n.get(t, &count); got != "1" {
				t.Fatal(got)
			}
			s.Pause(t)
			if strict {
				redistest.Until(t, "it has noticed", func() bool { return !n.shared.Vouched() })
				if got := n.get(t, &count); got != "2" {
					t.Errorf("got %s", got)
				}
			} else {
				for range 2 * trips {
					if _, _, err := n.Get(t.Context(), rnd(), &job{n: n, count: &count, fresh: time.Hour}); err != nil {
						t.Fatal(err)
					}
				}
				if got := n.get(t, &count); got != "1" {
					t.Errorf("what is in memory is lost: got %s", got)
				}
			}
			s.Resume(t)
			n.ready(t)
			before := n.get(t, &count)
			if again := n.get(t, &count); again != before {
				t.Errorf("afterwards got %s, then %s", before, again)
			}
		})
	}
}

var keys atomic.Int64

func rnd() string { return fmt.Sprint("key ", keys.Add(1)) }

func TestAPurgeWithoutRedisIsToldLater(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	a, b := join(t, s, Options{}, 0).ready(t), join(t, s, Options{}, 0).ready(t)
	if a.get(t, &count) != "1" || b.get(t, &count) != "1" {
		t.Fatal("the nodes do not share")
	}
	s.Pause(t)
	a.Purge("image:a")
	if a.shared.Pending() != 1 {
		t.Errorf("%d purges are pending", a.shared.Pending())
	}
	e, _, err := a.Get(t.Context(), "key", &job{n: a, count: &count, fresh: time.Hour})
	if err != nil || string(e.Body) == "1" {
		t.Errorf("the node that purged serves %v, error %v", e, err)
	}
	s.Resume(t)
	redistest.Until(t, "the other has heard of it", func() bool { return b.get(t, &count) != "1" && a.shared.Pending() == 0 })
}

func TestRedisLosesItsMemory(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	n := join(t, s, Options{}, 0).ready(t)
	n.Purge("image:b")
	redistest.Until(t, "the purge is heard", func() bool { return n.Purges() >= 2 })
	if got := n.get(t, &count); got != "1" {
		t.Fatal(got)
	}
	s.Restart(t) // purges of others may have been lost with it
	redistest.Until(t, "what was kept is not trusted", func() bool { return n.get(t, &count) != "1" })
}

func TestADeadNodeHoldsNobodyUpForLong(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	n := join(t, s, Options{}, 0).ready(t)
	dead, err := Open(Options{URL: s.URL, Prefix: t.Name() + ":", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	mine, _, err := dead.acquire(t.Context(), dead.Prefix+"turn:"+digest("key")) // and never heard of again
	if err != nil || !mine {
		t.Fatal(mine, err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got := n.get(t, &count); got != "1" {
		t.Error(got)
	}
	if took := time.Since(began); took < lease/2 {
		t.Errorf("the lease was not waited for: %v", took)
	}
}

func TestWhatCannotBeKeptIsFilledByAllAtOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	began := make(chan struct{}, 3)
	hold := make(chan struct{})
	nodes := []*node{join(t, s, Options{}, 0).ready(t), join(t, s, Options{}, 0).ready(t), join(t, s, Options{}, 0).ready(t)}
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			if _, _, err := n.Get(t.Context(), "key", &job{n: n, count: &count, hold: hold, began: began}); err != nil {
				t.Error(err)
			}
		})
	}
	<-began
	hold <- struct{}{} // the first ends, and is not to be had
	<-began            // the two others are under way together
	<-began
	close(hold)
	all.Wait()
}

func TestAPoisonedEntryIsAMiss(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	n := join(t, s, Options{}, 0).ready(t)
	for name, frame := range map[string][]byte{
		"garbage":     []byte("garbage"),
		"another key": (&cache.Entry{Body: []byte("other"), Fresh: time.Hour, Filled: time.Now()}).AppendFrame(nil, "other"),
	} {
		if err := n.shared.client.Set(t.Context(), n.shared.entryKey(name), frame, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		if e, ok := n.shared.Get(t.Context(), name); ok {
			t.Errorf("%s: got %s", name, e.Body)
		}
	}
}

func TestOpenComplainsWithoutThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://user:geheim@host", "redis://user:geheim@host:port"} {
		if _, err := Open(Options{URL: url}); err == nil {
			t.Errorf("%q: no complaint", url)
		} else if text := err.Error(); strings.Contains(text, "geheim") {
			t.Errorf("%q: %s", url, text)
		}
	}
}

// A server that evicts may evict the purges, and keep what was purged.
func TestRedisLosesThePurgesAlone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	first := join(t, s, Options{}, 0).ready(t)
	for name, purge := range map[string]func(){
		"then a node comes":  func() {},
		"then another purge": func() { first.Purge("image:b") },
	} {
		made := first.get(t, &count)
		first.Purge("image:a") // the entry is still in Redis
		if err := first.shared.client.Del(t.Context(), first.shared.purgesKey()).Err(); err != nil {
			t.Fatal(err)
		}
		purge()
		if got := join(t, s, Options{}, 0).ready(t).get(t, &count); got == made {
			t.Errorf("%s: got %s, which was purged", name, got)
		}
	}
}

// A replica that takes over may lack what was heard last, and its clock be behind: what
// is purged from then on has a number that was passed already.
func TestAReplicaTakesOverWithLessAndAnEarlierClock(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var count atomic.Int64
	n := join(t, s, Options{}, 0).ready(t)
	n.Purge("image:b")
	if got := n.get(t, &count); got != "1" {
		t.Fatal(got)
	}
	redistest.Until(t, "the purge is heard", func() bool { return n.Purges() >= 3 })
	client := n.shared.client
	for _, command := range [][]any{
		{"DEL", n.shared.purgesKey()},
		{"XADD", n.shared.purgesKey(), "5-1", "stamp", "5000", "tags", `"image:c"`},
		{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"},
	} {
		if err := client.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Until(t, "what was kept is not trusted", func() bool { return n.get(t, &count) != "1" })
}
