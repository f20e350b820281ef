// Package telemetry is the one registry and the one log handler.
package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/fovea-images/fovea/internal/trail"
)

// Request is one finished request. Every field but Host, Path, Client and Err comes
// from a closed set of words, so that metrics stay bounded whatever strangers send.
type Request struct {
	Method, Host, Path     string
	Client                 netip.Addr // not valid: unknown
	Status, Code           int
	Kind, Outcome, Failure string
	Type                   string
	Grant                  string       // id of the API token; "" = none
	Verdict                string       // of the proof; "" = nothing was asked
	Rewritten              string       // what rules have made of Path; "" = it is the same
	ID                     string       // of the request, if a rule has asked for it; "" = none
	Secure                 bool         // it came by https
	Trail                  *trail.Trail // nil = nobody follows it
	Bytes                  int
	Source                 int64     // bytes of the original; 0 = not on record
	At                     time.Time // when it was finished
	Took                   time.Duration
	Err                    error // with its private cause; nil = none
}

// Telemetry is told of every finished request. It is safe for concurrent use.
//
// Nobody waits for the log: lines are gathered in memory and written by [Telemetry.Run].
// When its writer is too slow for them, further ones are dropped and counted. Only
// failures of ours are written at once, and never dropped.
type Telemetry struct {
	registry *prometheus.Registry
	metrics  metrics
	dropped  prometheus.Counter
	log      *Log
	lines    atomic.Pointer[Lines]
	tracer   *Tracer // nil = there is none
	totals   totals

	shards      []shard
	begun, full chan struct{} // the first line waits; enough do
	flushing    sync.Mutex
}

// metrics are those of requests.
type metrics struct {
	requests, bytes, proofs *prometheus.CounterVec
	seconds                 *prometheus.HistogramVec
}

func newMetrics() metrics {
	return metrics{
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
		proofs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fovea_proofs_total", Help: "Requests for hosted images by the verdict on their proof; public needed none.",
		}, []string{"verdict"}),
	}
}

func (m *metrics) series(l labels) *series {
	s := &series{
		labels:   l,
		requests: m.requests.WithLabelValues(l.kind, l.outcome, strconv.Itoa(l.status), l.failure),
		bytes:    m.bytes.WithLabelValues(l.media),
		seconds:  m.seconds.WithLabelValues(l.outcome),
	}
	if l.verdict != "" {
		s.proofs = m.proofs.WithLabelValues(l.verdict)
	}
	return s
}

// New returns a Telemetry that writes the lines of requests to log, and has those that
// are followed exported by tracer; nil: none is.
func New(log *Log, lines Lines, tracer *Tracer) *Telemetry {
	t := &Telemetry{
		registry: prometheus.NewRegistry(),
		metrics:  newMetrics(),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fovea_log_dropped_total", Help: "Lines of requests not written because the log's reader was too slow.",
		}),
		log:    log,
		tracer: tracer,
		shards: make([]shard, min(runtime.GOMAXPROCS(0), maxShards)),
		begun:  make(chan struct{}, 1), full: make(chan struct{}, 1),
	}
	t.lines.Store(&lines)
	for i := range t.shards {
		t.shards[i].series = map[labels]*series{}
		t.shards[i].handler = log.make(&t.shards[i])
	}
	t.registry.MustRegister(t.metrics.requests, t.metrics.seconds, t.metrics.bytes, t.metrics.proofs, t.dropped,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	t.Counter("fovea_bytes_saved_total", "Bytes by which answered pictures were smaller than their originals.", func() float64 { return float64(t.totals.saved.Load()) })
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

// Finished counts and logs one request, and has it exported if it is followed. It
// neither keeps r nor, unless r is a failure of ours, waits for anything.
func (t *Telemetry) Finished(r *Request) {
	ours := r.Status >= 500
	s := t.enter()
	s.count(t, r)
	if !ours && t.lines.Load().wants(r) && t.log.tells(slog.LevelInfo) {
		t.note(s, r)
	}
	s.mu.Unlock()
	if ours && t.log.tells(slog.LevelError) {
		_ = t.log.Handler().Handle(context.Background(), record(r, slog.LevelError)) // nobody is left to tell
	}
	t.tracer.finished(r)
}

// SetLines changes which requests have a line from now on.
func (t *Telemetry) SetLines(l Lines) { t.lines.Store(&l) }

// Metrics returns every metric in the Prometheus text format and its Content-Type.
func (t *Telemetry) Metrics() ([]byte, string, error) {
	t.tally()
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
