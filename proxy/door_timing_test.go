package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/fovea-images/fovea/store"
)

// caller is a connection on which the same request comes n times; answers are dropped.
type caller struct {
	address net.TCPAddr
	request []byte
	n       int
	at      int
}

func (c *caller) Read(p []byte) (int, error) {
	if c.at == len(c.request) {
		c.n, c.at = c.n-1, 0
	}
	if c.n <= 0 {
		return 0, io.EOF
	}
	n := copy(p, c.request[c.at:])
	c.at += n
	return n, nil
}

func (c *caller) Write(p []byte) (int, error) { return len(p), nil }

func (*caller) Close() error                     { return nil }
func (c *caller) LocalAddr() net.Addr            { return &c.address }
func (c *caller) RemoteAddr() net.Addr           { return &c.address }
func (*caller) SetDeadline(time.Time) error      { return nil }
func (*caller) SetReadDeadline(time.Time) error  { return nil }
func (*caller) SetWriteDeadline(time.Time) error { return nil }

// browserRequest is what a browser sends for a picture.
func browserRequest(target string, more ...string) []byte {
	var b bytes.Buffer
	b.WriteString("GET " + target + " HTTP/1.1\r\nHost: example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n" +
		"Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Referer: https://example.com/products/shoes\r\n")
	for _, line := range more {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// BenchmarkDoor is a hit from the request's bytes to the answer's, without a kernel,
// beside a bare handler of the same server that writes the same body.
func BenchmarkDoor(b *testing.B) {
	f := newFixture(b, func(o *Options) { o.Report = func(Report) {} }, ruled(b, []string{"/p/*"}, nil, "products.wasm"))
	f.add("shoes", picture(1600, 1200))
	f.add("secret", picture(1600, 1200), func(i *store.Image) { i.RequireSigned = true })
	target := path("shoes/width=640")
	_, body := f.ask("GET", target, "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
	bare := &fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
		rc.SetContentType("image/webp")
		rc.Response.SetBodyRaw(body)
	}}
	response, _ := f.ask("GET", target, "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
	for _, tt := range []struct {
		name    string
		server  *fasthttp.Server
		request []byte
	}{
		{"bare", bare, browserRequest(target)},
		{"hit", NewServer(context.Background(), f.current, ServerOptions{}), browserRequest(target)},
		{"304", NewServer(context.Background(), f.current, ServerOptions{}), browserRequest(target, "If-None-Match: "+response.Header.Get("ETag"))},
		{"rule", NewServer(context.Background(), f.current, ServerOptions{}), browserRequest("/p/shoes")},
		{"signed", NewServer(context.Background(), f.current, ServerOptions{}), browserRequest(f.signFor(path("secret/public"), time.Hour))},
	} {
		b.Run(tt.name, func(b *testing.B) {
			if tt.name != "bare" {
				for range 3 { // it is known from then on
					if err := tt.server.ServeConn(&caller{request: tt.request, n: 1}); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			if err := tt.server.ServeConn(&caller{request: tt.request, n: b.N}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// Hits, 304s and what rules have made a hit of are answered without an allocation, but
// for those of the connection.
func TestTheDoorAllocatesNothing(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Report = func(Report) {} }, ruled(t, []string{"/p/*"}, nil, "products.wasm"))
	f.add("shoes", picture(1600, 1200))
	accept := "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
	response, _ := f.ask("GET", path("shoes/width=640"), accept)
	server := NewServer(context.Background(), f.current, ServerOptions{})
	for name, request := range map[string][]byte{
		"a hit":           browserRequest(path("shoes/width=640")),
		"a 304":           browserRequest(path("shoes/width=640"), "If-None-Match: "+response.Header.Get("ETag")),
		"a hit by a rule": browserRequest("/p/shoes"),
		"a hit of who does not say what it takes": []byte("GET " + path("shoes/width=640") + " HTTP/1.1\r\nHost: example.com\r\n\r\n"),
	} {
		serve := func(n int) {
			if err := server.ServeConn(&caller{request: request, n: n}); err != nil {
				t.Fatal(err)
			}
		}
		serve(10) // known from then on
		const many = 1000
		once, often := testing.AllocsPerRun(5, func() { serve(1) }), testing.AllocsPerRun(5, func() { serve(many) })
		// A pool that the race detector empties, or a collection, costs a few.
		if each := (often - once) / many; each > .1 && !raced {
			t.Errorf("%s: %.2f allocations", name, each)
		}
	}
}
