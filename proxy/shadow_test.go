package proxy

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/params"
)

// shadowed is a fixture behind another service, whose answers are given.
func shadowed(t *testing.T, other http.HandlerFunc, change func(*Options)) (*fixture, chan Difference) {
	t.Helper()
	theirs := httptest.NewServer(other)
	t.Cleanup(theirs.Close)
	base, err := url.Parse(theirs.URL)
	if err != nil {
		t.Fatal(err)
	}
	service, err := web.New(web.Options{Site: base, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan Difference, 1024)
	f := newFixture(t, func(o *Options) {
		o.Shadow = Shadow{Ask: service.Forward, Share: 1, Report: func(d Difference) { told <- d }}
		if change != nil {
			change(o)
		}
	})
	return f, told
}

func TestAShadowTellsHowOursDiffers(t *testing.T) {
	ours := picture(80, 60)
	other := bytes.Clone(ours)
	var status atomic.Int64
	var body, media atomic.Value
	f, told := shadowed(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Cookie") != "a=1" {
			t.Errorf("%v", r.Header)
		}
		rw.Header().Set("Content-Type", media.Load().(string))
		rw.Header().Set("X-Theirs", "yes")
		rw.WriteHeader(int(status.Load()))
		_, _ = rw.Write(body.Load().([]byte))
	}, nil)
	f.add("a", ours)
	f.add("b", picture(160, 120))
	grey := flat(80, 60)
	for _, tt := range []struct {
		name   string
		target string
		status int
		body   []byte
		media  string
		word   string
		like   func(ssim float64) bool
	}{
		{"the same picture", "a/f=jpeg,q=90,w=80", 200, other, "image/jpeg; x=y", "nothing", func(s float64) bool { return s > 0.95 }},
		{"another picture", "a/f=jpeg,w=80", 200, grey, "image/jpeg", "nothing", func(s float64) bool { return s < 0.6 }},
		{"another type", "a/f=jpeg,w=80", 200, other, "image/webp", "type", func(s float64) bool { return s > 0.9 }},
		{"another size", "b/f=jpeg,w=160", 200, other, "image/jpeg", "size", math.IsNaN},
		{"another status", "a/w=80", 404, nil, "text/html", "status", math.IsNaN},
		{"we do not have it", "c/w=80", 200, other, "image/jpeg", "status", math.IsNaN},
		{"nobody has it", "c/w=80", 404, nil, "text/html", "nothing", math.IsNaN},
		{"what is no picture", "a/f=jpeg,w=80", 200, []byte("<html>"), "image/jpeg", "size", math.IsNaN},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status.Store(int64(tt.status))
			body.Store(tt.body)
			media.Store(tt.media)
			response, got := f.ask("GET", path(tt.target)+"?sig=5ec4e7", "Cookie: a=1", "Accept-Encoding: gzip")
			if response.StatusCode != tt.status || !bytes.Equal(got, tt.body) || response.Header.Get("X-Theirs") != "yes" {
				t.Errorf("the visitor got %d, %d bytes, %v", response.StatusCode, len(got), response.Header)
			}
			d := <-told
			if d.Word() != tt.word || !tt.like(d.SSIM) || d.Path != path(tt.target) || d.Theirs.Status != tt.status || d.Theirs.Bytes != len(tt.body) || d.Skipped != "" {
				t.Errorf("%s: %+v", d.Word(), d)
			}
		})
	}
	if report := <-f.reports; report.Outcome.String() != "bypass" || report.Kind != params.Hosted || report.Type != "other" {
		t.Errorf("%+v", report)
	}
}

func TestWhatAShadowDoesNotCompare(t *testing.T) {
	turn := 0.0
	f, told := shadowed(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cut") != "" {
			_, _ = rw.Write(make([]byte, 50))
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = rw.Write(make([]byte, len(r.URL.RawQuery)))
	}, func(o *Options) {
		o.Shadow.Share, o.Shadow.Bytes, o.Shadow.AtOnce = 0.5, 100, 100
		o.Shadow.Random = func() float64 { turn += 0.25; return math.Mod(turn, 1) }
	})
	for range 8 {
		if response, _ := f.ask("GET", path("x/w=8")); response.StatusCode != 200 {
			t.Fatal(response.StatusCode)
		}
	}
	for range 4 { // those below one half: 0 and 0.25, of four
		if d := <-told; d.Skipped != "" {
			t.Errorf("%+v", d)
		}
	}
	f.ask("HEAD", path("x/w=8"))
	f.ask("GET", path("x/w=8"), "If-None-Match: \"a\"")
	f.ask("POST", path("x/w=8"))
	if len(told) > 0 {
		t.Errorf("%+v", <-told)
	}
	for query, want := range map[string]string{"?" + string(bytes.Repeat([]byte("x"), 101)): SkippedLarge} {
		turn = 0.75
		if f.ask("GET", path("x/w=8")+query); (<-told).Skipped != want {
			t.Errorf("%s: not skipped as %s", query, want)
		}
	}
	turn = 0.75
	request, err := http.NewRequestWithContext(t.Context(), "GET", "http://example.com"+path("x/w=8")+"?cut=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := f.client.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	if d := <-told; d.Skipped != SkippedCut {
		t.Errorf("%+v", d)
	}
}

// The visitor has the other service's answer, whatever becomes of ours.
func TestAShadowNeverKeepsAVisitorWaiting(t *testing.T) {
	hold, broken := make(chan struct{}), make(chan struct{})
	f, told := shadowed(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Length", strconv.Itoa(6))
		_, _ = rw.Write([]byte("theirs"))
	}, func(o *Options) { o.Shadow.AtOnce, o.Web = 1, hanging{began: broken, until: hold} })
	if response, body := f.ask("GET", "/cdn-cgi/image/w=8/photo.jpg"); response.StatusCode != 200 || string(body) != "theirs" {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	<-broken // ours has begun, and hangs
	for range 5 {
		if response, body := f.ask("GET", path("x/w=8")); response.StatusCode != 200 || string(body) != "theirs" {
			t.Errorf("%d %s", response.StatusCode, body)
		}
		if d := <-told; d.Skipped != SkippedBusy {
			t.Errorf("%+v", d)
		}
	}
	close(hold)
	if d := <-told; d.Ours.Status != 500 || d.Theirs.Status != 200 || d.Err == nil {
		t.Errorf("%+v", d)
	}
}

// hanging is an origin that hangs, and then fails.
type hanging struct{ began, until chan struct{} }

// Fetch implements origin.Origin.
func (h hanging) Fetch(context.Context, params.Target) (origin.Source, error) {
	close(h.began)
	<-h.until
	return origin.Source{}, fault.New(fault.Internal, "a bug of ours")
}

// flat is a JPEG with no detail.
func flat(w, h int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Who may see a private image is the other service's to say, of each visitor.
func TestAShadowKeepsNothingOfPrivateImages(t *testing.T) {
	f, told := shadowed(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = rw.Write(picture(80, 60))
	}, nil)
	f.add("secret", picture(80, 60))
	for range 2 {
		for proof, want := range map[string]int{"Bearer good": 200, "Bearer bad": 403, "": 403} {
			if response, _ := f.ask("GET", path("secret/w=80"), "Authorization: "+proof); response.StatusCode != want {
				t.Errorf("%q: %d", proof, response.StatusCode)
			}
			<-told
		}
	}
}
