package cache

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// exact is a tier that keeps everything at once, or nothing.
type exact struct {
	mu      sync.Mutex
	entries map[string]*Entry
	refuse  bool
	missed  func() // called once, after a Get that finds nothing
	asked   int
}

func (x *exact) Get(_ context.Context, key string) (*Entry, bool) {
	x.mu.Lock()
	x.asked++
	e, ok := x.entries[key]
	missed := x.missed
	if !ok {
		x.missed = nil
	}
	x.mu.Unlock()
	if !ok && missed != nil {
		missed()
	}
	return e, ok
}

func (x *exact) Set(_ context.Context, key string, e *Entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.refuse {
		x.entries[key] = e
	}
}

func (x *exact) Stats() TierStats { return TierStats{} }
func (x *exact) Close() error     { return nil }

// clock is a time that only tests move.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time        { return time.Unix(1_800_000_000, c.nanos.Load()) }
func (c *clock) move(by time.Duration) { c.nanos.Add(int64(by)) }

type job struct {
	tags []string
	fill func(ctx context.Context) (Entry, error)
}

func (j job) Tags() []string                          { return j.tags }
func (j job) Fill(ctx context.Context) (Entry, error) { return j.fill(ctx) }

// text is a job that answers s and counts its fills.
func text(s string, n *atomic.Int64) job {
	return job{[]string{"t"}, func(context.Context) (Entry, error) {
		n.Add(1)
		return Entry{Body: []byte(s), Tags: []string{"t"}, Fresh: time.Minute, Stale: time.Minute, Grace: time.Minute}, nil
	}}
}

func failing(err error) job {
	return job{[]string{"t"}, func(context.Context) (Entry, error) { return Entry{}, err }}
}

type fixture struct {
	*Cache
	*clock
	tier *exact
	t    *testing.T
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{clock: &clock{}, tier: &exact{entries: map[string]*Entry{}}, t: t}
	c, err := New(Options{Tier: f.tier, Now: f.now})
	if err != nil {
		t.Fatal(err)
	}
	f.Cache = c
	t.Cleanup(func() { _ = c.Close() })
	return f
}

// want gets "k" by j and compares what comes; body "" wants an error or a fault.
func (f *fixture) want(j Job, body string, outcome Outcome) {
	f.t.Helper()
	at, hit := f.Look(f.t.Context(), "k", f.now())
	e, o, err := f.Get(f.t.Context(), "k", j)
	if hit != (o == Hit) || hit && at != e {
		f.t.Fatalf("Look got %v, %v where Get got %v", at, hit, o)
	}
	got := ""
	if err == nil && e.Fault == nil {
		got = string(e.Body)
	}
	if got != body || o != outcome {
		f.t.Fatalf("got %q %v (%v), want %q %v", got, o, err, body, outcome)
	}
}

// landed waits for the flights under way.
func (f *fixture) waitForFlights() { f.running.Wait() }

// A tier that keeps what is asked for most must not be told of misses twice as loudly.
func TestTheFirstTierIsAskedOnce(t *testing.T) {
	f := newFixture(t)
	var n atomic.Int64
	for _, want := range []int{2, 1} { // a fill looks once more before it begins
		f.tier.asked = 0
		entry, hit := f.Look(t.Context(), "k", f.now())
		if !hit {
			if _, _, err := f.Rest(t.Context(), "k", entry, text("a", &n)); err != nil {
				t.Fatal(err)
			}
			f.waitForFlights()
		}
		if f.tier.asked != want {
			t.Errorf("asked %d times, want %d", f.tier.asked, want)
		}
	}
}

