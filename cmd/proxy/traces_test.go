package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fovea-images/fovea/internal/telemetry/collectortest"
)

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	senderSpan  = "00f067aa0ba902b7"
	traceparent = "Traceparent: 00-" + traceID + "-" + senderSpan + "-01"
)

// told is a site that notes which trace it was told of, by path.
type told struct {
	mu      sync.Mutex
	parents map[string]string
}

func (s *told) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.parents[r.URL.Path] = r.Header.Get("Traceparent") + r.Header.Get("Tracestate")
	s.mu.Unlock()
	if r.URL.Path == "/page" {
		return
	}
	http.ServeFile(rw, r, "demo/ornament.png")
}

func (s *told) of(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parents[path]
}

func site(t *testing.T) (*told, string) {
	t.Helper()
	s := &told{parents: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// under returns the spans whose parent is id, by name, and those under them.
func under(spans []collectortest.Span, id string) string {
	var names []string
	for _, s := range spans {
		if s.Parent == id {
			name := s.Name
			if inner := under(spans, s.ID); inner != "" {
				name += "(" + inner + ")"
			}
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// Requests of every kind, from the socket to the collector.
func TestTraces(t *testing.T) {
	c := collectortest.Start(t)
	friend, friendly := site(t)
	stranger, strange := site(t)
	file, module, admin := rulesFile(t, "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, file, string(text)+"traces:\n  endpoint: "+c.URL+"\n  sample: 0\n  parents: 100\n  propagate: ["+strings.TrimPrefix(friendly, "http://")+"]\n"+
		"origins: {allowed: [any], allow_private: [127.0.0.0/8], site: '"+friendly+"', forward: true}\n")
	writeEdition(t, module, "/page")
	s := start(t, "--config", file)
	s.admin = "http://" + admin
	ask := func(path string, header ...string) {
		t.Helper()
		get(t, s.url+path, append(header, "Accept: image/webp")...)
	}
	const picture = demoPath + "landscape/w=64"
	ask(picture) // nobody follows it
	ask(demoPath+"landscape/w=65?sig=hidden-proof&exp=1", traceparent, "Tracestate: a=1", "Authorization: Bearer hidden-proof")
	ask(picture, traceparent)
	ask(demoPath+"none/w=64", traceparent)
	ask("/cdn-cgi/image/w=9/"+friendly+"/told.png?token=hidden-proof", traceparent, "Tracestate: a=1")
	ask("/cdn-cgi/image/w=9/"+strange+"/untold.png", traceparent)
	ask("/p/x", traceparent)
	ask("/elsewhere", traceparent)
	ask("/client/v4/accounts", traceparent)
	ask(picture, strings.Replace(traceparent, "-01", "-00", 1))
	spans := c.Await(t, func(s []collectortest.Span) bool { return roots(s) == 8 })
	s.stop()
	if status := <-s.status; status != 0 {
		t.Fatalf("exit status %d", status)
	}
	close(s.status)
	if roots(c.Spans()) != 8 {
		t.Errorf("%d requests are exported", roots(c.Spans()))
	}

	phases := map[string]string{}
	for _, one := range spans {
		if one.Trace != traceID {
			t.Errorf("%s is in trace %s", one.Name, one.Trace)
		}
		for key, value := range one.Attributes {
			if strings.Contains(value, "hidden") {
				t.Errorf("%s says %s", key, value)
			}
		}
		if one.Server {
			if one.Parent != senderSpan {
				t.Errorf("%s is below %s", one.Name, one.Parent)
			}
			phases[one.Attributes["url.path"]+" "+one.Attributes["fovea.outcome"]] = under(spans, one.ID)
		}
	}
	const before = "parse resolve authorise negotiate "
	for request, want := range map[string]string{
		demoPath + "landscape/w=65 miss":                     before + "cache(fetch transform(queue decode resize encode)) answer",
		picture + " hit":                                     before + "cache answer",
		demoPath + "none/w=64 failed":                        "parse resolve",
		"/cdn-cgi/image/w=9/" + friendly + "/told.png miss":  "parse negotiate cache(fetch(request) transform(queue decode resize encode)) answer",
		"/cdn-cgi/image/w=9/" + strange + "/untold.png miss": "parse negotiate cache(fetch(request) transform(queue decode resize encode)) answer",
		"/p/x bypass":              "rules forward(request) rules",
		"/elsewhere bypass":        "forward(request)",
		"/client/v4/accounts call": "",
	} {
		got, ok := phases[request]
		if !ok || sorted(got) != sorted(want) {
			t.Errorf("%s: %q, want %q; there are %v", request, got, want, phases)
		}
	}
	for _, path := range []string{"/told.png", "/elsewhere"} {
		sent := friend.of(path)
		if !strings.HasPrefix(sent, "00-"+traceID+"-") || strings.Contains(sent, senderSpan) || !clientSpan(spans, sent[36:52]) {
			t.Errorf("%s was told %q", path, sent)
		}
	}
	if sent := stranger.of("/untold.png"); sent != "" {
		t.Errorf("a stranger was told %q", sent)
	}
	if log := s.log.String(); strings.Count(log, "trace_id="+traceID) != 8 {
		t.Errorf("the log names the trace %d times", strings.Count(log, "trace_id="+traceID))
	}
}

func roots(spans []collectortest.Span) (n int) {
	for _, s := range spans {
		if s.Server {
			n++
		}
	}
	return n
}

func clientSpan(spans []collectortest.Span, id string) bool {
	for _, s := range spans {
		if s.Client && s.ID == id {
			return true
		}
	}
	return false
}

// sorted has the words in an order: spans arrive in any.
func sorted(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '(' || r == ')' })
	slices.Sort(words)
	return strings.Join(words, " ")
}

// The knobs of the log, and who is followed, change on SIGHUP; where traces go does not.
func TestTheLogAndTheSampleChangeOnReload(t *testing.T) {
	c := collectortest.Start(t)
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	admin := freeAddress(t)
	fixed := "admin: {listen: " + admin + "}\ntraces:\n  endpoint: " + c.URL + "\n  sample: "
	rewrite(t, file, fixed+"0\n")
	s := start(t, "--config", file)
	s.admin = "http://" + admin
	public := demoPath + "landscape/w=64"
	get(t, s.url+public)
	s.awaitLog(t, 0, "outcome=miss")

	rewrite(t, file, fixed+"1\nlog: {format: json, sample: 0, slow: 1h}\n")
	s.hangup(t, `"msg":"configuration reloaded"`)
	from := len(s.log.String())
	get(t, s.url+public)
	get(t, s.url+demoPath+"none/public")
	s.awaitLog(t, from, `"outcome":"failed"`)
	if text := s.log.String()[from:]; strings.Contains(text, `"outcome":"hit"`) || strings.Contains(text, "msg=") {
		t.Errorf("a line that is not wanted: %s", text)
	}
	c.Await(t, func(spans []collectortest.Span) bool { return roots(spans) == 2 })

	rewrite(t, file, fixed+"0\nlog: {format: text, slow: 1ns, sample: 0}\n")
	s.hangup(t, `msg="configuration reloaded"`)
	from = len(s.log.String())
	get(t, s.url+public)
	s.awaitLog(t, from, "outcome=hit")

	rewrite(t, file, fixed+"0\nlog: {access: false}\n")
	s.hangup(t, "configuration reloaded")
	from = len(s.log.String())
	get(t, s.url+demoPath+"none/public")
	get(t, s.url+public)
	rewrite(t, file, strings.Replace(fixed, c.URL, "http://127.0.0.1:1", 1)+"2\nlog: {sample: -1, format: xml}\n")
	for _, key := range []string{"key=traces.endpoint", "key=traces.sample", "key=log.sample", "key=log.format"} {
		s.hangup(t, key)
	}
	if text := s.log.String()[from:]; strings.Contains(text, "msg=request") {
		t.Errorf("lines of requests: %s", text)
	}
	if n := s.gauge(t, `fovea_traces_total{result="exported"}`); n != 2 {
		t.Errorf("%v requests were exported", n)
	}
}
