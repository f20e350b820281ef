package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

func atOnce(context.Context, time.Duration) error { return nil }

// reset ends the connection without an answer.
func reset(rw http.ResponseWriter) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func TestWhatFailsInPassingIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fail  func(http.ResponseWriter)
		times int64
		kind  fault.Kind
		asked int64
	}{
		{"a reset", reset, 2, 0, 3},
		{"a bad gateway", func(rw http.ResponseWriter) { rw.WriteHeader(502) }, 1, 0, 2},
		{"resets without end", reset, 99, fault.FetchFailed, 3},
		{"a 500 is meant", func(rw http.ResponseWriter) { rw.WriteHeader(500) }, 99, fault.OriginBroken, 1},
		{"a 404 is meant", func(rw http.ResponseWriter) { rw.WriteHeader(404) }, 99, fault.NotFound, 1},
		{"a 204 is meant", func(rw http.ResponseWriter) { rw.WriteHeader(204) }, 99, fault.FetchFailed, 1},
		{"half a body", func(rw http.ResponseWriter) {
			rw.Header().Set("Content-Length", "9")
			_, _ = rw.Write([]byte("abc"))
		}, 1, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int64
			w, address := web(t, Options{Pause: atOnce}, func(rw http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) <= tt.times {
					tt.fail(rw)
					return
				}
				_, _ = rw.Write([]byte("abc"))
			})
			got, err := w.Get(t.Context(), address)
			if tt.kind != 0 && !fault.Is(err, tt.kind) || tt.kind == 0 && (err != nil || string(got.Body) != "abc") || asked.Load() != tt.asked {
				t.Errorf("%q, %v, asked %d times", got.Body, err, asked.Load())
			}
		})
	}
	t.Run("but not when the time is up", func(t *testing.T) {
		var asked atomic.Int64
		w, address := web(t, Options{Pause: func(context.Context, time.Duration) error { return context.DeadlineExceeded }}, func(rw http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			reset(rw)
		})
		if _, err := w.Get(t.Context(), address); !fault.Is(err, fault.FetchFailed) || asked.Load() != 1 {
			t.Errorf("%v, asked %d times", err, asked.Load())
		}
	})
}

// Who gives up waiting tells nothing of the host, neither that it is broken nor that it
// is well.
func TestAFetchThatWasGivenUpIsNoOutcome(t *testing.T) {
	arrived := make(chan struct{})
	w, address := web(t, Options{Pause: atOnce}, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slow" {
			reset(rw)
			return
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	fails := func(want error) {
		t.Helper()
		if _, err := w.Get(t.Context(), address); err == nil || errors.Is(err, errBroken) != (want != nil) {
			t.Errorf("%v; want %v", err, want)
		}
	}
	for range breakAfter - 1 {
		fails(nil)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	go func() {
		<-arrived
		giveUp()
	}()
	if _, err := w.Get(ctx, strings.TrimSuffix(address, "/")+"/slow"); !fault.Is(err, fault.Canceled) {
		t.Fatal(err)
	}
	fails(nil) // the fifth in a row
	fails(errBroken)
}

func TestABrokenHostIsLeftAloneForAMoment(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var asked atomic.Int64
	var well atomic.Bool
	w, address := web(t, Options{Pause: atOnce, Now: func() time.Time { return now }}, func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case r.URL.Path == "/500":
			rw.WriteHeader(500)
		case well.Load():
			_, _ = rw.Write([]byte("abc"))
		default:
			rw.WriteHeader(503)
		}
	})
	get := func(path string) error {
		_, err := w.Get(t.Context(), address+path)
		return err
	}
	for range 20 { // one URL that is broken is not the host
		if err := get("/500"); !fault.Is(err, fault.OriginBroken) {
			t.Fatal(err)
		}
	}
	for range breakAfter {
		if err := get("/"); !fault.Is(err, fault.OriginBroken) {
			t.Fatal(err)
		}
	}
	before := asked.Load()
	for range 10 {
		if err := get("/"); !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
	}
	if n := asked.Load() - before; n != 0 {
		t.Errorf("asked %d times while it was broken", n)
	}
	now = now.Add(breakFor)
	if err := get("/"); !fault.Is(err, fault.OriginBroken) {
		t.Errorf("the probe: %v", err)
	}
	if err := get("/"); !errors.Is(err, errBroken) {
		t.Errorf("after the probe: %v", err)
	}
	well.Store(true)
	now = now.Add(breakFor)
	for range 3 {
		if err := get("/"); err != nil {
			t.Errorf("when it is well again: %v", err)
		}
	}
	if len(w.hosts.all) != 0 {
		t.Errorf("%d hosts are remembered", len(w.hosts.all))
	}
}

func TestASlowHostCostsTheOthersNothing(t *testing.T) {
	release := make(chan struct{})
	reached := make(chan struct{}, 10)
	w, slow := web(t, Options{PerHost: 2}, func(rw http.ResponseWriter, _ *http.Request) {
		reached <- struct{}{}
		<-release
		_, _ = rw.Write([]byte("abc"))
	})
	_, quick := web(t, Options{}, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("abc")) })
	var all sync.WaitGroup
	var served, crowded atomic.Int64
	var open sync.Once
	for range 2 {
		all.Go(func() {
			if _, err := w.Get(t.Context(), slow); err == nil {
				served.Add(1)
			}
		})
	}
	<-reached
	<-reached
	for range 20 { // two wait, the rest is told to come again
		all.Go(func() {
			switch _, err := w.Get(t.Context(), slow); {
			case err == nil:
				served.Add(1)
			case errors.Is(err, errCrowded):
				crowded.Add(1)
			default:
				t.Error(err)
			}
			if crowded.Load() == 18 {
				open.Do(func() { close(release) })
			}
		})
	}
	if _, err := w.Get(t.Context(), quick); err != nil {
		t.Errorf("another host: %v", err)
	}
	all.Wait()
	if served.Load() != 4 || crowded.Load() != 18 {
		t.Errorf("%d served, %d refused", served.Load(), crowded.Load())
	}
}

