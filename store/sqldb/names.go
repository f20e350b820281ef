package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// row is what both a single row and a row of many are.
type row interface{ Scan(into ...any) error }

func noAccount() error { return fault.New(fault.WrongAccount, "There is no account with this hash") }
func noImage() error   { return fault.New(fault.NotFound, "There is no image with this id") }
func noVariant() error {
	return fault.New(fault.NoVariant, "This account doesn't have variant with this name")
}

// missing turns "no rows" into what is missing.
func missing(err error, what func() error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return what()
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

// changed reports what is missing if a statement changed nothing.
func changed(result sql.Result, err error, what func() error) error {
	if errors.Is(err, store.ErrExists) {
		return err
	}
	if err != nil {
		return failed(err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, what())
	}
	return nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

const accountColumns = "hash, id, flexible, browser_ttl"

func scanAccount(r row) (a store.Account, err error) {
	var ttl int64
	err = r.Scan(&a.Hash, &a.ID, &a.Flexible, &ttl)
	a.BrowserTTL = time.Duration(ttl) * time.Second
	return a, err
}

// AddAccount implements store.Names.
func (db *DB) AddAccount(ctx context.Context, a store.Account, first token.Key) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO accounts ("+accountColumns+") VALUES (?, ?, ?, ?)",
			a.Hash, a.ID, a.Flexible, seconds(a.BrowserTTL)); err != nil {
			return taken(err)
		}
		if err := putVariant(ctx, tx, insertVariant, a.Hash, store.Public()); err != nil {
			return err
		}
		return putKey(ctx, tx, a.Hash, first)
	})
}

// SetAccount implements store.Names.
func (db *DB) SetAccount(ctx context.Context, a store.Account) error {
	result, err := db.write.ExecContext(ctx, "UPDATE accounts SET flexible = ?, browser_ttl = ? WHERE hash = ?",
		a.Flexible, seconds(a.BrowserTTL), a.Hash)
	return changed(result, err, noAccount)
}

// Account implements store.Names.
func (db *DB) Account(ctx context.Context, hash string) (store.Account, error) {
	a, err := scanAccount(db.read.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM accounts WHERE hash = ?", hash))
	return a, missing(err, noAccount)
}

// Accounts implements store.Names.
func (db *DB) Accounts(ctx context.Context) ([]store.Account, error) {
	return all(ctx, db.read, scanAccount, "SELECT "+accountColumns+" FROM accounts ORDER BY hash")
}

// all reads every row of a query.
func all[T any](ctx context.Context, from *sql.DB, scan func(row) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failed(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, failed(err)
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// insertVariant and updateVariant take the same values in the same order.
const (
	insertVariant = "INSERT INTO variants (options, never_signed, browser_ttl, account, name) VALUES (?, ?, ?, ?, ?)"
	updateVariant = "UPDATE variants SET options = ?, never_signed = ?, browser_ttl = ? WHERE account = ? AND name = ?"
)

func putVariant(ctx context.Context, to executor, statement, account string, v store.Variant) error {
	options, err := json.Marshal(v.Options)
	if err != nil {
		return fmt.Errorf("variant %s: %w", v.Name, err)
	}
	result, err := to.ExecContext(ctx, statement, string(options), v.NeverRequireSigned, seconds(v.BrowserTTL), account, v.Name)
	return changed(result, taken(err), noVariant)
}

// AddVariant implements store.Names.
func (db *DB) AddVariant(ctx context.Context, account string, v store.Variant) error {
	if _, err := db.Account(ctx, account); err != nil {
		return err
	}
	return putVariant(ctx, db.write, insertVariant, account, v)
}

// SetVariant implements store.Names.
func (db *DB) SetVariant(ctx context.Context, account string, v store.Variant) error {
	return putVariant(ctx, db.write, updateVariant, account, v)
}

// RemoveVariant implements store.Names.
func (db *DB) RemoveVariant(ctx context.Context, account, name string) error {
	result, err := db.write.ExecContext(ctx, "DELETE FROM variants WHERE account = ? AND name = ?", account, name)
	return changed(result, err, noVariant)
}

// Variants implements store.Names.
func (db *DB) Variants(ctx context.Context, account string) ([]store.Variant, error) {
	scan := func(r row) (v store.Variant, err error) {
		var options []byte
		var ttl int64
		if err := r.Scan(&v.Name, &options, &v.NeverRequireSigned, &ttl); err != nil {
			return v, err
		}
		v.BrowserTTL = time.Duration(ttl) * time.Second
		if err := json.Unmarshal(options, &v.Options); err != nil {
			return v, fmt.Errorf("variant %s of account %s: %w", v.Name, account, err)
		}
		return v, nil
	}
	return all(ctx, db.read, scan,
		"SELECT name, options, never_signed, browser_ttl FROM variants WHERE account = ? ORDER BY name", account)
}
