package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fovea-images/fovea/bench/chart"
	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runAnatomy finds where the time goes: of a hit by a profile of the server under
// load, of a miss by what it tells in Server-Timing.
func runAnatomy(ctx context.Context, b *bench) error {
	if err := b.hitAnatomy(ctx); err != nil {
		return err
	}
	s, err := b.cold()
	if err != nil {
		return err
	}
	_, ours, err := b.fovea(ctx)
	if err != nil {
		return err
	}
	for _, format := range []string{"jpeg", "webp", "avif"} {
		stack, err := b.missAnatomy(ctx, &ours, s, format)
		if err != nil {
			return err
		}
		b.result.Misses = append(b.result.Misses, stack)
	}
	return nil
}

// missAnatomy makes a few pictures one by one and takes the mean of each phase.
func (b *bench) missAnatomy(ctx context.Context, m *maker, s *sources, format string) (chart.Stack, error) {
	pictures := 40
	if b.short {
		pictures = 4
	}
	sums := map[string]float64{}
	plan := m.asks(s, 1, 512, format).plan
	plan.Count, plan.Sample = pictures, pictures
	judge := plan.Judge
	plan.Judge = func(r *load.Request, a *load.Answer, sampled bool) error {
		phases, err := timings(string(a.Header("Server-Timing")))
		for name, ms := range phases {
			sums[name] += ms
		}
		if err != nil {
			return err
		}
		return judge(r, a, sampled)
	}
	got, err := b.loaded(ctx, m.process, plan)
	if err != nil {
		return chart.Stack{}, err
	}
	stack := chart.Stack{Label: "to 512 pixels as " + format}
	// The wait for the answers, without what is done with them here.
	rest := got.Latency.Mean() / 1e6 * float64(pictures)
	for _, phase := range []string{"fetch", "queue", "decode", "resize", "encode"} {
		stack.Parts = append(stack.Parts, chart.Part{Label: phase, Value: sums[phase] / float64(pictures)})
		rest -= sums[phase]
	}
	stack.Parts = append(stack.Parts, chart.Part{Label: "all else, and the way here", Value: max(rest, 0) / float64(pictures)})
	return stack, nil
}

// timings reads the durations of a Server-Timing header, in milliseconds.
func timings(header string) (map[string]float64, error) {
	all := map[string]float64{}
	for entry := range strings.SplitSeq(header, ",") {
		name, rest, _ := strings.Cut(strings.TrimSpace(entry), ";")
		for parameter := range strings.SplitSeq(rest, ";") {
			text, ok := strings.CutPrefix(strings.TrimSpace(parameter), "dur=")
			if !ok {
				continue
			}
			ms, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("Server-Timing: expected a number in %q", entry)
			}
			all[name] += ms
		}
	}
	return all, nil
}

// hitAnatomy profiles the server while it answers hits of 15 KB.
func (b *bench) hitAnatomy(ctx context.Context) error {
	f, versions, err := b.warmed(ctx)
	if err != nil {
		return err
	}
	seconds := 10
	if b.short {
		seconds = 1
	}
	v := versions[1]
	plan := steady(f.Process, load.Get(f.Address, rig.Path(v.id, v.options), 200, accept)).plan
	plan.Duration, plan.Sample = time.Duration(seconds+1)*time.Second, 64
	var profiled error
	profile := filepath.Join(b.rig.Folder, "hit.pprof")
	var all sync.WaitGroup
	all.Go(func() { profiled = f.Profile(ctx, seconds, profile) })
	before, err1 := f.CPU()
	got, err := b.loaded(ctx, f.Process, plan)
	after, err2 := f.CPU()
	all.Wait()
	if err != nil || err1 != nil || err2 != nil {
		return fmt.Errorf("%w, %w, %w", err, err1, err2)
	}
	if profiled != nil {
		return profiled
	}
	text, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", profile).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	shares, err := classify(string(text))
	if err != nil {
		return err
	}
	each := float64(after-before) / float64(time.Microsecond) / float64(got.Answers)
	stack := chart.Stack{Label: "a hit of 15 KB"}
	for _, c := range classes() {
		stack.Parts = append(stack.Parts, chart.Part{Label: c.name, Value: shares[c.name] * each})
	}
	b.result.Hit = &stack
	return nil
}

// class is a part of a hit's work, told by the functions on its stack.
type class struct {
	name  string
	marks []string // of function names; any one of them
}

// classes are tried in this order: a write of the log is the log's, not the network's.
func classes() []class {
	return []class{
		{"access log and metrics", []string{"internal/telemetry.", ".(*Proxy).report", "log/slog."}},
		{"network: read", []string{"net.(*conn).Read", "poll.(*FD).Read"}},
		{"network: write", []string{"net.(*conn).Write", "net.(*Buffers)", "poll.(*FD).Write"}},
		{"waiting and waking", []string{"runtime.findRunnable", "runtime.schedule", "runtime.netpoll", "runtime.mcall", "runtime.park_m", "runtime.futex"}},
		{"memory", []string{"runtime.gcBgMarkWorker", "runtime.mallocgc", "runtime.gcDrain", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart"}},
		{"parse the URL", []string{"fovea/params."}},
		{"look up and authorise", []string{"fovea/store.", "fovea/token."}},
		{"negotiate", []string{"fovea/negotiate."}},
		{"cache", []string{"fovea/cache", "ristretto"}},
		{"the way between them", []string{"fovea/proxy."}},
		{"HTTP", []string{"fasthttp."}},
		{"all else", []string{""}},
	}
}

// classify reads what `go tool pprof -traces` prints and returns each class's share.
func classify(text string) (map[string]float64, error) {
	shares, sum := map[string]float64{}, 0.0
	for _, block := range strings.Split(text, "-----------+-------------------------------------------------------")[1:] {
		first, _, _ := strings.Cut(strings.TrimSpace(block), " ")
		if first == "" {
			continue
		}
		took, err := time.ParseDuration(first)
		if err != nil {
			return nil, fmt.Errorf("go tool pprof: expected a duration before a stack, received %q", first)
		}
		sum += took.Seconds()
		shares[classOf(block)] += took.Seconds()
	}
	if sum == 0 {
		return nil, fmt.Errorf("go tool pprof: expected stacks, received %.200q", text)
	}
	for name := range shares {
		shares[name] /= sum
	}
	return shares, nil
}

func classOf(stack string) string {
	for _, c := range classes() {
		for _, mark := range c.marks {
			if strings.Contains(stack, mark) {
				return c.name
			}
		}
	}
	return "all else"
}
