// Package admin serves health and metrics on a listener of its own.
package admin

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"
)

// Options are what the admin listener shows.
type Options struct {
	// Metrics returns the metrics and their Content-Type.
	Metrics func() ([]byte, string, error)
	// Ready returns nil when images can be answered.
	Ready func(context.Context) error
}

// NewServer returns a server of /healthz, /readyz and /metrics. It is meant for
// operators: put it on an address that strangers cannot reach.
func NewServer(o Options) *fasthttp.Server {
	return &fasthttp.Server{
		Name:               "fovea admin",
		ReadTimeout:        5 * time.Second,
		WriteTimeout:       30 * time.Second,
		MaxRequestBodySize: 1 << 10,
		CloseOnShutdown:    true,
		Handler: func(rc *fasthttp.RequestCtx) {
			rc.SetContentType("text/plain; charset=utf-8")
			if !rc.IsGet() && !rc.IsHead() {
				rc.Error("Expected the method GET", fasthttp.StatusMethodNotAllowed)
				return
			}
			switch string(rc.Path()) {
			case "/healthz":
				rc.SetBodyString("ok\n")
			case "/readyz":
				o.ready(rc)
			case "/metrics":
				o.metrics(rc)
			default:
				rc.Error("Expected /healthz, /readyz or /metrics", fasthttp.StatusNotFound)
			}
		},
	}
}

func (o Options) ready(rc *fasthttp.RequestCtx) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := o.Ready(ctx); err != nil {
		rc.Error("not ready: "+err.Error(), fasthttp.StatusServiceUnavailable)
		return
	}
	rc.SetBodyString("ready\n")
}

func (o Options) metrics(rc *fasthttp.RequestCtx) {
	text, kind, err := o.Metrics()
	if err != nil {
		rc.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	rc.SetContentType(kind)
	rc.SetBody(text)
}
