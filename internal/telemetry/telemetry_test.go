package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/trail"
)

var (
	at  = time.Date(2026, 11, 25, 13, 7, 36, 330470279, time.UTC)
	hit = Request{
		Method: "GET", Host: "example.com", Path: "/cdn-cgi/imagedelivery/h/cat/w=304", Client: netip.MustParseAddr("203.0.113.7"), Status: 200,
		Kind: "hosted", Outcome: "hit", Type: "image/webp", Verdict: "public", Bytes: 10, At: at, Took: 1234567,
	}
	bad = Request{
		Method: "GET", Path: "/q", Status: 502, Code: 9402, Kind: "remote", Outcome: "failed", Failure: "fetch_failed",
		At: at, Err: errors.New("dial: refused"),
	}
)

// all requests have a line.
var all = Lines{Access: true, Sample: 1}

// with returns r after a change.
func (r Request) with(change func(*Request)) *Request {
	change(&r)
	return &r
}

func newLog(t testing.TB, w io.Writer, level, format string) *Log {
	t.Helper()
	log, err := NewLog(w, level, format)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestFinished(t *testing.T) {
	for _, tt := range []struct {
		name   string
		access bool
		level  string
		want   []string
		not    []string
	}{
		{"with the access log every request has its line", true, "info", []string{"/cat/w=304", "outcome=hit", "path=/q", "dial: refused"}, nil},
		{"without it only our failures have one", false, "info", []string{"path=/q", "level=ERROR", "code=9402"}, []string{"/cat/"}},
		{"the level is kept", true, "error", []string{"path=/q"}, []string{"/cat/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tel := New(newLog(t, &out, tt.level, "text"), Lines{Access: tt.access, Sample: 1}, nil)
			tel.Finished(&hit)
			tel.Finished(&bad)
			tel.Flush()
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("log lacks %q:\n%s", want, &out)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("log has %q:\n%s", not, &out)
				}
			}
			tel.Gauge("fovea_answer", "A test's own.", func() float64 { return 42 })
			text, kind, err := tel.Metrics()
			if err != nil || !strings.HasPrefix(kind, "text/plain") {
				t.Fatal(kind, err)
			}
			for _, want := range []string{
				`fovea_requests_total{failure="",kind="hosted",outcome="hit",status="200"} 1`,
				`fovea_requests_total{failure="fetch_failed",kind="remote",outcome="failed",status="502"} 1`,
				`fovea_response_bytes_total{type="image/webp"} 10`, `fovea_proofs_total{verdict="public"} 1`,
				`fovea_request_seconds_count{outcome="hit"} 1`, `fovea_answer 42`, `fovea_log_dropped_total 0`,
			} {
				if !strings.Contains(string(text), want) {
					t.Errorf("metrics lack %s", want)
				}
			}
		})
	}
}

// Every line is what slog's own handler would write, byte for byte.
func TestLinesAreThoseOfSlog(t *testing.T) {
	requests := map[string]*Request{
		"a hit":                     &hit,
		"nothing known":             {At: at},
		"an API call":               hit.with(func(r *Request) { r.Grant, r.Verdict = "grant-1", "" }),
		"a rewritten path":          hit.with(func(r *Request) { r.Rewritten, r.ID = "/p?x=1", "0f" }),
		"a followed request":        hit.with(func(r *Request) { r.Trail = trail.New([16]byte{1, 0xab}, [8]byte{}, "", time.Now) }),
		"a refusal":                 hit.with(func(r *Request) { r.Status, r.Err, r.Code, r.Failure = 404, errors.New(`no "cat"`), 9404, "not_found" }),
		"a path that needs escapes": hit.with(func(r *Request) { r.Path = "/\"a\\b\x01\xff\u00fc\u2028<>&'" }),
		"a path with a space":       hit.with(func(r *Request) { r.Path = "/a b" }),
		"a host beyond ASCII":       hit.with(func(r *Request) { r.Host = "m\u00fcller.example" }),
		"an IPv6 client":            hit.with(func(r *Request) { r.Client = netip.MustParseAddr("2001:db8::1") }),
		"a client with a zone":      hit.with(func(r *Request) { r.Client = netip.MustParseAddr("fe80::1%eth0") }),
		"a client as IPv6 spells 4": hit.with(func(r *Request) { r.Client = netip.MustParseAddr("::ffff:1.2.3.4") }),
		"a long wait":               hit.with(func(r *Request) { r.Took = 3*time.Hour + 7 }),
		"no fraction of a second":   hit.with(func(r *Request) { r.At = at.Truncate(time.Second) }),
		"another time zone":         hit.with(func(r *Request) { r.At = at.In(time.FixedZone("", -5400)) }),
		"nanoseconds that round up": hit.with(func(r *Request) { r.At = at.Truncate(time.Second).Add(999999999) }),
	}
	for _, format := range []string{"text", "json"} {
		for name, r := range requests {
			t.Run(format+" "+name, func(t *testing.T) { sameLine(t, format, r) })
		}
	}
}

