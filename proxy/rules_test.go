package proxy

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/wasm"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// ruled gives a fixture the rules in these files, each for the paths of match.
func ruled(t testing.TB, match []string, change func(*plugins.Link), files ...string) func(*Options) {
	t.Helper()
	var links []plugins.Link
	for i, file := range files {
		name := "rule-" + string(rune('a'+i))
		journal := plugins.NewJournal(name, slog.New(slog.DiscardHandler), time.Now)
		rule, err := wasm.New(t.Context(), wasm.Options{File: "../plugins/wasm/testdata/" + file, Journal: journal})
		if err != nil {
			t.Fatal(err)
		}
		link := plugins.Link{Name: name, Match: match, Rule: rule, Journal: journal}
		if change != nil {
			change(&link)
		}
		links = append(links, link)
	}
	chain, err := plugins.New(plugins.Options{Links: links})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(o *Options) { o.Rules = chain }
}

func TestFriendlyPaths(t *testing.T) {
	tokens, err := token.New(token.Options{SignedOptions: true})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, ruled(t, []string{"/p/*"}, nil, "products.wasm"), func(o *Options) { o.Tokens = tokens })
	f.add("shoe", picture(1600, 1200))
	f.add("secret", picture(800, 600), func(i *store.Image) { i.RequireSigned = true })
	t.Run("the picture is that of the rewritten path, and hits the entry of its URL", func(t *testing.T) {
		response, body := f.ask(http.MethodGet, "/p/shoe")
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != "image/jpeg" || len(body) == 0 {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
		if vary := response.Header.Get("Vary"); !strings.Contains(vary, "Accept") || !strings.Contains(vary, "save-data") {
			t.Errorf("Vary is %q", vary)
		}
		response, _ = f.ask(http.MethodGet, path("shoe/width=640"))
		if got := response.Header.Get("Cache-Status"); !strings.Contains(got, "hit") {
			t.Errorf("%q", got)
		}
		if vary := response.Header.Get("Vary"); strings.Contains(vary, "save-data") {
			t.Errorf("what the rule said is on an answer that it had no part in: %q", vary)
		}
	})
	t.Run("a header that it looks at makes another picture", func(t *testing.T) {
		_, small := f.ask(http.MethodGet, "/p/shoe", "Save-Data: on")
		_, large := f.ask(http.MethodGet, "/p/shoe")
		if len(small) >= len(large) {
			t.Errorf("%d and %d bytes", len(small), len(large))
		}
	})
	t.Run("what it refuses is refused, and not kept", func(t *testing.T) {
		response, _ := f.ask(http.MethodGet, "/p/_draft")
		if response.StatusCode != 403 || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", response.StatusCode, response.Header)
		}
	})
	t.Run("a private picture needs its proof, which is carried along", func(t *testing.T) {
		if response, _ := f.ask(http.MethodGet, "/p/secret"); response.StatusCode != 403 {
			t.Errorf("%d without a proof", response.StatusCode)
		}
		keys, err := f.Catalog.Keys(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := token.SignURL(path("secret/width=640"), keys[0], time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(signed, "?")
		if response, body := f.ask(http.MethodGet, "/p/secret?"+query); response.StatusCode != 200 {
			t.Errorf("%d %s with one", response.StatusCode, body)
		}
	})
}
