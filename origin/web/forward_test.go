package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
)

func TestForwardReachesTheSiteAndNothingElse(t *testing.T) {
	asked := 0
	w, address := web(t, Options{}, func(http.ResponseWriter, *http.Request) { asked++ })
	site, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		site           *url.URL
		method, target string
		header         http.Header
		kind           fault.Kind
	}{
		{nil, "GET", "/", nil, fault.NotFound},
		{site, "GET", "", nil, fault.BadSource},
		{site, "GET", "@example.com/", nil, fault.BadSource},
		{site, "GET", ".example.com/", nil, fault.BadSource},
		{site, "GET", "http://example.com/", nil, fault.BadSource},
		{site, "GET", "/\x7f", nil, fault.BadSource},
		{site, "CONNECT", "/", nil, fault.BadOptions},
		{site, "TRACE", "/", nil, fault.BadOptions},
		{site, "GET", "/", http.Header{"Via": {"1.1 fovea"}}, fault.Loop},
	} {
		w.Site = tt.site
		if tt.header == nil {
			tt.header = http.Header{}
		}
		response, err := w.Forward(t.Context(), &origin.Forwarded{Method: tt.method, Target: tt.target, Header: tt.header})
		if err == nil {
			_ = response.Body.Close()
		}
		if !fault.Is(err, tt.kind) {
			t.Errorf("%s %q %v: %v", tt.method, tt.target, tt.header, err)
		}
	}
	if asked != 0 {
		t.Errorf("the site was asked %d times", asked)
	}
	w.AllowPrivate = nil
	for _, upgrade := range []string{"", "websocket"} {
		if _, err := w.Forward(t.Context(), &origin.Forwarded{Method: "GET", Target: "/", Header: http.Header{}, Upgrade: upgrade}); !fault.Is(err, fault.NotAllowed) {
			t.Errorf("a private address that was not allowed: %v", err)
		}
	}
}

func TestAFailureDoesNotTellTheURL(t *testing.T) {
	w, address := web(t, Options{}, func(http.ResponseWriter, *http.Request) {})
	var err error
	if w.Site, err = url.Parse(address); err != nil {
		t.Fatal(err)
	}
	_, forwarded := w.Forward(t.Context(), &origin.Forwarded{Method: "GET", Target: "/%zz?sig=proof", Header: http.Header{}})
	_, fetched := w.Get(t.Context(), address+"/%zz?sig=proof")
	for _, err := range []error{forwarded, fetched} {
		if !fault.Is(err, fault.BadSource) || strings.Contains(err.Error(), "proof") {
			t.Errorf("got %v", err)
		}
	}
}

// A website that hangs holds up only so many of its visitors: images need connections, too.
func TestForwardDoesNotLetEverybodyWait(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	w, address := web(t, Options{}, func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	})
	var err error
	if w.Site, err = url.Parse(address); err != nil {
		t.Fatal(err)
	}
	w.waiting = make(chan struct{}, 1)
	get := func() error {
		response, err := w.Forward(t.Context(), &origin.Forwarded{Method: "GET", Target: "/", Header: http.Header{}})
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	first := make(chan error)
	go func() { first <- get() }()
	<-asked
	if err := get(); !fault.Is(err, fault.Overloaded) {
		t.Errorf("the second got %v", err)
	}
	close(answer)
	if err := <-first; err != nil {
		t.Error(err)
	}
	go func() { first <- get() }()
	<-asked
	if err := <-first; err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
