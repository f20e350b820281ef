package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// ask sends a request of lines "Name: value" and returns the answer and its body.
func (f *fixture) ask(method, target string, header ...string) (*http.Response, []byte) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, "http://example.com"+target, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	response, err := f.client.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response, body
}

func TestAnswers(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(1600, 1200))
	f.add("shoes/red one.jpg", picture(640, 480))
	f.add("logo", transparent(64, 64))
	f.add("secret", picture(64, 64), func(i *store.Image) { i.RequireSigned = true })
	f.add("draw", []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"><script>alert(1)</script><rect width="9" height="9"/></svg>`))
	for _, v := range []store.Variant{
		{Name: "thumb", Options: params.Options{Width: 100, Height: 100, Fit: params.Cover}},
		{Name: "open", Options: params.Options{Width: 10}, NeverRequireSigned: true},
	} {
		if err := f.library.AddVariant(t.Context(), hash, v, 100); err != nil {
			t.Fatal(err)
		}
	}
	const chrome = "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
	for _, tt := range []struct {
		name, target string
		header       []string
		status       int
		kind         string // Content-Type, or the error's code
		size         string // of the picture
		want         string // lines that the header holds
	}{
		{"the public variant, AVIF", path("logo/public"), []string{chrome}, 200, "image/avif", "", "Vary: Accept"},
		{"too large for AVIF, WebP", path("cat/w=1300"), []string{chrome}, 200, "image/webp", "", "Vary: Accept\nwarning: cf-images 299 \"image too large for AVIF\""},
		{"nothing named, JPEG", path("cat/public"), nil, 200, "image/jpeg", "1024x768", "Vary: Accept\nCache-Control: public, max-age=172800, stale-while-revalidate=7200"},
		{"alpha and nothing named, PNG", path("logo/w=32"), nil, 200, "image/png", "32x32", "Access-Control-Allow-Origin: *\nX-Content-Type-Options: nosniff"},
		{"a variant of ours", path("cat/thumb"), nil, 200, "image/jpeg", "100x100", ""},
		{"an explicit format needs no Vary", path("cat/f=jpeg,w=80"), []string{chrome}, 200, "image/jpeg", "80x60", "Vary: "},
		{"an id with a slash and a space", path("shoes/red%20one.jpg/w=64"), nil, 200, "image/jpeg", "64x48", ""},
		{"the same id spelt otherwise", path("shoes%2Fred%20one.jpg/w=64"), nil, 200, "image/jpeg", "64x48", ""},
		{"the short form on a delivery host", "/" + hash + "/cat/w=16", []string{"Host: imagedelivery.net:80"}, 200, "image/jpeg", "16x12", ""},
		{"an ignored option is warned of", path("cat/w=16,zoo=1"), nil, 200, "image/jpeg", "16x12", "warning: cf-images 299 \"unknown option zoo was ignored\""},
		{"width=auto by the viewport", path("cat/width=auto"), []string{"Sec-CH-Viewport-Width: 300"}, 200, "image/jpeg", "320x240", "Vary: Accept, Sec-CH-Viewport-Width\nAccept-CH: Sec-CH-Viewport-Width"},
		{"facts instead of pixels", path("cat/w=80,format=json"), nil, 200, "application/json", "", ""},
		{"an SVG without its script", path("draw/public"), []string{chrome}, 200, "image/svg+xml", "", "Content-Security-Policy: " + contentPolicy},
		{"a same-zone source", "/cdn-cgi/image/width=80/photo.jpg", nil, 200, "image/jpeg", "80x60", "Cache-Control: public, max-age=7200, stale-while-revalidate=7200"},
		{"a private image", path("secret/public"), nil, 403, "9425", "", "Cache-Control: no-store\ncf-images: err=9425"},
		{"a private image by options", path("secret/w=10"), nil, 403, "9425", "", ""},
		{"a private image in an open variant", path("secret/open"), nil, 200, "image/jpeg", "10x10", ""},
		{"an unknown image", path("dog/public"), nil, 404, "9404", "", "Cache-Control: public, max-age=60\ncf-images: err=9404"},
		{"an unknown variant", path("cat/huge"), nil, 403, "9425", "", ""},
		{"another account", "/cdn-cgi/imagedelivery/AAAAAAAAAAAAAAAAAAAAAA/cat/public", nil, 403, "9427", "", ""},
		{"a malformed path", path("a/../cat/public"), nil, 403, "9426", "", ""},
		{"an invalid option", path("cat/fit=round"), nil, 400, "9401", "", ""},
		{"too large a result", path("cat/w=20000,fit=contain"), nil, 403, "9413", "", ""},
		{"an origin that is not allowed", "/cdn-cgi/image/w=8/https://other.com/a.png", nil, 403, "9401", "", "cf-resized: err=9401"},
		{"a source that is not there", "/cdn-cgi/image/w=8/none.png", nil, 404, "9404", "", "cf-resized: err=9404"},
		{"a source that is not there, with a way out", "/cdn-cgi/image/w=8,onerror=redirect/none.png?v=1", nil, 307, "", "", "Location: /none.png?v=1\ncf-resized: err=9404"},
		{"a way out to a sub-domain", "/cdn-cgi/image/w=8,onerror=redirect/https://cdn.example.com/a.png", nil, 403, "9401", "", ""},
		{"no way out to strangers", "/cdn-cgi/image/w=8,onerror=redirect/https://other.com/a.png", nil, 403, "9401", "", "Location: "},
		{"a login page", "/cdn-cgi/image/w=8/login", nil, 415, "9412", "", ""},
		{"a broken origin", "/cdn-cgi/image/w=8/broken", nil, 502, "9509", "", ""},
		{"a transform of a transform", "/cdn-cgi/image/w=8/photo.jpg", []string{"Via: 1.1 x (image-resizing)"}, 508, "9403", "", ""},
		{"a path that is not ours", "/robots.txt", nil, 404, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response, body := f.ask(http.MethodGet, tt.target, tt.header...)
			if response.StatusCode != tt.status {
				t.Fatalf("%d, want %d: %.200s", response.StatusCode, tt.status, body)
			}
			if tt.status >= 300 {
				if !strings.HasPrefix(string(body), "ERROR "+tt.kind) && tt.kind != "" {
					t.Errorf("%q, want code %s", body, tt.kind)
				}
			} else if got := response.Header.Get("Content-Type"); got != tt.kind {
				t.Errorf("%s, want %s", got, tt.kind)
			}
			for line := range strings.SplitSeq(tt.want, "\n") {
				if name, value, ok := strings.Cut(line, ": "); ok && strings.Join(response.Header.Values(name), ", ") != value {
					t.Errorf("%s: %q, want %q", name, response.Header.Values(name), value)
				}
			}
			if tt.size != "" {
				if config, _, err := image.DecodeConfig(bytes.NewReader(body)); err != nil || tt.size != dimensions(config) {
					t.Errorf("a picture of %s (%v), want %s", dimensions(config), err, tt.size)
				}
			}
			if strings.Contains(string(body), "script") {
				t.Errorf("%s", body)
			}
		})
	}
}

