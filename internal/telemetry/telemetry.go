// Package telemetry is the one registry and the one log handler.
package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// NewLogger returns a logger that writes to w. level is debug, info, warn or
// error; format is text or json; anything else is an error that says so.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("level: expected debug, info, warn or error, received %q", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("format: expected text or json, received %q", format)
}

// Request is one finished request. Every field but Path and Err comes from a
// closed set of words, so that metrics stay bounded whatever strangers send.
type Request struct {
	Method, Host, Path, Client string
	Status, Code               int
	Kind, Outcome, Failure     string
	Type                       string
	Grant                      string // id of the API token; "" = none
	Verdict                    string // of the proof; "" = nothing was asked
	Bytes                      int
	Source                     int64 // bytes of the original; 0 = not on record
	Took                       time.Duration
	Err                        error // with its private cause; nil = none
}

// Telemetry is told of every finished request. It is safe for concurrent use.
type Telemetry struct {
	registry *prometheus.Registry
	log      *slog.Logger
	access   bool
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	proofs   *prometheus.CounterVec
	totals   totals
}

// New returns a Telemetry that writes one line a request to log iff access, and
// a line for every failure of ours in any case.
func New(log *slog.Logger, access bool) *Telemetry {
	t := &Telemetry{
		registry: prometheus.NewRegistry(),
		log:      log,
		access:   access,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fovea_requests_total", Help: "Finished requests by form, cache outcome, status and failure.",
		}, []string{"kind", "outcome", "status", "failure"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fovea_request_seconds", Help: "Time from the first byte read to the answer written to its buffer.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fovea_response_bytes_total", Help: "Bytes of answered bodies by media type.",
		}, []string{"type"}),
	}
	t.proofs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fovea_proofs_total", Help: "Requests for hosted images by the verdict on their proof; public needed none.",
	}, []string{"verdict"})
	t.registry.MustRegister(t.requests, t.seconds, t.bytes, t.proofs,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return t
}

// Gauge registers a value that is read whenever the metrics are.
func (t *Telemetry) Gauge(name, help string, read func() float64) {
	t.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter registers a total that only grows and is read whenever the metrics are.
func (t *Telemetry) Counter(name, help string, read func() float64) {
	t.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Finished counts and logs one request.
func (t *Telemetry) Finished(r Request) {
	t.totals.add(&r)
	t.requests.WithLabelValues(r.Kind, r.Outcome, fmt.Sprint(r.Status), r.Failure).Inc()
	if r.Verdict != "" {
		t.proofs.WithLabelValues(r.Verdict).Inc()
	}
	t.seconds.WithLabelValues(r.Outcome).Observe(r.Took.Seconds())
	t.bytes.WithLabelValues(r.Type).Add(float64(r.Bytes))
	level := slog.LevelInfo
	switch {
	case r.Status >= 500:
		level = slog.LevelError
	case !t.access:
		return
	}
	if !t.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", r.Path),
		slog.Int("status", r.Status), slog.String("outcome", r.Outcome), slog.String("type", r.Type),
		slog.Int("bytes", r.Bytes), slog.Duration("took", r.Took), slog.String("client", r.Client),
	}
	if r.Verdict != "" {
		attrs = append(attrs, slog.String("proof", r.Verdict))
	}
	if r.Grant != "" {
		attrs = append(attrs, slog.String("grant", r.Grant))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.Int("code", r.Code), slog.String("failure", r.Failure), slog.String("error", r.Err.Error()))
	}
	t.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// Metrics returns every metric in the Prometheus text format and its Content-Type.
func (t *Telemetry) Metrics() ([]byte, string, error) {
	families, err := t.registry.Gather()
	if err != nil {
		return nil, "", fmt.Errorf("telemetry: %w", err)
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, "", fmt.Errorf("telemetry: %w", err)
		}
	}
	return b.Bytes(), string(format), nil
}
