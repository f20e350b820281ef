package engine

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// fake is a PNG codec of grey pictures without any bytes behind them.
type fake struct {
	info   Info
	panics bool
	drawn  *Picture
}

func (f *fake) Media() params.Media        { return params.PNG }
func (f *fake) Probe([]byte) (Info, error) { return f.info, nil }
func (f *fake) Pace() time.Duration        { return time.Second }
func (f *fake) Shrinks() bool              { return false }
func (f *fake) Decode(context.Context, []byte, DecodeOptions) (*Picture, error) {
	if f.panics {
		panic("broken")
	}
	return &Picture{Frames: []Frame{{Image: pixel.New(pixel.Gray, f.info.Size.W, f.info.Size.H)}}}, nil
}
func (f *fake) Encode(_ context.Context, p *Picture, _ EncodeOptions) ([]byte, error) {
	f.drawn = p
	return []byte("made"), nil
}

var png = []byte("\x89PNG\r\n\x1a\n")

func TestProbeLimits(t *testing.T) {
	tests := []struct {
		name   string
		w, h   int
		frames int
		want   fault.Kind
		ok     bool
	}{
		{"a usual picture passes", 4000, 3000, 1, 0, true},
		{"no pixels are broken", 0, 9, 1, fault.DecodeFailed, false},
		{"a long side is too large", 12_001, 1, 1, fault.TooLarge, false},
		{"huge numbers are too large", 1 << 40, 1 << 40, 1 << 40, fault.TooLarge, false},
		{"101 MP are too large", 10_100, 10_000, 1, fault.TooLarge, false},
		{"frames of 101 MP are too large", 1000, 1000, 101, fault.TooLarge, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, err := New(Options{Codecs: []Codec{&fake{info: Info{Size: params.Size{W: test.w, H: test.h}, Frames: test.frames}}}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Probe(png)
			if test.ok != (err == nil) || err != nil && !fault.Is(err, test.want) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestTransform(t *testing.T) {
	tests := []struct {
		name    string
		options params.Options
		panics  bool
		size    params.Size
		kind    fault.Kind
	}{
		{"covers the box", params.Options{Width: 20, Height: 20, Fit: params.Cover}, false, params.Size{W: 20, H: 20}, 0},
		{"pads to the box", params.Options{Width: 20, Height: 20, Fit: params.Pad}, false, params.Size{W: 20, H: 20}, 0},
		{"turns before it scales", params.Options{Width: 20, Rotate: 90}, false, params.Size{W: 20, H: 27}, 0},
		{"refuses to segment", params.Options{Segment: true}, false, params.Size{}, fault.BadOptions},
		{"survives a panic", params.Options{Width: 20}, true, params.Size{}, fault.DecodeFailed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			codec := &fake{info: Info{Size: params.Size{W: 40, H: 30}, Frames: 1}, panics: test.panics}
			e, err := New(Options{Codecs: []Codec{codec}})
			if err != nil {
				t.Fatal(err)
			}
			info, err := e.Probe(png)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Transform(t.Context(), png, info, Plan{Options: test.options, Media: params.PNG})
			if test.kind != 0 {
				if !fault.Is(err, test.kind) {
					t.Fatalf("got %v, want %v", err, test.kind)
				}
				return
			}
			if err != nil || got.Size != test.size || e.Stats().Decodes != 1 {
				t.Fatalf("got %v, %v after %d decodes", got.Size, err, e.Stats().Decodes)
			}
		})
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1, 1, 100, time.Second)
		if err := b.enter(t.Context(), 1, usual); err != nil {
			t.Fatal(err)
		}
		late := make(chan error)
		go func() { late <- b.enter(t.Context(), 1, usual) }()
		synctest.Wait()
		if err := b.enter(t.Context(), 1, usual); !fault.Is(err, fault.Overloaded) {
			t.Fatalf("beyond the queue: %v", err)
		}
		if err := <-late; !fault.Is(err, fault.Overloaded) {
			t.Fatalf("beyond the deadline: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { late <- b.enter(ctx, 1, usual) }()
		synctest.Wait()
		cancel()
		if err := <-late; !fault.Is(err, fault.Canceled) {
			t.Fatalf("cancelled: %v", err)
		}
		go func() { late <- b.enter(t.Context(), 1, usual) }()
		synctest.Wait()
		b.leave(1)
		if err := <-late; err != nil {
			t.Fatalf("after a leave: %v", err)
		}
	})
}

// Once a queue has stood, those who are on the way count, for half.
func TestBudgetCountsWhoComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1, 4, 100, time.Hour)
		expects := func(when string, all ...bool) {
			t.Helper()
			for i, want := range all {
				if err := b.expect(0); (err == nil) != want {
					t.Errorf("%s: source %d: %v", when, i, err)
				}
			}
		}
		for range 1 + 2 {
			go func() { _ = b.enter(t.Context(), 1, usual) }()
			synctest.Wait()
		}
		expects("a queue of a moment", true, true, true, true, true, true)
		for range 6 {
			b.arrived()
		}
		<-time.After(burst)
		expects("one that has stood", true, true, true, true, false)
		b.arrived()
		b.arrived()
		expects("after two have come", true, true, false)
		b.leave(1)
		b.leave(1)
		expects("an empty one", true, true, true)
		if b.expect(burst) != nil {
			t.Error("a slow source, and nobody waits for a worker")
		}
		for range 8 {
			b.arrived()
		}
		go func() { _ = b.enter(t.Context(), 1, usual) }()
		synctest.Wait()
		<-time.After(burst)
		if b.expect(burst-1) != nil || b.expect(burst) == nil {
			t.Error("who has waited for longer than a burst beside workers who do not keep up is turned away")
		}
		b.leave(1)
		b.leave(1)
	})
}