func TestKeptSources(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	type answer struct {
		header string
		body   string
	}
	var next answer
	var asked []string
	w, address := web(t, Options{Keep: 100, Now: func() time.Time { return now }}, func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, strings.TrimSpace(r.Header.Get("If-None-Match")+" "+r.Header.Get("If-Modified-Since")))
		for line := range strings.SplitSeq(next.header, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				rw.Header().Set(name, value)
			}
		}
		if next.body == "" {
			rw.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = rw.Write([]byte(next.body))
	})
	get := func(path, want string, fresh time.Duration, questions ...string) {
		t.Helper()
		asked = nil
		got, err := w.Get(t.Context(), address+path)
		if err != nil || string(got.Body) != want || got.Fresh != fresh || strings.Join(asked, "|") != strings.Join(questions, "|") || len(asked) != len(questions) {
			t.Errorf("%s: %q fresh for %v, %v; asked %q", path, got.Body, got.Fresh, err, asked)
		}
	}
	next = answer{"ETag: \"v1\"\nCache-Control: max-age=60", "one"}
	get("/a", "one", time.Minute, "")
	now = now.Add(20 * time.Second)
	get("/a", "one", 40*time.Second)
	now = now.Add(40 * time.Second)
	next = answer{"Cache-Control: max-age=30", ""}
	get("/a", "one", 30*time.Second, `"v1"`)
	get("/a", "one", 30*time.Second)
	now = now.Add(30 * time.Second)
	next = answer{"ETag: \"v2\"", "two"}
	get("/a", "two", 0, `"v1"`)
	next = answer{"", ""}
	get("/a", "two", 0, `"v2"`)
	next = answer{"Last-Modified: Fri, 01 Jan 2027 00:00:00 GMT", "three"}
	get("/b", "three", 0, "")
	next = answer{"", ""}
	get("/b", "three", 0, "Fri, 01 Jan 2027 00:00:00 GMT")
	for header, kept := range map[string]bool{"": false, "Cache-Control: private, max-age=60\nETag: \"v\"": false, "Cache-Control: no-store": false, "ETag: \"v\"": true} {
		next = answer{header, "four"}
		if _, err := w.Get(t.Context(), address+"/c"); err != nil {
			t.Fatal(err)
		}
		if got := has(w, address+"/c"); got != kept {
			t.Errorf("%q: kept %v", header, got)
		}
	}
	next = answer{"ETag: \"v\"", strings.Repeat("x", 25)}
	for _, path := range []string{"/1", "/2", "/3", "/4", "/5"} {
		get(path, next.body, 0, "")
	}
	if w.kept.bytes > 100 || has(w, address+"/1") || !has(w, address+"/5") {
		t.Errorf("%d bytes are kept", w.kept.bytes)
	}
	next.body = strings.Repeat("x", 26)
	get("/large", next.body, 0, "")
	if has(w, address+"/large") {
		t.Error("one source is more than a quarter of all")
	}
}

func has(w *Origin, address string) bool {
	kept, _ := w.kept.get(address)
	return kept != nil
}

func TestAForgottenSourceIsFetchedAnew(t *testing.T) {
	var meanwhile func()
	asked := 0
	w, address := web(t, Options{Keep: 100}, func(rw http.ResponseWriter, _ *http.Request) {
		asked++
		if meanwhile != nil {
			meanwhile()
		}
		rw.Header().Set("Cache-Control", "max-age=60")
		_, _ = rw.Write([]byte("body"))
	})
	get := func(path string, want int) {
		t.Helper()
		if _, err := w.Get(t.Context(), address+path); err != nil || asked != want {
			t.Errorf("%s: asked %d times, want %d (%v)", path, asked, want, err)
		}
	}
	below := func(prefix string) func(string) bool {
		return func(url string) bool { return strings.HasPrefix(url, address+prefix) }
	}
	get("/a/1", 1)
	get("/b", 2)
	w.Forget(below("/a/"))
	get("/b", 2)
	get("/a/1", 3)
	// What is on its way while something is forgotten may be older than that.
	meanwhile = func() { w.Forget(below("/c")) }
	get("/c", 4)
	meanwhile = nil
	get("/c", 5)
	get("/c", 5)
}

// Whoever may name hosts can name as many as he likes that do not answer.
func TestHostsThatFailAreRememberedWithinABound(t *testing.T) {
	now := time.Unix(0, 0)
	h := &hosts{slots: 32, now: func() time.Time { return now }}
	fail := func(name string, times int) {
		for range times {
			leave, err := h.enter(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			leave(failing)
		}
	}
	busy, err := h.enter(t.Context(), "busy")
	if err != nil {
		t.Fatal(err)
	}
	fail("broken", breakAfter)
	for i := range 3 * maxHosts {
		fail(strconv.Itoa(i), 1)
	}
	if n := len(h.all); n > maxHosts {
		t.Errorf("%d hosts are remembered; expected at most %d", n, maxHosts)
	}
	if h.all["busy"] == nil {
		t.Error("one that is asked is forgotten")
	}
	busy(well)
	if _, err := h.enter(t.Context(), "broken"); !errors.Is(err, errBroken) {
		t.Errorf("one that is left alone: %v", err)
	}
	now = now.Add(breakFor)
	if leave, err := h.enter(t.Context(), "broken"); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		leave(well)
	}
}
