package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"
)

// looking is how often the front asks a node whether it is ready: more often than
// drain in fovea.yaml is long.
const looking = 250 * time.Millisecond

// front sends each request to the next node that is ready. It is an http.RoundTripper,
// safe for concurrent use.
type front struct {
	doors     atomic.Pointer[[]*door]
	next      atomic.Uint64
	transport *http.Transport
}

// door is a node as the front sees it.
type door struct {
	*node
	open atomic.Bool
}

var errNobody = errors.New("no node is ready")

func newFront() *front {
	f := &front{transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true}}
	f.doors.Store(&[]*door{})
	return f
}

// follow begins to look at the nodes, until ctx ends.
func (f *front) follow(ctx context.Context, nodes []*node) {
	var doors []*door
	for _, n := range nodes {
		d := &door{node: n}
		d.open.Store(n.ready(ctx))
		doors = append(doors, d)
		go func() {
			tick := time.NewTicker(looking)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					d.open.Store(d.ready(ctx))
				}
			}
		}()
	}
	f.doors.Store(&doors)
}

// pick is the next open door; nil = there is none.
func (f *front) pick() *door {
	doors := *f.doors.Load()
	for range doors {
		if d := doors[f.next.Add(1)%uint64(len(doors))]; d.open.Load() {
			return d
		}
	}
	return nil
}

// RoundTrip asks a node. What changes nothing is asked of the next one if that fails.
func (f *front) RoundTrip(request *http.Request) (*http.Response, error) {
	for {
		d := f.pick()
		if d == nil {
			return nil, errNobody
		}
		out := request.Clone(request.Context())
		out.URL.Scheme, out.URL.Host = "http", d.address
		response, err := f.transport.RoundTrip(out)
		if err == nil {
			response.Header.Set("Fleet-Node", d.name)
			return response, nil
		}
		if request.Context().Err() != nil {
			return nil, err
		}
		d.open.Store(false) // until we look again
		if request.Method != http.MethodGet && request.Method != http.MethodHead {
			return nil, err
		}
	}
}

func (f *front) handler() http.Handler {
	return &httputil.ReverseProxy{
		Transport: f,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) {
			status := http.StatusBadGateway
			if errors.Is(err, errNobody) {
				status = http.StatusServiceUnavailable
				rw.Header().Set("Retry-After", "1")
			}
			http.Error(rw, http.StatusText(status), status)
		},
	}
}
