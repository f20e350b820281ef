package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/origin"
	"github.com/fovea-images/fovea/origin/cloudflare"
	"github.com/fovea-images/fovea/origin/stored"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// newCloudflare returns the account at Cloudflare as an origin; nil if there is none.
func newCloudflare(settings config.Config, log *slog.Logger) (*cloudflare.Origin, error) {
	c := settings.Cloudflare
	if c.Mode == "" && c.Token != "" {
		c.Mode = "originals"
	}
	var complaints complaints
	if c.Mode == "" {
		if c.AccountID != "" || c.Mirror {
			complaints.add("cloudflare.mode: ", errors.New("expected originals, variant or passthrough beside the other knobs, or a token, received nothing"))
		}
		return nil, errors.Join(complaints...)
	}
	mode, err := cloudflare.ParseMode(c.Mode)
	complaints.add("cloudflare.mode: ", err)
	if c.Remember <= 0 {
		complaints.add("cloudflare.remember: ", fmt.Errorf("expected a duration above 0, received %v", c.Remember))
	}
	if err == nil && c.Mirror && mode != cloudflare.Originals {
		complaints.add("cloudflare.mirror: ", fmt.Errorf("expected mode originals beside it, received %s: only originals are worth keeping", c.Mode))
	}
	places := settings.Origins
	places.Keep = 0
	from, err := newWeb(places, nil, nil, nil)
	if complaints.add("origins.", err); mode == 0 || from == nil {
		return nil, errors.Join(complaints...)
	}
	o, err := cloudflare.New(cloudflare.Options{
		Hash: settings.Account, Mode: mode, Account: c.AccountID, Token: token.Secret(c.Token), API: c.API, Delivery: c.Delivery,
		Variant: c.Variant, Key: token.Secret(c.Key), Private: c.Private, Remember: c.Remember, Ask: from.Ask,
		Report: func(err error) { log.Warn("the account at Cloudflare stays as it was known", "error", err) },
	})
	complaints.add("cloudflare.", err)
	return o, errors.Join(complaints...)
}

// hosted returns where hosted images come from: the store, then Cloudflare. render
// is not nil if Cloudflare is to make the pictures of its images.
func (a *app) hosted(c config.Cloudflare) (from origin.Origin, render func(ctx context.Context, t params.Target, accept, signed string) (origin.Source, error)) {
	kept := stored.New(a.catalog, a.library.Blobs)
	switch {
	case a.upstream == nil:
		return kept, nil
	case a.upstream.Mode == cloudflare.Passthrough:
		return kept, a.upstream.Render
	case c.Mirror:
		return origin.InOrder{kept, &mirror{a}}, nil
	}
	return origin.InOrder{kept, a.upstream}, nil
}

// mirror keeps in the store what it fetches from Cloudflare.
type mirror struct{ *app }

// Fetch implements origin.Origin. That an image could not be kept does not concern
// who asked for it.
func (m *mirror) Fetch(ctx context.Context, t params.Target) (origin.Source, error) {
	source, err := m.upstream.Fetch(ctx, t)
	if err != nil {
		return source, err
	}
	img, err := m.upstream.Image(ctx, t.Account, t.Image)
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
