package proxy

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

func TestOverlays(t *testing.T) {
	var version atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/logo.png" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("ETag", `"v`+string(rune('0'+version.Load()))+`"`)
		_, _ = rw.Write(transparent(16, 8))
	}))
	t.Cleanup(site.Close)
	f := newFixture(t, func(o *Options) {
		o.Site.Origins = must(params.ParseOrigins([]string{strings.TrimPrefix(site.URL, "http://")}))
		o.Web.(*web.Origin).Site = must(url.Parse(site.URL))
	})
	f.add("cat", picture(80, 60))
	variant := func(name, draw string) {
		v := store.Variant{Name: name}
		if err := json.Unmarshal([]byte(`{"width":60,"draw":`+draw+`}`), &v.Options); err != nil {
			t.Fatal(err)
		}
		if err := f.library.AddVariant(t.Context(), hash, v, 100); err != nil {
			t.Fatal(err)
		}
	}
	variant("marked", `[{"url":"`+site.URL+`/logo.png","right":0}]`)
	variant("missing", `[{"url":"`+site.URL+`/logo.png"},{"url":"`+site.URL+`/none.png?secret"}]`)
	variant("foreign", `[{"url":"https://foreign.example/logo.png"}]`)
	f.add("plain", picture(80, 60))

	marked := f.asked(t, "cat/marked", "")
	plain := f.asked(t, "cat/w=60", "")
	if marked.Entry.ETag == plain.Entry.ETag || string(marked.Entry.Body) == string(plain.Entry.Body) {
		t.Error("nothing was drawn")
	}
	if strings.ContainsAny(marked.Entry.ETag, " ") || !slices.Contains(marked.Entry.Tags, params.SourceTag(site.URL+"/logo.png")) {
		t.Errorf("%s %v", marked.Entry.ETag, marked.Entry.Tags)
	}
	version.Add(1)
	f.Cache.Purge(params.SourceTag(site.URL + "/logo.png"))
	again := f.asked(t, "cat/marked", "")
	if again.Outcome != cache.Miss || again.Entry.ETag == marked.Entry.ETag {
		t.Errorf("after the overlay changed: %v %s", again.Outcome, again.Entry.ETag)
	}
	if _, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: path("cat/marked"), Via: "1.1 image-resizing"}); !fault.Is(err, fault.Loop) {
		t.Errorf("as an overlay of itself: %v", err)
	}
	if !marked.Entry.Modified.IsZero() {
		t.Errorf("dated %v, though the overlay is not", marked.Entry.Modified)
	}
	for name, want := range map[string]fault.Kind{"missing": fault.NotFound, "foreign": fault.NotAllowed} {
		_, err := f.Serve(t.Context(), &Request{Host: "example.com", Target: path("cat/" + name)})
		var failed *fault.Error
		if !errors.As(err, &failed) || failed.Kind != want || !strings.Contains(failed.Public, "Overlay ") || strings.Contains(failed.Public, "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
