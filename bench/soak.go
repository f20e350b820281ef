package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// moment is what the server held at one time of a soak.
type moment struct {
	Seconds     float64 `json:"seconds"`
	Resident    float64 `json:"rss_bytes"`
	Goroutines  float64 `json:"goroutines"`
	Descriptors float64 `json:"descriptors"`
}

// runSoak lets all kinds of requests come for long, and watches what the server
// holds: the first third warms, the rest must be flat.
func runSoak(ctx context.Context, b *bench) error {
	s, err := b.cold()
	if err != nil {
		return err
	}
	// A small cache is full, and evicts, long before the warm-up ends.
	f, ours, err := b.fovea(ctx, "FOVEA_CACHE_MEMORY=32MiB")
	if err != nil {
		return err
	}
	photo, err := photograph(1600, 1200, 1)
	for _, private := range []bool{false, true} {
		if err == nil {
			err = f.Upload(ctx, fmt.Sprintf("private/%t", private), photo, private)
		}
	}
	if err != nil {
		return err
	}
	signed, err := f.Run(ctx, "sign", "--expires", "24h", rig.Path("private/true", "public"))
	if err != nil {
		return err
	}
	length := 5 * time.Minute
	if b.duration > 0 {
		length = b.duration
	}
	if b.short {
		length = 3 * time.Second
	}
	plan := load.Plan{
		Address: f.Address, Connections: 32, Rate: 200, Duration: length, Sample: 32,
		Next: func(i int) *load.Request { return mixture(&ours, s, f.Address, signed, i) },
		Judge: orRefused(func(r *load.Request, a *load.Answer, sampled bool) error {
			return whole(r, a, sampled && a.Status == 200, "", 0)
		}),
	}
	watching, stop := context.WithCancel(ctx)
	var moments []moment
	var watchErr error
	var all sync.WaitGroup
	all.Go(func() { moments, watchErr = watch(watching, f, length/60) })
	got, err := b.loaded(ctx, f.Process, plan)
	stop()
	all.Wait()
	if err != nil || watchErr != nil {
		return fmt.Errorf("%w, %w", err, watchErr)
	}
	b.result.Soak = moments
	b.find(finding{Name: fmt.Sprintf("requests in %v", length), Value: figureOf([]float64{float64(got.Answers)})})
	steadyPart := moments[len(moments)/3:]
	for _, kind := range []struct {
		name string
		of   func(moment) float64
	}{
		{"RSS", func(m moment) float64 { return m.Resident }},
		{"goroutines", func(m moment) float64 { return m.Goroutines }},
		{"descriptors", func(m moment) float64 { return m.Descriptors }},
	} {
		name, rise := "slope of "+kind.name+" after the warm-up, % in 10 minutes", figureOf([]float64{slope(steadyPart, kind.of)})
		if length < 5*time.Minute { // a line through so little is none
			b.find(finding{Name: name, Value: rise})
			continue
		}
		b.bound(name, rise, "≤ 1", 1)
	}
	return nil
}

// mixture is request i: mostly hits, then sizes, new pictures, proofs, and what is
// not there.
func mixture(m *maker, s *sources, host, signed string, i int) *load.Request {
	switch i % 20 {
	case 0:
		return load.Get(host, m.path(s.another(), 320, "webp"), 200, accept)
	case 1:
		return load.Get(host, rig.Path("private/false", fmt.Sprintf("width=%d", 100+i/20%400)), 200, accept)
	case 2:
		return load.Get(host, signed, 200, accept)
	case 3:
		return load.Get(host, rig.Path("private/true", "public"), 403, accept)
	case 4:
		return load.Get(host, rig.Path(fmt.Sprintf("nothing/%d", i), "public"), 404, accept)
	}
	return load.Get(host, rig.Path("private/false", "public"), 200, accept)
}

// watch reads what f holds, every so often, until ctx ends.
func watch(ctx context.Context, f *rig.Fovea, every time.Duration) ([]moment, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	began := time.Now()
	var all []moment
	for {
		select {
		case <-ctx.Done():
			return all, nil
		case <-tick.C:
		}
		m, err := f.Metrics(ctx)
		if ctx.Err() != nil {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, moment{time.Since(began).Seconds(), m["process_resident_memory_bytes"], m["go_goroutines"], m["process_open_fds"]})
	}
}

// slope is by how much a line through the moments rises in ten minutes, in percent
// of their mean.
func slope(moments []moment, of func(moment) float64) float64 {
	var n, t, v, tt, tv float64
	for _, m := range moments {
		n++
		t += m.Seconds
		v += of(m)
		tt += m.Seconds * m.Seconds
		tv += m.Seconds * of(m)
	}
	if n < 2 || v == 0 {
		return 0
	}
	return (n*tv - t*v) / (n*tt - t*t) * 600 / (v / n) * 100
}
