package telemetry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/telemetry/collectortest"
	"github.com/fovea-images/fovea/internal/trail"
)

const (
	parentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentSpan  = "00f067aa0ba902b7"
	sampled     = "00-" + parentTrace + "-" + parentSpan + "-01"
	unsampled   = "00-" + parentTrace + "-" + parentSpan + "-00"
)

func newTracer(t testing.TB, o TraceOptions) *Tracer {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return at }
	}
	if o.Failed == nil {
		o.Failed = func(err error) { t.Logf("told of %v", err) }
	}
	tracer, err := NewTracer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// exporting runs a tracer until the test ends.
func exporting(t *testing.T, o TraceOptions) (*Tracer, *Telemetry) {
	t.Helper()
	tracer := newTracer(t, o)
	go tracer.Run()
	t.Cleanup(func() { tracer.Close(context.Background()) })
	return tracer, New(NoLog(), Lines{}, tracer)
}

func TestARequestIsExportedWithItsPhases(t *testing.T) {
	c := collectortest.Start(t)
	tracer, tel := exporting(t, TraceOptions{Endpoint: c.URL, Headers: "Authorization=Bearer%20abc, x-scope = me", Sampling: Sampling{Parents: 1}, Version: "9"})
	tr := tracer.Follow(sampled, "a=1,b=2")
	begun := at.Add(-time.Second)
	span := func(from, to int) (time.Time, time.Time) {
		return begun.Add(time.Duration(from) * time.Millisecond), begun.Add(time.Duration(to) * time.Millisecond)
	}
	for _, p := range []trail.Phase{
		{Name: "parse"},
		{Name: "request", In: "fetch", Host: "a.example.com:81", Method: "GET", Status: 502, Failure: "fetch_failed", Span: [8]byte{7}},
		{Name: "fetch", In: "cache"},
		{Name: "cache"},
	} {
		p.Start, p.End = span(1, 2)
		tr.Note(p)
	}
	tel.Finished(&Request{
		Method: "GET", Host: "img.example.com", Path: "/cdn-cgi/image/w=9/a.jpg", Client: netip.MustParseAddr("203.0.113.7"), Status: 502, Code: 9402,
		Kind: "remote", Outcome: "failed", Failure: "fetch_failed", Type: "text/plain; charset=utf-8", At: at, Took: time.Second, Secure: true,
		Err: errors.New("dial https://a.example.com/?sig=secret"), Trail: tr, Bytes: 7,
	})
	spans := c.Await(t, func(s []collectortest.Span) bool { return len(s) >= 5 })
	by := map[string]collectortest.Span{}
	for _, s := range spans {
		by[s.Name] = s
		if s.Trace != parentTrace || s.State != "a=1,b=2" {
			t.Errorf("%s is in trace %s, %s", s.Name, s.Trace, s.State)
		}
		for key, value := range s.Attributes {
			if strings.Contains(value, "secret") {
				t.Errorf("%s says %s", key, value)
			}
		}
	}
	root := by["GET /cdn-cgi/image/{options}/{source}"]
	if root.Parent != parentSpan || !root.Server || !root.Failed || !root.End.Equal(at) || !root.Start.Equal(begun) {
		t.Errorf("%+v", root)
	}
	for key, want := range map[string]string{
		"http.request.method": "GET", "url.path": "/cdn-cgi/image/w=9/a.jpg", "url.scheme": "https", "server.address": "img.example.com",
		"http.response.status_code": "502", "http.response.body.size": "7", "client.address": "203.0.113.7", "error.type": "fetch_failed",
		"http.route": "/cdn-cgi/image/{options}/{source}", "fovea.outcome": "failed", "fovea.code": "9402",
	} {
		if root.Attributes[key] != want {
			t.Errorf("%s is %q", key, root.Attributes[key])
		}
	}
	asked := by["request"]
	if asked.ID != "0700000000000000" || asked.Parent != by["fetch"].ID || by["fetch"].Parent != by["cache"].ID || by["cache"].Parent != root.ID || by["parse"].Parent != root.ID {
		t.Errorf("they do not hang together: %+v", spans)
	}
	if !asked.Client || !asked.Failed || asked.Attributes["server.address"] != "a.example.com" || asked.Attributes["server.port"] != "81" || asked.Attributes["http.response.status_code"] != "502" {
		t.Errorf("%+v", asked)
	}
	about, path, header := c.Latest()
	if about["service.name"] != "fovea" || about["service.version"] != "9" || path != "/v1/traces" || header.Get("Authorization") != "Bearer abc" || header.Get("X-Scope") != "me" {
		t.Errorf("%v %s %v", about, path, header)
	}
}

