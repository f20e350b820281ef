package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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
	var complaints complaints
	if o.Refresh < time.Second {
		complaints.add("refresh: ", fmt.Errorf("expected a duration of 1s or more, received %v", o.Refresh))
	}
	ring := &token.Ring{Every: o.Refresh, Report: func(source string, err error) {
		if err != nil {
			log.Warn("public keys stay as they were", "source", source, "error", err)
		}
	}}
	client := &http.Client{Timeout: keyWait, CheckRedirect: func(request *http.Request, via []*http.Request) error {
		if len(via) > 5 {
			return errors.New("too many redirects")
		}
		return checkKeyURL(request.URL)
	}}
	places := slices.Clone(o.Keys)
	slices.SortStableFunc(places, func(a, b string) int { return isURL(a) - isURL(b) }) // a URL may take its time
	for _, place := range places {
		source := token.Source{Name: place, Fetch: func(ctx context.Context) ([]byte, error) { return getKeys(ctx, client, place) }}
		if isURL(place) == 1 {
			u, err := url.Parse(place)
			if err == nil {
				err = checkKeyURL(u)
			}
			complaints.add("keys: ", err)
		} else {
			source.Name = strings.TrimSuffix(filepath.Base(place), filepath.Ext(place))
			source.Fetch = func(context.Context) ([]byte, error) { return os.ReadFile(place) }
			text, err := source.Fetch(ctx)
			if err == nil {
				source.First, err = token.ParseKeys(source.Name, text)
			}
			if err != nil {
				complaints.add("keys: ", fmt.Errorf("expected a file of public keys, received %q: %w", place, err))
			}
		}
		ring.Sources = append(ring.Sources, source)
	}
	return ring, errors.Join(complaints...)
}

func isURL(place string) int {
	if strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://") {
		return 1
	}
	return 0
}

// checkKeyURL refuses keys that somebody on the way could exchange.
func checkKeyURL(u *url.URL) error {
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("expected a file or an https URL, received %q", u.Redacted())
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
	var complaints complaints
	hosts := lower(o.Referers)
	for _, host := range hosts {
		plain := strings.TrimPrefix(host, "*.")
		if u, err := url.Parse("http://" + plain); err != nil || u.Hostname() != plain || strings.Contains(plain, "*") {
			complaints.add("", fmt.Errorf("expected hosts such as www.example.com or *.example.com, received %q", host))
		}
	}
	return proxy.Referers{Hosts: hosts, Empty: o.Empty}, errors.Join(complaints...)
}
