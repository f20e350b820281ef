package proxy

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/trail"
)

// phasesOf are the names of what was noted, in the order in which it ended.
func phasesOf(tr *trail.Trail) string {
	var names []string
	for _, p := range tr.Finish() {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

func TestARequestThatIsFollowedHasItsPhases(t *testing.T) {
	var reports []Report
	f := newFixture(t, func(o *Options) {
		o.Report = func(r Report) { reports = append(reports, r) }
		o.Follow = func(parent, state string) *trail.Trail {
			if parent == "" {
				return nil
			}
			return trail.New([16]byte{1}, [8]byte{}, parent+" "+state, time.Now)
		}
	})
	f.add("shoes/red.jpg", picture(160, 120))
	target := path("shoes/red.jpg/width=80")
	response, _ := f.ask("GET", target, "Accept: image/webp", "Traceparent: x", "Tracestate: a=1")
	for range 2 { // the second hit is the first that is recalled
		f.ask("GET", target, "Accept: image/webp", "Traceparent: x", "Tracestate: a=1")
	}
	f.ask("GET", target, "Accept: image/webp", "Traceparent: x", "If-None-Match: "+response.Header.Get("ETag"))
	f.ask("GET", target)
	f.ask("GET", path("none/width=80"), "Traceparent: x")
	want := []string{
		"parse resolve authorise negotiate fetch queue decode resize encode transform cache answer",
		"parse resolve authorise negotiate cache answer",
		"authorise cache answer",
		"authorise answer",
		"",
		"parse resolve",
	}
	if len(reports) != len(want) {
		t.Fatalf("%d reports", len(reports))
	}
	for i, r := range reports {
		if got := phasesOf(r.Trail); got != want[i] {
			t.Errorf("request %d: %q, want %q", i, got, want[i])
		}
	}
	if got := reports[0].Trail.State; got != "x a=1" {
		t.Errorf("it came with %q", got)
	}
	if p := reports[5].Trail.Finish()[1]; p.Failure != "not_found" {
		t.Errorf("%+v", p)
	}
}

// Who does not follow pays nothing, on the way of a hit.
func TestAHitThatNobodyFollowsAllocatesNoMore(t *testing.T) {
	allocations := func(follow func(string, string) *trail.Trail) float64 {
		f := newFixture(t, func(o *Options) { o.Report, o.Follow = func(Report) {}, follow })
		f.add("shoes/red.jpg", picture(160, 120))
		target := path("shoes/red.jpg/width=80")
		for range 3 {
			f.ask("GET", target, "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
		}
		server := NewServer(context.Background(), f.current, ServerOptions{})
		return testing.AllocsPerRun(3, func() {
			if err := server.ServeConn(&caller{request: browserRequest(target), n: 1000}); err != nil {
				t.Error(err)
			}
		})
	}
	without, with := allocations(nil), allocations(func(string, string) *trail.Trail { return nil })
	if with > without+100 { // of a thousand requests
		t.Errorf("%v allocations, without anybody who could follow %v", with, without)
	}
}