func TestWhoIsFollowed(t *testing.T) {
	for _, tt := range []struct {
		name, parent string
		sampling     Sampling
		follows      bool
		trace, span  string // of the parent; "" = none
	}{
		{"nobody, by default", "", Sampling{}, false, "", ""},
		{"everybody, if so wished", "", Sampling{Share: 1}, true, "", ""},
		{"whose sender follows", sampled, Sampling{Parents: 1}, true, parentTrace, parentSpan},
		{"not whose sender does not", unsampled, Sampling{Share: 1, Parents: 1}, false, "", ""},
		{"whatever the sender says, where nobody is to", unsampled, Sampling{Share: 1}, true, parentTrace, parentSpan},
		{"nobody for the sender's sake, where nobody is to", sampled, Sampling{}, false, "", ""},
		{"what is no traceparent is none", "00-" + parentTrace + "-zz-01", Sampling{Share: 1, Parents: 1}, true, "", ""},
		{"a trace of zeros is none", "00-00000000000000000000000000000000-" + parentSpan + "-01", Sampling{Parents: 1}, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tracer := newTracer(t, TraceOptions{Endpoint: "http://127.0.0.1:1", Sampling: tt.sampling})
			tr := tracer.Follow(tt.parent, "a=1")
			if (tr != nil) != tt.follows {
				t.Fatalf("follows: %v", tr != nil)
			}
			if tr != nil && tt.trace != "" && string(tr.AppendID(nil)) != tt.trace {
				t.Errorf("in trace %s", tr.AppendID(nil))
			}
			if tr != nil && (tr.Parent != [8]byte{}) != (tt.span != "") {
				t.Errorf("below %x", tr.Parent)
			}
		})
	}
}

func TestStrangersCannotHaveEverythingExported(t *testing.T) {
	now := at
	tracer := newTracer(t, TraceOptions{Endpoint: "http://127.0.0.1:1", Sampling: Sampling{Parents: 5}, Now: func() time.Time { return now }})
	for range 3 {
		followed := 0
		for range 1000 {
			if tracer.Follow(sampled, "") != nil {
				followed++
			}
		}
		if followed != 5 {
			t.Errorf("%d requests in a second", followed)
		}
		now = now.Add(time.Second)
	}
	// A trace whose id is small would be among the sample of every sampler that looks at it.
	tracer.Tune(Sampling{Share: 0.5})
	followed := 0
	for range 128 {
		if tracer.Follow("00-00000000000000000000000000000001-"+parentSpan+"-01", "") != nil {
			followed++
		}
	}
	if followed == 128 {
		t.Error("the id decides")
	}
}

