package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/telemetry"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/wasm"
)

// watchRules is how often the modules' files are looked at.
const watchRules = time.Second

// newRules loads the rules; nil if there are none. cache is a folder for compiled code.
// Its complaints name the rule and its key; there is one for each rule that is wrong. On
// an error nothing is left open.
func newRules(ctx context.Context, rules []config.Rule, cache string, log *slog.Logger, now func() time.Time) (*plugins.Chain, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	var links []plugins.Link
	var complaints []error
	for i, r := range rules {
		link, err := newRule(ctx, r, cache, log, now)
		if err != nil {
			complaints = append(complaints, fmt.Errorf("rules[%d] %s: %w", i, r.Name, err))
			continue
		}
		links = append(links, link)
	}
	var chain *plugins.Chain
	if err := errors.Join(complaints...); err == nil {
		if chain, err = plugins.New(plugins.Options{Links: links, Log: log, Now: now}); err == nil {
			return chain, nil
		}
		complaints = append(complaints, fmt.Errorf("rules: %w", err))
	}
	for _, l := range links {
		complaints = append(complaints, l.Rule.Close())
	}
	return nil, errors.Join(complaints...)
}

func newRule(ctx context.Context, r config.Rule, cache string, log *slog.Logger, now func() time.Time) (plugins.Link, error) {
	link := plugins.Link{
		Name: r.Name, Match: r.Match, OnError: plugins.OnError(r.OnError), Expose: r.Expose,
		Journal: plugins.NewJournal(r.Name, log, now),
	}
	if err := link.Check(); err != nil {
		return link, err
	}
	text, err := r.Settings()
	if err != nil {
		return link, err
	}
	rule, err := wasm.New(ctx, wasm.Options{
		File: r.Module, Config: text, Budget: r.Budget, Memory: int64(r.Memory), Instances: r.Instances,
		Cache: cache, Journal: link.Journal, Log: log.With("rule", r.Name), Now: now,
	})
	if err != nil {
		return link, err
	}
	link.Rule = rule
	return link, nil
}

// compiledRules is the folder of compiled code in the data folder. What is in it is run:
// nobody else may write there.
func compiledRules(data string) string { return filepath.Join(data, "compiled-rules") }

// watch takes up changes of the modules until ctx ends: when their files change, and at
// once when the process is told to by SIGHUP.
func (a *app) watch(ctx context.Context) {
	if a.rules == nil {
		return
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	go a.rules.Watch(ctx, watchRules)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := a.rules.Reload(ctx); err != nil {
				a.log.Error("rules not loaded", "error", err)
			}
		}
	}
}

// measureRules registers what is counted of each rule.
func (a *app) measureRules() {
	if a.rules == nil {
		return
	}
	family := func(name, help string, gauge bool, read func(plugins.Stats) float64) {
		a.telemetry.Register(telemetry.Family{Name: name, Help: help, Labels: []string{"rule"}, Gauge: gauge, Read: func(tell func(float64, ...string)) {
			for _, s := range a.rules.Stats() {
				tell(read(s), s.Rule)
			}
		}})
	}
	a.telemetry.Register(telemetry.Family{
		Name: "fovea_rule_calls_total", Help: "Requests that a rule was for, by outcome.", Labels: []string{"rule", "outcome"},
		Read: func(tell func(float64, ...string)) {
			for _, s := range a.rules.Stats() {
				tell(float64(s.Next), s.Rule, "next")
				tell(float64(s.Answer), s.Rule, "answer")
				tell(float64(s.Error), s.Rule, "error")
				tell(float64(s.Skipped), s.Rule, "skipped")
			}
		},
	})
	a.telemetry.RegisterTimes(telemetry.Times{
		Name: "fovea_rule_seconds", Help: "Time of a rule's calls, both phases.", Label: "rule", Bounds: plugins.Bounds[:],
		Read: func(tell func(string, float64, []uint64)) {
			for _, s := range a.rules.Stats() {
				tell(s.Rule, s.Seconds, s.Buckets[:])
			}
		},
	})
	family("fovea_rule_instructions_total", "Metered instructions of a rule.", false, func(s plugins.Stats) float64 { return float64(s.Units) })
	family("fovea_rule_responses_total", "Answers that a rule has looked at.", false, func(s plugins.Stats) float64 { return float64(s.Responses) })
	family("fovea_rule_response_errors_total", "Failures while it did.", false, func(s plugins.Stats) float64 { return float64(s.ResponseErrors) })
	family("fovea_rule_responses_skipped_total", "Answers that it did not get to see.", false, func(s plugins.Stats) float64 { return float64(s.ResponsesSkipped) })
	family("fovea_rule_misled_total", "Requests that did not parse after the rule had written their URI.", false, func(s plugins.Stats) float64 { return float64(s.Misled) })
	family("fovea_rule_instances", "Instances of a rule.", true, func(s plugins.Stats) float64 { return float64(s.Instances) })
	family("fovea_rule_memory_bytes", "Memory of a rule's instances.", true, func(s plugins.Stats) float64 { return float64(s.Memory) })
	family("fovea_rule_started_total", "Instances started.", false, func(s plugins.Stats) float64 { return float64(s.Started) })
	family("fovea_rule_discarded_total", "Instances thrown away.", false, func(s plugins.Stats) float64 { return float64(s.Discarded) })
	family("fovea_rule_reloads_total", "Times that a changed module was taken up.", false, func(s plugins.Stats) float64 { return float64(s.Reloads) })
	family("fovea_rule_reloads_refused_total", "Times that one was not.", false, func(s plugins.Stats) float64 { return float64(s.Refused) })
	family("fovea_rule_resting", "1 while a rule that failed too often is kept away.", true, func(s plugins.Stats) float64 {
		if s.Resting {
			return 1
		}
		return 0
	})
}