func dimensions(c image.Config) string {
	text, err := json.Marshal([]int{c.Width, c.Height})
	if err != nil {
		return err.Error()
	}
	return strings.NewReplacer("[", "", "]", "", ",", "x").Replace(string(text))
}

func TestTheSecondRequestHits(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(200, 100))
	first, body := f.ask(http.MethodGet, path("cat/w=50,h=50,fit=cover"))
	second, again := f.ask(http.MethodGet, path("cat/fit=cover,height=50,width=50"))
	for _, tt := range []struct {
		response *http.Response
		letter   string
		status   string
	}{{first, "m", "fwd=uri-miss"}, {second, "h", "hit"}} {
		if h := tt.response.Header; !strings.HasPrefix(h.Get("cf-images"), "internal=ok/"+tt.letter+" ") || !strings.Contains(h.Get("Cache-Status"), tt.status) {
			t.Errorf("%v", h)
		}
	}
	if !bytes.Equal(body, again) || first.Header.Get("ETag") != second.Header.Get("ETag") || f.Engine.Stats().Decodes != 1 {
		t.Error("the second answer is another one")
	}
	if r := <-f.reports; r.Outcome.String() != "miss" || r.Status != 200 || r.Kind != params.Hosted || r.Bytes != len(body) || r.Type != "image/jpeg" {
		t.Errorf("%+v", r)
	}
}

