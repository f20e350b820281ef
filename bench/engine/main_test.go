package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asWorkerVariable makes the test's program a worker, as -worker does the real one's.
const asWorkerVariable = "FOVEA_BENCH_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorkerVariable) != "" && slices.Contains(os.Args, "-worker") {
		if err := work(context.Background(), 1, ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// piped is our own engine behind the pipe that separates worker and judge.
func piped(ctx context.Context) (*contender, error) {
	o, err := newOurs(ctx, 1<<20, "")
	if err != nil {
		return nil, err
	}
	toWorker, requests := io.Pipe()
	answers, fromWorker := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, o, toWorker, fromWorker) }()
	end := func() error {
		if err := requests.Close(); err != nil {
			return err
		}
		return <-ended
	}
	return &contender{maker: newRemote(requests, answers, end), about: "this repository", pid: os.Getpid()}, nil
}

// simple is a peer that writes no AVIF.
type simple struct{ maker }

func (s simple) make(ctx context.Context, t task) ([]byte, error) {
	if t.Media == "image/avif" {
		return nil, errors.New("no AVIF here")
	}
	return s.maker.make(ctx, t)
}

func simply(ctx context.Context) (*contender, error) {
	c, err := piped(ctx)
	if err != nil {
		return nil, err
	}
	return &contender{maker: simple{c.maker}, pid: c.pid}, nil
}

func absent(context.Context) (*contender, error) {
	return nil, fmt.Errorf("%w: no such program", errLeftOut)
}

// The whole way, as short as it gets: generated pictures a sixteenth as wide, one
// round, our own engine as its own peer.
func TestWholeMeasurement(t *testing.T) {
	folder := t.TempDir()
	sources, err := gather(t.Context(), "", folder, 16)
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(sources)
	if err != nil {
		t.Fatal(err)
	}
	m := &measurement{
		options: options{rounds: 1, mixed: 6, peers: []string{"simple", "absent"}},
		sources: sources, judge: j, log: io.Discard,
		start: map[string]starter{"ours": piped, "simple": simply, "absent": absent},
	}
	if err := m.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range m.rows {
		for i, one := range r.results {
			if i == 1 && (r.id == "W3" || r.id == "W7") {
				if one.tasks != nil {
					t.Errorf("%s: measured a peer that cannot do it", r.id)
				}
				continue
			}
			if len(one.rates) != 1 || one.rates[0] <= 0 || one.millis[0] <= 0 || one.bytes == 0 || one.ssim < 5 {
				t.Errorf("%s, %s: %+v", r.id, m.field[i].name, one)
			}
		}
	}
	text := m.markdown()
	for _, want := range []string{"| W1 |", "| W7 |", "| M |", "generated, not a photograph", "ours: this repository", "absent: left out: no such", "simple in W3: left out: no AVIF here", "| 6 mixed transforms |"} {
		if !strings.Contains(text, want) {
			t.Errorf("expected %q in\n%s", want, text)
		}
	}
}

func TestRunWritesTheSameTableToFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.md")
	t.Setenv(asWorkerVariable, "1")
	var out bytes.Buffer
	if err := run(t.Context(), options{rounds: 1, shrink: 16, out: file}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != out.String() || !strings.Contains(out.String(), "| W6 |") || !strings.Contains(out.String(), "mezzanines; jpeg ") {
		t.Errorf("printed\n%s\nand wrote\n%s", out.String(), written)
	}
	if err := run(t.Context(), options{rounds: 1, shrink: 16, peers: []string{"paint"}}, io.Discard, io.Discard); err == nil {
		t.Error("took a peer that nobody knows")
	}
}

func TestMatchFindsTheQualityOfALikePicture(t *testing.T) {
	sources, err := gather(t.Context(), "", t.TempDir(), 8)
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(sources)
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOurs(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	s := find(sources, large)
	if err := o.load(t.Context(), s.name, s.path); err != nil {
		t.Fatal(err)
	}
	list, err := workloads(sources)
	if err != nil {
		t.Fatal(err)
	}
	asked := list[1].batch.Tasks[0] // JPEG
	asked.Quality = 55
	body, err := o.make(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	want, err := j.likeness(t.Context(), asked, body)
	if err != nil {
		t.Fatal(err)
	}
	begin := asked
	begin.Quality = 95
	found, err := j.match(t.Context(), o, begin, want)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(found.Quality-asked.Quality)) > 5 {
		t.Errorf("expected about quality %d, found %d", asked.Quality, found.Quality)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("%v: %g, want %g", tt.values, got, tt.want)
		}
	}
}
