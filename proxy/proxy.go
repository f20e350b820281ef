// Package proxy answers a request for one image.
//
// [Proxy.Serve] is the way of a request: parse, resolve, authorise, negotiate,
// name, get or fill. It knows no HTTP; http.go is the door that does.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/internal/flight"
	"github.com/fovea-images/fovea/internal/trail"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// Render brings the finished picture of a hosted image, as a client that accepts these
// media types gets it. signed is the visitor's own path and query, if it carries a
// signature that only Cloudflare can judge; otherwise "".
type Render func(ctx context.Context, t params.Target, accept, signed string) (origin.Source, error)

// Options are what a Proxy is made from. Catalog, Cache, Engine and Stored are required.
type Options struct {
	Host                         // of all requests
	Hosts   params.ByHost[*Host] // but of those that name one of these
	Catalog *store.Catalog
	Policy  negotiate.Policy
	Cache   *cache.Cache
	Engine  *engine.Engine
	Stored  origin.Origin // brings hosted images
	Web     origin.Origin // brings remote sources; nil refuses them
	// Render has, by account hash, who finishes the pictures of the account's images
	// that are kept elsewhere; those of all others are transformed here.
	Render map[string]Render
	// Spare brings hosted images that are kept elsewhere when neither Stored nor Render
	// has them, or neither can be asked; nil: nothing does.
	Spare origin.Origin
	Life  Life
	// Sources is how many sources may be in memory at once, about half of them from one
	// host; 0: 64. Others wait, as
	// long as a fill may take.
	Sources int
	// Tokens verifies who may see private images; nil: one without public keys.
	Tokens *token.Verifier
	// AVIF, with AVIFPatience, is what becomes of AVIFs that take long to make: ""
	// is AVIFBackground, 0 is 400 ms.
	AVIF         AVIF
	AVIFPatience time.Duration
	Reencode     Reencode // "" is ReencodeOff
	// Upgrades bound connections to the websites behind that leave HTTP.
	Upgrades Upgrades
	// Shadow has another service answer in our place; the zero value does not.
	Shadow Shadow
	// Rules see requests before they are parsed; nil: there are none. Debug tells in
	// Server-Timing what each has taken.
	Rules *plugins.Chain
	Debug bool
	// Version is told in the cf-resized header.
	Version string
	// Now is the clock, by which Catalog and Cache go, too; nil is time.Now.
	Now func() time.Time
	// Follow says by what a request is followed, that came with these fields of W3C Trace
	// Context; nil = by nothing, as is every request without Follow.
	Follow func(traceparent, tracestate string) *trail.Trail
	// Report is told of every finished request, once; nil is nobody. It is
	// called on the request's goroutine and must not keep it waiting.
	Report func(Report)
}

// Life says how long answers live. Zero fields take the contract's defaults.
type Life struct {
	Browser       time.Duration // max-age of hosted images without a setting of their own; 2 days (contract 9)
	Revalidate    time.Duration // stale-while-revalidate; 2 h (contract 9)
	Edge          time.Duration // how long a hosted answer stays fresh in the cache; 24 h. A change purges it at once
	RemoteMinimum time.Duration // least max-age of a remote source; 1 h (contract 9)
	Grace         time.Duration // how much longer a stale answer serves while refills fail; 24 h
}

// Validate complains of every life that is none.
func (l Life) Validate() error {
	var errs []error
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"browser_ttl", l.Browser}, {"stale_while_revalidate", l.Revalidate}, {"edge_ttl", l.Edge}, {"remote_min_ttl", l.RemoteMinimum}, {"stale_if_error", l.Grace},
	} {
		if d.d < 0 {
			errs = append(errs, fmt.Errorf("%s: expected a duration of 0 or more, received %v", d.name, d.d))
		}
	}
	return errors.Join(errs...)
}

