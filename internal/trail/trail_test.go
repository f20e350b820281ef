package trail

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func clock() func() time.Time {
	at := time.Unix(1_800_000_000, 0)
	return func() time.Time { at = at.Add(time.Millisecond); return at }
}

func TestPhasesAreNotedUntilTheRequestIsTold(t *testing.T) {
	tr := New([16]byte{}, [8]byte{}, "", clock())
	tr.Begin("parse", "").End("")
	late := tr.Begin("fetch", "cache")
	tr.Begin("cache", "").End("canceled")
	phases := tr.Finish()
	late.End("")
	if len(phases) != 2 || phases[0].Name != "parse" || phases[1].Failure != "canceled" || !phases[0].Start.Before(phases[0].End) {
		t.Errorf("%+v", phases)
	}
	if len(tr.Finish()) != 2 {
		t.Error("what came late was noted")
	}
	if parent, _ := late.Send(); parent != "" {
		t.Errorf("%q is told of a request that is over", parent)
	}
}

func TestNotedPhasesAreBounded(t *testing.T) {
	tr := New([16]byte{}, [8]byte{}, "", clock())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range maxPhases {
				tr.Note(Phase{Name: "fetch"})
			}
		})
	}
	all.Wait()
	if n := len(tr.Finish()); n != maxPhases {
		t.Errorf("%d phases", n)
	}
}

func TestWhatIsSentIsTraceContext(t *testing.T) {
	form := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`)
	seen := map[string]bool{}
	for range 100 {
		tr := New([16]byte{}, [8]byte{}, "a=b", clock())
		m := tr.Begin("request", "fetch")
		parent, state := m.Send()
		if !form.MatchString(parent) || state != "a=b" || strings.Contains(parent, strings.Repeat("0", 16)) || seen[parent] {
			t.Fatalf("%q, %q", parent, state)
		}
		seen[parent] = true
		if again, _ := m.Send(); again != parent {
			t.Errorf("%q, then %q", parent, again)
		}
	}
	tr := New([16]byte{1, 2, 3}, [8]byte{9}, "", clock())
	m := tr.Begin("request", "")
	if parent, _ := m.Send(); !strings.HasPrefix(parent, "00-01020300000000000000000000000000-") || strings.Contains(parent, "0900000000000000") {
		t.Errorf("%q", parent)
	}
}

func TestNobodyFollowsNil(t *testing.T) {
	var nobody *Trail
	ctx := With(t.Context(), nobody)
	n := testing.AllocsPerRun(100, func() {
		m := Of(ctx).Begin("cache", "")
		_, _ = m.Send()
		m.End("")
		nobody.Note(Phase{})
	})
	if ctx != t.Context() || n > 0 || nobody.Finish() != nil {
		t.Errorf("%v allocations", n)
	}
	if tr := New([16]byte{}, [8]byte{}, "", clock()); Of(With(context.Background(), tr)) != tr {
		t.Error("it is lost on its way")
	}
}
