package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fovea-images/fovea/store"
)

// Where hosted images may be.
const (
	inStore      = "stored"
	atCloudflare = "cloudflare"
)

// newOrder reads origins.order. With cloudflare left out, none of all is asked.
func (all upstreams) newOrder(list []string) (store.Order, error) {
	for i, name := range list {
		switch {
		case name != inStore && name != atCloudflare:
			return 0, fmt.Errorf("expected stored or cloudflare, received %q", name)
		case slices.Contains(list[:i], name):
			return 0, fmt.Errorf("expected each of them once, received %s twice", name)
		}
	}
	switch {
	case len(list) == 0:
		return store.NamesFirst, nil
	case !slices.Contains(list, atCloudflare):
		clear(all)
		return store.NamesFirst, nil
	case len(all) == 0:
		return 0, errors.New("expected an account at Cloudflare beside cloudflare (cloudflare.mode, or a token), received none")
	case list[0] == inStore:
		return store.NamesFirst, nil
	case len(list) == 2:
		return store.ElsewhereFirst, nil
	}
	for _, one := range all {
		if one.mirror {
			return 0, errors.New("expected stored in it beside cloudflare.mirror, which keeps images there, received cloudflare alone")
		}
	}
	return store.ElsewhereOnly, nil
}

// closed has the store's copy of an image follow Cloudflare's, which is private: should
// Cloudflare be away, or lose it, the copy must not be the open one.
func (a *app) closed(ctx context.Context, account, id string) {
	private := true
	_, err := a.library.Change(ctx, account, id, store.Change{RequireSigned: &private})
	if err != nil {
		a.log.Error("private at Cloudflare, and public in the store", "account", account, "image", id, "error", err)
		return
	}
	a.log.Info("private in the store, as at Cloudflare", "account", account, "image", id)
}
