package web

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStats(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w, address := web(t, Options{Pause: atOnce, Keep: 1 << 20, Now: func() time.Time { return now }}, func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/broken":
			rw.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/none":
			rw.WriteHeader(http.StatusNotFound)
		case r.Header.Get("If-None-Match") != "":
			rw.WriteHeader(http.StatusNotModified)
		default:
			rw.Header().Set("ETag", `"a"`)
			rw.Header().Set("Cache-Control", "max-age=60")
			_, _ = rw.Write([]byte("12345"))
		}
	})
	get := func(path string) { _, _ = w.Get(t.Context(), address+path) }
	get("/a")
	get("/a") // it is kept
	now = now.Add(2 * time.Minute)
	get("/a") // it is still the same
	get("/none")
	for range breakAfter {
		get("/broken")
	}
	want := Stats{
		Kept: 1, Answered: 1, Same: 1, Bytes: 5, KeptBytes: 5, Resting: 1,
		Failed: map[string]int64{"not_found": 1, "origin_broken": breakAfter * (retries + 1)},
	}
	if diff := cmp.Diff(want, w.Stats()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	now = now.Add(breakFor)
	if got := w.Stats().Resting; got != 0 {
		t.Errorf("%d hosts rest afterwards", got)
	}
}
