package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/config"
)

// certificate is a pair of files and what was last good in them. It is safe for
// concurrent use.
type certificate struct {
	files   atomic.Pointer[config.TLS]
	current atomic.Pointer[tls.Certificate]
}

// newCertificate reads the files; nil when none are named.
func newCertificate(files config.TLS) (*certificate, error) {
	switch {
	case files == config.TLS{}:
		return nil, nil
	case files.Key == "":
		return nil, errors.New("key: expected a file beside tls.cert, received none")
	case files.Cert == "":
		return nil, errors.New("cert: expected a file beside tls.key, received none")
	}
	var errs complaints
	for _, f := range []struct{ key, name string }{{"cert", files.Cert}, {"key", files.Key}} {
		if _, err := os.ReadFile(f.name); err != nil {
			errs.add(f.key+": ", fmt.Errorf("expected a file that can be read, received %q", f.name))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("cert: expected a certificate and its private key, received something else: %w", err)
	}
	c := &certificate{}
	c.files.Store(&files)
	c.current.Store(&pair)
	return c, nil
}

// take makes c what other is.
func (c *certificate) take(other *certificate) {
	c.files.Store(other.files.Load())
	c.current.Store(other.current.Load())
}

// guard speaks TLS on listener, with the certificate that is current at each
// handshake; without a certificate the listener stays as it is.
func (c *certificate) guard(listener net.Listener) net.Listener {
	if c == nil {
		return listener
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	})
}

// run looks at the files now and then, for who renews certificates without a signal.
func (c *certificate) run(ctx context.Context, every time.Duration, log *slog.Logger) {
	if c == nil {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next, err := newCertificate(*c.files.Load())
		switch {
		case err != nil:
			log.Warn("the certificate stays as it was", "error", err)
		case !next.current.Load().Leaf.Equal(c.current.Load().Leaf):
			c.take(next)
			log.Info("certificate renewed", "until", next.current.Load().Leaf.NotAfter)
		}
	}
}
