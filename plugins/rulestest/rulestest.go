// Package rulestest is the suite that every kind of rule passes.
package rulestest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/plugins"
)

// Make returns a rule that does these steps with each request: "u" and a URI rewrites it,
// "S" a header's name, NUL and its value sets a header of the answer, "s" one of the
// request, "." answers, "!" fails, and what follows a "|" is done on the way back.
type Make func(t *testing.T, steps ...string) plugins.Rule

// Run holds rules of one kind to the contract.
func Run(t *testing.T, make Make) {
	t.Helper()
	t.Run("rules run in order, and each sees what those before it did", func(t *testing.T) {
		c := chain(t, nil, make(t, "u/2", "Sx-a\x001"), make(t, "u/3", "Sx-a\x002", "Sx-b\x001"))
		expect(t, c, "/1", "/3 x-a=2 x-b=1")
	})
	t.Run("one in the middle that answers ends the chain", func(t *testing.T) {
		c := chain(t, nil, make(t, "Sx-a\x001", "|", "Sx-back\x001"), make(t, "Sx-b\x001", ".", "|", "Sx-back\x002"), make(t, "u/never"))
		expect(t, c, "/1", "/1 x-a=1 x-b=1 answered 200 back x-back=1")
	})
	t.Run("on the way back the last comes first", func(t *testing.T) {
		c := chain(t, nil, make(t, "|", "Sx-back\x001"), make(t, "|", "Sx-back\x002"))
		expect(t, c, "/1", "/1 back x-back=1")
	})
	t.Run("a failure closes, and what the rules before it did stays for the answer", func(t *testing.T) {
		c := chain(t, nil, make(t, "Sx-a\x001"), make(t, "u/2", "Sx-b\x001", "!"), make(t, "u/never"))
		expect(t, c, "/1", "/1 x-a=1 failed")
	})
	t.Run("or opens, and what it did is undone", func(t *testing.T) {
		open := func(l *plugins.Link) { l.OnError = plugins.Open }
		c := chain(t, open, make(t, "Sx-a\x001", "sx-r\x001"), make(t, "u/2", "Sx-a\x009", "Sx-b\x001", "sx-r\x009", "!"), make(t, "Sx-c\x001"))
		expect(t, c, "/1", "/1 x-a=1 x-c=1 r=1")
	})
	t.Run("a failure on the way back changes nothing", func(t *testing.T) {
		c := chain(t, nil, make(t, "|", "Sx-back\x001"), make(t, "|", "Sx-back\x002", "Sx-other\x001", "!"))
		expect(t, c, "/1", "/1 back x-back=1")
	})
	t.Run("many at once are served", func(t *testing.T) {
		c := chain(t, nil, make(t, "u/2", "|", "Sx-back\x001"))
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				for range 100 {
					if got := through(t, c, "/1"); got != "/2 back x-back=1" && got != "/2" { // the instance was gone
						t.Error(got)
					}
				}
			})
		}
		group.Wait()
	})
	t.Run("a change that is none is taken up without a failure", func(t *testing.T) {
		rule := make(t, "u/2")
		c := chain(t, nil, rule)
		if err := rule.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		expect(t, c, "/1", "/2")
	})
	t.Run("a closed rule fails", func(t *testing.T) {
		rule := make(t, "u/2")
		c := chain(t, nil, rule)
		if err := errors.Join(rule.Close(), rule.Close()); err != nil {
			t.Error(err)
		}
		expect(t, c, "/1", "/1 failed")
	})
}

// chain is these rules, each for everything.
func chain(t *testing.T, change func(*plugins.Link), rules ...plugins.Rule) *plugins.Chain {
	t.Helper()
	var links []plugins.Link
	for i, rule := range rules {
		name := fmt.Sprintf("rule-%d", i)
		l := plugins.Link{Name: name, Match: []string{"/**"}, Rule: rule, Journal: plugins.NewJournal(name, slog.New(slog.DiscardHandler), time.Now)}
		if change != nil {
			change(&l)
		}
		links = append(links, l)
	}
	c, err := plugins.New(plugins.Options{Links: links})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func expect(t *testing.T, c *plugins.Chain, uri, want string) {
	t.Helper()
	if diff := cmp.Diff(want, through(t, c, uri)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// through takes a request through c, there and back, and says what came of it.
func through(t *testing.T, c *plugins.Chain, uri string) string {
	t.Helper()
	x := c.Begin()
	defer c.Release(x)
	x.Load([]byte("GET"), []byte(uri))
	err := c.Request(context.Background(), x)
	var b strings.Builder
	b.Write(x.URI())
	x.Waiting("", func(name, value []byte, _ bool) { fmt.Fprintf(&b, " %s=%s", name, value) })
	if r := x.Value(plugins.RequestHeader, "x-r"); r != nil {
		fmt.Fprintf(&b, " r=%s", r)
	}
	var f *plugins.Failure
	switch {
	case errors.As(err, &f):
		b.WriteString(" failed")
	case err != nil:
		t.Error(err)
	case x.Stopped():
		status, _ := x.Own()
		fmt.Fprintf(&b, " answered %d", status)
	}
	if x.Wanted() {
		x.LoadAnswer(200)
		c.Response(context.Background(), x, false)
		back := false
		x.Touched(func(name []byte, values [][]byte) {
			if !back {
				b.WriteString(" back")
			}
			back = true
			fmt.Fprintf(&b, " %s=%s", name, strings.TrimSpace(string(values[0])))
		})
	}
	return strings.TrimSpace(b.String())
}
