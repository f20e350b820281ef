package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// What was made of an image by way of its URL is as private as the image, even if nobody
// has told the cache: the change was another node's, and the notice of it was lost.
func TestAPrivateImageIsClosedByWayOfItsURL(t *testing.T) {
	const source = "/cdn-cgi/imagedelivery/" + hash + "/cat/"
	private := true
	for _, tt := range []struct {
		name, variant string
		never         bool // as the variant is at first
		change        func(*fixture) error
	}{
		{"when it becomes private", "public", false, func(f *fixture) error {
			_, err := f.library.Names.ChangeImage(f.t.Context(), hash, "cat", store.Change{RequireSigned: &private})
			f.Catalog.Forget(params.ImageTag(hash, "cat"))
			return err
		}},
		{"when its variant closes, and nobody is told", "open", true, func(f *fixture) error {
			_, err := f.library.Names.ChangeVariant(f.t.Context(), hash, "open", func(v *store.Variant) error { v.NeverRequireSigned = false; return nil })
			f.Catalog.Forget(params.VariantTag(hash, "open"))
			return err
		}},
		{"when its variant closes", "open", true, func(f *fixture) error {
			return f.setVariant(store.Variant{Name: "open", Options: params.Options{Width: 16}})
		}},
	} {
		for _, form := range []string{"transformed", "drawn"} {
			t.Run(tt.name+", "+form, func(t *testing.T) {
				f := newFixture(t)
				origins, err := params.ParseOrigins([]string{strings.TrimPrefix(f.site.URL, "http://")})
				if err != nil {
					t.Fatal(err)
				}
				f.Site.Origins = origins
				f.add("cat", picture(64, 64), func(i *store.Image) { i.RequireSigned = tt.never })
				f.add("base", picture(64, 64))
				drawn := store.Variant{Name: "drawn"}
				if err := json.Unmarshal(fmt.Appendf(nil, `{"width":60,"draw":[{"url":%q}]}`, f.site.URL+source+tt.variant), &drawn.Options); err != nil {
					t.Fatal(err)
				}
				for _, v := range []store.Variant{drawn, {Name: "open", Options: params.Options{Width: 16}, NeverRequireSigned: true}} {
					if err := f.library.AddVariant(t.Context(), hash, v, 100); err != nil {
						t.Fatal(err)
					}
				}
				at := map[string]string{"transformed": "/cdn-cgi/image/w=8,f=png" + source + tt.variant, "drawn": path("base/drawn")}[form]
				for range 3 { // made, hit, and recalled
					if response, body := f.ask(http.MethodGet, at); response.StatusCode != 200 {
						t.Fatalf("%d %s", response.StatusCode, body)
					}
				}
				if err := tt.change(f); err != nil {
					t.Fatal(err)
				}
				if response, body := f.ask(http.MethodGet, at); response.StatusCode != 403 {
					t.Errorf("%d %.80s", response.StatusCode, body)
				}
			})
		}
	}
}

// closing has images that become private between look-up and fetch.
type closing struct{ origin.Origin }

func (c closing) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	source, err := c.Origin.Fetch(ctx, t)
	source.RequireSigned = true
	return source, err
}

func TestWhatBecomesPrivateOnTheWayIsNotGiven(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Stored = closing{o.Stored} })
	f.add("cat", picture(64, 64))
	for range 2 {
		if response, body := f.ask(http.MethodGet, path("cat/w=16")); response.StatusCode != 403 {
			t.Errorf("%d %.80s", response.StatusCode, body)
		}
	}
}
