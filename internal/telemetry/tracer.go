package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/fovea-images/fovea/internal/trail"
)

// TraceOptions are what a Tracer is made from. What they leave open, the standard
// variables OTEL_EXPORTER_OTLP_… say, and of what is exported OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES.
type TraceOptions struct {
	// Endpoint is the collector's URL; without a path it is asked at /v1/traces. "" = the
	// one in OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT.
	Endpoint string
	// Headers go with every export: name=value, with commas between them, values escaped
	// as in URLs. They are secret.
	Headers  string
	Sampling Sampling
	Version  string // of this program
	Now      func() time.Time
	// Failed is told when exports begin to fail, and with nil when they succeed again.
	Failed func(error)
}

// Sampling says which requests are followed.
type Sampling struct {
	// Share of the requests on which nobody has decided, 0 to 1.
	Share float64
	// Parents is how many requests a second are followed because their sender follows
	// them. Further ones are as if nobody had decided. Who does not follow is obeyed, too;
	// 0 = neither is.
	Parents int
}

// Validate complains of what is no sampling.
func (s Sampling) Validate() error {
	var errs []error
	if !(s.Share >= 0 && s.Share <= 1) {
		errs = append(errs, fmt.Errorf("sample: expected a number from 0 to 1, received %v", s.Share))
	}
	if s.Parents < 0 {
		errs = append(errs, fmt.Errorf("parents: expected 0 or more requests a second, received %d", s.Parents))
	}
	return errors.Join(errs...)
}

// The bounds of what waits to be exported.
const (
	maxWaitingTraces = 2048             // requests; further ones are dropped and counted
	maxBatch         = 256              // requests exported at once
	linger           = time.Second      // how long the first waits for others
	exportTime       = 10 * time.Second // for one export, repetitions included
	lastExport       = 5 * time.Second  // for all that waits at the end
)

// Tracer follows requests and exports where their time went as OpenTelemetry traces.
// Nobody waits for it: when the collector is slower than requests are, they are dropped
// and counted. It is safe for concurrent use. A nil Tracer follows nobody.
type Tracer struct {
	sampling atomic.Pointer[Sampling]
	now      func() time.Time
	failed   func(error)

	mu     sync.Mutex
	second int64 // since 1970
	obeyed int   // parents in it

	queue    chan told
	stop     chan struct{}
	stopped  chan struct{}
	exporter sdk.SpanExporter
	made     *collected
	spans    trace.Tracer

	exported, dropped, lost atomic.Uint64 // requests
}

// told is a finished request.
type told struct {
	request Request
	phases  []trail.Phase
}

// variables are the standard ones that name a collector.
var variables = [...]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}

// fromEnvironment reports whether the standard variables want traces.
func fromEnvironment() (bool, error) {
	wanted := ""
	for _, name := range variables {
		if wanted == "" && os.Getenv(name) != "" {
			wanted = name
		}
	}
	if wanted == "" || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := os.Getenv(name); p != "" {
			if p != "http/protobuf" {
				return false, fmt.Errorf("endpoint: %s: expected http/protobuf, received %q; name the collector's endpoint for that, or set OTEL_TRACES_EXPORTER=none", name, p)
			}
			break
		}
	}
	if _, err := readEndpoint(os.Getenv(wanted)); err != nil {
		return false, fmt.Errorf("endpoint: %s: %w", wanted, err)
	}
	return true, nil
}

// readEndpoint reads the URL of a collector.
func readEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		received := strconv.Quote(text)
		if strings.ContainsAny(text, "@?") {
			received = "one with a password or a query in it"
		}
		return nil, errors.New("expected a URL such as http://127.0.0.1:4318, received " + received)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u, nil
}

// headers reads name=value,name=value.
func headers(text string) (map[string]string, error) {
	all := map[string]string{}
	for field := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(field) == "" {
			continue
		}
		name, value, ok := strings.Cut(field, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) ||
			strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("headers: expected name=value, with commas between them, received something else in %d characters", len(text))
		}
		all[name] = value
	}
	return all, nil
}

// NewTracer checks o and returns a Tracer; nil if no collector is named anywhere. Its
// error joins all complaints, each with the name of the option. Nothing is exported before
// Run.
func NewTracer(ctx context.Context, o TraceOptions) (*Tracer, error) {
	errs := []error{o.Sampling.Validate()}
	var options []otlptracehttp.Option
	on := o.Endpoint != ""
	if on {
		u, err := readEndpoint(o.Endpoint)
		if err != nil {
			errs = append(errs, fmt.Errorf("endpoint: %w", err))
		} else {
			options = append(options, otlptracehttp.WithEndpointURL(u.String()))
		}
	} else {
		var err error
		on, err = fromEnvironment()
		errs = append(errs, err)
	}
	fields, err := headers(o.Headers)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil || !on {
		return nil, err
	}
	if len(fields) > 0 {
		options = append(options, otlptracehttp.WithHeaders(fields))
	}
	options = append(options, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: 4 * time.Second, MaxElapsedTime: exportTime,
	}))
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	t := &Tracer{
		now: o.Now, failed: o.Failed, exporter: exporter, made: &collected{},
		queue: make(chan told, maxWaitingTraces), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	t.Tune(o.Sampling)
	t.spans, err = newSpans(ctx, o.Version, t.made)
	return t, err
}

