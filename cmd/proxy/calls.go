package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/internal/admin"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/internal/telemetry"
	"github.com/fovea-images/fovea/negotiate"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/proxy"
	"github.com/fovea-images/fovea/store"
)

// reads are the questions that change nothing.
func (o *operator) reads() map[string]admin.Call {
	return map[string]admin.Call{
		"status":  func(ctx context.Context, _ []byte) (any, error) { return o.status(ctx) },
		"stats":   func(context.Context, []byte) (any, error) { return o.stats(), nil },
		"grammar": func(context.Context, []byte) (any, error) { return params.Grammar(), nil },
		"tokens":  func(ctx context.Context, _ []byte) (any, error) { return o.grants(ctx) },
		"rules":   func(context.Context, []byte) (any, error) { return o.ruled(), nil },
	}
}

// calls are the others, and those that say more than a path can.
func (o *operator) calls() map[string]admin.Call {
	return map[string]admin.Call{
		"nodes":         asked(o.nodes),
		"purge":         asked(o.order),
		"explain":       asked(o.explain),
		"preview":       asked(o.preview),
		"sign":          asked(o.sign),
		"options":       asked(spellOptions),
		"samples":       asked(o.samples),
		"images":        asked(o.images),
		"keys":          asked(o.keys),
		"keys/reveal":   asked(o.revealKey),
		"keys/rotate":   asked(o.rotateKey),
		"keys/remove":   asked(o.removeKey),
		"tokens/create": asked(o.createGrant),
		"tokens/revoke": asked(o.revokeGrant),
	}
}

// asked is a call whose question is a Q.
func asked[Q, A any](do func(context.Context, Q) (A, error)) admin.Call {
	return func(ctx context.Context, body []byte) (any, error) {
		q, err := admin.Read[Q](body)
		if err != nil {
			return nil, err
		}
		return do(ctx, q)
	}
}

// wrong is a complaint about what was asked, in the words that the command line uses.
func wrong(err error) error {
	return fault.Wrap(fault.BadOptions, err, "%s", strings.TrimPrefix(err.Error(), "--"))
}

// ruleList are the rules in the order in which they run.
type ruleList struct {
	Rules []rule `json:"rules"`
}

type rule struct {
	Name     string  `json:"name"`
	Calls    uint64  `json:"calls"`
	Answered uint64  `json:"answered"` // requests that it answered itself
	Failures uint64  `json:"failures"`
	Skipped  uint64  `json:"skipped"` // requests that it was not asked about
	Resting  bool    `json:"resting"` // it failed too often and is left alone for a while
	Seconds  float64 `json:"seconds"` // of all calls together
}

func (o *operator) ruled() ruleList {
	list := ruleList{Rules: []rule{}}
	if o.rules == nil {
		return list
	}
	for _, s := range o.rules.Stats() {
		list.Rules = append(list.Rules, rule{
			Name: s.Rule, Calls: s.Next + s.Answer + s.Error + s.Responses, Answered: s.Answer,
			Failures: s.Error + s.ResponseErrors, Skipped: s.Skipped, Resting: s.Resting, Seconds: s.Seconds,
		})
	}
	return list
}

type status struct {
	Version  string          `json:"version"`
	Started  time.Time       `json:"started"`
	Delivery string          `json:"delivery"` // begins the URLs of images
	Zone     string          `json:"zone"`
	API      bool            `json:"api"` // there is a management API
	Accounts []statusAccount `json:"accounts"`
	Codecs   []statusCodec   `json:"codecs"`
	Origins  []string        `json:"origins"`
	MaxBytes int64           `json:"max_bytes"` // of an upload
}

type statusAccount struct {
	ID       string `json:"id"`
	Hash     string `json:"hash"`
	Images   int64  `json:"images"`
	Flexible bool   `json:"flexible"`
}

type statusCodec struct {
	Format string `json:"format"`
	By     string `json:"by"`
}

