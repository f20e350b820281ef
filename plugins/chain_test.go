package plugins_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/plugins"
)

// setup is a chain with a clock and a log.
type setup struct {
	*plugins.Chain
	at  time.Time
	log bytes.Buffer
}

func newSetup(t *testing.T, links ...plugins.Link) *setup {
	t.Helper()
	s := &setup{at: time.Unix(1_800_000_000, 0)}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	clock := func() time.Time { return s.at }
	for i := range links {
		links[i].Journal = plugins.NewJournal(links[i].Name, log, clock)
	}
	var err error
	if s.Chain, err = plugins.New(plugins.Options{Links: links, Log: log, Now: clock}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *setup) ask(t *testing.T, uri string) (string, error) {
	t.Helper()
	x := s.Begin()
	defer s.Release(x)
	x.Load([]byte("GET"), []byte(uri))
	x.LoadHeader([]byte("Host"), []byte("a.com"))
	err := s.Request(context.Background(), x)
	return string(x.URI()), err
}

func TestLinksAreChecked(t *testing.T) {
	for says, l := range map[string]plugins.Link{
		"name: expected 1 to 40":         {Name: "A", Match: []string{"/**"}},
		"name: expected":                 {Match: []string{"/**"}},
		"match: expected at least one":   {Name: "a"},
		"match: expected a path":         {Name: "a", Match: []string{"x"}},
		"on_error: expected open or":     {Name: "a", Match: []string{"/"}, OnError: "ignore"},
		"expose: expected authorization": {Name: "a", Match: []string{"/"}, Expose: []string{"host"}},
	} {
		if err := l.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
	twice := plugins.Link{Name: "a", Match: []string{"/"}, Rule: &native{}}
	if _, err := plugins.New(plugins.Options{Links: []plugins.Link{twice, twice}}); err == nil || !strings.Contains(err.Error(), `"a" twice`) {
		t.Error(err)
	}
}

// A later rule is matched against what the earlier ones have made of the request; nobody
// is called twice, even where a rule rewrites to what it is for itself.
func TestMatchingFollowsTheRewrites(t *testing.T) {
	first, second, never := &native{steps: []string{"u/p/again"}}, &native{}, &native{}
	s := newSetup(t,
		plugins.Link{Name: "first", Match: []string{"/p/*", "a.com/q"}, Rule: first},
		plugins.Link{Name: "second", Match: []string{"/p/again"}, Rule: second},
		plugins.Link{Name: "never", Match: []string{"b.com/**"}, Rule: never})
	for _, uri := range []string{"/p/x", "/q"} {
		if got, err := s.ask(t, uri); got != "/p/again" || err != nil {
			t.Error(got, err)
		}
	}
	if first.calls.Load() != 2 || second.calls.Load() != 2 || never.calls.Load() != 0 {
		t.Error(first.calls.Load(), second.calls.Load(), never.calls.Load())
	}
	if s.Wants([]byte("a.com"), []byte("/other")) || !s.Wants([]byte("B.com:80"), []byte("/other")) {
		t.Error("Wants is wrong")
	}
}

// After 20 failures within 10 s the rule is left alone for 5 s, and then tried by single
// requests.
func TestBreaker(t *testing.T) {
	bad := true
	rule := &native{fails: func() bool { return bad }}
	s := newSetup(t, plugins.Link{Name: "frail", Match: []string{"/**"}, Rule: rule})
	fail := func(reason plugins.Reason) {
		t.Helper()
		_, err := s.ask(t, "/")
		if !fault.Is(err, fault.RuleFailed) || !strings.Contains(err.Error(), string(reason)) {
			t.Fatalf("%v; want %s", err, reason)
		}
	}
	for range 19 {
		fail(plugins.Refused)
	}
	s.at = s.at.Add(11 * time.Second)
	for range 19 {
		fail(plugins.Refused)
	}
	if s.Stats()[0].Resting {
		t.Fatal("nineteen within ten seconds are not twenty")
	}
	fail(plugins.Refused)
	calls := rule.calls.Load()
	for range 5 {
		fail(plugins.Resting)
	}
	if got := s.Stats()[0]; rule.calls.Load() != calls || !got.Resting || got.Skipped != 5 || got.Error != 39 {
		t.Errorf("%d calls, %+v", rule.calls.Load(), got)
	}
	s.at = s.at.Add(5 * time.Second)
	fail(plugins.Refused) // the probe
	fail(plugins.Resting)
	s.at, bad = s.at.Add(5*time.Second), false
	for range 3 {
		if _, err := s.ask(t, "/"); err != nil {
			t.Fatal(err)
		}
	}
	if s.Stats()[0].Resting {
		t.Error("it rests")
	}
	if log := s.log.String(); !strings.Contains(log, "rule=frail") || !strings.Contains(log, "reason=refused") || !strings.Contains(log, "as told") {
		t.Error(log)
	}
}

func TestStats(t *testing.T) {
	s := newSetup(t,
		plugins.Link{Name: "on", Match: []string{"/on", "/bad"}, Rule: &native{}},
		plugins.Link{Name: "answers", Match: []string{"/answer"}, Rule: &native{steps: []string{"."}}},
		plugins.Link{Name: "misleads", Match: []string{"/bad"}, Rule: &native{steps: []string{"u/worse"}}})
	for _, uri := range []string{"/on", "/on", "/answer", "/other"} {
		if _, err := s.ask(t, uri); err != nil {
			t.Fatal(err)
		}
	}
	x := s.Begin()
	x.Load([]byte("GET"), []byte("/bad"))
	if err := s.Request(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	s.Misled(x)
	s.Release(x)
	got := s.Stats()
	if got[0].Rule != "on" || got[0].Next != 3 || got[0].Units != 21 || got[0].Buckets[0] != 3 || got[1].Answer != 1 || got[2].Misled != 1 || got[0].Misled != 0 {
		t.Errorf("%+v", got)
	}
}

// Who asks what the rules would do is no visitor: it is not counted, tells no log of
// failures, and neither has a rule left alone nor called again.
func TestRehearsalsAreNotCounted(t *testing.T) {
	bad := true
	rule := &native{fails: func() bool { return bad }}
	s := newSetup(t, plugins.Link{Name: "frail", Match: []string{"/**"}, Rule: rule})
	rehearse := func(outcome string) {
		t.Helper()
		x := s.Begin()
		defer s.Release(x)
		x.Rehearse()
		x.Load([]byte("GET"), []byte("/"))
		err := s.Request(t.Context(), x)
		if steps := x.Steps(); len(steps) != 1 || steps[0].Outcome != outcome || (err != nil) != (outcome != "next") {
			t.Fatalf("%+v, %v; want %s", steps, err, outcome)
		}
	}
	for range 30 {
		rehearse("error")
	}
	bad = false
	rehearse("next")
	if got := s.Stats()[0]; got.Resting || got.Error+got.Next+got.Skipped+got.Units != 0 || s.log.Len() != 0 {
		t.Errorf("%+v\n%s", got, s.log.String())
	}
	bad = true
	for range 20 {
		if _, err := s.ask(t, "/"); err == nil {
			t.Fatal("it does not fail")
		}
	}
	rehearse("skipped")
	s.at = s.at.Add(5 * time.Second)
	bad = false
	rehearse("skipped") // visitors find out
	if got := s.Stats()[0]; !got.Resting || got.Error != 20 || got.Skipped != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := s.ask(t, "/"); err != nil || s.Stats()[0].Resting {
		t.Error(err)
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct{ ours, theirs, want string }{
		{"public, max-age=100", "max-age=50", "public, max-age=50"},
		{"public, max-age=100", "max-age=500", "public, max-age=100"},
		{"public, max-age=100, stale-while-revalidate=9", "public, max-age=50, stale-while-revalidate=5", "public, max-age=50, stale-while-revalidate=5"},
		{"public, s-maxage=100, max-age=100", "private", "max-age=100, private"},
		{"public, max-age=100", "no-store", "no-store"},
		{"public, max-age=100", "no-cache", "public, max-age=100, no-cache"},
		{"private, max-age=10", "public, max-age=9999, immutable", "private, max-age=10"},
		{"private, no-store", "public, max-age=9", "private, no-store"},
		{"no-store", "max-age=9", "no-store"},
		{"", "max-age=9", "max-age=9"},
		{"public", "max-age=9", "public, max-age=9"},
		{"public, max-age=100", "max-age=-5", "public, max-age=100"},
		{"public, max-age=100", "max-age=nine, nonsense", "public, max-age=100"},
	} {
		if got := plugins.Shorten(tt.ours, tt.theirs); got != tt.want {
			t.Errorf("%q by %q is %q; want %q", tt.ours, tt.theirs, got, tt.want)
		}
	}
}

// What a rule is told is remembered for people: the same for native rules and modules.
func TestSteps(t *testing.T) {
	s := newSetup(t, plugins.Link{Name: "a", Match: []string{"/**"}, Rule: &native{steps: []string{"u/2", "Sx\x001", "sx-r\x002"}}},
		plugins.Link{Name: "b", Match: []string{"/**"}, Rule: &native{steps: []string{"!"}}})
	x := s.Begin()
	defer s.Release(x)
	x.Trace()
	x.Load([]byte("GET"), []byte("/1"))
	if err := s.Request(t.Context(), x); err == nil {
		t.Fatal("it passed")
	}
	got := x.Steps()
	if len(got) != 2 || got[0].Outcome != "next" || got[0].Before != "/1" || got[0].After != "/2" || got[0].Answer[0] != "+ x: 1" ||
		got[0].Request[0] != "+ x-r: 2" || got[1].Outcome != "error" || !strings.Contains(got[1].Reason, "as told") || got[1].After != "" {
		t.Errorf("%+v", got)
	}
}

// A proof is masked before the line is cut: what is left of it is no part of it.
func TestLongLinesShowNoProof(t *testing.T) {
	proof := bytes.Repeat([]byte("0123456789abcdef"), 4)
	journal := plugins.NewJournal("test", slog.New(slog.DiscardHandler), time.Now)
	for at := 1<<10 - len(proof) - 8; at < 1<<10; at++ {
		line := journal.Line(slog.LevelInfo, append(bytes.Repeat([]byte(" "), at), proof...), [][]byte{proof})
		if strings.Contains(line, "0123") || len(line) > 1<<10 {
			t.Fatalf("a proof at %d: %q", at, strings.TrimSpace(line))
		}
	}
}

// told is header lines that wait to be asked for.
type told struct {
	lines [][2]string
	times int
}

func (l *told) Tell(x *plugins.Exchange) {
	l.times++
	for _, line := range l.lines {
		x.LoadHeader([]byte(line[0]), []byte(line[1]))
	}
}

// Header lines are copied once, and only for a rule that looks at them.
func TestHeadersWaitToBeAskedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		steps []string
		times int
		want  string
	}{
		"a rule that looks at none":        {[]string{"u/p/new"}, 0, ""},
		"a rule that writes one":           {[]string{"sx-b\x002"}, 1, "x-a=1 x-b=2"},
		"a rule that writes one, later":    {[]string{"u/p/new", "sx-a\x003"}, 1, "x-a=3"},
		"a rule that writes of the answer": {[]string{"Sx-c\x004"}, 1, "x-a=1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, plugins.Link{Name: "one", Match: []string{"/p/*"}, Rule: &native{steps: tt.steps}},
				plugins.Link{Name: "two", Match: []string{"b.com/p/*"}, Rule: &native{steps: []string{"u/wrong"}}}) // asked for by host
			source := &told{lines: [][2]string{{"X-A", "1"}}}
			host, target := []byte("a.com"), []byte("/p/shoe")
			if x := s.Meet(host, []byte("/q/shoe")); x != nil {
				t.Fatal("no rule is for it")
			}
			for range 2 { // an exchange that is used again asks its own source
				source.times = 0
				x := s.Meet(host, target)
				x.Load([]byte("GET"), target)
				x.LoadLater(source, host)
				if err := s.Request(t.Context(), x); err != nil {
					t.Fatal(err)
				}
				if source.times != tt.times {
					t.Errorf("told %d times", source.times)
				}
				if tt.times > 0 {
					var got []string
					for _, f := range x.Fields(plugins.RequestHeader) {
						got = append(got, string(f.Name)+"="+string(f.Value))
					}
					if strings.Join(got, " ") != tt.want || source.times != 1 {
						t.Errorf("%q, told %d times", got, source.times)
					}
				}
				s.Release(x)
			}
		})
	}
}

// The place where a request has met its first rule is not asked for again, and rules
// behind it are asked by what it has become.
func TestTheWayBeginsAtTheFirstRuleThatIsForIt(t *testing.T) {
	other, first, second := &native{}, &native{steps: []string{"u/b"}}, &native{}
	s := newSetup(t, plugins.Link{Name: "other", Match: []string{"/b", "/c"}, Rule: other},
		plugins.Link{Name: "first", Match: []string{"/a"}, Rule: first}, plugins.Link{Name: "second", Match: []string{"/b"}, Rule: second})
	x := s.Meet([]byte("a.com"), []byte("/a"))
	defer s.Release(x)
	x.Load([]byte("GET"), []byte("/a"))
	if err := s.Request(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if other.calls.Load() != 0 || first.calls.Load() != 1 || second.calls.Load() != 1 {
		t.Error(other.calls.Load(), first.calls.Load(), second.calls.Load())
	}
}
