package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/store"
)

// stats is GET v1/stats.
func (a *API) stats(ctx context.Context, c *call) (reply, error) {
	n, err := a.Library.Names.CountImages(ctx, c.account.Hash)
	var out struct {
		Count struct {
			Current int64 `json:"current"`
			Allowed int64 `json:"allowed"`
		} `json:"count"`
	}
	out.Count.Current, out.Count.Allowed = n, allowed
	return reply{result: out}, err
}

// allowed is told as the number of images that there may be. There is no such
// limit; scripts that compare the two want a number that they never meet.
const allowed = 1_000_000_000

// keys is GET v1/keys, and the answer of every change to them (contract 8.4).
func (a *API) keys(ctx context.Context, c *call) (reply, error) {
	keys, err := a.Library.Names.Keys(ctx, c.account.Hash)
	if err != nil {
		return reply{}, err
	}
	type key struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	out := struct {
		Keys []key `json:"keys"`
	}{[]key{}}
	for _, k := range keys {
		out.Keys = append(out.Keys, key{k.Name, string(k.Value)})
	}
	return reply{result: out}, nil
}

// rotateKey is PUT v1/keys/<name>.
func (a *API) rotateKey(ctx context.Context, c *call) (reply, error) {
	err := a.Library.RotateKey(ctx, c.account.Hash, c.name)
	if errors.Is(err, store.ErrFull) {
		return reply{}, bad("There are as many keys as there may be; delete one")
	}
	if err != nil {
		return reply{}, err
	}
	return a.keys(ctx, c)
}

// removeKey is DELETE v1/keys/<name>.
func (a *API) removeKey(ctx context.Context, c *call) (reply, error) {
	if err := a.Library.RemoveKey(ctx, c.account.Hash, c.name); err != nil {
		return reply{}, err
	}
	return a.keys(ctx, c)
}

// settings is an account's configuration (contract 8.5).
type settings struct {
	FlexibleVariants *bool  `json:"flexible_variants"`
	BrowserTTL       *int64 `json:"browser_ttl"` // seconds
	Credentials      *bool  `json:"preserve_content_credentials"`
}

func (a *API) settings(account *store.Account) reply {
	ttl, no := int64(account.BrowserTTL/time.Second), false
	out := settings{FlexibleVariants: &account.Flexible, Credentials: &no}
	if ttl > 0 {
		out.BrowserTTL = &ttl
	}
	return reply{result: out}
}

// config is GET v1/config.
func (a *API) config(_ context.Context, c *call) (reply, error) { return a.settings(c.account), nil }

// changeConfig is PATCH v1/config: only given fields change.
func (a *API) changeConfig(ctx context.Context, c *call) (reply, error) {
	var in settings
	ignored, err := readJSON(c.body, &in, false)
	if err != nil {
		return reply{}, err
	}
	var ttl time.Duration
	if in.BrowserTTL != nil {
		if ttl, err = browserTTL(*in.BrowserTTL); err != nil {
			return reply{}, err
		}
	}
	if in.Credentials != nil && *in.Credentials {
		return reply{}, bad("Content credentials cannot be preserved by this server")
	}
	account, err := a.Library.ChangeAccount(ctx, c.account.Hash, func(account *store.Account) error {
		if in.FlexibleVariants != nil {
			account.Flexible = *in.FlexibleVariants
		}
		if in.BrowserTTL != nil {
			account.BrowserTTL = ttl
		}
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	out := a.settings(&account)
	out.messages = notices(ignored)
	return out, nil
}

// browserTTL reads seconds between an hour and a year (contract 5).
func browserTTL(seconds int64) (time.Duration, error) {
	const least, most = 3600, 31_536_000
	if seconds < least || seconds > most {
		return 0, bad(fmt.Sprintf("Expected a browser_ttl of %d to %d seconds, received %d", least, most, seconds))
	}
	return time.Duration(seconds) * time.Second, nil
}

const batchLife = time.Hour

// batchToken is GET v1/batch_token: a token of the caller's scope for calls
// without an account in their path. It dies with the token that gave it.
func (a *API) batchToken(ctx context.Context, c *call) (reply, error) {
	if c.grant.Parent != "" {
		return reply{}, errBatchToken
	}
	now := a.Now()
	grant, token := store.NewGrant(c.account.Hash, c.grant.Scope, "batch", now)
	grant.Parent, grant.Expires = c.grant.ID, now.Add(batchLife).UTC().Truncate(time.Millisecond)
	if e := c.grant.Expires; !e.IsZero() && e.Before(grant.Expires) {
		grant.Expires = e
	}
	if err := a.Library.Names.AddGrant(ctx, grant); err != nil {
		return reply{}, err
	}
	return reply{result: struct {
		Token     string `json:"token"`
		ExpiresAt string `json:"expiresAt"`
	}{string(token), grant.Expires.Format(timeFormat)}}, nil
}
