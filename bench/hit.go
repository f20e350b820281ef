package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// version is one picture in one size as every contender has it.
type version struct {
	name    string
	id      string
	options string
	answer  *load.Answer
}

// runHit is the path that nearly all requests take. Ours parses the URL, looks the
// image up, authorises, negotiates, counts and logs; peers answer the same bytes
// for a URL that they take literally.
func runHit(ctx context.Context, b *bench) error {
	f, versions, err := b.warmed(ctx, "FOVEA_CACHE_MEMORY=1GiB")
	if err != nil {
		return err
	}
	peers, err := b.caches(ctx, 2<<30)
	if err != nil {
		return err
	}
	for _, v := range versions {
		floor, err := b.rig.Floor(ctx, 200, v.answer.Body)
		if err != nil {
			return err
		}
		all := append([]*rig.Process{floor}, peers...)
		if v.name == "15 KB" {
			hit, err := fetch(ctx, f.Address, load.Get(f.Address, rig.Path(v.id, v.options), 200, accept))
			if err != nil {
				return err
			}
			dressed, err := b.rig.Dressed(ctx, 200, v.answer.Body, hit.Lines())
			if err != nil {
				return err
			}
			b.result.contender(dressed)
			all = append(all, dressed)
		}
		c, err := b.race(ctx, race{name: v.name, duration: 10 * time.Second, rate: b.open, entrants: hitters(f, v, all)})
		if err != nil {
			return err
		}
		if v.name == "15 KB" && b.open == 0 {
			if err := b.judgeHit(ctx, c, hitters(f, v, append([]*rig.Process{floor}, peers...))); err != nil {
				return err
			}
		}
	}
	return b.manyKeys(ctx, f, peers)
}

// warmed starts ours with one photograph and finds versions of the sizes.
func (b *bench) warmed(ctx context.Context, env ...string) (*rig.Fovea, []version, error) {
	f, err := b.rig.Fovea(ctx, env...)
	if err != nil {
		return nil, nil, err
	}
	photos, err := b.photographs()
	if err == nil {
		err = f.Upload(ctx, "photo", photos[0], false)
	}
	if err != nil {
		return nil, nil, err
	}
	var all []version
	for _, size := range []int{2, 15, 200} {
		options, answer, err := b.sized(ctx, f, "photo", size*1000)
		if err != nil {
			return nil, nil, err
		}
		b.rig.Origin.Put(rig.Path("photo", options), string(answer.Header("Content-Type")), answer.Body)
		all = append(all, version{fmt.Sprintf("%d KB", size), "photo", options, answer})
	}
	return f, all, nil
}

// caches starts nginx and Varnish as caches of so many bytes, if they are wanted.
func (b *bench) caches(ctx context.Context, bytes int64) ([]*rig.Process, error) {
	var all []*rig.Process
	for name, start := range map[string]func(context.Context, int64) (*rig.Process, error){"nginx": b.rig.Nginx, "varnish": b.rig.Varnish} {
		if !b.wants(name) {
			continue
		}
		p, err := start(ctx, bytes)
		if err = b.leftOut(err); err != nil {
			return nil, err
		}
		if p != nil {
			b.result.contender(p)
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *rig.Process) int { return len(a.Name) - len(b.Name) })
	return all, nil
}

// hitters are ours and others, asked for one version.
func hitters(f *rig.Fovea, v version, others []*rig.Process, lines ...string) []entrant {
	var all []entrant
	for _, p := range append([]*rig.Process{f.Process}, others...) {
		request := load.Get(p.Address, rig.Path(v.id, v.options), 200, append(lines, accept)...)
		request.Body = v.answer.Body
		all = append(all, steady(p, request))
	}
	return all
}

// steady asks p the same all the time.
func steady(p *rig.Process, r *load.Request) entrant {
	return entrant{p.Name, p, load.Plan{Address: p.Address, Connections: clients, Next: func(int) *load.Request { return r }}}
}

