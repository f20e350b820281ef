// Package collectortest is a collector of OpenTelemetry traces for tests.
package collectortest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector takes what is exported to URL by OTLP over HTTP.
type Collector struct {
	URL string

	mu      sync.Mutex
	spans   []Span
	about   map[string]string
	header  http.Header
	path    string
	refuse  int
	arrived chan struct{}
}

// Span is one that has arrived. Ids are in hexadecimal digits.
type Span struct {
	Trace, ID, Parent, State, Name string
	Server, Client, Failed         bool
	Start, End                     time.Time
	Attributes                     map[string]string // numbers in decimal digits
}

// Start runs a Collector until the test ends.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{arrived: make(chan struct{}, 1)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// Refuse has every further export answered with this status; 0: with success.
func (c *Collector) Refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = status
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		packed, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		body = packed
	}
	text, err := io.ReadAll(body)
	var export collectorpb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &export)
	}
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(rw, "expected a POST of an ExportTraceServiceRequest", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path, c.header = r.URL.Path, r.Header
	defer func() {
		select {
		case c.arrived <- struct{}{}:
		default:
		}
	}()
	if c.refuse != 0 {
		rw.WriteHeader(c.refuse)
		return
	}
	for _, from := range export.GetResourceSpans() {
		c.about = texts(from.GetResource().GetAttributes())
		for _, scope := range from.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, read(s))
			}
		}
	}
	rw.Header().Set("Content-Type", "application/x-protobuf") // an empty message is success
}

func read(s *tracepb.Span) Span {
	return Span{
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		State: s.GetTraceState(), Name: s.GetName(),
		Server: s.GetKind() == tracepb.Span_SPAN_KIND_SERVER, Client: s.GetKind() == tracepb.Span_SPAN_KIND_CLIENT,
		Failed: s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
		Start:  time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())), //nolint:gosec // times of today
		Attributes: texts(s.GetAttributes()),
	}
}

func texts(attributes []*commonpb.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			all[a.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			all[a.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		default:
			all[a.GetKey()] = a.GetValue().String()
		}
	}
	return all
}

// Await returns what has arrived once done says of it that it is all.
func (c *Collector) Await(t testing.TB, done func([]Span) bool) []Span {
	t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for {
		if got := c.Spans(); done(got) {
			return got
		}
		select {
		case <-c.arrived:
		case <-patience.C:
			t.Fatalf("not all has arrived: %+v", c.Spans())
		}
	}
}

// Asked waits for an export, taken or not, that has not been waited for.
func (c *Collector) Asked(t testing.TB) {
	t.Helper()
	select {
	case <-c.arrived:
	case <-time.After(time.Minute):
		t.Fatal("nothing is exported")
	}
}

// Spans returns what has arrived.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Latest returns what the latest export said of its sender, its path and its header.
func (c *Collector) Latest() (about map[string]string, path string, header http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.about, c.path, c.header
}
