package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func TestOnlyPublicAddressesAreFetched(t *testing.T) {
	for _, address := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
		"255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1",
		"2001::1", "2001:db8::1", "2002:a00:1::1", "2002:7f00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
		"fe80::1%eth0", "::1%lo", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
		"2a00::5efe:10.0.0.1", "2a00::200:5efe:10.0.0.1", "3fff::1", "5f00::1",
	} {
		if public(netip.MustParseAddr(address)) {
			t.Errorf("%s counts as public", address)
		}
	}
	for _, address := range []string{"1.1.1.1", "9.255.255.255", "100.63.255.255", "100.128.0.0", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255",
		"2606:4700::1111", "2a00:1450:4001::1", "2003::1"} {
		if !public(netip.MustParseAddr(address)) {
			t.Errorf("%s counts as private", address)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address counts as public")
	}
}

// web starts a site and returns an Origin that may fetch it.
func web(t *testing.T, o Options, handler http.HandlerFunc) (*Origin, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	if o.AllowPrivate == nil {
		o.AllowPrivate = loopback
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sources.CloseIdleConnections)
	return w, server.URL
}

func TestPrivateAddressesAreRefusedAtTheDoor(t *testing.T) {
	reached := false
	w, address := web(t, Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, func(http.ResponseWriter, *http.Request) { reached = true })
	port := address[strings.LastIndex(address, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f.1", "2130706433", "0177.0.0.1", "017700000001", "127.1", "[::1%25lo]", "[fe80::1%25eth0]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2a00::5efe:127.0.0.1]"} {
		if _, err := w.Get(t.Context(), "http://"+host+port+"/"); err == nil {
			t.Errorf("%s was fetched", host)
		}
	}
	if reached {
		t.Error("the server was reached")
	}
}

func TestARedirectToAPrivateAddressIsRefused(t *testing.T) {
	// The first hop is allowed by its exact address, the second by none.
	w, address := web(t, Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://127.0.0.2"+r.Host[strings.LastIndex(r.Host, ":"):]+"/", http.StatusFound)
	})
	if _, err := w.Get(t.Context(), address); !fault.Is(err, fault.NotAllowed) {
		t.Errorf("%v", err)
	}
}