func (l Life) withDefaults() Life {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Browser, 48 * time.Hour},
		{&l.Revalidate, 2 * time.Hour},
		{&l.Edge, 24 * time.Hour},
		{&l.RemoteMinimum, time.Hour},
		{&l.Grace, 24 * time.Hour},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// Proxy answers requests. It is safe for concurrent use.
type Proxy struct {
	Options
	*underway
	withoutAVIF negotiate.Policy
	recall      *recall
	real        bool // Now is the true clock
}

// since is how long ago at was. Telling that is half the work of telling the time.
func (p *Proxy) since(at time.Time) time.Duration {
	if p.real {
		return time.Since(at)
	}
	return p.Now().Sub(at)
}

// underway is the work that runs and what bounds it, whatever the options say.
type underway struct {
	sources   *sources
	fetches   flight.Group[origin.Source]
	improving chan struct{}
	heat      heat
	tunnels   tunnels
	shadow    shadowing
	spared    atomic.Uint64
}

// New checks o and returns a Proxy over it.
func New(o Options) (*Proxy, error) {
	switch {
	case o.Catalog == nil:
		return nil, errors.New("proxy: Catalog is missing")
	case o.Cache == nil:
		return nil, errors.New("proxy: Cache is missing")
	case o.Engine == nil:
		return nil, errors.New("proxy: Engine is missing")
	case o.Stored == nil:
		return nil, errors.New("proxy: Stored is missing")
	}
	if err := errors.Join(o.Policy.Validate(), o.Upgrades.Validate(), o.Shadow.Validate()); err != nil {
		return nil, err
	}
	real := o.Now == nil
	if real {
		o.Now = time.Now
	}
	if o.Report == nil {
		o.Report = func(Report) {}
	}
	if o.Sources == 0 {
		o.Sources = 64
	}
	if err := errors.Join(o.Validate(), o.Life.Validate()); err != nil {
		return nil, err
	}
	o.laterDefaults()
	if o.Tokens == nil {
		var err error
		if o.Tokens, err = token.New(token.Options{Now: o.Now}); err != nil {
			return nil, err
		}
	}
	o.Life = o.Life.withDefaults()
	p := &Proxy{Options: o, withoutAVIF: o.Policy, recall: newRecall(), real: real, underway: &underway{sources: newSources(o.Sources), improving: make(chan struct{}, improvements)}}
	p.withoutAVIF.NoAVIF = true
	p.tunnels.Upgrades = o.Upgrades
	p.shadow.Shadow = o.Shadow.withDefaults()
	p.shadow.slots = make(chan struct{}, p.shadow.AtOnce)
	return p, nil
}

// Renew returns a Proxy over o that shares with p the work that runs and its bounds:
// Sources stays as it was. p goes on answering what it has begun.
func (p *Proxy) Renew(o Options) (*Proxy, error) {
	next, err := New(o)
	if err != nil {
		return nil, err
	}
	next.underway = p.underway
	return next, nil
}

// Request is what one request says. Its strings are the caller's to give away:
// answers and cache entries may share memory with them.
type Request struct {
	Method string // GET or HEAD; they are answered alike
	Host   string // Host header
	Target string // raw request target, as on the wire
	Client negotiate.Client
	Via    string
	// Authorization and Cookie may hold a proof; they are empty unless Tokens looks there.
	Authorization, Cookie string
	Referer               string // empty unless the host's Referers want it
	// At is when it came; zero is now.
	At time.Time
	// Rules have been at work on it; nil: none have. What tags they have given, the entry
	// gets that the request may fill.
	Rules *plugins.Exchange
	// IfNoneMatch and IfModifiedSince are the request's conditions (RFC 9110 section 13).
	IfNoneMatch     string
	IfModifiedSince time.Time

	trail    *trail.Trail  // nil = nobody follows it
	recalled *recollection // of its text, still right when the request came; nil: none
}

