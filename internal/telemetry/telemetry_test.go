package telemetry

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFinished(t *testing.T) {
	ok := Request{Method: "GET", Host: "h", Path: "/p", Status: 200, Kind: "hosted", Outcome: "hit", Type: "image/webp", Bytes: 10, Took: time.Millisecond}
	bad := Request{Method: "GET", Path: "/q", Status: 502, Code: 9402, Kind: "remote", Outcome: "failed", Failure: "fetch_failed", Err: errors.New("dial: refused")}
	for _, tt := range []struct {
		name   string
		access bool
		level  string
		want   []string
		not    []string
	}{
		{"with the access log every request has its line", true, "info", []string{"path=/p", "outcome=hit", "path=/q", "dial: refused"}, nil},
		{"without it only our failures have one", false, "info", []string{"path=/q", "level=ERROR", "code=9402"}, []string{"path=/p"}},
		{"the level is kept", true, "error", []string{"path=/q"}, []string{"path=/p"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			log, err := NewLogger(&out, tt.level, "text")
			if err != nil {
				t.Fatal(err)
			}
			tel := New(log, tt.access)
			tel.Finished(ok)
			tel.Finished(bad)
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
				`fovea_response_bytes_total{type="image/webp"} 10`, `fovea_answer 42`,
			} {
				if !strings.Contains(string(text), want) {
					t.Errorf("metrics lack %s", want)
				}
			}
		})
	}
}

func TestNewLoggerRefusesUnknownWords(t *testing.T) {
	for _, words := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := NewLogger(&bytes.Buffer{}, words[0], words[1]); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("NewLogger(%v) = %v", words, err)
		}
	}
}