func TestConditionsAndMethods(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(200, 100))
	whole, _ := f.ask(http.MethodGet, path("cat/public"))
	etag := whole.Header.Get("ETag")
	cold := newFixture(t)
	cold.add("cat", picture(200, 100))
	for _, tt := range []struct {
		name, method string
		header       []string
		status       int
	}{
		{"its own ETag", "GET", []string{"If-None-Match: " + etag}, 304},
		{"its own ETag by HEAD", "HEAD", []string{"If-None-Match: W/" + etag}, 304},
		{"another ETag", "GET", []string{`If-None-Match: "x"`}, 200},
		{"its date", "GET", []string{"If-Modified-Since: " + whole.Header.Get("Last-Modified")}, 304},
		{"an older date", "GET", []string{"If-Modified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}, 200},
		{"no date", "GET", []string{"If-Modified-Since: yesterday"}, 200},
		{"a range is ignored", "GET", []string{"Range: bytes=0-9"}, 200},
		{"HEAD", "HEAD", nil, 200},
		{"OPTIONS", "OPTIONS", []string{"Origin: https://a.com"}, 204},
		{"POST", "POST", nil, 405}, {"DELETE", "DELETE", nil, 405}, {"PROPFIND", "PROPFIND", nil, 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := cold.Engine.Stats().Decodes
			for _, server := range []*fixture{cold, f} { // the cold one has not kept the answer
				response, body := server.ask(tt.method, path("cat/public"), tt.header...)
				if response.StatusCode != tt.status {
					t.Fatalf("%d, want %d", response.StatusCode, tt.status)
				}
				switch {
				case tt.status == 304 && (len(body) > 0 || response.Header.Get("ETag") != etag || response.Header.Get("Vary") != "Accept" || response.Header.Get("Cache-Control") == ""):
					t.Errorf("%d bytes, %v", len(body), response.Header)
				case tt.method == "HEAD" && tt.status == 200 && (len(body) > 0 || response.ContentLength != whole.ContentLength):
					t.Errorf("%d bytes, Content-Length %d", len(body), response.ContentLength)
				case tt.status == 405 && response.Header.Get("Allow") != allowedMethods:
					t.Errorf("Allow: %q", response.Header.Get("Allow"))
				case tt.status == 204 && (response.Header.Get("Access-Control-Allow-Origin") != "*" || response.Header.Get("Access-Control-Allow-Methods") == ""):
					t.Errorf("%v", response.Header)
				}
			}
			if tt.status == 304 && cold.Engine.Stats().Decodes != before {
				t.Error("a 304 was worked for")
			}
		})
	}
}

func TestNoTwoAnswersShareAnETag(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(200, 100))
	f.add("dog", picture(100, 100))
	seen := map[string]string{}
	for _, target := range []string{
		path("cat/public"), path("cat/w=50"), path("cat/w=51"), path("cat/w=50,f=webp"), path("cat/w=50,f=png"), path("cat/w=50,q=20"),
		path("cat/w=50,f=json"), path("cat/w=50,h=50,fit=pad"), path("dog/w=50"), "/cdn-cgi/image/w=50/photo.jpg", "/cdn-cgi/image/w=50,f=webp/photo.jpg",
	} {
		response, _ := f.ask(http.MethodGet, target)
		etag := response.Header.Get("ETag")
		if other, ok := seen[etag]; ok || etag == "" || response.StatusCode != 200 {
			t.Errorf("%s and %s share %s", target, other, etag)
		}
		seen[etag] = target
	}
	remote, _ := f.ask(http.MethodGet, "/cdn-cgi/image/w=50/photo.jpg")
	if !strings.HasSuffix(remote.Header.Get("ETag"), `:origin-1"`) {
		t.Errorf("%s does not end in the origin's", remote.Header.Get("ETag"))
	}
}

func TestAChangeIsSeenAtOnce(t *testing.T) {
	f := newFixture(t)
	get := func() (int, string) {
		response, _ := f.ask(http.MethodGet, path("cat/public"))
		return response.StatusCode, response.Header.Get("ETag")
	}
	f.add("cat", picture(200, 100))
	_, first := get()
	f.add("cat", picture(100, 100))
	if status, second := get(); status != 200 || second == first {
		t.Errorf("after a change: %d %s", status, second)
	}
	if err := f.library.Remove(t.Context(), hash, "cat"); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(); status != 404 {
		t.Errorf("after its removal: %d", status)
	}
	f.add("cat", picture(200, 100), func(i *store.Image) { i.RequireSigned = true })
	if status, _ := get(); status != 403 {
		t.Errorf("after it became private: %d", status)
	}
}

// A connection that was opened ahead of need is told that nothing was asked.
func TestConnectionsThatAskNothing(t *testing.T) {
	f := newFixture(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(t.Context(), f.current, ServerOptions{ReadTimeout: 20 * time.Millisecond})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Shutdown() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 408 ") || !strings.Contains(string(got), "Connection: close") {
		t.Errorf("%.200q, %v", got, err)
	}
}

