package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/fovea-images/fovea/api"
	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/telemetry"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/proxy"
)

// linesOf says which requests have a line in the log.
func linesOf(l config.Log) telemetry.Lines {
	return telemetry.Lines{Access: l.Access, Sample: l.Sample, Slow: l.Slow}
}

// checkLog complains of every knob of the log that is wrong.
func checkLog(l config.Log) error {
	_, err := telemetry.NewLog(io.Discard, l.Level, l.Format)
	return errors.Join(err, linesOf(l).Validate())
}

func samplingOf(t config.Traces) telemetry.Sampling {
	return telemetry.Sampling{Share: t.Sample, Parents: t.Parents}
}

// newTracer returns nil if no collector is named.
func newTracer(ctx context.Context, t config.Traces, log *slog.Logger, now func() time.Time) (*telemetry.Tracer, error) {
	return telemetry.NewTracer(ctx, telemetry.TraceOptions{
		Endpoint: t.Endpoint, Headers: string(t.Headers), Sampling: samplingOf(t), Version: version, Now: now,
		Failed: func(err error) {
			if err != nil {
				log.Warn("traces are not exported: requests are answered all the same", "error", err)
				return
			}
			log.Info("traces are exported again")
		},
	})
}

// newTraced says where requests of ours carry the name of the trace; nil: nowhere.
func newTraced(list []string) (func(address string) bool, error) {
	if len(list) == 0 {
		return nil, nil
	}
	places, err := params.ParseOrigins(list)
	if err != nil {
		return nil, err
	}
	return func(address string) bool {
		source, err := params.ParseURL(address)
		return err == nil && places.Allow(source.Value)
	}, nil
}

// report tells telemetry of a finished request.
func (a *app) report(r proxy.Report) {
	kind := r.Kind.String()
	if r.Ruled {
		kind = "rule"
	}
	a.telemetry.Finished(&telemetry.Request{
		Method: r.Method, Host: r.Host, Path: r.Path, Client: r.Client, Status: r.Status, Code: r.Code,
		Kind: kind, Outcome: r.Outcome.String(), Failure: r.Failure, Type: r.Type, Verdict: r.Verdict.String(),
		Bytes: r.Bytes, Source: r.Source, At: r.Start.Add(r.Took), Took: r.Took, Err: r.Err, Rewritten: r.Rewritten, ID: r.ID, Secure: r.Secure, Trail: r.Trail,
	})
}

// reportCall tells telemetry of a finished management call.
func (a *app) reportCall(r api.Report) {
	failure := ""
	if r.Err != nil {
		failure = "refused"
		if r.Status >= 500 {
			failure = "internal"
		}
	}
	a.telemetry.Finished(&telemetry.Request{
		Method: r.Method, Host: r.Host, Path: r.Path, Client: r.Client, Status: r.Status, Code: r.Code,
		Kind: "api", Outcome: "call", Failure: failure, Type: "application/json", Grant: r.Grant, Bytes: r.Bytes, At: r.Start.Add(r.Took), Took: r.Took, Err: r.Err, Secure: r.Secure, Trail: r.Trail,
	})
}

// measureWork registers how long the phases of fills have taken, and what the store and
// remote sources were asked.
func (a *app) measureWork() {
	family := func(name, help, label string, read func(tell func(float64, ...string))) {
		a.telemetry.Register(telemetry.Family{Name: name, Help: help, Labels: []string{label}, Read: read})
	}
	family("fovea_phase_seconds_total", "Time that the phases of fills have taken, by phase.", "phase", func(tell func(float64, ...string)) {
		spent := a.engine.Stats().Spent
		tell(a.web.Stats().Took.Seconds(), "fetch")
		tell(spent.Queued.Seconds(), "queue")
		tell(spent.Decode.Seconds(), "decode")
		tell(spent.Resize.Seconds(), "resize")
		tell(spent.Encode.Seconds(), "encode")
	})
	family("fovea_origin_fetches_total", "Remote sources wanted: ok was fetched, same is still as kept, kept was not asked for; otherwise the failure.", "result", func(tell func(float64, ...string)) {
		s := a.web.Stats()
		tell(float64(s.Answered), "ok")
		tell(float64(s.Same), "same")
		tell(float64(s.Kept), "kept")
		for kind, n := range s.Failed {
			tell(float64(n), kind)
		}
	})
	a.telemetry.Counter("fovea_origin_bytes_total", "Bytes of remote sources read.", func() float64 { return float64(a.web.Stats().Bytes) })
	a.telemetry.Gauge("fovea_origin_kept_bytes", "Bytes of remote sources kept in memory.", func() float64 { return float64(a.web.Stats().KeptBytes) })
	a.telemetry.Gauge("fovea_origin_resting_hosts", "Hosts that are left alone because they failed several times in a row.", func() float64 { return float64(a.web.Stats().Resting) })
	family("fovea_store_lookups_total", "Images looked up where they are kept, because it was not remembered, by result.", "result", func(tell func(float64, ...string)) {
		s := a.catalog.Stats()
		tell(float64(s.Found), "ok")
		tell(float64(s.Failed), "failed")
	})
}
