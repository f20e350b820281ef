package main

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadOptions(t *testing.T) {
	for _, tt := range []struct {
		name      string
		arguments string
		complaint string // "" = none
	}{
		{"nothing is all scenarios", "", ""},
		{"scenarios by name", "-scenario hit,304", ""},
		{"a scenario that is none", "-scenario hot", "-scenario: expected some of hit"},
		{"a peer that is none", "-peers apache", "-peers: expected nginx"},
		{"a peer by URL", "-peers imagor=http://127.0.0.1:8000/unsafe/{width}x0/{source}", ""},
		{"a peer's URL without a source", "-peers imagor=http://127.0.0.1:8000/", "expected {source}"},
		{"a rate below 0", "-open -1", "expected numbers above 0"},
		{"words", "hit", "expected flags alone"},
		{"a flag that is none", "-fast", "not defined"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readOptions(strings.Fields(tt.arguments), io.Discard)
			if err != nil && tt.complaint == "" || err == nil && tt.complaint != "" || err != nil && !strings.Contains(err.Error(), tt.complaint) {
				t.Errorf("received %v, expected %q", err, tt.complaint)
			}
		})
	}
	o, err := readOptions([]string{"-images", "/home/someone", "-duration=3s", "-short"}, io.Discard)
	if err != nil || o.command != "go run ./bench -duration=3s -images … -short=true" || o.rounds != 1 || o.out != "" || len(o.scenarios) != len(scenarios()) {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestFigure(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   figure
		text   string
	}{
		{nil, figure{}, "–"},
		{[]float64{3}, figure{3, 3, 3, 1}, "3"},
		{[]float64{3, 1, 2}, figure{2, 1, 3, 3}, "2 (1–3)"},
		{[]float64{4, 1, 2, 3}, figure{2.5, 1, 4, 4}, "2.50 (1–4)"},
		{[]float64{math.NaN(), 123.4, math.Inf(1)}, figure{123.4, 123.4, 123.4, 1}, "123"},
		{[]float64{.12345}, figure{.12345, .12345, .12345, 1}, "0.123"},
	} {
		got := figureOf(tt.values)
		if diff := cmp.Diff(tt.want, got); diff != "" || got.String() != tt.text {
			t.Errorf("%v: %v (-want +got)\n%s", tt.values, got, diff)
		}
	}
}

// finished is a contest of two.
func finished() *contest {
	laps := func(cpu ...float64) (all []lap) {
		for _, c := range cpu {
			all = append(all, lap{Requests: 1000, Seconds: 1, Rate: 1000, CPU: c, P50: 10, P90: 20, P99: 30, P999: 40})
		}
		return all
	}
	return &contest{Scenario: "hit", Name: "15 KB", Standings: []standing{
		{"Fovea", laps(10, 30, 12), 64 << 20}, {"nginx", laps(20, 30, 10), 32 << 20},
	}}
}

// A busy machine is busy for both: ratios are taken round by round.
func TestRatiosAreTakenRoundByRound(t *testing.T) {
	c := finished()
	if got := c.ratio("Fovea", "nginx", cpu); got != (figure{1, .5, 1.2, 3}) {
		t.Error(got)
	}
	if got := c.difference("Fovea", "nginx", cpu); got != (figure{0, -10, 2, 3}) {
		t.Error(got)
	}
	if got := c.ratio("Fovea", "Varnish", cpu); got.N != 0 {
		t.Error("who took no part has a ratio:", got)
	}
}

func TestReportKeepsWhatWeLose(t *testing.T) {
	b := &bench{out: io.Discard, log: io.Discard, now: "hit"}
	b.result.Began = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	b.result.Contests = []*contest{finished()}
	b.bound("a ratio", figureOf([]float64{.9}), "≤ 1.00", 1)
	b.bound("another", figureOf([]float64{1.1}), "≤ 1.00", 1)
	b.bound("a third that nobody measured", figure{}, "≤ 1.00", 1)
	text := b.result.markdown()
	for _, want := range []string{
		"# Load tests, 2026-11-25", "| hit | a ratio | 0.900 | ≤ 1.00 | kept |", "| hit | another | 1.10 | ≤ 1.00 | **behind** |",
		"| nginx | 20 (10–30) | 1 (0.500–1.20) | 1000 | 10 | 20 | 30 | 40 | 32 | 0 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "nobody measured") {
		t.Error("the report tells what was not measured")
	}
}

// Ours is built, started and asked; what it answers is right.
func TestShortRun(t *testing.T) {
	o, err := readOptions([]string{"-short", "-scenario", "304", "-peers", "", "-out", t.TempDir()}, io.Discard)
	if runtime.GOOS != "linux" { // where .ci/run runs it
		t.Skip("costs are read from /proc: go test ./bench on Linux")
	}
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	if err := run(t.Context(), o, &out, &log); err != nil || !strings.Contains(out.String(), "| Fovea |") {
		t.Errorf("%v\n%s\n%s", err, &out, &log)
	}
}

