package cloudflare_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/origin/cloudflare"
	"github.com/fovea-images/fovea/origin/origintest"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/params"
)

// plays answers as Cloudflare's API and delivery do, for one image.
func plays(picture []byte) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		api, isAPI := strings.CutPrefix(r.URL.Path, "/client/accounts/id/images/v1/")
		switch {
		case isAPI && r.Header.Get("Authorization") != "Bearer token":
			rw.WriteHeader(http.StatusUnauthorized)
		case api == "a/blob" || r.URL.Path == "/h/a/public":
			_, _ = rw.Write(picture)
		case isAPI:
			rw.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(rw, `{"success":false,"errors":[{"code":5404}]}`)
		default:
			rw.Header().Set("Cf-Images", "err=9404")
			rw.WriteHeader(http.StatusNotFound)
		}
	}
}

func TestOrigin(t *testing.T) {
	picture := []byte("\x00picture\r\n\xff")
	for name, options := range map[string]cloudflare.Options{
		"by originals": {Mode: cloudflare.Originals, Account: "id", Token: "token"}, "by a variant": {Mode: cloudflare.Variant},
	} {
		t.Run(name, func(t *testing.T) {
			origintest.Origin(t, func(t *testing.T) origintest.Case {
				server := httptest.NewServer(plays(picture))
				t.Cleanup(server.Close)
				from, err := web.New(web.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
				if err != nil {
					t.Fatal(err)
				}
				own := options
				own.Hash, own.Ask, own.API, own.Delivery = "h", from.Ask, server.URL+"/client", server.URL
				o, err := cloudflare.New(own)
				if err != nil {
					t.Fatal(err)
				}
				at := params.Target{Kind: params.Hosted, Account: "h", Variant: "public"}
				c := origintest.Case{Origin: o, Body: picture, Has: at, Missing: at}
				c.Has.Image, c.Missing.Image = "a", "b"
				return c
			})
		})
	}
}
