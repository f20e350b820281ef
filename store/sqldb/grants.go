package sqldb

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

func noKey() error   { return fault.New(fault.NotFound, "There is no key with this name") }
func noGrant() error { return fault.New(fault.NotFound, "There is no API token with this id") }

func (c *change) putKey(ctx context.Context, account string, k token.Key) error {
	return c.one(ctx, noKey, putKey, account, k.Name, string(k.Value))
}

// SetKey implements store.Names.
func (db *DB) SetKey(ctx context.Context, account string, k token.Key, most int) error {
	return db.change(ctx, func(ctx context.Context, c *change) error {
		if _, err := c.held(ctx, account); err != nil {
			return err
		}
		if err := c.room(ctx, countKeys, account, k.Name, most); err != nil {
			return err
		}
		return c.putKey(ctx, account, k)
	})
}

// RemoveKey implements store.Names.
func (db *DB) RemoveKey(ctx context.Context, account, name string, fresh token.Key) error {
	return db.change(ctx, func(ctx context.Context, c *change) error {
		if err := c.hold(ctx, "account "+account, false); err != nil {
			return err
		}
		if err := c.one(ctx, noKey, removeKey, account, name); err != nil {
			return err
		}
		var left int
		if err := c.row(ctx, countKeys, account, name).Scan(&left); err != nil {
			return c.on.failed(err)
		}
		if left > 0 {
			return nil
		}
		return c.putKey(ctx, account, fresh)
	})
}

// Keys implements store.Names.
func (db *DB) Keys(ctx context.Context, account string) ([]token.Key, error) {
	scan := func(r row) (k token.Key, err error) {
		return k, r.Scan(&k.Name, (*string)(&k.Value))
	}
	return all(ctx, db.read, db.read.stmt(allKeys), scan, account)
}

const grantColumns = "id, hash, account, scope, note, created, expires, revoked, parent"

func scanGrant(r row) (g store.Grant, err error) {
	var created, expires, revoked int64
	var scope string
	if err := r.Scan(&g.ID, &g.Hash, &g.Account, &scope, &g.Note, &created, &expires, &revoked, &g.Parent); err != nil {
		return g, err
	}
	g.Created, g.Expires, g.Revoked = moment(created), moment(expires), moment(revoked)
	g.Scope, err = store.ParseScope(scope)
	return g, err
}

// AddGrant implements store.Names.
func (db *DB) AddGrant(ctx context.Context, g store.Grant) error {
	return db.change(ctx, func(ctx context.Context, c *change) error {
		if _, err := c.account(ctx, g.Account); err != nil {
			return err
		}
		return c.one(ctx, noGrant, addGrant, g.ID, string(g.Hash), g.Account, g.Scope.String(), g.Note,
			millis(g.Created), millis(g.Expires), millis(g.Revoked), g.Parent)
	})
}

// Grant implements store.Names.
func (db *DB) Grant(ctx context.Context, token store.TokenHash) (store.Grant, error) {
	return first(ctx, db.read, noGrant, scanGrant, grantOfToken, string(token))
}

// RevokeGrant implements store.Names.
func (db *DB) RevokeGrant(ctx context.Context, id string, at time.Time) (g store.Grant, err error) {
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		if _, err := c.exec(ctx, revokeGrant, millis(at), id, id); err != nil {
			return c.on.failed(err)
		}
		g, err = scanGrant(c.row(ctx, oneGrant, id))
		return c.on.missing(err, noGrant)
	})
	return g, err
}

// Grants implements store.Names.
func (db *DB) Grants(ctx context.Context) ([]store.Grant, error) {
	return all(ctx, db.read, db.read.stmt(allGrants), scanGrant)
}

// RemoveGrants implements store.Names.
func (db *DB) RemoveGrants(ctx context.Context, then time.Time) (int64, error) {
	return db.removeOld(ctx, removeOldGrants, then)
}
