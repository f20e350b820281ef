package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// fleet is some nodes that requests are spread over in turn, and what they share.
type fleet struct {
	name  string
	nodes int
	disk  bool
	redis bool
}

// tiered is what the pictures and the requests of all fleets are.
type tiered struct {
	*catalogue
	picks []int
	warm  int // of picks, not counted
}

// runTiers asks one node and three for pictures by Zipf's law. Each has memory for a
// twentieth of the bytes; files and Redis have room for half of them.
func runTiers(ctx context.Context, b *bench) error {
	images, warm, count := 20_000, 45_000, 45_000
	if b.short {
		images, warm, count = 2000, 1200, 1200
	}
	c, err := newCatalogue(images)
	if err != nil {
		return err
	}
	all := &tiered{c, load.NewZipf(images, 1, 1).Sequence(warm + count), warm}
	b.rig.Origin.Make(c.answer)
	b.result.note(fmt.Sprintf("tiers: %d pictures of %.0f MB in all, memory for a twentieth on each node, files and Redis for half; %d requests warm, the next %d count", images, float64(c.total)/1e6, warm, count))
	for _, f := range []fleet{
		{"one node, memory", 1, false, false},
		{"one node, memory and files", 1, true, false},
		{"one node, memory and Redis", 1, false, true},
		{"three nodes, memory", 3, false, false},
		{"three nodes, memory and Redis", 3, false, true},
	} {
		if err := b.leftOut(b.tier(ctx, f, all)); err != nil {
			return err
		}
		if err := b.rig.StopAll(); err != nil {
			return err
		}
	}
	return nil
}

// tier starts a fleet and asks it.
func (b *bench) tier(ctx context.Context, f fleet, all *tiered) error {
	settings := append(b.throughCloudflare(), fmt.Sprintf("FOVEA_CACHE_MEMORY=%d", all.total/20))
	if f.disk {
		settings = append(settings, fmt.Sprintf("FOVEA_CACHE_DISK=%d", all.total/2))
	}
	var servers []*rig.Process
	if f.redis {
		redis, url, err := b.rig.Redis(ctx, all.total/2)
		if err != nil {
			return err
		}
		b.result.contender(redis)
		settings, servers = append(settings, "FOVEA_REDIS_URL="+url), append(servers, redis)
	}
	var nodes []*rig.Process
	for range f.nodes {
		node, err := b.rig.Fovea(ctx, settings...)
		if err != nil {
			return err
		}
		nodes = append(nodes, node.Process)
	}
	if _, err := b.spread(ctx, nodes, all, 0, all.warm); err != nil {
		return err
	}
	servers = append(servers, nodes...)
	fetched := b.rig.Origin.Fetches("")
	used := func() (sum time.Duration, err error) {
		for _, p := range servers {
			cpu, err := p.CPU()
			if err != nil {
				return 0, err
			}
			sum += cpu
		}
		return sum, nil
	}
	before, err := used()
	if err != nil {
		return err
	}
	got, err := b.spread(ctx, nodes, all, all.warm, len(all.picks))
	if err != nil {
		return err
	}
	after, err := used()
	if err != nil {
		return err
	}
	count := float64(len(all.picks) - all.warm)
	one := func(name string, v float64, unit string) {
		b.find(finding{Name: f.name + ": " + name, Value: figureOf([]float64{v}), Unit: unit})
	}
	one("hit ratio", 100*(1-float64(b.rig.Origin.Fetches("")-fetched)/count), "%")
	one("p50", float64(got.Quantile(.5).Microseconds()), "µs")
	one("p99", float64(got.Quantile(.99).Microseconds()), "µs")
	one("processor time a request, of all nodes and Redis", float64((after-before).Microseconds())/count, "µs")
	return nil
}

// spread sends the requests from one of all.picks up to another, in turn to each node.
func (b *bench) spread(ctx context.Context, nodes []*rig.Process, all *tiered, from, to int) (*load.Outcome, error) {
	sum := &load.Outcome{Latency: load.NewHistogram()}
	errs := make([]error, len(nodes))
	got := make([]*load.Outcome, len(nodes))
	var running sync.WaitGroup
	for n, p := range nodes {
		running.Go(func() {
			requests := all.requests(p)
			got[n], errs[n] = load.Run(ctx, load.Plan{
				Address: p.Address, Connections: 12 / len(nodes), Count: (to - from) / len(nodes), Sample: 64, Judge: all.judge,
				Next: func(i int) *load.Request { return requests[all.picks[from+i*len(nodes)+n]] },
			})
		})
	}
	running.Wait()
	for n := range nodes {
		if errs[n] != nil {
			return nil, errs[n]
		}
		b.complain(nodes[n].Name, got[n])
		sum.Latency.Merge(got[n].Latency)
	}
	return sum, nil
}
