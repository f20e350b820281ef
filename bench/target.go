package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/bench/load"
)

// runTarget puts load on a server that somebody else runs.
func runTarget(ctx context.Context, b *bench) error {
	const keys = 10_000
	u, err := url.Parse(strings.ReplaceAll(b.target, "{n}", "1"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("-target: expected an http or https URL, received %q", b.target)
	}
	_, rest, _ := strings.Cut(b.target, "://")
	_, path, _ := strings.Cut(rest, "/")
	n := keys
	if !strings.Contains(path, "{n}") {
		n = 1
	}
	requests := make([]*load.Request, n)
	for i := range requests {
		requests[i] = load.Get(u.Host, "/"+strings.ReplaceAll(path, "{n}", strconv.Itoa(i+1)), 200, accept)
	}
	picks := load.NewZipf(n, 1, 1).Sequence(1 << 20)
	r := race{name: b.target, duration: 30 * time.Second, rate: b.open, note: "somebody else's server: its processor time is not known; answers that are 200 are taken for right, one in 64 is decoded if it is a picture"}
	r.entrants = []entrant{{u.Host, nil, load.Plan{
		Address: hostPort(u), TLS: u.Scheme == "https", Connections: clients,
		Next: func(i int) *load.Request { return requests[picks[i%len(picks)]] },
		Judge: func(r *load.Request, a *load.Answer, sampled bool) error {
			return whole(r, a, sampled && strings.HasPrefix(string(a.Header("Content-Type")), "image/"), "", 0)
		},
	}}}
	_, err = b.race(ctx, r)
	return err
}
