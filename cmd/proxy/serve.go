package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/telemetry"
)

type serveCmd struct {
	Listen string `help:"Address to listen on (${listen})." placeholder:"HOST:PORT"`
}

func (c *serveCmd) settings(cli *cli, w world) (config.Config, error) {
	settings, err := cli.settings(w)
	if c.Listen != "" {
		settings.Listen = c.Listen
	}
	return settings, err
}

// Run serves until the process is told to stop.
func (c *serveCmd) Run(ctx context.Context, cli *cli, w world) error {
	settings, err := c.settings(cli, w)
	if err != nil {
		tell(w.stderr, err)
		return errTold
	}
	again := make(chan os.Signal, 1) // before anybody can know that we run
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	log, err := telemetry.NewLog(w.stderr, settings.Log.Level, settings.Log.Format)
	if err != nil {
		return fmt.Errorf("log.%w", err)
	}
	a, err := newApp(ctx, settings, log, w.now, serving)
	if err != nil {
		tell(w.stderr, err)
		return errTold
	}
	if w.widen != nil {
		go places(ctx, a.engine.Stats, w.widen)
	}
	listener, err := listen(ctx, settings.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen: expected a free address, received %q: %w", settings.Listen, err), a.close())
	}
	address := a.scheme() + hostOf(listener.Addr().String())
	if a.admin != nil {
		if err := a.admin.listen(ctx, address); err != nil {
			return errors.Join(err, listener.Close(), a.close())
		}
	}
	greeting, err := a.open(ctx, address)
	if err == nil {
		_, err = fmt.Fprint(w.stdout, greeting)
	}
	if err == nil {
		err = a.serve(ctx, listener, again, func() (config.Config, error) { return c.settings(cli, w) })
	}
	return errors.Join(err, a.close())
}

// drain goes on answering for a while that /readyz says no, unless a server fails.
func (a *app) drain(failed <-chan error) error {
	a.leaving.Store(true)
	if a.manner.drain <= 0 {
		return nil
	}
	a.log.Info("leaving", "drain", a.manner.drain)
	select {
	case err := <-failed:
		return err
	case <-time.After(a.manner.drain):
		return nil
	}
}

// ready reports whether images can be looked up and read.
func (a *app) ready(ctx context.Context) error {
	if a.leaving.Load() {
		return errors.New("stopping")
	}
	if a.shared != nil && !a.shared.Vouched() {
		return errors.New("redis: expected to have heard of what other nodes purged, received nothing yet")
	}
	return errors.Join(a.namesReady(ctx), a.bytesReady(ctx))
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}

// hostOf is how a browser on this machine reaches address.
func hostOf(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