// offered is n who come at once to b again and again, every so often and for so long, each of
// whom is on the way for as long as fetch says and then for 20 ms with a worker. served is how
// many were, by the second in which they came, and longest what one of them has waited for.
type offered struct {
	n           int
	every, long time.Duration
	places      int // for those who are on the way or here
	fetch       func(i int) time.Duration
}

const service = 20 * time.Millisecond

func (o offered) to(t *testing.T, b *budget) (served []int, longest []time.Duration) {
	places := make(chan struct{}, o.places)
	begun := time.Now()
	var mu sync.Mutex
	served, longest = make([]int, o.long/time.Second), make([]time.Duration, o.long/time.Second)
	makes := func(i int, came time.Duration) {
		begun := time.Now()
		places <- struct{}{}
		defer func() { <-places }()
		if b.expect(time.Since(begun)) != nil {
			return
		}
		<-time.After(o.fetch(i))
		b.arrived()
		if b.enter(t.Context(), 1, usual) != nil {
			return // it was on its way when the limit sank
		}
		waited := time.Since(begun) - o.fetch(i)
		<-time.After(service)
		b.leave(1)
		mu.Lock()
		defer mu.Unlock()
		second := came / time.Second
		served[second], longest[second] = served[second]+1, max(longest[second], waited)
	}
	var all sync.WaitGroup
	i := 0
	for came := time.Duration(0); came < o.long; came += o.every {
		<-time.After(time.Until(begun.Add(came)))
		for range o.n {
			i++
			if at := i; b.offer() == nil {
				all.Go(func() { makes(at, came) })
			}
		}
	}
	all.Wait()
	return served, longest
}

// Far more come than can be served: once it lasts, who is let in waits for a few others at
// most, and the workers are busy. So it is where fewer may be on the way than the queue has
// room for, and where some sources take so long that they could hold up all the others.
func TestBudgetInAFlood(t *testing.T) {
	takes := func(fetch time.Duration) func(int) time.Duration {
		return func(int) time.Duration { return fetch }
	}
	one := func(n int) func(int) time.Duration {
		return func(i int) time.Duration {
			if i%n == 0 {
				return 10 * time.Second
			}
			return 30 * time.Millisecond
		}
	}
	for _, tt := range []struct {
		name            string
		workers, places int
		times           time.Duration // as many as can be served
		fetch           func(int) time.Duration
		wait            time.Duration
	}{
		{"sources are there", 2, 1000, 10, takes(0), 2 * service},
		{"sources are near", 2, 1000, 10, takes(5 * time.Millisecond), 2 * service},
		{"sources are far", 2, 1000, 10, takes(50 * time.Millisecond), 4 * service},
		{"sources are slow", 2, 1000, 10, takes(300 * time.Millisecond), 20 * service},
		{"few may be on the way, which is short", 2, 16, 10, takes(5 * time.Millisecond), 2 * service},
		{"few may be on the way, which is long", 2, 16, 10, takes(50 * time.Millisecond), 4 * service},
		{"one worker", 1, 1000, 10, takes(5 * time.Millisecond), 3 * service},
		{"many workers", 16, 1000, 10, takes(5 * time.Millisecond), 2 * service},
		{"one source in fifty does not come", 2, 1000, 3, one(50), 20 * service},
		{"one source in ten does not come", 2, 1000, 10, one(10), 20 * service},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(tt.workers, 16*tt.workers, 1<<30, time.Hour)
				each := service / time.Duration(tt.workers)
				served, longest := offered{1, each / tt.times, 20 * time.Second, tt.places, tt.fetch}.to(t, b)
				sum, capacity := 0, int(time.Second/each)
				for second := 3; second < len(served); second++ {
					sum += served[second]
					if served[second] < capacity/2 || longest[second] > tt.wait {
						t.Errorf("second %d: %d of %d were served, who waited for up to %v, expected %v at most", second, served[second], capacity, longest[second], tt.wait)
					}
				}
				if all := capacity * (len(served) - 3); sum < all*95/100 {
					t.Errorf("%d of %d were served", sum, all)
				}
			})
		})
	}
}