func (o *operator) status(ctx context.Context) (status, error) {
	s := status{
		Version: version, Started: o.started, Delivery: o.delivery.String(), Zone: o.settings.Zone, API: o.api != nil,
		Accounts: []statusAccount{}, Origins: append([]string{}, o.settings.Origins.Allowed...), MaxBytes: int64(o.settings.API.MaxBytes),
	}
	for _, form := range codec.Names(o.codecs) {
		s.Codecs = append(s.Codecs, statusCodec{form.Format, form.Name})
	}
	accounts, err := o.library.Names.Accounts(ctx)
	if err != nil {
		return s, err
	}
	for _, a := range accounts {
		n, err := o.library.Names.CountImages(ctx, a.Hash)
		if err != nil {
			return s, err
		}
		account := statusAccount{a.ID, a.Hash, n, a.Flexible}
		if a.Hash == o.settings.Account { // the configured one is the first
			s.Accounts = append([]statusAccount{account}, s.Accounts...)
		} else {
			s.Accounts = append(s.Accounts, account)
		}
	}
	return s, nil
}

// stats are the counts since the start.
type stats struct {
	Cache struct {
		Bytes    int64  `json:"bytes"`
		Budget   int64  `json:"budget"`
		Fills    uint64 `json:"fills"`
		Refills  uint64 `json:"refills"`
		Joins    uint64 `json:"coalesced"`
		Failures uint64 `json:"failures"`
		Purges   uint64 `json:"purges"`
		Flying   int64  `json:"flying"`
	} `json:"cache"`
	Engine struct {
		Running        int64 `json:"running"`
		Queued         int64 `json:"queued"`
		Workers        int   `json:"workers"`
		Held           int64 `json:"held_bytes"`
		Memory         int64 `json:"memory"`
		Shed           int64 `json:"shed"`
		Decodes        int64 `json:"decodes"`
		MezzanineBytes int64 `json:"mezzanine_bytes"`
	} `json:"engine"`
}

func (o *operator) stats() (s stats) {
	c, e := o.cache.Stats(), o.engine.Stats()
	s.Cache.Bytes, s.Cache.Budget = c.Tier.Bytes, c.Tier.Budget
	s.Cache.Fills, s.Cache.Refills, s.Cache.Joins = c.Fills, c.Refills, c.Joins
	s.Cache.Failures, s.Cache.Purges, s.Cache.Flying = c.Failures, c.Purges, c.Flying
	s.Engine.Running, s.Engine.Queued, s.Engine.Held, s.Engine.Shed = e.Running, e.Queued, e.Held, e.Shed
	s.Engine.Decodes, s.Engine.MezzanineBytes, s.Engine.Memory = e.Decodes, e.MezzanineBytes, int64(o.settings.Engine.Memory)
	s.Engine.Workers = e.Workers
	return s
}

func (o *operator) samples(_ context.Context, q struct {
	Since int64 `json:"since"` // milliseconds since 1970
}) ([]telemetry.Sample, error) {
	return o.history.Since(q.Since), nil
}

func (o *operator) order(_ context.Context, q purgeOrder) (purged, error) {
	p, err := q.tags(o.settings.Account, o.settings.Zone)
	if err != nil {
		return p, err
	}
	return o.purge(p), nil
}

func (o *operator) explain(ctx context.Context, q struct {
	URL     string   `json:"url"`
	Accept  string   `json:"accept"`
	Headers []string `json:"headers"`
	Source  string   `json:"source"`
}) (proxy.Explanation, error) {
	c := explainCmd{Accept: q.Accept, Header: q.Headers, Source: q.Source}
	e, err := c.explain(ctx, o.app, q.URL)
	if err != nil {
		return e, wrong(err)
	}
	return e, nil
}

