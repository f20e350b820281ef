package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// ErrGone says that what a rule left for the way back is not there any more.
var ErrGone = errors.New("the instance that saw the request is gone")

// OnError says what becomes of a request whose rule failed.
type OnError string

// The policies.
const (
	Closed OnError = "closed" // it is refused, with 503
	Open   OnError = "open"   // it goes on as it was before the rule
)

// Link is a rule and what its operator says of it.
type Link struct {
	Name    string   // [a-z0-9-]{1,40}, unique
	Match   []string // patterns, see Pattern; at least one
	OnError OnError  // "" is Closed
	Expose  []string // hidden headers that the rule may read: authorization, cookie, proxy-authorization
	Rule    Rule
	Journal *Journal // where its lines go; required
}

// link is a Link, checked, with what is counted.
type link struct {
	name    string
	match   []Pattern
	onError OnError
	exposed uint8
	rule    Rule
	journal *Journal
	breaker breaker
	stats   counters
}

// Options are what a Chain is made from.
type Options struct {
	Links []Link
	Log   *slog.Logger     // told of failures
	Now   func() time.Time // nil is time.Now
}

// Chain is the rules of a server, in order. It is safe for concurrent use.
type Chain struct {
	links []*link
	log   *slog.Logger
	now   func() time.Time
	real  bool // now is the true clock
	pool  sync.Pool
}