func TestGet(t *testing.T) {
	answer := func(status int, header string, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			for line := range strings.SplitSeq(header, "\n") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					rw.Header().Add(name, value)
				}
			}
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}
	}
	hash := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for _, tt := range []struct {
		name      string
		handler   http.HandlerFunc
		kind      fault.Kind
		validator string
		fresh     time.Duration
		must      bool
	}{
		{"a body with its validator and lifetime", answer(200, "ETag: W/\"v1\"\nCache-Control: max-age=60, s-maxage=120", "abc"), 0, "v1", 2 * time.Minute, false},
		{"without a validator its hash is one", answer(200, "", "abc"), 0, hash, 0, false},
		{"a validator with strange bytes is none", answer(200, "ETag: \"a b\"", "abc"), 0, hash, 0, false},
		{"no-store is no lifetime", answer(200, "Cache-Control: public, max-age=60\nCache-Control: no-store", "abc"), 0, hash, 0, true},
		{"must-revalidate is kept", answer(200, "Cache-Control: max-age=\"5\", must-revalidate", "abc"), 0, hash, 5 * time.Second, true},
		{"a lifetime that is no number is none", answer(200, "Cache-Control: max-age=-1, s-maxage=x", "abc"), 0, hash, 0, false},
		{"not there", answer(404, "", "abc"), fault.NotFound, "", 0, false},
		{"refused with a status of its own", answer(410, "", ""), fault.OriginRefused, "", 0, false},
		{"a bad request", answer(400, "", ""), fault.OriginBadRequest, "", 0, false},
		{"a timeout of its own", answer(408, "", ""), fault.OriginTimeout, "", 0, false},
		{"broken", answer(503, "", ""), fault.OriginBroken, "", 0, false},
		{"no content", answer(204, "", ""), fault.FetchFailed, "", 0, false},
		{"a part unasked for", answer(206, "", "abc"), fault.FetchFailed, "", 0, false},
		{"not modified unasked for", answer(304, "", ""), fault.FetchFailed, "", 0, false},
		{"an encoding unasked for", answer(200, "Content-Encoding: gzip", "abc"), fault.FetchFailed, "", 0, false},
		{"too long by its own word", answer(200, "Content-Length: 1001", strings.Repeat("x", 1001)), fault.SourceTooLong, "", 0, false},
		{"too long without a word", func(rw http.ResponseWriter, _ *http.Request) {
			for range 20 {
				_, _ = rw.Write(make([]byte, 100))
				rw.(http.Flusher).Flush()
			}
		}, fault.SourceTooLong, "", 0, false},
		{"cut short", answer(200, "Content-Length: 9", "abc"), fault.FetchFailed, "", 0, false},
		{"a redirect to another scheme", answer(302, "Location: ftp://example.com/", ""), fault.BadRedirect, "", 0, false},
		{"a redirect with a password", answer(302, "Location: http://u:p@127.0.0.1/", ""), fault.BadRedirect, "", 0, false},
		{"redirects in a circle", answer(302, "Location: /again", ""), fault.ManyRedirects, "", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, address := web(t, Options{MaxBytes: 1000}, tt.handler)
			got, err := w.Get(t.Context(), address)
			if tt.kind != 0 {
				if !fault.Is(err, tt.kind) {
					t.Errorf("%v, want %v", err, tt.kind)
				}
				return
			}
			if err != nil || string(got.Body) != "abc" || got.Validator != tt.validator || got.Fresh != tt.fresh || got.MustRevalidate != tt.must {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	var seen *http.Request
	w, address := web(t, Options{Version: "9"}, func(rw http.ResponseWriter, r *http.Request) {
		seen = r
		if r.URL.Path == "/base/hop" {
			http.Redirect(rw, r, "/base/a%20b.png?x=1", http.StatusFound)
			return
		}
		_, _ = rw.Write([]byte("abc"))
	})
	site, err := url.Parse(address + "/base/")
	if err != nil {
		t.Fatal(err)
	}
	w.Site = site
	for _, source := range []params.Source{{Value: "/a%20b.png?x=1"}, {Absolute: true, Value: address + "/base/hop"}} {
		if _, err := w.Fetch(t.Context(), params.Target{Kind: params.Remote, Source: source}); err != nil {
			t.Fatal(err)
		}
		if seen.URL.RequestURI() != "/base/a%20b.png?x=1" || !strings.Contains(seen.Header.Get("Via"), "image-resizing") {
			t.Errorf("asked for %s with %v", seen.URL.RequestURI(), seen.Header)
		}
		for _, name := range []string{"Cookie", "Authorization", "Referer", "X-Forwarded-For", "Accept-Encoding"} {
			if seen.Header.Get(name) != "" {
				t.Errorf("%s went out", name)
			}
		}
	}
	w.Site = nil
	if _, err := w.Fetch(t.Context(), params.Target{Kind: params.Remote, Source: params.Source{Value: "/a"}}); !fault.Is(err, fault.NotFound) {
		t.Errorf("without a site: %v", err)
	}
}

func TestTimeLimits(t *testing.T) {
	release := make(chan struct{})
	hang := func(body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if body != "" {
				_, _ = fmt.Fprint(rw, body)
				rw.(http.Flusher).Flush()
			}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}
	defer close(release)
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		kind    fault.Kind
	}{
		"no answer":      {hang(""), fault.ConnectTimeout},
		"half an answer": {hang("abc"), fault.DownloadTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			w, address := web(t, Options{Timeout: 100 * time.Millisecond}, tt.handler)
			if _, err := w.Get(t.Context(), address); !fault.Is(err, tt.kind) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a visitor who leaves ends it", func(t *testing.T) {
		w, address := web(t, Options{}, hang(""))
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if _, err := w.Get(ctx, address); !fault.Is(err, fault.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestNoServerAtAll(t *testing.T) {
	w, address := web(t, Options{}, func(http.ResponseWriter, *http.Request) {})
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := w.Get(t.Context(), gone.URL); !fault.Is(err, fault.FetchFailed) {
		t.Errorf("%v", err)
	}
	if _, err := w.Get(t.Context(), address+"/\x7f"); !fault.Is(err, fault.BadSource) {
		t.Errorf("%v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, site := range []string{"ftp://a.com", "//a.com", "https://", "https://u:secret@a.com", "https://a.com/?q"} {
		u, err := url.Parse(site)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Site: u}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", site, err)
		}
	}
}

// A token for one host goes along on that host, and to no other; five redirects are
// followed, and not six.
func TestWhatRedirectsCarry(t *testing.T) {
	var seen []string
	note := func(r *http.Request) {
		seen = append(seen, r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Accept")+r.Header.Get("Referer"))
	}
	there := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { note(r) }))
	t.Cleanup(there.Close)
	here := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		note(r)
		to := map[string]string{"/a": "/b", "/b": there.URL + "/c", "/1": "2", "/2": "3", "/3": "4", "/4": "5", "/5": "/6", "/0": "1"}[r.URL.Path]
		if to != "" {
			http.Redirect(rw, r, to, http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(here.Close)
	o, err := New(Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.sources.CloseIdleConnections)
	if status, _, _, err := o.Ask(t.Context(), here.URL+"/a", map[string]string{"Authorization": "Bearer x", "Accept": "*/*"}); status != 200 {
		t.Errorf("%d, %v", status, err)
	}
	if got, want := strings.Join(seen, ", "), "/a Bearer x */*, /b Bearer x */*, /c  */*"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if status, _, _, err := o.Ask(t.Context(), here.URL+"/1", nil); status != 200 {
		t.Errorf("five redirects: %d, %v", status, err)
	}
	if _, _, _, err := o.Ask(t.Context(), here.URL+"/0", nil); !fault.Is(err, fault.ManyRedirects) {
		t.Errorf("six redirects: %v", err)
	}
}

// Imports may name a password in their URL (RFC 7617); where that leads, nobody is told it.
func TestAPasswordInAURLIsShownToItsHostAlone(t *testing.T) {
	var elsewhere string
	_, further := web(t, Options{}, func(rw http.ResponseWriter, r *http.Request) {
		elsewhere = r.Header.Get("Authorization") + "!"
		_, _ = rw.Write([]byte("abc"))
	})
	w, address := web(t, Options{}, func(rw http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		switch {
		case !ok || user != "user" || password != "se:cret":
			rw.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/near":
			http.Redirect(rw, r, "/picture", http.StatusFound)
		case r.URL.Path == "/far":
			http.Redirect(rw, r, further, http.StatusFound)
		default:
			_, _ = rw.Write([]byte("abc"))
		}
	})
	named := strings.Replace(address, "://", "://user:se%3Acret@", 1)
	for _, path := range []string{"/picture", "/near", "/far"} {
		if got, err := w.Get(t.Context(), named+path); err != nil || string(got.Body) != "abc" {
			t.Errorf("%s: %q, %v", path, got.Body, err)
		}
	}
	if elsewhere != "!" {
		t.Errorf("another host was told %q", elsewhere)
	}
}