// judgeHit holds the case that counts to its bounds, and asks for the latency at
// 70 % of what the slowest can do.
func (b *bench) judgeHit(ctx context.Context, c *contest, entrants []entrant) error {
	b.bound("CPU per hit of 15 KB, ours / bare fasthttp", c.ratio("Fovea", "bare fasthttp", cpu), "≤ 1.10", 1.10)
	b.find(finding{Name: "CPU per hit of 15 KB, ours / bare fasthttp with our headers and deadlines", Value: c.ratio("Fovea", "dressed fasthttp", cpu)})
	b.bound("CPU per hit of 15 KB, ours / nginx", c.ratio("Fovea", "nginx", cpu), "≤ 1.00", 1.00)
	b.bound("CPU per hit of 15 KB, ours / Varnish", c.ratio("Fovea", "Varnish", cpu), "≤ 0.65", 0.65)
	slowest := 0.0
	for _, s := range c.Standings {
		if rate := s.median(rate); slowest == 0 || rate < slowest {
			slowest = rate
		}
	}
	open, err := b.race(ctx, race{
		name: "15 KB at 70 % load", duration: 10 * time.Second, entrants: entrants, rate: .7 * slowest,
		note: "an open loop at 70 % of the throughput of the slowest contender, the same for all",
	})
	if err == nil {
		b.bound("p99 of a hit of 15 KB at 70 % load, ours / nginx", open.ratio("Fovea", "nginx", p99), "≤ 1.00", 1)
	}
	return err
}

// manyKeys asks for 10,000 pictures of a hundred images, the first most often.
func (b *bench) manyKeys(ctx context.Context, f *rig.Fovea, peers []*rig.Process) error {
	images, cuts := 100, 100
	if b.short {
		images, cuts = 10, 10
	}
	var paths []string
	for i := range images {
		id := fmt.Sprintf("many/%d", i)
		photo, err := photograph(400, 300, uint64(i))
		if err == nil {
			err = f.Upload(ctx, id, photo, false)
		}
		if err != nil {
			return err
		}
		for j := range cuts {
			paths = append(paths, rig.Path(id, fmt.Sprintf("width=200,height=150,fit=cover,gravity=%.2fx0.5,quality=%d", float64(j%10)/10, 60+j/10)))
		}
	}
	bodies := make([][]byte, len(paths))
	filled, err := load.Run(ctx, load.Plan{
		Address: f.Address, Connections: 4, Count: len(paths),
		Next: func(i int) *load.Request {
			r := load.Get(f.Address, paths[i], 200, accept)
			r.Key = i
			return r
		},
		Judge: func(r *load.Request, a *load.Answer, sampled bool) error {
			bodies[r.Key] = a.Copy().Body
			return load.Plain(r, a, sampled)
		},
	})
	if err != nil {
		return err
	}
	b.complain("Fovea", filled)
	picks := load.NewZipf(len(paths), 1, 1).Sequence(1 << 20)
	var entrants []entrant
	for _, p := range append([]*rig.Process{f.Process}, peers...) {
		requests := make([]*load.Request, len(paths))
		for i, path := range paths {
			b.rig.Origin.Put(path, "image/webp", bodies[i])
			requests[i] = load.Get(p.Address, path, 200, accept)
			requests[i].Body = bodies[i]
		}
		warm, err := load.Run(ctx, load.Plan{Address: p.Address, Connections: 4, Count: len(paths), Next: func(i int) *load.Request { return requests[i] }})
		if err != nil {
			return err
		}
		b.complain(p.Name, warm)
		entrants = append(entrants, entrant{p.Name, p, load.Plan{
			Address: p.Address, Connections: clients,
			Next: func(i int) *load.Request { return requests[picks[i%len(picks)]] },
		}})
	}
	_, err = b.race(ctx, race{name: fmt.Sprintf("%d keys", len(paths)), duration: 10 * time.Second, rate: b.open, entrants: entrants, note: "Zipf with s = 1"})
	return err
}