var validName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// New checks o and returns a chain. The chain owns the rules: Close closes them.
func New(o Options) (*Chain, error) {
	c := &Chain{log: o.Log, now: o.Now}
	if c.now == nil {
		c.now, c.real = time.Now, true
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.pool.New = func() any { return &Exchange{} }
	for _, spec := range o.Links {
		l, err := newLink(spec)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(c.links, func(other *link) bool { return other.name == l.name }) {
			return nil, fmt.Errorf("name: expected a name of its own for each rule, received %q twice", l.name)
		}
		c.links = append(c.links, l)
	}
	return c, nil
}

// Check says what is wrong with what an operator says of a rule, before it is loaded.
func (l Link) Check() error {
	_, err := newLink(l)
	return err
}

func newLink(spec Link) (*link, error) {
	l := &link{name: spec.Name, onError: spec.OnError, rule: spec.Rule, journal: spec.Journal}
	if !validName.MatchString(l.name) {
		return nil, fmt.Errorf("name: expected 1 to 40 small letters, digits and '-', received %q", l.name)
	}
	if l.onError == "" {
		l.onError = Closed
	}
	if l.onError != Closed && l.onError != Open {
		return nil, fmt.Errorf("on_error: expected open or closed, received %q", string(l.onError))
	}
	if len(spec.Match) == 0 {
		return nil, errors.New("match: expected at least one pattern such as /p/*")
	}
	for _, text := range spec.Match {
		p, err := ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
		l.match = append(l.match, p)
	}
	for _, name := range spec.Expose {
		i := slices.Index(hiddenNames[:], strings.ToLower(name))
		if i < 0 {
			return nil, fmt.Errorf("expose: expected %s, received %q", strings.Join(hiddenNames[:], ", "), name)
		}
		l.exposed |= 1 << i
	}
	return l, nil
}

// isFor reports whether the rule is for a request for a.
func isFor(l *link, a address) bool {
	if anyMatches(l.match, a.host, a.path) {
		return true
	}
	if !a.escaped {
		return false
	}
	var room [256]byte
	return anyMatches(l.match, a.host, unescaped(room[:0], a.path))
}

func anyMatches(patterns []Pattern, host, path []byte) bool {
	for i := range patterns {
		if matches(&patterns[i], host, path) {
			return true
		}
	}
	return false
}

// Wants reports whether any rule is for a request with this Host header and raw target.
// It keeps nothing of them and allocates nothing.
func (c *Chain) Wants(host, target []byte) bool {
	return c.first(host, target) >= 0
}

// first is the place of the first rule that is for such a request; -1 = there is none.
func (c *Chain) first(host, target []byte) int {
	a := addressOf(host, target)
	for i, l := range c.links {
		if isFor(l, a) {
			return i
		}
	}
	return -1
}

// Begin returns an empty exchange; Release takes it back, and all that it handed out
// with it.
func (c *Chain) Begin() *Exchange { return c.pool.Get().(*Exchange) }

// Meet begins the exchange of a request with this Host header and raw target, which
// Load is to be given then; nil: no rule is for it, and nothing was done.
func (c *Chain) Meet(host, target []byte) *Exchange {
	first := c.first(host, target)
	if first < 0 {
		return nil
	}
	x := c.Begin()
	x.first = first + 1
	return x
}

// Release ends an exchange.
func (c *Chain) Release(x *Exchange) {
	x.reset()
	c.pool.Put(x)
}

// Request takes x through the rules. Afterwards x says what the request has become, or
// x.Stopped that a rule has answered it; x.At is when they were done. The error is a fault of kind RuleFailed around
// a *Failure: a rule failed, and its policy is to refuse.
func (c *Chain) Request(ctx context.Context, x *Exchange) error {
	at := x.At
	if at.IsZero() {
		at = c.now()
	}
	links := c.links
	if x.first > 0 { // those before it are not for what was received
		links = links[x.first-1:]
	}
	var a address
	stale := true
	for i, l := range links {
		if i > 0 || x.first == 0 {
			if stale {
				a = addressOf(x.host(), x.uri)
			}
			if stale = false; !isFor(l, a) {
				continue
			}
		}
		begun := at
		stale = true // it may write what others are chosen by
		x.enter(l)
		visit := &x.visit
		*visit = Visit{}
		var err error
		at, err = c.call(ctx, l, x, visit, begun)
		x.leave(l, visit, err, at.Sub(begun))
		if err != nil && l.onError == Open {
			continue
		}
		if err != nil {
			return fault.Wrap(fault.RuleFailed, err, "A rule of this server failed; try again shortly")
		}
		if x.stopped = !visit.Next; x.stopped {
			return nil
		}
	}
	x.link, x.At = nil, at
	return nil
}

// call calls one rule, unless it is kept away, and counts. It returns when that was done.
func (c *Chain) call(ctx context.Context, l *link, x *Exchange, v *Visit, begun time.Time) (time.Time, error) {
	if x.rehearsed {
		return c.rehearse(ctx, l, x, v, begun)
	}
	may := l.breaker.allow(begun)
	if may == refused {
		l.stats.skipped.Add(1)
		return begun, resting(l)
	}
	err := l.rule.Request(ctx, x, v)
	if err == nil {
		err = x.settle(!v.Next)
	}
	now := c.after(begun)
	l.stats.called(now.Sub(begun), v.Units)
	if err != nil {
		l.breaker.failed(may, now)
		l.stats.failed.Add(1)
		return now, c.failed(l, "request", err)
	}
	l.breaker.succeeded(may)
	if !v.Next {
		l.stats.answers.Add(1)
		return now, nil
	}
	l.stats.nexts.Add(1)
	if len(x.body) > 0 || x.status != 0 {
		l.journal.once("body or status of an answer, written together with next=1")
	}
	if v.Respond {
		x.calls = append(x.calls, call{l, *v})
	}
	return now, nil
}

// rehearse calls one rule for people to see: nothing is counted or told of, and a rule
// that is kept away stays so.
func (c *Chain) rehearse(ctx context.Context, l *link, x *Exchange, v *Visit, begun time.Time) (time.Time, error) {
	if l.breaker.resting() {
		return begun, resting(l)
	}
	err := l.rule.Request(ctx, x, v)
	if err == nil {
		err = x.settle(!v.Next)
	}
	if err != nil {
		return c.after(begun), failure(l, err)
	}
	return c.after(begun), nil
}

func resting(l *link) *Failure {
	return &Failure{Rule: l.name, Reason: Resting, Err: errors.New("it has failed too often and is left alone for a while")}
}

// after is the time now, which is after then. Telling how long ago something was is half
// the work of telling the time.
func (c *Chain) after(then time.Time) time.Time {
	if c.real {
		return then.Add(time.Since(then))
	}
	return c.now()
}

// failure is err as a failure of the rule.
func failure(l *link, err error) *Failure {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Reason: Refused, Err: err}
	}
	return &Failure{Rule: l.name, Reason: f.Reason, Err: f.Err}
}