// Bytes that no client library would send.
func TestHostileRequests(t *testing.T) {
	f := newFixture(t)
	listener := fasthttputil.NewInmemoryListener()
	server := NewServer(t.Context(), f.current, ServerOptions{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = listener.Close() })
	for name, tt := range map[string]struct{ send, want string }{
		"headers without end":     {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", " 431 "},
		"no HTTP at all":          {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", " 400 "},
		"a body":                  {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", " 4"},
		"dots on the wire":        {"GET /cdn-cgi/image/w=8/../../etc/passwd HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n", "ERROR 9406"},
		"a double slash":          {"GET //cdn-cgi/image/w=8/photo.jpg HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n", " 404 "},
		"an absolute target":      {"GET http://example.com/cdn-cgi/image/w=0x9/photo.jpg HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n", " 200 "},
		"a target that is a star": {"GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", " 4"},
		"bytes beyond ASCII":      {"GET /cdn-cgi/imagedelivery/" + hash + "/\xff\xfe/public HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "ERROR 9426"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := listener.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { _, _ = conn.Write([]byte(tt.send)) }()
			if closer, ok := conn.(interface{ CloseWrite() error }); ok {
				defer closer.CloseWrite()
			}
			got, err := io.ReadAll(io.LimitReader(conn, 4096))
			if err != nil && len(got) == 0 && !isClosed(err) {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), tt.want) {
				t.Errorf("%.200q, want %q", got, tt.want)
			}
		})
	}
}

func isClosed(err error) bool {
	return errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed)
}

// A panic in the middle of a request is an answer, and the next one is served.
func TestAPanicIsAnAnswer(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(20, 10))
	good := f.Catalog
	f.Catalog = nil
	if response, body := f.ask(http.MethodGet, path("cat/public")); response.StatusCode != 500 || string(body) != "ERROR 9523: Internal error\n" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if r := <-f.reports; r.Failure != "internal" || !strings.Contains(r.Err.Error(), "panic") {
		t.Errorf("%+v", r)
	}
	f.Catalog = good
	if response, _ := f.ask(http.MethodGet, path("cat/public")); response.StatusCode != 200 {
		t.Errorf("%d", response.StatusCode)
	}
}

func TestExplain(t *testing.T) {
	f := newFixture(t)
	f.add("cat", picture(1600, 1200))
	ask := func(target string, assume *engine.Info, accept string) Explanation {
		return f.Explain(t.Context(), "example.com", target, http.Header{"Accept": {accept}}, assume)
	}
	e := ask(path("cat/w=400,h=400,fit=cover,zoo=1"), nil, "image/webp")
	if e.Status != 200 || e.Format != "image/webp" || e.Geometry == nil || e.Geometry.Output != (params.Size{W: 400, H: 400}) ||
		e.Options != "fit=cover,height=400,width=400" || len(e.Tags) != 2 || len(e.Warnings) != 1 || e.Key == "" || len(e.Vary) != 1 {
		t.Errorf("%+v", e)
	}
	for _, want := range []string{"200 image/webp 400×400", "scale to 533×400", "crop 400×400 at 67,0", "Vary: Accept", "zoo was ignored", "image:" + hash + "/cat"} {
		if !strings.Contains(e.String(), want) {
			t.Errorf("%s\nlacks %q", e, want)
		}
	}
	if e := ask("/cdn-cgi/image/w=9/a.png", nil, ""); e.Status != 200 || e.Format != "" || e.Source != "/a.png" || !strings.Contains(e.String(), "--source") {
		t.Errorf("%+v", e)
	}
	if e := ask("/cdn-cgi/image/w=9/a.png", &engine.Info{Media: params.PNG, Size: params.Size{W: 90, H: 30}, Frames: 1}, ""); e.Format != "image/png" || e.Geometry.Output.H != 3 {
		t.Errorf("%+v", e)
	}
	if e := ask(path("dog/public"), nil, ""); e.Status != 404 || e.Code != 9404 || e.Failure != "not_found" || !strings.Contains(e.String(), "ERROR 9404") {
		t.Errorf("%+v", e)
	}
	if e := ask("/", nil, ""); e.Status != 404 || e.Kind != "none" {
		t.Errorf("%+v", e)
	}
	if f.Engine.Stats().Decodes != 0 {
		t.Error("something was decoded")
	}
}

// What is answered by the website behind, or needs no picture, has not failed.
func TestWhatIsNotFromTheCacheBypassesIt(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.Behind = func(context.Context, *origin.Forwarded) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}
	})
	for _, tt := range []struct{ method, target string }{{"GET", "/about"}, {"OPTIONS", path("cat/public")}} {
		f.ask(tt.method, tt.target)
		if r := <-f.reports; r.Outcome != cache.Bypass || r.Failure != "" {
			t.Errorf("%s %s: %v %q", tt.method, tt.target, r.Outcome, r.Failure)
		}
	}
}
