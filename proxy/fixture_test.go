package proxy

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/cache/memory"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/origin/stored"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
)

// hash is the account of every fixture.
const hash = "Vi7wi5KSItxGFsWRG2Us6Q"

// fixture is a whole server of real parts, without a listener on the network.
type fixture struct {
	*Proxy
	t       testing.TB
	library *store.Library
	site    *httptest.Server // the website behind
	client  *http.Client
	reports chan Report
}

func newFixture(t testing.TB, change ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, reports: make(chan Report, 4096)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	names, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	must(err)
	blobs, err := fsblob.Open(filepath.Join(t.TempDir(), "blobs"))
	must(err)
	tier, err := memory.New(64 << 20)
	must(err)
	c, err := cache.New(cache.Options{Tier: tier})
	must(err)
	catalog := store.NewCatalog(names, store.CatalogOptions{})
	f.library = &store.Library{Names: names, Blobs: blobs, Forget: func(tags ...string) {
		catalog.Forget(tags...)
		c.Purge(tags...)
	}}
	_, err = f.library.EnsureAccount(t.Context(), hash, true)
	must(err)
	table, err := codec.Table(codec.Options{})
	must(err)
	e, err := engine.New(engine.Options{Codecs: table})
	must(err)
	f.site = httptest.NewServer(http.HandlerFunc(f.website))
	t.Cleanup(f.site.Close)
	base, err := url.Parse(f.site.URL)
	must(err)
	w, err := web.New(web.Options{Site: base, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(err)
	o := Options{
		Host:    Host{Site: params.Site{Zone: "example.com", DeliveryHosts: []string{"imagedelivery.net"}}, AllowOrigin: "*"},
		Catalog: catalog, Policy: negotiate.DefaultPolicy(), Cache: c, Engine: e, Stored: stored.New(catalog.Image, blobs), Web: w,
		Version: "test", Report: func(r Report) { f.reports <- r },
	}
	for _, do := range change {
		do(&o)
	}
	f.Proxy, err = New(o)
	must(err)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := names.Close(); err != nil {
			t.Error(err)
		}
	})
	f.listen()
	return f
}

func (f *fixture) listen() {
	listener := fasthttputil.NewInmemoryListener()
	server := NewServer(context.Background(), f.current, ServerOptions{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return listener.Dial() },
		DisableCompression: true,
	}
	f.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	f.t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Shutdown(); err != nil {
			f.t.Error(err)
		}
		_ = listener.Close() // a server that had not begun to serve was not shut down
		<-served
	})
}

// website is the site behind: a few answers that a real one gives.
func (f *fixture) website(rw http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/cdn-cgi/") { // the zone has us in front of it
		r.Host = "example.com"
		behind := httputil.ReverseProxy{Transport: f.client.Transport, Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: "example.com"})
		}}
		behind.ServeHTTP(rw, r)
		return
	}
	switch r.URL.Path {
	case "/photo.jpg":
		rw.Header().Set("ETag", `"origin-1"`)
		rw.Header().Set("Cache-Control", "max-age=7200")
		_, _ = rw.Write(picture(800, 600))
	case "/login":
		_, _ = rw.Write([]byte("<!doctype html><title>Log in</title>"))
	case "/broken":
		rw.WriteHeader(http.StatusBadGateway)
	default:
		http.NotFound(rw, r)
	}
}

// picture is a JPEG with some detail.
func picture(w, h int) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x/16 + y/16) % 2 * 200), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func transparent(w, h int) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := 0; i < len(m.Pix); i += 4 {
		m.Pix[i], m.Pix[i+3] = 200, uint8(i/4%w*255/w)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// add keeps body as an image.
func (f *fixture) add(id string, body []byte, change ...func(*store.Image)) {
	f.t.Helper()
	info, err := f.Engine.Probe(body)
	if err != nil {
		f.t.Fatal(err)
	}
	img := store.Image{
		Account: hash, ID: id, Media: info.Media, Size: info.Size, Orientation: info.Orientation, Frames: info.Frames, Alpha: info.Alpha,
		Uploaded: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for _, do := range change {
		do(&img)
	}
	if _, err := f.library.Add(f.t.Context(), img, body, true); err != nil {
		f.t.Fatal(err)
	}
}

// path is a delivery path.
func path(rest string) string { return "/cdn-cgi/imagedelivery/" + hash + "/" + rest }

func (f *fixture) current() *Proxy { return f.Proxy }