func TestGet(t *testing.T) {
	var n atomic.Int64
	broken := fault.New(fault.OriginBroken, "broken")
	gone := fault.New(fault.NotFound, "gone")
	for _, tt := range []struct {
		name string
		do   func(f *fixture)
	}{
		{"a miss fills, then hits", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.want(text("b", &n), "a", Hit)
		}},
		{"stale serves at once and refills once", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.move(time.Minute)
			f.want(text("b", &n), "a", Stale)
			f.waitForFlights()
			f.want(text("c", &n), "b", Hit)
		}},
		{"a failed refill leaves the stale one", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.move(90 * time.Second)
			f.want(failing(broken), "a", Stale)
			f.waitForFlights()
			f.want(text("b", &n), "a", Stale)
		}},
		{"within its grace the old one covers a failure", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.move(150 * time.Second)
			f.want(failing(broken), "a", StaleError)
			f.want(text("b", &n), "b", Miss)
		}},
		{"but not the news that it is gone", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.move(150 * time.Second)
			f.want(failing(gone), "", Miss)
			f.want(text("b", &n), "", Negative)
		}},
		{"nor a refusal", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.move(150 * time.Second)
			f.want(failing(fault.New(fault.Denied, "no")), "", Failed)
		}},
		{"after its grace it is gone", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.move(3 * time.Minute)
			f.want(failing(broken), "", Failed)
		}},
		{"a negative answer is kept for a minute", func(f *fixture) {
			f.want(failing(gone), "", Miss)
			f.move(59 * time.Second)
			f.want(text("a", &n), "", Negative)
			f.move(time.Second)
			f.want(text("a", &n), "a", Miss)
		}},
		{"other failures are not kept", func(f *fixture) {
			f.want(failing(broken), "", Failed)
			f.want(text("a", &n), "a", Miss)
		}},
		{"a panic is an error for those who wait", func(f *fixture) {
			f.want(job{nil, func(context.Context) (Entry, error) { panic("bad picture") }}, "", Failed)
			f.want(text("a", &n), "a", Miss)
		}},
		{"what may not be kept is handed over", func(f *fixture) {
			once := job{nil, func(context.Context) (Entry, error) { return Entry{Body: []byte("x")}, nil }}
			f.want(once, "x", Bypass)
			f.want(once, "x", Bypass)
		}},
		{"a tier that refuses costs nobody an answer", func(f *fixture) {
			f.tier.refuse = true
			f.want(text("a", &n), "a", Miss)
			f.want(text("b", &n), "b", Miss)
		}},
		{"a purge kills by tag", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.Purge("other")
			f.want(text("b", &n), "a", Hit)
			f.Purge("x", "t")
			f.want(text("b", &n), "b", Miss)
			f.want(text("c", &n), "b", Hit)
		}},
		{"a purge kills negative entries too", func(f *fixture) {
			f.want(failing(gone), "", Miss)
			f.Purge("t")
			f.want(text("a", &n), "a", Miss)
		}},
		{"purging everything kills everything", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.PurgeAll()
			f.want(text("b", &n), "b", Miss)
			f.want(text("c", &n), "b", Hit)
		}},
		{"a purge by prefix kills what begins with it, and nothing else", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.PurgePrefix("tt")
			f.PurgePrefix("x")
			f.want(text("b", &n), "a", Hit)
			f.PurgePrefix("t")
			f.want(text("b", &n), "b", Miss)
			f.want(text("c", &n), "b", Hit)
		}},
		{"the empty prefix is all", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.PurgePrefix("")
			f.want(text("b", &n), "b", Miss)
		}},
		{"an entry from the future is not trusted", func(f *fixture) {
			f.want(text("a", &n), "a", Miss)
			f.move(-time.Hour)
			f.want(text("b", &n), "b", Miss)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.do(newFixture(t)) })
	}
}

