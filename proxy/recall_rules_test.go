package proxy

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/wasm"
	"github.com/fovea-images/fovea/store"
)

// friendly makes /friendly the target of a hit that is recalled, by a rule that also
// tags and varies.
func friendly(t *testing.T, target string) *fixture {
	t.Helper()
	f := newFixture(t, does(t, nil, "u"+target, "vsave-data", "gsale"))
	f.add("shoes", picture(64, 64))
	if err := f.library.AddVariant(t.Context(), hash, store.Variant{Name: "thumb", Options: params.Options{Width: 10, Format: params.FormatJPEG}}, 100); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if response, _ := f.ask(http.MethodGet, "/friendly", chrome); response.StatusCode != http.StatusOK {
			t.Fatal(response.StatusCode)
		}
	}
	if f.recall.find([]byte("example.com"), []byte(target), []byte(strings.TrimPrefix(chrome, "Accept: ")), f.Now()) == nil {
		t.Fatal("nothing is recalled")
	}
	return f
}

// What a rule has rewritten is recalled like what was asked for as it is, and no longer.
func TestAChangeIsSeenByWhatIsRecalledBehindARule(t *testing.T) {
	yes := true
	for _, tt := range []struct {
		name   string
		change func(f *fixture) error
		status int
		width  string
	}{
		{"an image that becomes private", func(f *fixture) error {
			_, err := f.library.Change(t.Context(), hash, "shoes", store.Change{RequireSigned: &yes})
			return err
		}, 403, ""},
		{"an image that is removed", func(f *fixture) error { return f.library.Remove(t.Context(), hash, "shoes") }, 404, ""},
		{"an image that is replaced", func(f *fixture) error { f.add("shoes", picture(6, 3)); return nil }, 200, "6x3"},
		{"a variant that changes", func(f *fixture) error {
			return f.setVariant(store.Variant{Name: "thumb", Options: params.Options{Width: 7, Format: params.FormatJPEG}})
		}, 200, "7x7"},
		{"a variant that is removed", func(f *fixture) error { return f.library.RemoveVariant(t.Context(), hash, "thumb") }, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := friendly(t, path("shoes/thumb"))
			f.t = t
			if err := tt.change(f); err != nil {
				t.Fatal(err)
			}
			response, body := f.ask(http.MethodGet, "/friendly", chrome)
			if response.StatusCode != tt.status || tt.width != "" && sizeOf(t, body) != tt.width {
				t.Errorf("%d %v, want %d %s", response.StatusCode, response.Header, tt.status, tt.width)
			}
		})
	}
	t.Run("a purge by the rule's tag", func(t *testing.T) {
		f := friendly(t, path("shoes/thumb"))
		for range 2 { // the entry that is made after a purge has the tag again, though the plan is recalled
			f.Cache.Purge("sale")
			if response, _ := f.ask(http.MethodGet, "/friendly", chrome); !strings.Contains(response.Header.Get("Cache-Status"), "fwd=") {
				t.Error(response.Header.Get("Cache-Status"))
			}
			if response, _ := f.ask(http.MethodGet, "/friendly", chrome); !strings.Contains(response.Header.Get("Cache-Status"), "fovea; hit") {
				t.Error(response.Header.Get("Cache-Status"))
			}
		}
	})
}

// A rule that is loaded anew is the one that the next request meets, and what is on its
// answers does not stay with the picture.
func TestARuleThatChangesBehindWhatIsRecalled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rule.wasm")
	install := func(name string) {
		from, err := os.Open(filepath.Join("../plugins/wasm/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		to, err := os.Create(file)
		if err == nil {
			_, err = io.Copy(to, from)
		}
		if err == nil {
			err = to.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	install("products.wasm")
	journal := plugins.NewJournal("changing", slog.New(slog.DiscardHandler), time.Now)
	rule, err := wasm.New(t.Context(), wasm.Options{File: file, Instances: 2, Patience: time.Minute, Journal: journal})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := plugins.New(plugins.Options{Links: []plugins.Link{{Name: "changing", Match: []string{"/p/*"}, Rule: rule, Journal: journal}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chain.Close() })
	f := newFixture(t, func(o *Options) { o.Rules = chain })
	f.add("shoe", picture(1600, 1200))
	for range 4 {
		response, _ := f.ask(http.MethodGet, "/p/shoe", chrome)
		if response.StatusCode != http.StatusOK || response.Header.Get("Vary") != "Accept, save-data" {
			t.Fatalf("%d %v", response.StatusCode, response.Header)
		}
		r := <-f.reports
		if r.Path != "/p/shoe" || r.Rewritten != path("shoe/width=640") {
			t.Errorf("%+v", r)
		}
	}
	response, _ := f.ask(http.MethodGet, path("shoe/width=640"), chrome)
	if response.Header.Get("Vary") != "Accept" || !strings.Contains(response.Header.Get("Cache-Status"), "fovea; hit") {
		t.Errorf("what the rule said is on an answer that it had no part in: %v", response.Header)
	}
	install("next.wasm") // lets all pass as it is
	if err := chain.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if response, _ := f.ask(http.MethodGet, "/p/shoe", chrome); response.StatusCode != http.StatusNotFound {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestPathsInTheLog(t *testing.T) {
	for target, want := range map[string]string{
		"/a": "/a", "/a?sig=1": "/a", "": "", "/a%3fsig=1": "/a", "/a%3Fsig=1?b": "/a", "/a%20b%3": "/a%20b%3", "/%%3f": "/%", "/%3": "/%3", "%": "%", "/a%3e%3F": "/a%3e",
	} {
		if got := withoutQuery(target); got != want {
			t.Errorf("%q: %q, want %q", target, got, want)
		}
	}
}

// Of many texts nearly all have a place, and however many there are, they hold no more
// than they may.
func TestRecallHasRoomForMany(t *testing.T) {
	m := newRecall()
	keep := func(n int) {
		target := path("cat/w=" + strconv.Itoa(n))
		one, other := m.where([]byte("a"), []byte(target), nil)
		if one.Load() != nil {
			one = other
		}
		m.put(one, &recollection{host: "a", target: target})
	}
	found := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if m.find([]byte("a"), []byte(path("cat/w="+strconv.Itoa(i))), nil, time.Now()) != nil {
				n++
			}
		}
		return n
	}
	for n := range 10_000 {
		keep(n)
	}
	if n := found(0, 10_000); n < 9_500 {
		t.Errorf("%d of 10,000 are remembered", n)
	}
	for n := range 100_000 {
		keep(n)
	}
	held := int64(0)
	for i := range m.places {
		held += m.places[i].Load().cost()
	}
	if held != m.bytes.Load() || held > maxRecalled || held < maxRecalled/2 {
		t.Errorf("%d bytes, counted as %d", held, m.bytes.Load())
	}
	if n := found(99_000, 100_000); n < 900 {
		t.Errorf("%d of the latest 1,000 are remembered", n)
	}
}
