package proxy

import (
	"testing"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

func TestAPreviewIsForOperators(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Referers = Referers{Hosts: []string{"example.org"}} })
	f.add("secret", picture(64, 48), func(i *store.Image) { i.RequireSigned = true })
	request := func() *Request { return &Request{Host: "example.com", Target: path("secret/public")} }
	if _, err := f.Serve(t.Context(), request()); !fault.Is(err, fault.Denied) {
		t.Fatalf("a visitor: %v", err)
	}
	first, err := f.Preview(t.Context(), request(), nil)
	if err != nil || first.Entry.Type != "image/jpeg" {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := f.Preview(t.Context(), request(), nil); err != nil || again.Outcome != cache.Hit {
		t.Errorf("%v, %v", again.Outcome, err)
	}
	if _, err := f.Serve(t.Context(), request()); !fault.Is(err, fault.Denied) {
		t.Errorf("a visitor after a preview: %v", err)
	}
	options := params.Options{Width: 20}
	small, err := f.Preview(t.Context(), request(), &options)
	if err != nil || small.Key == first.Key || len(small.Entry.Body) >= len(first.Entry.Body) {
		t.Errorf("other options: %v", err)
	}
	// The same picture, once it is public, is not what the preview has left behind.
	no := false
	if _, err := f.library.Change(t.Context(), hash, "secret", store.Change{RequireSigned: &no}); err != nil {
		t.Fatal(err)
	}
	r := request()
	r.Referer = "https://example.org/"
	answer, err := f.Serve(t.Context(), r)
	if err != nil || answer.Outcome != cache.Miss || answer.Key == first.Key {
		t.Errorf("%v %s, %v", answer.Outcome, answer.Key, err)
	}
	if after, err := f.Preview(t.Context(), request(), nil); err != nil || after.Outcome != cache.Miss {
		t.Errorf("a preview outlived the change: %v, %v", after.Outcome, err)
	}
	if answer, err := f.Preview(t.Context(), &Request{Host: "example.com", Target: "/robots.txt"}, nil); err == nil || answer.Kind != params.None {
		t.Errorf("what is no image: %+v, %v", answer, err)
	}
}
