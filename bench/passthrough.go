package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runPassthrough asks for pictures that were never asked for and are passed on to
// Cloudflare, which the origin plays, beside nginx as a plain reverse proxy. A miss
// of ours also parses, looks up, judges the picture's header and keeps the answer:
// the next request for it is a hit.
func runPassthrough(ctx context.Context, b *bench) error {
	photo, err := photograph(800, 600, 1)
	if err != nil {
		return err
	}
	b.rig.Origin.Make(func(string) (string, []byte) { return "image/jpeg", photo })
	f, err := b.rig.Fovea(ctx, b.throughCloudflare()...)
	if err != nil {
		return err
	}
	bare, err := b.rig.Forwarder(ctx)
	if err != nil {
		return err
	}
	b.result.contender(bare)
	all := []*rig.Process{f.Process, bare}
	if b.wants("nginx") {
		nginx, err := b.rig.Nginx(ctx, 0)
		if err = b.leftOut(err); err != nil {
			return err
		}
		if nginx != nil {
			b.result.contender(nginx)
			all = append(all, nginx)
		}
	}
	var next atomic.Int64
	var entrants []entrant
	for _, p := range all {
		entrants = append(entrants, entrant{p.Name, p, load.Plan{Address: p.Address, Connections: 16, Next: func(int) *load.Request {
			r := load.Get(p.Address, rig.Path(fmt.Sprintf("image-%d", next.Add(1)), "public"), 200, accept)
			r.Body = photo
			return r
		}}})
	}
	c, err := b.race(ctx, race{name: "800×600, never asked for", duration: 15 * time.Second, entrants: entrants})
	if err == nil {
		b.bound("CPU per miss passed on, ours / nginx", c.ratio("Fovea", "nginx", cpu), "≤ 1.10", 1.1)
		b.find(finding{Name: "CPU per miss passed on, ours / the standard library's client alone", Value: c.ratio("Fovea", "bare net/http client", cpu)})
		b.find(finding{Name: "CPU per request passed on, the standard library's client alone / nginx", Value: c.ratio("bare net/http client", "nginx", cpu)})
	}
	return err
}

// throughCloudflare are the settings under which the origin is Cloudflare and
// transforms.
func (b *bench) throughCloudflare() []string {
	return []string{
		"FOVEA_ORIGINS_ALLOW_PRIVATE=127.0.0.0/8", "FOVEA_ORIGINS_PER_HOST=64",
		"FOVEA_CLOUDFLARE_MODE=passthrough", "FOVEA_CLOUDFLARE_DELIVERY=http://" + b.rig.Origin.Address,
	}
}
