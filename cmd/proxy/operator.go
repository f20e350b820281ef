package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime/metrics"
	"time"

	"github.com/fovea-images/fovea/dashboard"
	"github.com/fovea-images/fovea/internal/admin"
	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/telemetry"
)

// operator is what the admin listener shows of an app, and does to it.
type operator struct {
	*app
	token    string
	listener net.Listener // nil until listen
	delivery *url.URL     // begins the URLs of images
	moved    bool         // the port of the defaults was taken
	history  *telemetry.History
}

// newOperator checks c; nil when there is to be no admin listener.
func newOperator(a *app, c config.Admin, now func() time.Time) (*operator, error) {
	if c.Listen == "" {
		return nil, nil
	}
	secret, err := adminToken(c)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: expected host:port such as 127.0.0.1:8080 or :8080, received %q", c.Listen)
	}
	if secret == "" && !admin.Loopback(host) {
		return nil, fmt.Errorf("listen: expected admin.token beside it, or an address that only this machine reaches such as 127.0.0.1:8081, received %q", c.Listen)
	}
	return &operator{app: a, token: secret, history: a.telemetry.NewHistory(samples, now())}, nil
}

// listen opens the listener. The port of the defaults may be taken, by another server
// of ours on the same machine: then any other will do, as nobody has asked for it.
func (o *operator) listen(ctx context.Context, delivery string) error {
	address := o.settings.Admin.Listen
	own, err := listen(ctx, address)
	if err != nil && address == config.Default().Admin.Listen {
		o.moved = true
		own, err = listen(ctx, "127.0.0.1:0")
	}
	if err != nil {
		return fmt.Errorf("admin.listen: expected a free address, received %q: %w", address, err)
	}
	if tcp, ok := own.Addr().(*net.TCPAddr); o.token == "" && (!ok || !tcp.IP.IsLoopback()) { // localhost need not be
		return errors.Join(fmt.Errorf("admin.listen: %q is no loopback address here; expected admin.token", address), own.Close())
	}
	o.listener = own
	if public := o.settings.API.PublicURL; public != "" {
		delivery = public
	}
	if o.delivery, err = url.Parse(delivery); err != nil {
		return err
	}
	return os.WriteFile(addressPath(o.settings), []byte(own.Addr().String()+"\n"), 0o600)
}

func addressPath(settings config.Config) string { return filepath.Join(settings.Data, addressFile) }

// close closes the listener and takes its address back, unless another server has put
// its own there.
func (o *operator) close() error {
	if o.listener == nil {
		return nil
	}
	err := o.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	text, readErr := os.ReadFile(addressPath(o.settings))
	if readErr == nil && string(text) == o.listener.Addr().String()+"\n" {
		return errors.Join(err, os.Remove(addressPath(o.settings)))
	}
	return err
}

// String says where it is.
func (o *operator) String() string {
	text := "http://" + hostOf(o.listener.Addr().String())
	if o.settings.Admin.Dashboard {
		text += " is the dashboard"
	}
	if o.token != "" {
		text += ", for who has admin.token"
	}
	if o.moved {
		text += "; " + o.settings.Admin.Listen + " was taken"
	}
	return text
}

// server is what answers at the listener.
func (o *operator) server(ctx context.Context) (server, error) {
	options := admin.Options{
		Token: o.token, Metrics: o.telemetry.Metrics, Ready: o.ready, Reads: o.reads(), Calls: o.calls(),
		Failed: func(path string, err error) { o.log.Error("admin", "path", path, "error", err) },
	}
	if o.settings.Admin.Dashboard {
		var err error
		if options.Assets, err = fs.Sub(dashboard.Files, "page"); err != nil {
			return nil, err
		}
	}
	if o.api != nil {
		options.Manage = o.api.ForOperator(o.delivery)
	}
	return admin.NewServer(ctx, options)
}

// The charts show as much.
const (
	samples = 450
	every   = 2 * time.Second
)

// watch takes samples for the charts.
func (o *operator) watch(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.history.Take(time.Now(), o.gauges())
		}
	}
}

func (o *operator) gauges() telemetry.Gauges {
	e := o.engine.Stats()
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	return telemetry.Gauges{
		Queued: e.Queued, Running: e.Running, CacheBytes: o.cache.Stats().Tier.Bytes, HeapBytes: int64(heap[0].Value.Uint64()),
	}
}
