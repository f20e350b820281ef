package proxy

import (
	"bytes"
	"testing"

	"github.com/fovea-images/fovea/store"
)

// A database that was restored, or that another node has for itself, gives the versions
// that were given before to other bytes.
func TestAVersionGivenTwiceIsTwoPictures(t *testing.T) {
	before := newFixture(t)
	after := newFixture(t, func(o *Options) { o.Cache = before.Cache })
	before.add("a", transparent(16, 16))
	after.add("a", picture(16, 16))
	if one, other := before.record("a"), after.record("a"); one.Version != other.Version {
		t.Fatalf("expected the same version, received %d and %d", one.Version, other.Version)
	}
	get := func(f *fixture) []byte {
		t.Helper()
		response, body := f.ask("GET", path("a/w=8,f=png"))
		if response.StatusCode != 200 {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
		return body
	}
	if first := get(before); bytes.Equal(first, get(after)) {
		t.Error("the picture is that of the other database")
	}
}

func (f *fixture) record(id string) *store.Image {
	f.t.Helper()
	image, err := f.Catalog.Image(f.t.Context(), hash, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return image
}