// failed tells of a failure and returns it as one.
func (c *Chain) failed(l *link, phase string, err error) *Failure {
	f := failure(l, err)
	c.log.Error("rule failed", "rule", l.name, "phase", phase, "reason", string(f.Reason), "error", fmt.Sprint(f.Err), "on_error", string(l.onError))
	return f
}

// host is the Host header.
func (x *Exchange) host() []byte {
	if x.later != nil {
		return x.named
	}
	for _, f := range x.lines() {
		if string(f.Name) == "host" {
			return f.Value
		}
	}
	return nil
}

// enter hands x to a rule.
func (x *Exchange) enter(l *link) {
	x.link, x.added, x.written, x.status, x.body = l, 0, 0, 0, x.body[:0]
	x.before = snapshot{
		method: x.method, uri: x.uri, header: x.before.header, waiting: x.before.waiting,
		vary: len(x.vary), tags: len(x.tags), rewritten: len(x.rewritten), moved: x.moved, altered: x.altered,
	}
	if x.steps != nil {
		*x.steps = append(*x.steps, Step{Rule: l.name, Before: string(x.uri)})
	}
}

// leave takes x back from a rule, as it was if the rule failed.
func (x *Exchange) leave(l *link, v *Visit, err error, took time.Duration) {
	if err != nil {
		x.undo()
	}
	if x.moved && !bytes.Equal(x.before.uri, x.uri) {
		x.carry()
		x.writer = l
	}
	if x.steps != nil {
		x.describe(v, err, took)
	}
}

// undo brings back what was before the rule.
func (x *Exchange) undo() {
	b := &x.before
	x.method, x.uri, x.moved, x.altered = b.method, b.uri, b.moved, b.altered
	x.vary, x.tags, x.status, x.body = x.vary[:b.vary], x.tags[:b.tags], 0, x.body[:0]
	x.rewritten = x.rewritten[:b.rewritten]
	if b.kept {
		x.header, b.header = b.header, x.header
		x.waiting, b.waiting = b.waiting, x.waiting
	}
}

// Wanted reports whether any rule wants to see the answer of x.
func (x *Exchange) Wanted() bool { return len(x.calls) > 0 }

// Response takes x, loaded with the final answer, back through the rules that wanted to
// see it, the last one first. failed tells that the answer is a failure. A rule that
// fails here changes nothing.
func (c *Chain) Response(ctx context.Context, x *Exchange, failed bool) {
	for i := len(x.calls) - 1; i >= 0; i-- {
		l, visit := x.calls[i].link, &x.calls[i].visit
		begun := c.now()
		may := l.breaker.allow(begun)
		if may == refused {
			l.stats.passed.Add(1)
			continue
		}
		x.link, x.added, x.written, x.before.kept = l, 0, 0, false
		touched, vary := len(x.touched), len(x.vary)
		visit.Units = 0
		err := l.rule.Response(ctx, x, visit, failed)
		now := c.after(begun)
		switch {
		case errors.Is(err, ErrGone):
			l.breaker.released(may)
			l.stats.passed.Add(1)
			continue
		case err != nil:
			if x.before.kept {
				x.answer, x.before.waiting = x.before.waiting, x.answer
			}
			x.touched, x.vary = x.touched[:touched], x.vary[:vary]
			l.breaker.failed(may, now)
			l.stats.failedLate.Add(1)
			_ = c.failed(l, "response", err)
		default:
			l.breaker.succeeded(may)
		}
		l.stats.responses.Add(1)
		l.stats.called(now.Sub(begun), visit.Units)
	}
	x.link = nil
}

// Reload has every rule take up its changes. The error joins those of all.
func (c *Chain) Reload(ctx context.Context) error {
	var errs []error
	for _, l := range c.links {
		if err := l.rule.Reload(ctx); err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", l.name, err))
		}
	}
	return errors.Join(errs...)
}

// Watch has the rules take up their changes until ctx ends, and looks for some this often.
func (c *Chain) Watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, l := range c.links {
			if !l.rule.Changed() {
				continue
			}
			if err := l.rule.Reload(ctx); err != nil {
				c.log.Error("rule not loaded", "rule", l.name, "error", err)
			}
		}
	}
}

// Close closes the rules.
func (c *Chain) Close() error {
	var errs []error
	for _, l := range c.links {
		errs = append(errs, l.rule.Close())
	}
	return errors.Join(errs...)
}
