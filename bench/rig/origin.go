package rig

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Origin is the web server behind the contenders, in this process. It is safe for
// concurrent use.
type Origin struct {
	Address string // host:port
	// Delay is how long each answer takes.
	Delay atomic.Int64 // time.Duration

	lock    sync.RWMutex
	files   map[string]*file
	make    func(path string) (media string, body []byte) // nil = nothing
	fetches atomic.Int64
	server  *fasthttp.Server
}

type file struct {
	media   string
	body    []byte
	fetches atomic.Int64
}

func newOrigin(ctx context.Context) (*Origin, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &Origin{Address: listener.Addr().String(), files: map[string]*file{}}
	o.server = &fasthttp.Server{Handler: o.answer, NoDefaultServerHeader: true, CloseOnShutdown: true}
	go func() { _ = o.server.Serve(listener) }()
	return o, nil
}

func (o *Origin) close() error { return o.server.Shutdown() }

// Put serves body at path.
func (o *Origin) Put(path, media string, body []byte) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.files[path] = &file{media: media, body: body}
}

// Make serves what make returns, at paths where nothing was put. make is called
// concurrently; nil bytes are a 404.
func (o *Origin) Make(make func(path string) (media string, body []byte)) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.make = make
}

// Fetches is how often path was asked for; "" = all of them.
func (o *Origin) Fetches(path string) int64 {
	if path == "" {
		return o.fetches.Load()
	}
	o.lock.RLock()
	defer o.lock.RUnlock()
	if f := o.files[path]; f != nil {
		return f.fetches.Load()
	}
	return 0
}

func (o *Origin) answer(rc *fasthttp.RequestCtx) {
	o.fetches.Add(1)
	path := string(rc.Path())
	o.lock.RLock()
	f, maker := o.files[path], o.make
	o.lock.RUnlock()
	if wait := time.Duration(o.Delay.Load()); wait > 0 {
		time.Sleep(wait)
	}
	if f == nil && maker != nil {
		if media, body := maker(path); body != nil {
			f = &file{media: media, body: body}
		}
	}
	if f == nil {
		rc.Error("not found", fasthttp.StatusNotFound)
		return
	}
	f.fetches.Add(1)
	h := &rc.Response.Header
	h.SetContentType(f.media)
	h.Set("ETag", `"`+strconv.Itoa(len(f.body))+`"`)
	h.Set("Cache-Control", "public, max-age=86400")
	rc.SetBody(f.body) // a copy: SetBodyRaw bodies are compared by nobody here, but must not be changed either
}
