package proxy

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/cache"
)

func (f *fixture) asked(t *testing.T, target, accept string) Answer {
	t.Helper()
	r := &Request{Host: "example.com", Target: path(target)}
	r.Client.Accept = accept
	answer, err := f.Serve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func field(e *cache.Entry, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func (f *fixture) refilled(n uint64) {
	for f.Cache.Stats().Refills < n {
		runtime.Gosched()
	}
}

func TestDearAVIF(t *testing.T) {
	const both = "image/avif,image/webp"
	for _, tt := range []struct {
		name, accept string
		mode         AVIF
		patience     time.Duration
		first, then  string
	}{
		{"another format stands in for it", both, AVIFBackground, 1, "image/webp", "image/avif"},
		{"one that the client can show", "image/avif", AVIFBackground, 1, "image/jpeg", "image/avif"},
		{"a cheap one is waited for", both, AVIFBackground, time.Hour, "image/avif", "image/avif"},
		{"it is waited for", both, AVIFWait, 1, "image/avif", "image/avif"},
		{"none is made", both, AVIFOff, 1, "image/webp", "image/webp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.AVIF, o.AVIFPatience = tt.mode, tt.patience })
			f.add("cat", picture(80, 60))
			first := f.asked(t, "cat/w=40", tt.accept)
			if first.Entry.Type != tt.first {
				t.Fatalf("first %s", first.Entry.Type)
			}
			if tt.first != tt.then {
				if !strings.Contains(field(first.Entry, "warning"), "stands in") || field(first.Entry, "Cache-Control") != "public, max-age=10, stale-while-revalidate=0" {
					t.Errorf("%+v", first.Entry.Fields)
				}
				f.refilled(1)
			}
			then := f.asked(t, "cat/w=40", tt.accept)
			if then.Entry.Type != tt.then || then.Outcome != cache.Hit || then.Entry.Fresh != 24*time.Hour || field(then.Entry, "warning") != "" {
				t.Errorf("then %s, %v, fresh for %v, %+v", then.Entry.Type, then.Outcome, then.Entry.Fresh, then.Entry.Fields)
			}
			if tt.first != tt.then && then.Entry.ETag == first.Entry.ETag {
				t.Error("two formats share an ETag")
			}
		})
	}
}

func TestWhatIsAskedForOftenIsMadeSmaller(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Reencode = ReencodeBackground })
	f.add("cat", picture(400, 300))
	first := f.asked(t, "cat/w=300", "image/webp").Entry
	for f.Cache.Stats().Refills == 0 {
		f.asked(t, "cat/w=300", "image/webp")
	}
	again := f.asked(t, "cat/w=300", "image/webp").Entry
	if len(again.Body) >= len(first.Body) || again.Type != first.Type || again.ETag == first.ETag {
		t.Errorf("%d bytes %s after %d bytes %s", len(again.Body), again.ETag, len(first.Body), first.ETag)
	}
	for range 1000 {
		f.asked(t, "cat/w=300", "image/webp")
	}
	if n := f.Cache.Stats().Refills; n != 1 {
		t.Errorf("made smaller %d times", n)
	}
}

func TestLaterOptions(t *testing.T) {
	for _, change := range []func(*Options){
		func(o *Options) { o.AVIF = "never" },
		func(o *Options) { o.Reencode = "always" },
		func(o *Options) { o.AVIFPatience = -1 },
	} {
		f := newFixture(t)
		o := f.Options
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("no complaint about %+v", o)
		}
	}
}