// preview makes a picture for the operator, whoever else may see it.
func (o *operator) preview(ctx context.Context, q struct {
	URL     string          `json:"url"`
	Accept  string          `json:"accept"`
	Options *params.Options `json:"options"` // in place of the URL's; as a variant has them
}) (admin.Picture, error) {
	r := proxy.Request{Method: "GET", Client: negotiate.Client{Accept: q.Accept}}
	r.Host, r.Target = split(q.URL)
	answer, err := o.current.Load().Preview(ctx, &r, q.Options)
	if err != nil {
		if answer.Kind == params.None && fault.Is(err, fault.Internal) {
			err = fault.New(fault.BadPath, "Expected the URL of an image, received %q", q.URL)
		}
		return admin.Picture{}, err
	}
	return admin.Picture{Type: answer.Entry.Type, Body: answer.Entry.Body, Fields: map[string]string{"Fovea-Outcome": answer.Outcome.String()}}, nil
}

// spelled are options in each of their spellings.
type spelled struct {
	List    string            `json:"list"`    // of a URL
	Options params.Options    `json:"options"` // of a variant
	Values  map[string]string `json:"values"`  // of each option in a URL
}

// spellOptions spells options that are given in one way in all ways.
func spellOptions(_ context.Context, q struct {
	List    string          `json:"list"`
	Options *params.Options `json:"options"`
}) (spelled, error) {
	if q.Options == nil {
		options, _, err := params.ParseOptions(q.List, true)
		if err != nil {
			return spelled{}, err
		}
		q.Options = &options
	}
	return spelled{q.Options.String(), *q.Options, q.Options.Values()}, nil
}

type signed struct {
	URL string `json:"url"`
}

func (o *operator) sign(ctx context.Context, q struct {
	URL     string `json:"url"`
	Seconds int64  `json:"seconds"`
	Key     string `json:"key"`
	JWT     bool   `json:"jwt"`
}) (signed, error) {
	if q.Seconds < 0 || q.Seconds > 100*365*24*3600 {
		return signed{}, fault.New(fault.BadOptions, "Expected seconds of 0 to a hundred years, received %d", q.Seconds)
	}
	c := signCmd{URL: q.URL, Expires: time.Duration(q.Seconds) * time.Second, Key: q.Key, JWT: q.JWT}
	if c.Key == "" {
		c.Key = store.DefaultKey
	}
	url, err := c.signed(ctx, o.app, o.now())
	if err != nil {
		return signed{}, wrong(err)
	}
	return signed{url}, nil
}

// record is an image as the dashboard shows it: more than the management API may.
type record struct {
	ID            string          `json:"id"`
	Filename      string          `json:"filename"`
	Creator       string          `json:"creator"`
	Meta          json.RawMessage `json:"meta"`
	Uploaded      time.Time       `json:"uploaded"`
	RequireSigned bool            `json:"private"`
	Type          string          `json:"type"`
	Width         int             `json:"width"` // as it is shown
	Height        int             `json:"height"`
	Frames        int             `json:"frames"`
	Bytes         int64           `json:"bytes"`
}

type records struct {
	Images []record        `json:"images"`
	Next   *store.Position `json:"next"` // null: there are no more
}

// images lists an account's images, newest first.
func (o *operator) images(ctx context.Context, q struct {
	Account string          `json:"account"`
	ID      string          `json:"id"`     // this one alone
	Search  string          `json:"search"` // a part of the id, the file's name or the creator
	After   *store.Position `json:"after"`
	Limit   int             `json:"limit"`
}) (records, error) {
	out := records{Images: []record{}}
	if q.ID != "" {
		img, err := o.library.Names.Image(ctx, q.Account, q.ID)
		if err == nil && !img.Draft {
			out.Images = append(out.Images, recordOf(&img))
		}
		return out, err
	}
	limit := min(max(q.Limit, 1), 200)
	list, err := o.library.Names.List(ctx, store.Query{Account: q.Account, Search: q.Search, After: q.After, Limit: limit + 1})
	if err != nil {
		return out, err
	}
	if len(list) > limit {
		list = list[:limit]
		next := store.PositionOf(&list[limit-1])
		out.Next = &next
	}
	for i := range list {
		out.Images = append(out.Images, recordOf(&list[i]))
	}
	return out, nil
}