// gate is a job that waits until it is opened.
func gate(body string, tags ...string) (j job, began chan struct{}, open chan struct{}) {
	began, open = make(chan struct{}), make(chan struct{})
	return job{tags, func(ctx context.Context) (Entry, error) {
		close(began)
		select {
		case <-open:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
		return Entry{Body: []byte(body), Tags: tags, Fresh: time.Minute}, nil
	}}, began, open
}

func TestAPurgeMeetsAFillInFlight(t *testing.T) {
	f := newFixture(t)
	old, began, open := gate("old", "t")
	before := make(chan string)
	go func() {
		e, _, err := f.Get(context.Background(), "k", old)
		if err != nil {
			before <- err.Error()
			return
		}
		before <- string(e.Body)
	}()
	<-began
	f.Purge("t")
	var n atomic.Int64
	f.want(text("new", &n), "new", Miss) // does not join what began before the purge
	close(open)
	if got := <-before; got != "old" {
		t.Errorf("who asked before the purge got %q", got)
	}
	f.waitForFlights()
	f.want(text("newer", &n), "new", Hit) // and the old one did not take its place
}

func TestACallerWhoLeavesDoesNotStopTheFill(t *testing.T) {
	f := newFixture(t)
	j, began, open := gate("a")
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, _, err := f.Get(ctx, "k", j)
		left <- err
	}()
	<-began
	leave()
	if err := <-left; !fault.Is(err, fault.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(open)
	f.waitForFlights()
	f.want(nil, "a", Hit)
}

func TestCloseEndsTheFills(t *testing.T) {
	f := newFixture(t)
	j, began, _ := gate("a")
	done := make(chan error)
	go func() {
		_, _, err := f.Get(context.Background(), "k", j)
		done <- err
	}()
	<-began
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !fault.Is(err, fault.Canceled) {
		t.Errorf("the waiter got %v", err)
	}
	if _, _, err := f.Get(t.Context(), "other", j); !fault.Is(err, fault.Canceled) {
		t.Errorf("a closed cache answers %v", err)
	}
}

func TestAFlightThatLandsBetweenMissAndBoardingIsNotFlownAgain(t *testing.T) {
	f := newFixture(t)
	var n atomic.Int64
	f.tier.missed = func() {
		if _, _, err := f.Get(t.Context(), "k", text("a", &n)); err != nil {
			t.Error(err)
		}
		f.waitForFlights()
	}
	e, _, err := f.Get(t.Context(), "k", text("b", &n))
	if err != nil || string(e.Body) != "a" || n.Load() != 1 {
		t.Errorf("%s after %d fills, %v", e.Body, n.Load(), err)
	}
}

func TestOneFillForAThousand(t *testing.T) {
	f := newFixture(t)
	f.tier.refuse = true // the flight itself must serve them all
	j, _, open := gate("a")
	var ready, all sync.WaitGroup
	var outcomes [Revalidated + 1]atomic.Int64
	for range 1000 {
		ready.Add(1)
		all.Go(func() {
			ready.Done()
			e, o, err := f.Get(context.Background(), "k", j)
			if err != nil || string(e.Body) != "a" {
				t.Errorf("%v %v", e, err)
			}
			outcomes[o].Add(1)
		})
	}
	ready.Wait()
	for f.Stats().Joins < 999 { // all but the first have joined
		select {
		case <-t.Context().Done():
			t.Fatal("too late")
		default:
		}
	}
	close(open)
	all.Wait()
	if f.Stats().Fills != 1 || outcomes[Miss].Load() != 1 || outcomes[Coalesced].Load() != 999 {
		t.Errorf("%+v", f.Stats())
	}
}

// Whoever asks after Purge returned never sees what was begun before it.
func TestHammer(t *testing.T) {
	f := newFixture(t)
	var version atomic.Int64
	j := job{[]string{"t"}, func(context.Context) (Entry, error) {
		v := version.Load()
		return Entry{Body: fmt.Append(nil, v), Tags: []string{"t"}, Fresh: time.Microsecond, Stale: time.Hour}, nil
	}}
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 2000 {
				if w == 0 && i%4 == 0 {
					version.Add(1)
					if i%8 == 0 {
						f.Purge("t", fmt.Sprint("other", i))
					} else {
						f.PurgePrefix("t")
					}
					f.move(time.Microsecond)
				}
				floor := version.Load()
				if w == 0 {
					e, _, err := f.Get(context.Background(), fmt.Sprint(i%3), j)
					var got int64
					if err == nil {
						_, err = fmt.Sscan(string(e.Body), &got)
					}
					if err != nil || got < floor {
						t.Errorf("version %d after purge %d: %v", got, floor, err)
						return
					}
					continue
				}
				if _, _, err := f.Get(context.Background(), fmt.Sprint(i%3), j); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestThePurgeTableIsBounded(t *testing.T) {
	var p purges
	for i := range int64(2 * maxTags / 100) {
		tags := make([]string, 100)
		for k := range tags {
			tags[k] = fmt.Sprint(i, " ", k)
		}
		p.add(i+1, time.Hour, tags)
	}
	table := p.table.Load()
	if n := len(table.old) + len(table.recent); n > maxTags+maxRecent {
		t.Errorf("%d tags are remembered", n)
	}
	for i := range int64(2 * maxTags / 100) {
		if !p.dead(i+1, []string{fmt.Sprint(i, " 7")}) {
			t.Fatalf("an entry filled at %d came back to life", i+1)
		}
	}
	if p.dead(1<<40, []string{"0 7"}) {
		t.Error("an entry filled after all purges is dead")
	}
}

func TestThePurgedPrefixesAreBounded(t *testing.T) {
	var p purges
	const many = 10 * maxPrefixes
	for i := range int64(many) {
		p.addPrefix(i+1, time.Hour, fmt.Sprintf("image:h/%04d/", i))
		p.add(many+i, time.Hour, []string{"other"}) // what comes between keeps them
	}
	if n := len(p.table.Load().prefixes); n > maxPrefixes {
		t.Errorf("%d prefixes are remembered", n)
	}
	for i := range int64(many) {
		if !p.dead(i+1, []string{"account:h", fmt.Sprintf("image:h/%04d/x", i)}) {
			t.Fatalf("an entry filled at %d came back to life", i+1)
		}
	}
	if p.dead(many, []string{"image:h/0000/x"}) {
		t.Error("a later entry died of an earlier purge")
	}
	p.addPrefix(3*many, time.Hour, "image:h/")
	if n := len(p.table.Load().prefixes); n != 1 {
		t.Errorf("%d prefixes are remembered, and one covers all", n)
	}
	p.addPrefix(3*many+2*int64(time.Hour), time.Hour, "source:")
	if n := len(p.table.Load().prefixes); n != 1 {
		t.Errorf("%d prefixes are remembered, and one is older than any entry", n)
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	var n atomic.Int64
	var j Job = text("a", &n)
	f.want(j, "a", Miss)
	f.Purge("other")
	f.PurgePrefix("others")
	f.move(time.Second)
	ctx := t.Context()
	if got := testing.AllocsPerRun(100, func() {
		if _, o, err := f.Get(ctx, "k", j); err != nil || o != Hit {
			t.Fatal(o, err)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{}, {Tier: &exact{}, FillTimeout: -1}, {Tier: &exact{}, NegativeTTL: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestEveryOutcomeHasAWordAndAStatus(t *testing.T) {
	seen := map[string]bool{}
	for o := range Outcome(len(outcomes)) {
		if o.String() == "" || seen[o.String()] || len(o.AppendStatus(nil, time.Minute)) == 0 {
			t.Errorf("outcome %d: %q %q", o, o, o.AppendStatus(nil, time.Minute))
		}
		seen[o.String()] = true
	}
	if string(Hit.AppendStatus(nil, 90*time.Second)) != "hit; ttl=90" || Outcome(99).String() != "failed" {
		t.Error("wrong words")
	}
}
