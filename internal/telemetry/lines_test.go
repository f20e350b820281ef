package telemetry

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestWhichRequestsHaveALine(t *testing.T) {
	none := Lines{Access: true, Slow: time.Second}
	for _, tt := range []struct {
		name  string
		lines Lines
		r     *Request
		want  bool
	}{
		{"a hit, of all", Lines{Access: true, Sample: 1}, &hit, true},
		{"a hit, of none", none, &hit, false},
		{"what took as long as is slow", none, hit.with(func(r *Request) { r.Took = time.Second }), true},
		{"nothing is slow by default", Lines{Access: true}, hit.with(func(r *Request) { r.Took = time.Hour }), false},
		{"a refusal", none, hit.with(func(r *Request) { r.Status = 403 }), true},
		{"a redirect for a failure", none, hit.with(func(r *Request) { r.Status, r.Err = 307, errors.New("gone") }), true},
		{"a management call", none, hit.with(func(r *Request) { r.Kind = "api" }), true},
		{"none of it without the access log", Lines{Sample: 1, Slow: 1}, hit.with(func(r *Request) { r.Status = 403 }), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tel := New(newLog(t, &out, "info", "text"), tt.lines, nil)
			tel.Finished(tt.r)
			tel.Flush()
			if got := out.Len() > 0; got != tt.want {
				t.Errorf("a line: %v", got)
			}
		})
	}
}

func TestASampleIsAboutAsLargeAsItSays(t *testing.T) {
	var out bytes.Buffer
	tel := New(newLog(t, &out, "info", "text"), Lines{Access: true, Sample: 0.25}, nil)
	for range 4000 {
		tel.Finished(&hit)
		tel.Flush()
	}
	if n := strings.Count(out.String(), "\n"); n < 700 || n > 1300 { // ten standard deviations
		t.Errorf("%d lines of 4000, a quarter", n)
	}
}

func TestWhatIsSaidOfLinesIsChecked(t *testing.T) {
	err := Lines{Sample: 1.5, Slow: -1}.Validate()
	if err == nil || err.Error() != "sample: expected a number from 0 to 1, received 1.5\nslow: expected a duration of 0 or more, received -1ns" {
		t.Errorf("%v", err)
	}
}

// The format changes for what is written from now on, events and requests alike.
func TestTheFormatChangesWhileItRuns(t *testing.T) {
	var out bytes.Buffer
	log := newLog(t, &out, "info", "text")
	with := log.With("node", 1).WithGroup("g")
	tel := New(log, all, nil)
	tell := func() string {
		out.Reset()
		log.Info("event")
		with.Info("event", "a", 2)
		tel.Finished(&hit)
		tel.Finished(hit.with(func(r *Request) { r.Status, r.Err = 404, errors.New("none") }))
		tel.Finished(&bad)
		tel.Flush()
		return out.String()
	}
	if got := tell(); strings.Contains(got, "{") || strings.Count(got, "msg=") != 5 || !strings.Contains(got, "node=1 g.a=2") {
		t.Errorf("text: %s", got)
	}
	if err := log.Set("info", "json"); err != nil {
		t.Fatal(err)
	}
	if got := tell(); strings.Contains(got, "msg=") || strings.Count(got, `"msg":`) != 5 || !strings.Contains(got, `"node":1,"g":{"a":2}`) {
		t.Errorf("json: %s", got)
	}
	if err := log.Set("loud", "xml"); err == nil || strings.Count(err.Error(), "expected") != 2 || !strings.Contains(tell(), `"msg":`) {
		t.Errorf("what is wrong changes nothing: %v", err)
	}
	tel.SetLines(Lines{})
	if got := tell(); strings.Count(got, "\n") != 3 {
		t.Errorf("without lines of requests: %s", got)
	}
	if log, err := NewLog(io.Discard, "warn", "json"); err != nil || log.Enabled(t.Context(), 0) {
		t.Errorf("the level is not kept, %v", err)
	}
}