func recordOf(img *store.Image) record {
	size := img.Orientation.Upright(img.Size)
	r := record{
		ID: img.ID, Filename: img.Filename, Creator: img.Creator, Meta: img.Meta, Uploaded: img.Uploaded, RequireSigned: img.RequireSigned,
		Type: img.Media.String(), Width: size.W, Height: size.H, Frames: img.Frames, Bytes: img.Bytes,
	}
	if len(r.Meta) == 0 {
		r.Meta = json.RawMessage("{}")
	}
	return r
}

type whichKey struct {
	Account string `json:"account"`
	Name    string `json:"name"`
}

// keys are the names of an account's signing keys. Their values are told by
// revealKey, one at a time, to who asks for it.
func (o *operator) keys(ctx context.Context, q whichKey) ([]string, error) {
	list, err := o.library.Names.Keys(ctx, q.Account)
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return names, err
}

type revealed struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (o *operator) revealKey(ctx context.Context, q whichKey) (revealed, error) {
	list, err := o.library.Names.Keys(ctx, q.Account)
	if err != nil {
		return revealed{}, err
	}
	for _, k := range list {
		if k.Name == q.Name {
			o.log.Info("a signing key was shown", "account", q.Account, "key", k.Name)
			return revealed{k.Name, string(k.Value)}, nil
		}
	}
	return revealed{}, fault.New(fault.NotFound, "There is no key of this name")
}

func (o *operator) rotateKey(ctx context.Context, q whichKey) ([]string, error) {
	if err := o.library.RotateKey(ctx, q.Account, q.Name); err != nil {
		if errors.Is(err, store.ErrFull) {
			err = fault.New(fault.BadOptions, "There are as many keys as there may be; remove one")
		}
		return nil, err
	}
	return o.keys(ctx, q)
}

func (o *operator) removeKey(ctx context.Context, q whichKey) ([]string, error) {
	if err := o.library.RemoveKey(ctx, q.Account, q.Name); err != nil {
		return nil, err
	}
	return o.keys(ctx, q)
}

// grantShown is an API token as a list has it: what it opens, never the token.
type grantShown struct {
	ID      string     `json:"id"`
	Account string     `json:"account"`
	Scope   string     `json:"scope"`
	Note    string     `json:"note"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires"` // null: never
	Revoked *time.Time `json:"revoked"` // null: not
}

func (o *operator) grants(ctx context.Context) ([]grantShown, error) {
	list, err := o.library.Names.Grants(ctx)
	out := []grantShown{}
	when := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	for _, g := range list {
		if g.Parent == "" { // batch tokens go with the one that gave them
			out = append(out, grantShown{g.ID, g.Account, g.Scope.String(), g.Note, g.Created, when(g.Expires), when(g.Revoked)})
		}
	}
	return out, err
}

type createdGrant struct {
	ID    string `json:"id"`
	Token string `json:"token"` // shown this once
}

func (o *operator) createGrant(ctx context.Context, q struct {
	Account string `json:"account"`
	Scope   string `json:"scope"`
	Note    string `json:"note"`
	Days    int    `json:"days"` // 0: until it is revoked
}) (createdGrant, error) {
	scope, err := store.ParseScope(q.Scope)
	if err != nil {
		return createdGrant{}, wrong(err)
	}
	if q.Days < 0 || q.Days > 36_500 || len(q.Note) > 200 {
		return createdGrant{}, fault.New(fault.BadOptions, "Expected 0 to 36500 days and a note of at most 200 characters")
	}
	if _, err := o.library.Names.Account(ctx, q.Account); err != nil {
		return createdGrant{}, err
	}
	grant, secret := store.NewGrant(q.Account, scope, q.Note, o.now())
	if q.Days > 0 {
		grant.Expires = grant.Created.AddDate(0, 0, q.Days)
	}
	return createdGrant{grant.ID, string(secret)}, o.library.Names.AddGrant(ctx, grant)
}

func (o *operator) revokeGrant(ctx context.Context, q struct {
	ID string `json:"id"`
}) ([]grantShown, error) {
	if _, err := o.library.Names.RevokeGrant(ctx, q.ID, o.now()); err != nil {
		return nil, err
	}
	return o.grants(ctx)
}
