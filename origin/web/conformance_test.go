package web

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/fovea-images/fovea/origin/origintest"
	"github.com/fovea-images/fovea/params"
)

func TestOrigin(t *testing.T) {
	picture := []byte("\x00picture\r\n\xff")
	site := func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a" {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(picture)
	}
	for name, keep := range map[string]int64{"that keeps sources": 1 << 20, "that keeps none": 0} {
		t.Run(name, func(t *testing.T) {
			origintest.Origin(t, func(t *testing.T) origintest.Case {
				w, address := web(t, Options{Keep: keep}, site)
				base, err := url.Parse(address)
				if err != nil {
					t.Fatal(err)
				}
				w.Site = base
				return origintest.Case{
					Origin: w, Body: picture, Has: params.Target{Kind: params.Remote, Source: params.Source{Value: "/a"}},
					Missing: params.Target{Kind: params.Remote, Source: params.Source{Absolute: true, Value: address + "/b"}},
				}
			})
		})
	}
}