func sameLine(t *testing.T, format string, r *Request) {
	t.Helper()
	var got, want bytes.Buffer
	tel := New(newLog(t, &got, "info", format), all, nil)
	tel.Finished(r)
	tel.Flush()
	_ = newLog(t, &want, "info", format).Handler().Handle(context.Background(), record(r, slog.LevelInfo))
	if r.Status < 500 && got.String() != want.String() {
		t.Errorf("\n%s\n%s", &got, &want)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("GET", "example.com", "/a/w=1", "image/webp", int64(1), int64(1))
	f.Add("P\"T", "\xff", "/ü \\", "", int64(1<<40), int64(-1))
	f.Add("GET", "", "/", "h\x13\xf5p", int64(1), int64(1)) // no label
	f.Fuzz(func(t *testing.T, method, host, path, media string, unix, took int64) {
		r := &Request{Method: method, Host: host, Path: path, Type: media, Status: 200, At: at.Add(time.Duration(unix)), Took: time.Duration(took)}
		sameLine(t, "text", r)
		sameLine(t, "json", r)
	})
}

// stuck is a writer that does not return before it may.
type stuck struct {
	entered, free chan struct{}
	mu            sync.Mutex
	bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.free
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

// A reader of the log that has stopped reading stops no request; what had no room is counted.
func TestASlowReaderOfTheLogStopsNobody(t *testing.T) {
	out := &stuck{entered: make(chan struct{}, 1), free: make(chan struct{})}
	tel := New(newLog(t, out, "info", "text"), all, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); tel.Run(ctx) }()
	const n = 20_000
	tel.Finished(&hit)
	<-out.entered // the writer hangs, with one line
	for range n {
		tel.Finished(&hit)
	}
	room := len(tel.shards) * (maxLines + 1024)
	for i := range tel.shards {
		if got := len(tel.shards[i].lines); got > room {
			t.Errorf("%d bytes wait", got)
		}
	}
	failed := make(chan struct{})
	go func() { defer close(failed); tel.Finished(&bad) }() // of all requests only a failure of ours waits
	close(out.free)
	<-failed
	cancel()
	<-ran
	tel.Flush()
	text, _, err := tel.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	var dropped float64
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "fovea_log_dropped_total "); ok {
			var err error
			if dropped, err = strconv.ParseFloat(strings.TrimSpace(rest), 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	written := strings.Count(out.String(), "outcome=hit")
	if dropped == 0 || written+int(dropped) != n+1 {
		t.Errorf("%d lines written, %v dropped, of %d", written, dropped, n+1)
	}
	if strings.Count(out.String(), "dial: refused") != 1 {
		t.Error("a failure is not in the log")
	}
	if !strings.Contains(string(text), `fovea_requests_total{failure="",kind="hosted",outcome="hit",status="200"} 20001`) {
		t.Error("what was not logged was not counted either")
	}
}

// Under Run every line is written without being asked for, once and whole.
func TestConcurrentRequestsAreAllWritten(t *testing.T) {
	read, write := io.Pipe()
	tel := New(newLog(t, write, "info", "json"), all, nil)
	go tel.Run(t.Context())
	const workers, each = 8, 50 // less than one shard has room for
	go func() {
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range each {
					tel.Finished(&hit)
				}
			})
		}
		all.Wait()
	}()
	want := hit.with(func(*Request) {})
	var spelt line
	spelt.appendJSON(want)
	line := string(spelt.b)
	got := make([]byte, workers*each*len(line))
	if _, err := io.ReadFull(read, got); err != nil || string(got) != strings.Repeat(line, workers*each) {
		t.Errorf("lines are lost or mixed: %v", err)
	}
}

func TestNewLogRefusesUnknownWords(t *testing.T) {
	for _, words := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := NewLog(&bytes.Buffer{}, words[0], words[1]); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("NewLog(%v) = %v", words, err)
		}
	}
}

func TestAFinishedRequestAllocatesNothing(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		tel := New(newLog(t, io.Discard, "info", format), all, nil)
		tel.Finished(&hit)
		for range 2 {
			for range 1000 {
				tel.Finished(&hit)
			}
			tel.Flush()
		}
		if n := testing.AllocsPerRun(500, func() { tel.Finished(&hit) }); n > 0 {
			t.Errorf("%s: %v allocations", format, n)
		}
	}
}

// Times are spelt as slog spells them, in whatever order they come.
func TestStamps(t *testing.T) {
	east := time.FixedZone("", 5*3600+1800)
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	var s stamp
	for _, at := range []time.Time{
		noon, noon.Add(time.Millisecond), noon.Add(999 * time.Millisecond), noon.Add(time.Second - 1), noon.Add(time.Second), noon, noon.In(east),
		noon.In(east).Add(70 * time.Millisecond), noon.Add(70 * time.Millisecond), {}, time.Unix(-1, 5e8), noon.AddDate(8000, 0, 0), noon, noon.AddDate(-3000, 0, 0),
	} {
		if got, want := string(s.append([]byte("at "), at)), "at "+at.Format(millis); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
