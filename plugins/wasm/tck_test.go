package wasm

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/http-wasm/http-wasm-host-go/tck"

	"github.com/fovea-images/fovea/plugins"
)

// file writes a module into a folder of the test's.
func file(t testing.TB, body []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rule.wasm")
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// chainOf is a chain of one rule that is for everything.
func chainOf(t testing.TB, o Options, change ...func(*plugins.Link)) (*plugins.Chain, *Rule) {
	t.Helper()
	if o.Journal == nil {
		o.Journal = plugins.NewJournal("test", slog.New(slog.DiscardHandler), time.Now)
	}
	rule, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	link := plugins.Link{Name: "test", Match: []string{"/**"}, Rule: rule, Journal: o.Journal}
	for _, do := range change {
		do(&link)
	}
	chain, err := plugins.New(plugins.Options{Links: []plugins.Link{link}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return chain, rule
}

// TestConformanceKit runs the kit of the http-wasm project: its guest, unmodified, its
// backend, its client.
func TestConformanceKit(t *testing.T) {
	chain, _ := chainOf(t, Options{File: file(t, tck.GuestWASM)})
	backend := tck.BackendHandler()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		x := chain.Begin()
		defer chain.Release(x)
		x.Load([]byte(r.Method), []byte(r.RequestURI))
		x.Client, x.Body = netip.MustParseAddrPort(r.RemoteAddr), body
		x.LoadHeader([]byte("host"), []byte(r.Host))
		for name, values := range r.Header {
			for _, value := range values {
				x.LoadHeader([]byte(name), []byte(value))
			}
		}
		if err := chain.Request(r.Context(), x); err != nil {
			t.Error(err)
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		x.Waiting("", func(name, value []byte, _ bool) { rw.Header().Add(string(name), string(value)) })
		status, own := x.Own()
		if x.Stopped() {
			rw.WriteHeader(status)
			_, _ = rw.Write(own)
			return
		}
		next := r.Clone(r.Context())
		next.Method, next.RequestURI, next.Header = string(x.Method()), string(x.URI()), http.Header{}
		for _, f := range x.Fields(plugins.RequestHeader) {
			next.Header.Add(string(f.Name), string(f.Value))
		}
		// The kit's guest answers what it was asked, and lets the next handler have its say.
		if len(own) > 0 {
			_, _ = rw.Write(own)
		}
		backend.ServeHTTP(rw, next)
	}))
	t.Cleanup(server.Close)
	tck.Run(t, server.Client(), server.URL)
}
