// Package admin lets an operator see and steer the server, on a listener of its own.
//
// guard.go says who may ask, calls.go are the questions in JSON, assets.go is the
// dashboard. /healthz, /readyz and /metrics are for machines and need no token.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"
)

// Options are what the admin listener shows. Metrics and Ready are required.
type Options struct {
	// Token opens everything; "" opens it to everybody who reaches the listener under
	// a name of this machine's own (see Loopback).
	Token string
	// Metrics returns the metrics and their Content-Type.
	Metrics func() ([]byte, string, error)
	// Ready returns nil when images can be answered.
	Ready func(context.Context) error
	// Reads and Calls are the questions at /admin/v1/<name>, asked by GET and by POST.
	Reads, Calls map[string]Call
	// Manage answers the management API's paths for an operator, or reports false; nil:
	// there is none.
	Manage func(ctx context.Context, rc *fasthttp.RequestCtx) bool
	// Assets are the files of the dashboard, index.html among them; nil: there is none.
	Assets fs.FS
	// Failed is told of what an answer must not say; nil is nobody.
	Failed func(path string, err error)
}

// Paths.
const (
	callPrefix    = "/admin/v1/"
	managePrefix  = "/client/v4/"
	profilePrefix = "/debug/pprof/"
)

// server answers requests.
type server struct {
	Options
	ctx    context.Context // of the server, not of a request
	assets map[string]*asset
}

// NewServer returns a server for o. Ending ctx ends the waits of its requests.
func NewServer(ctx context.Context, o Options) (*fasthttp.Server, error) {
	if o.Metrics == nil || o.Ready == nil {
		return nil, errors.New("admin: expected Metrics and Ready")
	}
	if o.Token != "" && len(o.Token) < MinToken {
		return nil, fmt.Errorf("token: expected at least %d characters, received %d", MinToken, len(o.Token))
	}
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
	s := &server{Options: o, ctx: ctx}
	if o.Assets != nil {
		var err error
		if s.assets, err = readAssets(o.Assets); err != nil {
			return nil, err
		}
	}
	return &fasthttp.Server{
		Name:                         "fovea admin",
		Handler:                      s.handle,
		ReadTimeout:                  10 * time.Second,
		WriteTimeout:                 5 * time.Minute, // a profile takes as long as it was asked to
		IdleTimeout:                  time.Minute,
		ReadBufferSize:               16 << 10,
		Concurrency:                  256,
		MaxRequestBodySize:           mostBody,
		StreamRequestBody:            true, // an upload is read by who keeps it
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
		NoDefaultContentType:         true,
		Logger:                       silent{},
	}, nil
}

// silent drops the server's own lines: they quote what clients sent.
type silent struct{}

func (silent) Printf(string, ...any) {}

func (s *server) handle(rc *fasthttp.RequestCtx) {
	dress(rc)
	path := string(rc.Path())
	switch path {
	case "/healthz":
		s.text(rc, fasthttp.StatusOK, "ok\n")
		return
	case "/readyz":
		s.ready(rc)
		return
	}
	if refused := s.welcome(rc); refused != nil {
		s.refuse(rc, refused)
		return
	}
	if asset := s.assets[path]; asset != nil {
		asset.write(rc)
		return
	}
	if refused := s.sameSite(rc); refused != nil {
		s.refuse(rc, refused)
		return
	}
	if path == "/metrics" {
		s.metrics(rc)
		return
	}
	if refused := s.authorise(rc); refused != nil {
		s.refuse(rc, refused)
		return
	}
	switch {
	case strings.HasPrefix(path, callPrefix):
		s.call(rc, strings.TrimPrefix(path, callPrefix))
	case strings.HasPrefix(path, managePrefix) && s.Manage != nil:
		s.manage(rc)
	case strings.HasPrefix(path, profilePrefix):
		rc.Response.Header.Del("Content-Security-Policy")
		pprofhandler.PprofHandler(rc)
	default:
		s.refuse(rc, &refusal{fasthttp.StatusNotFound, "Expected /, /healthz, /readyz, /metrics, /debug/pprof/ or /admin/v1/"})
	}
}

// text answers GET and HEAD with a few words.
func (s *server) text(rc *fasthttp.RequestCtx, status int, words string) {
	if !rc.IsGet() && !rc.IsHead() {
		s.refuse(rc, &refusal{fasthttp.StatusMethodNotAllowed, "Expected the method GET"})
		return
	}
	rc.SetContentType("text/plain; charset=utf-8")
	rc.SetStatusCode(status)
	rc.SetBodyString(words)
	rc.Response.SkipBody = rc.IsHead()
}

func (s *server) ready(rc *fasthttp.RequestCtx) {
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		s.text(rc, fasthttp.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
		return
	}
	s.text(rc, fasthttp.StatusOK, "ready\n")
}

func (s *server) metrics(rc *fasthttp.RequestCtx) {
	text, kind, err := s.Metrics()
	if err != nil {
		s.Failed("/metrics", err)
		s.text(rc, fasthttp.StatusInternalServerError, "Internal error; the log says more\n")
		return
	}
	s.text(rc, fasthttp.StatusOK, string(text))
	if rc.Response.StatusCode() == fasthttp.StatusOK {
		rc.SetContentType(kind)
	}
}
