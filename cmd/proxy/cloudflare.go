package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/origin/cloudflare"
	"github.com/fovea-images/fovea/origin/stored"
	"github.com/fovea-images/fovea/origin/web"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/proxy"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// upstreams are the accounts at Cloudflare, by hash: a store.Directory of them all, in
// which each is asked for what is its own, and no other. Nothing changes it.
type upstreams map[string]*upstream

type upstream struct {
	*cloudflare.Origin
	mirror bool
}

// newUpstreams reads them. Its complaints name the knobs.
func newUpstreams(settings config.Config, log *slog.Logger) (upstreams, error) {
	var complaints complaints
	places := settings.Origins
	places.Keep = 0
	from, err := newWeb(places, nil, nil, nil, nil)
	if complaints.add("origins.", err); from == nil {
		return nil, errors.Join(complaints...)
	}
	all, ids := upstreams{}, map[string]bool{}
	c := settings.Cloudflare
	// What stands above a list may be there for its members alone.
	if len(c.Accounts) == 0 || c.Mode != "" || c.AccountID != "" {
		own, err := newUpstream(settings.Account, c, from, log)
		if complaints.add("cloudflare.", err); own != nil {
			all[settings.Account] = own
		}
		ids[c.AccountID] = true
	}
	for i, one := range c.Accounts {
		own, err := all.member(one, c.For(one), ids, from, log)
		if complaints.add(fmt.Sprintf("cloudflare.accounts[%d].", i), err); own != nil {
			all[one.Account] = own
		}
	}
	return all, errors.Join(complaints...)
}

// member reads a member of the list. No two may be one account, by hash or by id.
func (all upstreams) member(one config.CloudflareAccount, c config.Cloudflare, ids map[string]bool, from *web.Origin, log *slog.Logger) (*upstream, error) {
	if err := checkHash(one.Account); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	var complaints complaints
	if all[one.Account] != nil {
		complaints.add("account: ", fmt.Errorf("expected a hash that no other account has, received %q", one.Account))
	}
	if c.AccountID != "" && ids[c.AccountID] {
		complaints.add("account_id: ", fmt.Errorf("expected an id that no other account has, received %q", c.AccountID))
	}
	ids[c.AccountID] = true
	own, err := newUpstream(one.Account, c, from, log)
	if complaints.add("", err); len(complaints) == 0 && own == nil {
		complaints.add("mode: ", errors.New("expected originals, variant or passthrough, or a token, received nothing"))
	}
	if len(complaints) > 0 {
		return nil, errors.Join(complaints...)
	}
	return own, nil
}

// newUpstream returns one account; nil if it is not at Cloudflare.
func newUpstream(hash string, c config.Cloudflare, from *web.Origin, log *slog.Logger) (*upstream, error) {
	if c.Mode == "" && c.Token != "" {
		c.Mode = "originals"
	}
	var complaints complaints
	if c.Mode == "" {
		if c.AccountID != "" || c.Mirror {
			complaints.add("mode: ", errors.New("expected originals, variant or passthrough beside the other knobs, or a token, received nothing"))
		}
		return nil, errors.Join(complaints...)
	}
	mode, err := cloudflare.ParseMode(c.Mode)
	complaints.add("mode: ", err)
	if c.Remember <= 0 {
		complaints.add("remember: ", fmt.Errorf("expected a duration above 0, received %v", c.Remember))
	}
	if err == nil && c.Mirror && mode != cloudflare.Originals {
		complaints.add("mirror: ", fmt.Errorf("expected mode originals beside it, received %s: only originals are worth keeping", c.Mode))
	}
	if mode == 0 {
		return nil, errors.Join(complaints...)
	}
	o, err := cloudflare.New(cloudflare.Options{
		Hash: hash, Mode: mode, Account: c.AccountID, Token: token.Secret(c.Token), API: c.API, Delivery: c.Delivery,
		Variant: c.Variant, Key: token.Secret(c.Key), Private: c.Private, Remember: c.Remember, Ask: from.Ask,
		Report: func(err error) {
			log.Warn("the account at Cloudflare stays as it was known", "account", hash, "error", err)
		},
	})
	if complaints.add("", err); len(complaints) > 0 {
		return nil, errors.Join(complaints...)
	}
	return &upstream{o, c.Mirror}, nil
}

// Image implements store.Directory.
func (all upstreams) Image(ctx context.Context, hash, id string) (store.Image, error) {
	if own := all[hash]; own != nil {
		return own.Image(ctx, hash, id)
	}
	return store.Image{}, fault.New(fault.NotFound, "Image not found")
}

// Variants implements store.Directory.
func (all upstreams) Variants(hash string) []store.Variant {
	if own := all[hash]; own != nil {
		return own.Variants(hash)
	}
	return nil
}

// Keys implements store.Directory.
func (all upstreams) Keys(hash string) []token.Key {
	if own := all[hash]; own != nil {
		return own.Keys(hash)
	}
	return nil
}

// hosted sets where hosted images come from. The catalog's record says who has an image;
// what comes first here is only asked for those that it has.
func (a *app) hosted(o *proxy.Options) {
	sources, render := byAccount{}, map[string]proxy.Render{}
	for hash, own := range a.upstream {
		switch {
		case own.Mode == cloudflare.Passthrough:
			render[hash] = own.Render
		case own.mirror:
			sources[hash] = &mirror{a, own.Origin}
		default:
			sources[hash] = own
		}
	}
	o.Stored, o.Render = origin.InOrder{stored.New(a.catalog.Image, a.library.Blobs), sources}, render
	if a.order == store.ElsewhereFirst {
		o.Spare = stored.New(stored.Named(a.library.Names), a.library.Blobs)
	}
}

// byAccount asks the origin that has the account.
type byAccount map[string]origin.Origin

// Fetch implements origin.Origin.
func (all byAccount) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	if from := all[t.Account]; from != nil {
		return from.Fetch(ctx, t)
	}
	return origin.Source{}, fault.New(fault.NotFound, "Image not found")
}

// mirror keeps in the store what it fetches from Cloudflare.
type mirror struct {
	*app
	from *cloudflare.Origin
}

// Fetch implements origin.Origin. That an image could not be kept does not concern
// who asked for it. It is kept as private as it is now: nobody asks Cloudflare again.
func (m *mirror) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	source, err := m.from.Fetch(ctx, t)
	if err != nil {
		return source, err
	}
	img, err := m.from.Fresh(ctx, t.Image)
	if err == nil {
		img.Version = 0
		if err = m.inspect(source.Body, &img); err == nil {
			_, err = m.library.Add(ctx, img, source.Body, false)
		}
	}
	if err != nil && !errors.Is(err, store.ErrExists) {
		m.log.Warn("not mirrored", "image", t.Image, "error", err)
	}
	return source, nil
}
