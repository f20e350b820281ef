package cloudflare_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/fovea-images/fovea/origin/cloudflare"
	"github.com/fovea-images/fovea/origin/web"
)

// What is answered late was true when it was asked for, and does not take the place of
// what was learnt meanwhile.
func TestALateAnswerIsNotRemembered(t *testing.T) {
	for name, forget := range map[string]bool{"after another look": false, "after a purge": true} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			arrived, release := make(chan struct{}), make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				private := asked.Add(1) > 1
				if !private {
					close(arrived)
					<-release
				}
				_, _ = fmt.Fprintf(rw, `{"success":true,"result":{"id":"a","requireSignedURLs":%v}}`, private)
			}))
			t.Cleanup(server.Close)
			from, err := web.New(web.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
			if err != nil {
				t.Fatal(err)
			}
			o, err := cloudflare.New(cloudflare.Options{Hash: "h", Mode: cloudflare.Originals, Account: "id", Token: "token", Ask: from.Ask, API: server.URL, Delivery: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			late := make(chan error, 1)
			go func() {
				_, err := o.Image(t.Context(), "h", "a")
				late <- err
			}()
			<-arrived
			if forget {
				o.Forget(func(string) bool { return true })
			} else if image, err := o.Image(t.Context(), "h", "a"); err != nil || !image.RequireSigned {
				t.Fatalf("%+v, %v", image, err)
			}
			close(release)
			if err := <-late; err != nil {
				t.Fatal(err)
			}
			if image, err := o.Image(t.Context(), "h", "a"); err != nil || !image.RequireSigned {
				t.Errorf("what is private now is open: %+v, %v", image, err)
			}
		})
	}
}
