package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/wasm"
)

type pluginCmd struct {
	New   pluginNewCmd   `cmd:"" help:"Begin a rule: a folder that builds."`
	Test  pluginTestCmd  `cmd:"" help:"Send a table of requests through a rule."`
	Run   pluginRunCmd   `cmd:"" help:"Show what a rule does to one request, without a server."`
	Bench pluginBenchCmd `cmd:"" help:"Measure a rule."`
	Check pluginCheckCmd `cmd:"" help:"Say whether a rule would be loaded and, if not, what to do."`
}

// pluginFile is a rule that is not in the configuration.
type pluginFile struct {
	File     string `arg:"" help:"The .wasm file." type:"path"`
	Settings string `name:"rule-config" help:"What the rule is told: its config, as JSON or any text." placeholder:"TEXT"`
	Budget   int64  `help:"Metered instructions a call (10000000)." placeholder:"N"`
	Memory   string `help:"Memory of an instance (64MiB)." placeholder:"SIZE"`
}

// rule is the file as the configuration would name it.
func (f pluginFile) rule() (config.Rule, error) {
	r := config.Rule{Name: "plugin", Module: f.File, Match: []string{"/**"}, Budget: f.Budget, Config: f.Settings}
	if f.Memory == "" {
		return r, nil
	}
	return r, r.Memory.UnmarshalText([]byte(f.Memory))
}

type pluginRunCmd struct {
	pluginFile
	URL    string   `name:"url" required:"" help:"URL, or a path on localhost."`
	Header []string `short:"H" help:"Request header, NAME: VALUE; may be repeated." sep:"none" placeholder:"K:V"`
	Expose []string `help:"Hidden headers that the rule may read: authorization, cookie, proxy-authorization." placeholder:"NAME"`
	JSON   bool     `name:"json" help:"One JSON object."`
}

// Run explains one request with the rule as the only one.
func (c *pluginRunCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	header, err := parseHeaders(c.Header)
	if err != nil {
		return err
	}
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	rule, err := c.rule()
	if err != nil {
		return err
	}
	rule.Expose = c.Expose
	settings.Rules = []config.Rule{rule}
	a, err := lookingApp(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	host, target := split(c.URL)
	e := a.current.Load().Explain(ctx, host, target, header, nil)
	if c.JSON {
		return json.NewEncoder(w.stdout).Encode(e)
	}
	_, err = fmt.Fprint(w.stdout, e)
	return err
}

type pluginCheckCmd struct{ pluginFile }

// Run loads the rule as a server would.
func (c *pluginCheckCmd) Run(ctx context.Context, w world) error {
	rule, err := c.rule()
	if err != nil {
		return err
	}
	begun := time.Now()
	chain, err := newRules(ctx, []config.Rule{rule}, "", slog.New(slog.DiscardHandler), w.now)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	load := chain.Stats()[0]
	_, err = fmt.Fprintf(w.stdout, "%s is a rule: loaded in %v, %d KiB of memory an instance.\n", c.File, took.Round(time.Millisecond), load.Memory>>10/int64(max(load.Instances, 1)))
	return errors.Join(err, chain.Close())
}

type pluginBenchCmd struct {
	pluginFile
	URL    string        `name:"url" default:"/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/still-life/public" help:"URL, or a path on localhost (${default})."`
	Header []string      `short:"H" help:"Request header, NAME: VALUE; may be repeated." sep:"none" placeholder:"K:V"`
	For    time.Duration `default:"1s" help:"How long (${default})."`
	JSON   bool          `name:"json" help:"One JSON object."`
}

// benchResult is what was measured of a rule.
type benchResult struct {
	Calls        int     `json:"calls"`
	Nanoseconds  float64 `json:"ns_per_call"`
	Allocations  float64 `json:"allocations_per_call"`
	Bytes        float64 `json:"bytes_per_call"`
	Instructions float64 `json:"instructions_per_call"`
	Budget       float64 `json:"share_of_budget"`
	Memory       int64   `json:"instance_bytes"`
	Module       int64   `json:"module_bytes"`
	Load         float64 `json:"load_ms"`       // compiled anew
	Again        float64 `json:"load_again_ms"` // from the folder of compiled code
	Failures     uint64  `json:"failures"`
}

// Run measures the rule's call alone, on one processor, through the chain.
func (c *pluginBenchCmd) Run(ctx context.Context, w world) (err error) {
	header, err := parseHeaders(c.Header)
	if err != nil {
		return err
	}
	rule, err := c.rule()
	if err != nil {
		return err
	}
	cache, err := os.MkdirTemp("", "fovea-rule-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	var result benchResult
	var chain *plugins.Chain
	for _, took := range []*float64{&result.Load, &result.Again} {
		if chain != nil {
			if err := chain.Close(); err != nil {
				return err
			}
		}
		begun := time.Now()
		if chain, err = newRules(ctx, []config.Rule{rule}, cache, slog.New(slog.DiscardHandler), w.now); err != nil {
			return err
		}
		*took = float64(time.Since(begun)) / float64(time.Millisecond)
	}
	defer func() { err = errors.Join(err, chain.Close()) }()
	host, target := split(c.URL)
	result.measure(ctx, chain, host, target, header, c.For)
	if info, err := os.Stat(c.File); err == nil {
		result.Module = info.Size()
	}
	budget := c.Budget
	if budget == 0 {
		budget = wasm.DefaultBudget
	}
	result.Budget = result.Instructions / float64(budget)
	if c.JSON {
		return json.NewEncoder(w.stdout).Encode(result)
	}
	_, err = fmt.Fprintf(w.stdout, "%s\n  call      %.0f ns, %.0f allocations, %.0f instructions (%.3f %% of the budget)\n  instance  %d KiB\n  load      %.1f ms, %.1f ms from compiled code; %d KiB of module\n  failures  %d of %d\n",
		filepath.Base(c.File), result.Nanoseconds, result.Allocations, result.Instructions, 100*result.Budget,
		result.Memory>>10, result.Load, result.Again, result.Module>>10, result.Failures, result.Calls)
	return err
}

// measure calls the rule for so long.
func (r *benchResult) measure(ctx context.Context, chain *plugins.Chain, host, target string, header http.Header, long time.Duration) {
	site := &params.Site{}
	call := func() {
		x := chain.Begin()
		x.Site = site
		x.Load([]byte(http.MethodGet), []byte(target))
		x.LoadHeader([]byte("host"), []byte(host))
		for name, values := range header {
			for _, value := range values {
				x.LoadHeader([]byte(name), []byte(value))
			}
		}
		_ = chain.Request(ctx, x) // failures are counted
		chain.Release(x)
	}
	for range 100 { // warm
		call()
	}
	var before, after runtime.MemStats
	counted := chain.Stats()[0]
	runtime.ReadMemStats(&before)
	begun := time.Now()
	for time.Since(begun) < long {
		for range 100 {
			call()
		}
		r.Calls += 100
	}
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	now := chain.Stats()[0]
	n := float64(r.Calls)
	r.Nanoseconds = float64(took) / n
	r.Allocations = float64(after.Mallocs-before.Mallocs) / n
	r.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / n
	r.Instructions = float64(now.Units-counted.Units) / n
	r.Failures = now.Error + now.Skipped - counted.Error - counted.Skipped
	r.Memory = now.Memory / int64(max(now.Instances, 1))
}