// Pages of pictures, a fifth of what can be served, are no flood after one.
func TestBudgetAfterAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(2, 32, 1<<30, time.Hour)
		fetch := func(int) time.Duration { return 30 * time.Millisecond }
		offered{1, time.Millisecond, 5 * time.Second, 1000, fetch}.to(t, b)
		served, _ := offered{20, time.Second, 20 * time.Second, 1000, fetch}.to(t, b)
		for second, n := range served[1:] {
			if n != 20 {
				t.Errorf("second %d: %d of 20 were served", second+1, n)
			}
		}
	})
}

// What waits is told by the order in which it is admitted.
func TestBudgetOfBytes(t *testing.T) {
	type ask struct {
		name  string
		bytes int64
		as    rank
	}
	for _, tt := range []struct {
		name    string
		workers int
		asks    []ask // all ask while 60 of 100 bytes are held by one worker
		atOnce  string
		then    string // once those 60 are given back
	}{
		{"what fits runs beside", 3, []ask{{"a", 40, usual}}, "a", ""},
		{"what does not fit waits", 3, []ask{{"a", 41, usual}}, "", "a"},
		{"small ones do not overtake", 3, []ask{{"a", 41, usual}, {"b", 1, usual}}, "", "ab"},
		{"one larger than all there is runs alone", 3, []ask{{"a", 1000, usual}, {"b", 1, usual}}, "", "a"},
		{"low priority takes what is idle", 3, []ask{{"a", 10, idle}}, "a", ""},
		{"low priority waits for all others", 1, []ask{{"a", 1, idle}, {"b", 1, usual}}, "", "b"},
		{"begun work comes first", 1, []ask{{"a", 1, usual}, {"b", 1, begun}}, "", "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				b := newBudget(tt.workers, 10, 100, time.Hour)
				if err := b.enter(ctx, 60, usual); err != nil {
					t.Fatal(err)
				}
				var mu sync.Mutex
				admitted := ""
				for _, a := range tt.asks {
					go func() {
						if b.enter(ctx, a.bytes, a.as) == nil {
							mu.Lock()
							defer mu.Unlock()
							admitted += a.name
						}
					}()
					synctest.Wait()
				}
				if admitted != tt.atOnce {
					t.Errorf("%q ran at once", admitted)
				}
				admitted = ""
				b.leave(60)
				synctest.Wait()
				if admitted != tt.then && (len(tt.then) != 2 || admitted != tt.then[1:]+tt.then[:1]) {
					t.Errorf("then %q ran", admitted)
				}
			})
		})
	}
}

func TestWhatCannotBeGeneratedIsInterpolatedAndSaidSo(t *testing.T) {
	e, err := New(Options{Codecs: []Codec{&fake{info: Info{Size: params.Size{W: 40, H: 30}, Frames: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	info, err := e.Probe(png)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Transform(t.Context(), png, info, Plan{Options: params.Options{Width: 80, Fit: params.Contain, Generate: true}, Media: params.PNG})
	if err != nil || got.Size != (params.Size{W: 80, H: 60}) || len(got.Warnings) != 1 || got.Warnings[0].Option != "upscale" {
		t.Errorf("%v %v, %v", got.Size, got.Warnings, err)
	}
}