func TestADeadCollectorStopsNobody(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and answers nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	tracer := newTracer(t, TraceOptions{Endpoint: "http://" + silent.Addr().String(), Sampling: Sampling{Share: 1}})
	tel := New(NoLog(), Lines{}, tracer)
	go tracer.Run()
	const n = maxWaitingTraces + 3*maxBatch
	for range n {
		tel.Finished(hit.with(func(r *Request) { r.Trail = tracer.Follow("", "") }))
	}
	if got := tracer.Stats(); got.Dropped == 0 || got.Exported != 0 {
		t.Errorf("%+v", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // the server's patience is at its end
	tracer.Close(ended)
	if got := tracer.Stats(); got.Dropped+got.Lost != n {
		t.Errorf("%+v of %d", got, n)
	}
}

func TestWhatWaitsIsExportedAtTheEnd(t *testing.T) {
	c := collectortest.Start(t)
	tracer := newTracer(t, TraceOptions{Endpoint: c.URL, Sampling: Sampling{Share: 1}})
	tel := New(NoLog(), Lines{}, tracer)
	for range 2*maxBatch + 1 {
		tel.Finished(hit.with(func(r *Request) { r.Trail = tracer.Follow("", "") }))
	}
	go tracer.Run()
	tracer.Close(t.Context())
	if got := tracer.Stats(); got.Exported != 2*maxBatch+1 || len(c.Spans()) != 2*maxBatch+1 {
		t.Errorf("%+v, %d spans", got, len(c.Spans()))
	}
}

func TestACollectorThatRefusesIsToldOfOnce(t *testing.T) {
	c := collectortest.Start(t)
	c.Refuse(400)
	var failures, recoveries atomic.Int64
	tracer, tel := exporting(t, TraceOptions{Endpoint: c.URL, Sampling: Sampling{Share: 1}, Failed: func(err error) {
		if err == nil {
			recoveries.Add(1)
		} else {
			failures.Add(1)
		}
	}})
	finish := func() {
		tel.Finished(hit.with(func(r *Request) { r.Trail = tracer.Follow("", "") }))
		c.Asked(t)
	}
	finish()
	finish()
	c.Refuse(0)
	finish()
	finish() // the one before has been told of
	if failures.Load() != 1 || recoveries.Load() != 1 {
		t.Errorf("told of %d failures and %d recoveries", failures.Load(), recoveries.Load())
	}
	if s := tracer.Stats(); s.Lost != 2 {
		t.Errorf("%+v", s)
	}
}

// Protocol buffers have no room for text that is not UTF-8: one path must not spoil an
// export.
func TestBytesOfStrangersSpoilNoExport(t *testing.T) {
	c := collectortest.Start(t)
	tracer, tel := exporting(t, TraceOptions{Endpoint: c.URL, Sampling: Sampling{Share: 1}})
	tr := tracer.Follow("", "")
	tr.Note(trail.Phase{Name: "request", Host: "\xff", Method: "BREW"})
	tel.Finished(&Request{Method: "BR\xffW", Host: "h\xff:x", Path: "/\xff" + strings.Repeat("a", 1<<20), Rewritten: "\xc3", ID: "\xff", Type: "a/\xff", Status: 200, At: at, Trail: tr})
	spans := c.Await(t, func(s []collectortest.Span) bool { return len(s) == 2 })
	for _, s := range spans {
		if s.Server && (s.Name != "HTTP" || s.Attributes["http.request.method"] != "_OTHER" || len(s.Attributes["url.path"]) > maxPath+3) {
			t.Errorf("%+v", s)
		}
	}
}

func TestTheStandardVariablesNameACollector(t *testing.T) {
	c := collectortest.Start(t)
	for name, tt := range map[string]struct {
		set  map[string]string
		path string // where it is asked; "" = there are no traces
	}{
		"for all signals":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL + "/base"}, "/base/v1/traces"},
		"for traces":            {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/own", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "/own"},
		"but the SDK is off":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_SDK_DISABLED": "true"}, ""},
		"but traces go nowhere": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_EXPORTER": "none"}, ""},
		"or none does":          {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range tt.set {
				t.Setenv(key, value)
			}
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-own=1")
			t.Setenv("OTEL_SERVICE_NAME", "pictures")
			tracer := newTracer(t, TraceOptions{Sampling: Sampling{Share: 1}})
			if (tracer != nil) != (tt.path != "") {
				t.Fatalf("traces: %v", tracer != nil)
			}
			if tracer == nil {
				return
			}
			go tracer.Run()
			New(NoLog(), Lines{}, tracer).Finished(hit.with(func(r *Request) { r.Trail = tracer.Follow("", "") }))
			tracer.Close(t.Context())
			about, path, header := c.Latest()
			if path != tt.path || header.Get("X-Own") != "1" || about["service.name"] != "pictures" {
				t.Errorf("%s %v %v", path, header, about)
			}
		})
	}
}

func TestNewTracerComplains(t *testing.T) {
	for name, tt := range map[string]struct {
		o    TraceOptions
		env  [2]string
		want string
	}{
		"no URL":               {TraceOptions{Endpoint: "collector:4317"}, [2]string{}, "endpoint: expected a URL"},
		"a password in it":     {TraceOptions{Endpoint: "http://me:hidden@collector"}, [2]string{}, "endpoint: expected a URL"},
		"a header without =":   {TraceOptions{Endpoint: "http://a", Headers: "hidden"}, [2]string{}, "headers: expected name=value"},
		"a header that breaks": {TraceOptions{Endpoint: "http://a", Headers: "a=hidden%0d%0ab: c"}, [2]string{}, "headers: expected name=value"},
		"a share above 1":      {TraceOptions{Sampling: Sampling{Share: 2}}, [2]string{}, "sample: expected a number from 0 to 1, received 2"},
		"less than none":       {TraceOptions{Sampling: Sampling{Parents: -1}}, [2]string{}, "parents: expected 0 or more"},
		"a variable":           {TraceOptions{}, [2]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector"}, "endpoint: OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL such as http://127.0.0.1:4318, received \"collector\""},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.env[0] != "" {
				t.Setenv(tt.env[0], tt.env[1])
			}
			_, err := NewTracer(t.Context(), tt.o)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("another protocol", func(t *testing.T) {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
		t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
		if _, err := NewTracer(t.Context(), TraceOptions{}); err == nil || !strings.Contains(err.Error(), "expected http/protobuf, received \"grpc\"") {
			t.Errorf("got %v", err)
		}
	})
}

func TestARequestThatNobodyFollowsAllocatesNothing(t *testing.T) {
	var none *Tracer
	some := newTracer(t, TraceOptions{Endpoint: "http://127.0.0.1:1"})
	tel := New(newLog(t, io.Discard, "info", "text"), Lines{Access: true}, some)
	tel.Finished(&hit)
	if n := testing.AllocsPerRun(200, func() {
		if none.Follow("", "") != nil || some.Follow("", "") != nil {
			t.Error("it is followed")
		}
		none.finished(&hit)
		tel.Finished(&hit)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
