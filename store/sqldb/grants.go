package sqldb

import (
	"context"
	"database/sql"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

func noKey() error   { return fault.New(fault.NotFound, "There is no key with this name") }
func noGrant() error { return fault.New(fault.NotFound, "There is no API token with this id") }

func putKey(ctx context.Context, to executor, account string, k token.Key) error {
	result, err := to.ExecContext(ctx, "REPLACE INTO keys (account, name, value) SELECT hash, ?, ? FROM accounts WHERE hash = ?",
		k.Name, string(k.Value), account)
	return changed(result, err, noAccount)
}

// SetKey implements store.Names.
func (db *DB) SetKey(ctx context.Context, account string, k token.Key) error {
	return putKey(ctx, db.write, account, k)
}

// RemoveKey implements store.Names.
func (db *DB) RemoveKey(ctx context.Context, account, name string, fresh token.Key) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM keys WHERE account = ? AND name = ?", account, name)
		if err := changed(result, err, noKey); err != nil {
			return err
		}
		var left int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM keys WHERE account = ?", account).Scan(&left); err != nil {
			return failed(err)
		}
		if left > 0 {
			return nil
		}
		return putKey(ctx, tx, account, fresh)
	})
}

// Keys implements store.Names.
func (db *DB) Keys(ctx context.Context, account string) ([]token.Key, error) {
	scan := func(r row) (k token.Key, err error) {
		return k, r.Scan(&k.Name, (*string)(&k.Value))
	}
	return all(ctx, db.read, scan, "SELECT name, value FROM keys WHERE account = ? ORDER BY name", account)
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
	result, err := db.write.ExecContext(ctx, "INSERT INTO grants ("+grantColumns+") SELECT ?, ?, hash, ?, ?, ?, ?, ?, ? FROM accounts WHERE hash = ?",
		g.ID, string(g.Hash), g.Scope.String(), g.Note, millis(g.Created), millis(g.Expires), millis(g.Revoked), g.Parent, g.Account)
	return changed(result, taken(err), noAccount)
}

// Grant implements store.Names.
func (db *DB) Grant(ctx context.Context, token store.TokenHash) (store.Grant, error) {
	g, err := scanGrant(db.read.QueryRowContext(ctx, "SELECT "+grantColumns+" FROM grants WHERE hash = ?", string(token)))
	return g, missing(err, noGrant)
}

// RevokeGrant implements store.Names.
func (db *DB) RevokeGrant(ctx context.Context, id string, at time.Time) (g store.Grant, err error) {
	err = db.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE grants SET revoked = ? WHERE revoked = 0 AND (id = ? OR parent = ?)", millis(at), id, id); err != nil {
			return failed(err)
		}
		g, err = scanGrant(tx.QueryRowContext(ctx, "SELECT "+grantColumns+" FROM grants WHERE id = ?", id))
		return missing(err, noGrant)
	})
	return g, err
}

// Grants implements store.Names.
func (db *DB) Grants(ctx context.Context) ([]store.Grant, error) {
	return all(ctx, db.read, scanGrant, "SELECT "+grantColumns+" FROM grants ORDER BY created, id")
}

// RemoveGrants implements store.Names.
func (db *DB) RemoveGrants(ctx context.Context, then time.Time) (int64, error) {
	return db.removeOld(ctx, "DELETE FROM grants WHERE parent <> '' AND expires <> 0 AND expires < ?", then)
}