// Answer is what a request gets.
type Answer struct {
	Kind params.Kind
	// Entry is the answer; nil when Serve returned an error. It is shared: read only.
	Entry   *cache.Entry
	Outcome cache.Outcome
	// NotModified: the client's copy is good; Entry may be without a body.
	NotModified bool
	// Key names the answer in the cache; "" when the request did not get that far.
	Key string
	// Fallback is the URL to send the client to when there is no answer; "" = none.
	Fallback string
	// CacheControl takes the place of the entry's own; "" = it does not.
	CacheControl string
	// Private: the image needed a proof. Verdict is what became of it.
	Private bool
	Verdict token.Verdict
	// Source is how many bytes the original has; 0 = that is not on record.
	Source int64
	// Warnings are about this request's spelling; the entry's own are in its fields.
	Warnings []params.Warning
}

// errNotOurs says that a path is not an image path: the door answers as a plain
// web server would.
var errNotOurs = errors.New("not an image path")

// plan returns what is to be done for r, if it may be done for who asks: steps 3 to 7
// of the way of a request. A plan that is recalled is shared with other requests.
func (p *Proxy) plan(ctx context.Context, r *Request) (*plan, admission, error) {
	if r.recalled != nil {
		pl, err := &r.recalled.plan, r.recalled.plan.at.welcome(r)
		var a admission
		if err == nil && pl.target.Kind == params.Hosted {
			m := r.trail.Begin("authorise", "")
			a, err = pl.authorise(ctx, r)
			m.End(kindOf(err))
		}
		return pl, a, err
	}
	pl := &plan{proxy: p}
	err := pl.resolve(ctx, r, nil)
	return pl, pl.admission, err
}

// Serve answers r, from the cache if it can. The error, if any, is errNotOurs or
// holds a *fault.Error; Answer.Kind is right even then. Ending ctx ends the wait,
// not the work that others may wait for.
func (p *Proxy) Serve(ctx context.Context, r *Request) (Answer, error) {
	if r.At.IsZero() {
		r.At = p.Now()
	}
	pl, admitted, err := p.plan(ctx, r)
	if err != nil {
		return Answer{Kind: pl.target.Kind, Outcome: cache.Failed, Fallback: pl.fallback(err), Private: admitted.private, Verdict: admitted.verdict}, err
	}
	answer := Answer{Kind: pl.target.Kind, Key: pl.key, Warnings: pl.warnings, Private: admitted.private, Verdict: admitted.verdict}
	if pl.image != nil {
		answer.Source = pl.image.Bytes
	}
	if head := pl.unchanged(r); head != nil {
		if admitted.private {
			answer.CacheControl = pl.privately(admitted, head)
		}
		p.recall.keep(ctx, r, pl)
		answer.Entry, answer.Outcome, answer.NotModified = head, cache.Revalidated, true
		return answer, nil
	}
	m := r.trail.Begin("cache", "")
	entry, hit := p.Cache.Look(ctx, pl.key, r.At)
	outcome := cache.Hit
	if !hit {
		if r.Rules != nil && pl.shared {
			pl = pl.tagged(r.Rules.Tags())
		}
		entry, outcome, err = p.Cache.Rest(ctx, pl.key, entry, pl.job(r))
	}
	m.End(kindOf(err))
	answer.Outcome = outcome
	if err == nil && entry.Fault != nil {
		err = entry.Fault
	}
	if err == nil && outcome != cache.Hit && outcome != cache.Stale {
		admitted, err = pl.stillMay(ctx, r, admitted, entry) // it took time, and the image may have become private meanwhile
		answer.Private, answer.Verdict = admitted.private, admitted.verdict
	}
	if err != nil {
		answer.Fallback = pl.fallback(err)
		return answer, err
	}
	if admitted.private {
		answer.CacheControl = pl.privately(admitted, entry)
	}
	if outcome == cache.Hit {
		p.recall.keep(ctx, r, pl)
	}
	pl.warmed(ctx, entry, outcome)
	answer.Entry = entry
	answer.NotModified = notModified(r, entry.ETag, entry.Modified)
	return answer, nil
}
