package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/proxy"
	"github.com/fovea-images/fovea/token"
)

const (
	keyBytes = 1 << 20 // of a set of public keys
	keyWait  = 10 * time.Second
)

// newRing reads the public keys. A file must be good now; a URL may become so.
func newRing(ctx context.Context, o config.Tokens, log *slog.Logger) (*token.Ring, error) {
	if o.Refresh < time.Second {
		return nil, fmt.Errorf("expected a refresh of 1s or more, received %v", o.Refresh)
	}
	ring := &token.Ring{Every: o.Refresh, Report: func(source string, err error) {
		if err != nil {
			log.Warn("public keys stay as they were", "source", source, "error", err)
		}
	}}
	client := &http.Client{Timeout: keyWait}
	for _, place := range o.Keys {
		source := token.Source{Name: place, Fetch: func(ctx context.Context) ([]byte, error) { return getKeys(ctx, client, place) }}
		if !strings.HasPrefix(place, "https://") && !strings.HasPrefix(place, "http://") {
			source.Name = strings.TrimSuffix(filepath.Base(place), filepath.Ext(place))
			source.Fetch = func(context.Context) ([]byte, error) { return os.ReadFile(place) }
			text, err := source.Fetch(ctx)
			if err == nil {
				_, err = token.ParseKeys(source.Name, text)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", place, err)
			}
		}
		ring.Sources = append(ring.Sources, source)
	}
	return ring, nil
}

func getKeys(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "Fovea/"+version)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("expected the status 200, received %d", response.StatusCode)
	}
	return io.ReadAll(io.LimitReader(response.Body, keyBytes))
}

// newReferers reads the hosts of pages.
func newReferers(o config.Hotlink) (proxy.Referers, error) {
	hosts := lower(o.Referers)
	for _, host := range hosts {
		plain := strings.TrimPrefix(host, "*.")
		if u, err := url.Parse("http://" + plain); err != nil || u.Hostname() != plain || strings.Contains(plain, "*") {
			return proxy.Referers{}, fmt.Errorf("expected hosts such as www.example.com or *.example.com, received %q", host)
		}
	}
	return proxy.Referers{Hosts: hosts, Empty: o.Empty}, nil
}