// until ends a run once it has said something.
type until struct {
	bytes.Buffer
	said string
	end  context.CancelFunc
}

func (u *until) Write(text []byte) (int, error) {
	n, err := u.Buffer.Write(text)
	if strings.Contains(u.String(), u.said) {
		u.end()
	}
	return n, err
}

// A run of half an hour that is ended early has not been for nothing.
func TestInterruptedRunKeepsWhatItFound(t *testing.T) {
	if runtime.GOOS != "linux" { // where .ci/run runs it
		t.Skip("costs are read from /proc: go test ./bench on Linux")
	}
	folder := t.TempDir()
	o, err := readOptions([]string{"-short", "-scenario", "304,signed", "-peers", "", "-out", folder}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := run(ctx, o, io.Discard, &until{said: "signed:", end: cancel}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(text), "**304, 15 KB**") || !strings.Contains(string(text), "**Interrupted** in signed") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestClassify(t *testing.T) {
	const line = "-----------+-------------------------------------------------------\n"
	got, err := classify("File: proxy\nType: cpu\n" + line +
		"      30ms   internal/runtime/syscall.Syscall6\n             internal/poll.(*FD).Write\n             log/slog.(*TextHandler).Handle\n" + line +
		"      50ms   internal/runtime/syscall.Syscall6\n             internal/poll.(*FD).Write\n             net.(*conn).Write\n             github.com/valyala/fasthttp.(*Server).serveConn\n" + line +
		"      20ms   github.com/fovea-images/fovea/params.Parse\n             github.com/fovea-images/fovea/proxy.(*Proxy).Serve\n" + line)
	want := map[string]float64{"access log and metrics": .3, "network: write": .5, "parse the URL": .2}
	for name, share := range want {
		if math.Abs(got[name]-share) > 1e-9 {
			t.Errorf("%s: expected %g, received %g", name, share, got[name])
		}
	}
	if err != nil || len(got) != len(want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", line + "  many   main.main\n"} {
		if _, err := classify(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestTimings(t *testing.T) {
	got, err := timings("cache;desc=MISS, fetch;dur=1.5, queue;dur=0.0, decode;dur=4.0, mezzanine;desc=made, encode;dur=2")
	if diff := cmp.Diff(map[string]float64{"fetch": 1.5, "queue": 0, "decode": 4, "encode": 2}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := timings("fetch;dur=fast"); err == nil {
		t.Error("a duration that is none was read")
	}
}

// The simulated cache forgets what was asked for longest ago.
func TestLRU(t *testing.T) {
	c := newLRU(10)
	for i, step := range []struct {
		key  int
		size int64
		hit  bool
	}{
		{1, 4, false}, {2, 4, false}, {1, 4, true}, {3, 4, false}, // 2 makes room
		{1, 4, true}, {2, 4, false}, // 3 makes room
		{3, 4, false}, {4, 11, false}, {4, 11, false}, // too large to be kept
		{3, 4, true}, {5, 10, false}, {3, 4, false}, // all made room
	} {
		if got := c.ask(step.key, step.size); got != step.hit {
			t.Errorf("step %d: %v", i, got)
		}
		if c.used > c.capacity {
			t.Errorf("step %d: %d bytes of %d", i, c.used, c.capacity)
		}
	}
}

func TestCatalogue(t *testing.T) {
	c, err := newCatalogue(300)
	if err != nil {
		t.Fatal(err)
	}
	for i, size := range c.sizes {
		body := c.picture(i)
		if len(body) != size {
			t.Fatalf("picture %d has %d bytes, expected %d", i, len(body), size)
		}
		if _, _, err := image.Decode(bytes.NewReader(body)); err != nil {
			t.Fatalf("picture %d: %v", i, err)
		}
		if i > 0 && bytes.Equal(body, c.picture(i-1)) {
			t.Fatalf("pictures %d and %d are equal", i-1, i)
		}
	}
}

func TestSlope(t *testing.T) {
	var flat, rising []moment
	for i := range 10 {
		flat = append(flat, moment{Seconds: float64(i) * 60, Resident: 100 + float64(i%2)})
		rising = append(rising, moment{Seconds: float64(i) * 60, Resident: 100 + float64(i)})
	}
	of := func(m moment) float64 { return m.Resident }
	if got := slope(flat, of); math.Abs(got) > 1 {
		t.Errorf("flat: %g", got)
	}
	if got := slope(rising, of); math.Abs(got-10/104.5*100) > .01 {
		t.Errorf("rising by 10 in ten minutes of 104.5: %g %%", got)
	}
	if got := slope(nil, of); got != 0 {
		t.Error(got)
	}
}