// Tune changes which requests are followed from now on.
func (t *Tracer) Tune(s Sampling) {
	if t != nil {
		t.sampling.Store(&s)
	}
}

// Follow returns the Trail of a request that is to be followed, and of all others nil.
// traceparent and tracestate are what came with it (W3C Trace Context); what is none
// counts as if nothing had come. Whoever sent it names the trace. That it is to be
// exported it can only say so often: else strangers could have everything exported. Nor
// do the dice look at the trace's id, which they choose.
func (t *Tracer) Follow(traceparent, tracestate string) *trail.Trail {
	if t == nil {
		return nil
	}
	s := t.sampling.Load()
	if traceparent == "" {
		if !lucky(s.Share) {
			return nil
		}
		return trail.New([16]byte{}, [8]byte{}, "", t.now)
	}
	carrier := propagation.MapCarrier{"traceparent": traceparent, "tracestate": tracestate}
	from := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
	decided := from.IsValid() && s.Parents > 0
	switch {
	case decided && !from.IsSampled():
		return nil
	case decided && t.obey(s.Parents):
	case !lucky(s.Share):
		return nil
	}
	return trail.New(from.TraceID(), from.SpanID(), from.TraceState().String(), t.now)
}

func lucky(share float64) bool {
	return share > 0 && rand.Float64() < share //nolint:gosec // dice
}

// obey reports whether one more parent may have its way in this second.
func (t *Tracer) obey(most int) bool {
	now := t.now().Unix()
	t.mu.Lock()
	defer t.mu.Unlock()
	if now != t.second {
		t.second, t.obeyed = now, 0
	}
	t.obeyed++
	return t.obeyed <= most
}

// maxPath bounds what a waiting request keeps of its path, in bytes.
const maxPath = 1024

// finished has r exported if it is followed. It keeps a copy.
func (t *Tracer) finished(r *Request) {
	if t == nil || r.Trail == nil {
		return
	}
	one := told{*r, r.Trail.Finish()}
	for _, text := range []*string{&one.request.Path, &one.request.Rewritten, &one.request.Host, &one.request.ID} {
		if len(*text) > maxPath {
			*text = strings.Clone((*text)[:maxPath])
		}
		*text = strings.ToValidUTF8(*text, "\uFFFD") // one that is none would spoil the whole export
	}
	one.request.Err = nil // it may say more than others are to know
	select {
	case t.queue <- one:
	default:
		t.dropped.Add(1)
	}
}

// Run exports what has finished until Close is called.
func (t *Tracer) Run() {
	if t == nil {
		return
	}
	defer close(t.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failing := false
	for running := true; running; {
		var batch []told
		select {
		case one := <-t.queue:
			batch = append(batch, one)
			running = t.gather(&batch)
		case <-t.stop:
			running = false
		}
		if running {
			failing = t.export(ctx, batch, failing)
			continue
		}
		last, done := context.WithTimeout(ctx, lastExport)
		for t.drain(&batch); len(batch) > 0; t.drain(&batch) {
			failing = t.export(last, batch, failing)
			batch = nil
		}
		done()
	}
	_ = t.exporter.Shutdown(ctx) // it holds nothing
}

// gather waits for more to export with what is there; false: it was the last time.
func (t *Tracer) gather(batch *[]told) bool {
	enough := time.NewTimer(linger)
	defer enough.Stop()
	for len(*batch) < maxBatch {
		select {
		case one := <-t.queue:
			*batch = append(*batch, one)
		case <-enough.C:
			return true
		case <-t.stop:
			return false
		}
	}
	return true
}

// drain takes what waits.
func (t *Tracer) drain(batch *[]told) {
	for len(*batch) < maxBatch {
		select {
		case one := <-t.queue:
			*batch = append(*batch, one)
		default:
			return
		}
	}
}

// export exports a batch and reports whether that failed.
func (t *Tracer) export(ctx context.Context, batch []told, failing bool) bool {
	ctx, cancel := context.WithTimeout(ctx, exportTime)
	defer cancel()
	for i := range batch {
		spell(t.spans, &batch[i])
	}
	if err := t.exporter.ExportSpans(ctx, t.made.take()); err != nil {
		t.lost.Add(uint64(len(batch)))
		if !failing {
			t.failed(err)
		}
		return true
	}
	t.exported.Add(uint64(len(batch)))
	if failing {
		t.failed(nil)
	}
	return false
}

// Close exports what waits, for a few seconds at most and no longer than ctx, and ends
// Run. It is called once, after Run.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	close(t.stop)
	select {
	case <-t.stopped:
	case <-ctx.Done():
		_ = t.exporter.Shutdown(context.Background()) // ends the export under way
		<-t.stopped
	}
}

// TraceStats counts requests that were followed, by what became of them.
type TraceStats struct {
	Exported uint64 // to the collector
	Dropped  uint64 // because too many waited
	Lost     uint64 // because the collector did not take them
}

// Stats returns what was counted since the start.
func (t *Tracer) Stats() TraceStats {
	if t == nil {
		return TraceStats{}
	}
	return TraceStats{t.exported.Load(), t.dropped.Load(), t.lost.Load()}
}
