package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// BenchmarkAsk fetches a picture's bytes, as for a miss that is passed on, beside the
// standard library's client alone.
func BenchmarkAsk(b *testing.B) {
	body := make([]byte, 64<<10)
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "image/jpeg")
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = rw.Write(body)
	}))
	b.Cleanup(site.Close)
	server := site.URL
	b.Run("ours", func(b *testing.B) {
		w, err := New(Options{AllowPrivate: loopback})
		if err != nil {
			b.Fatal(err)
		}
		defer w.sources.CloseIdleConnections()
		fields := map[string]string{"Accept": "image/avif", "Via": "1.1 fovea"}
		b.ReportAllocs()
		for b.Loop() {
			if _, _, got, err := w.Ask(b.Context(), server+"/x", fields); err != nil || len(got) != len(body) {
				b.Fatal(len(got), err)
			}
		}
	})
	b.Run("the standard library's client", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
		defer client.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server+"/x", nil)
			if err != nil {
				b.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				b.Fatal(err)
			}
			got := make([]byte, response.ContentLength)
			if _, err := io.ReadFull(response.Body, got); err != nil || response.Body.Close() != nil {
				b.Fatal(err)
			}
		}
	})
}
