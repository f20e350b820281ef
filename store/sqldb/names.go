package sqldb

import (
	"context"
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
func noImage() error   { return fault.New(fault.NotFound, "Image not found") }
func noVariant() error {
	return fault.New(fault.NoVariant, "This account doesn't have variant with this name")
}

// bit is how a column has what is true.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

const accountColumns = "hash, id, flexible, browser_ttl"

func scanAccount(r row) (a store.Account, err error) {
	var ttl int64
	err = r.Scan(&a.Hash, &a.ID, &a.Flexible, &ttl)
	a.BrowserTTL = time.Duration(ttl) * time.Second
	return a, err
}

// held returns the account as the transaction sees it, and holds it: no other change
// of its settings, variants or keys runs beside.
func (c *change) held(ctx context.Context, hash string) (store.Account, error) {
	if err := c.hold(ctx, "account "+hash, false); err != nil {
		return store.Account{}, err
	}
	return c.account(ctx, hash)
}

// account returns the account as the transaction sees it.
func (c *change) account(ctx context.Context, hash string) (store.Account, error) {
	a, err := scanAccount(c.row(ctx, oneAccount, hash))
	return a, c.on.missing(err, noAccount)
}

// AddAccount implements store.Names.
func (db *DB) AddAccount(ctx context.Context, a store.Account, first token.Key) error {
	return db.change(ctx, func(ctx context.Context, c *change) error {
		if err := c.one(ctx, noAccount, addAccount, a.Hash, a.ID, bit(a.Flexible), seconds(a.BrowserTTL)); err != nil {
			return err
		}
		if err := c.putVariant(ctx, addVariant, a.Hash, store.Public()); err != nil {
			return err
		}
		return c.putKey(ctx, a.Hash, first)
	})
}

// ChangeAccount implements store.Names.
func (db *DB) ChangeAccount(ctx context.Context, hash string, with func(*store.Account) error) (a store.Account, err error) {
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		if a, err = c.held(ctx, hash); err != nil {
			return err
		}
		id := a.ID
		if err := c.out(func() error { return with(&a) }); err != nil {
			return err
		}
		a.ID, a.Hash = id, hash
		return c.one(ctx, noAccount, changeAccount, bit(a.Flexible), seconds(a.BrowserTTL), hash)
	})
	return a, err
}

// Account implements store.Names.
func (db *DB) Account(ctx context.Context, hash string) (store.Account, error) {
	return first(ctx, db.read, noAccount, scanAccount, oneAccount, hash)
}

// Accounts implements store.Names.
func (db *DB) Accounts(ctx context.Context) ([]store.Account, error) {
	return all(ctx, db.read, db.read.stmt(allAccounts), scanAccount)
}

const variantColumns = "name, options, never_signed, browser_ttl"

func scanVariant(r row) (v store.Variant, err error) {
	var options []byte
	var ttl int64
	if err := r.Scan(&v.Name, &options, &v.NeverRequireSigned, &ttl); err != nil {
		return v, err
	}
	v.BrowserTTL = time.Duration(ttl) * time.Second
	if err := json.Unmarshal(options, &v.Options); err != nil {
		return v, fmt.Errorf("variant %s: %w", v.Name, err)
	}
	return v, nil
}

func (c *change) putVariant(ctx context.Context, statement, account string, v store.Variant) error {
	options, err := json.Marshal(v.Options)
	if err != nil {
		return fmt.Errorf("variant %s: %w", v.Name, err)
	}
	return c.one(ctx, noVariant, statement, string(options), bit(v.NeverRequireSigned), seconds(v.BrowserTTL), account, v.Name)
}

// room complains if there are most others already.
func (c *change) room(ctx context.Context, count, account, name string, most int) error {
	var others int
	if err := c.row(ctx, count, account, name).Scan(&others); err != nil {
		return c.on.failed(err)
	}
	if others >= most {
		return store.ErrFull
	}
	return nil
}

// AddVariant implements store.Names.
func (db *DB) AddVariant(ctx context.Context, account string, v store.Variant, most int) error {
	return db.change(ctx, func(ctx context.Context, c *change) error {
		if _, err := c.held(ctx, account); err != nil {
			return err
		}
		full := c.room(ctx, countVariants, account, v.Name, most)
		if full != nil && !errors.Is(full, store.ErrFull) {
			return full
		}
		if err := c.putVariant(ctx, addVariant, account, v); err != nil {
			return err // that the name is taken is said even if there is no room
		}
		return full
	})
}

// ChangeVariant implements store.Names.
func (db *DB) ChangeVariant(ctx context.Context, account, name string, with func(*store.Variant) error) (v store.Variant, err error) {
	err = db.change(ctx, func(ctx context.Context, c *change) error {
		if err := c.hold(ctx, "account "+account, false); err != nil {
			return err
		}
		v, err = scanVariant(c.row(ctx, oneVariant, account, name))
		if err := c.on.missing(err, noVariant); err != nil {
			return err
		}
		if err := c.out(func() error { return with(&v) }); err != nil {
			return err
		}
		v.Name = name
		return c.putVariant(ctx, changeVariant, account, v)
	})
	return v, err
}

// RemoveVariant implements store.Names.
func (db *DB) RemoveVariant(ctx context.Context, account, name string) error {
	return db.change(ctx, func(ctx context.Context, c *change) error { return c.one(ctx, noVariant, removeVariant, account, name) })
}

// Variants implements store.Names.
func (db *DB) Variants(ctx context.Context, account string) ([]store.Variant, error) {
	return all(ctx, db.read, db.read.stmt(allVariants), scanVariant, account)
}
