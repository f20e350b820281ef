package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
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
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// changed reports what is missing if a statement changed nothing.
func changed(result sql.Result, err error, what func() error) error {
	if err != nil {
		return fmt.Errorf("database: %w", err)
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
func (db *DB) AddAccount(ctx context.Context, a store.Account) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO accounts ("+accountColumns+") VALUES (?, ?, ?, ?)",
			a.Hash, a.ID, a.Flexible, seconds(a.BrowserTTL)); err != nil {
			return taken(err)
		}
		return setVariant(ctx, tx, a.Hash, store.Public())
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
		return nil, fmt.Errorf("database: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

var imageColumns = []string{
	"account", "id", "filename", "creator", "meta", "uploaded", "require_signed", "draft", "blob",
	"media", "width", "height", "orientation", "frames", "alpha", "bytes", "version",
}

func scanImage(r row) (i store.Image, err error) {
	var uploaded int64
	var media string
	err = r.Scan(&i.Account, &i.ID, &i.Filename, &i.Creator, &i.Meta, &uploaded, &i.RequireSigned, &i.Draft, &i.Blob,
		&media, &i.Size.W, &i.Size.H, &i.Orientation, &i.Frames, &i.Alpha, &i.Bytes, &i.Version)
	i.Uploaded = time.UnixMilli(uploaded).UTC()
	i.Media = params.ParseMedia(media)
	return i, err
}

// AddImage implements store.Names.
func (db *DB) AddImage(ctx context.Context, i store.Image, replace bool) (store.Image, error) {
	if i.Meta == nil {
		i.Meta = []byte("{}")
	}
	i.Uploaded = i.Uploaded.UTC().Truncate(time.Millisecond)
	verb := "INSERT"
	if replace {
		verb = "REPLACE"
	}
	err := db.change(ctx, func(tx *sql.Tx) error {
		var known bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM accounts WHERE hash = ?)", i.Account).Scan(&known); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		if !known {
			return noAccount()
		}
		if err := tx.QueryRowContext(ctx, "UPDATE versions SET last = last + 1 RETURNING last").Scan(&i.Version); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		_, err := tx.ExecContext(ctx, verb+" INTO images ("+columns(imageColumns)+") VALUES ("+marks(len(imageColumns))+")",
			i.Account, i.ID, i.Filename, i.Creator, string(i.Meta), i.Uploaded.UnixMilli(), i.RequireSigned, i.Draft, string(i.Blob),
			i.Media.String(), i.Size.W, i.Size.H, i.Orientation, i.Frames, i.Alpha, i.Bytes, i.Version)
		return taken(err)
	})
	return i, err
}

// Image implements store.Names.
func (db *DB) Image(ctx context.Context, account, id string) (store.Image, error) {
	i, err := scanImage(db.read.QueryRowContext(ctx, "SELECT "+columns(imageColumns)+" FROM images WHERE account = ? AND id = ?", account, id))
	return i, missing(err, noImage)
}

// RemoveImage implements store.Names.
func (db *DB) RemoveImage(ctx context.Context, account, id string) (store.Image, error) {
	i, err := scanImage(db.write.QueryRowContext(ctx, "DELETE FROM images WHERE account = ? AND id = ? RETURNING "+columns(imageColumns), account, id))
	return i, missing(err, noImage)
}

// Images implements store.Names.
func (db *DB) Images(ctx context.Context, account, after string, limit int) ([]store.Image, error) {
	return all(ctx, db.read, scanImage,
		"SELECT "+columns(imageColumns)+" FROM images WHERE account = ? AND id > ? ORDER BY id LIMIT ?", account, after, limit)
}

// CountImages implements store.Names.
func (db *DB) CountImages(ctx context.Context, account string) (n int64, err error) {
	err = db.read.QueryRowContext(ctx, "SELECT count(*) FROM images WHERE account = ?", account).Scan(&n)
	return n, missing(err, noAccount)
}

// BlobUsed implements store.Names.
func (db *DB) BlobUsed(ctx context.Context, ref store.BlobRef) (used bool, err error) {
	err = db.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM images WHERE blob = ?)", string(ref)).Scan(&used)
	return used, missing(err, noImage)
}

type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func setVariant(ctx context.Context, to executor, account string, v store.Variant) error {
	options, err := json.Marshal(v.Options)
	if err != nil {
		return fmt.Errorf("variant %s: %w", v.Name, err)
	}
	_, err = to.ExecContext(ctx, "REPLACE INTO variants (account, name, options, never_signed, browser_ttl) VALUES (?, ?, ?, ?, ?)",
		account, v.Name, string(options), v.NeverRequireSigned, seconds(v.BrowserTTL))
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// SetVariant implements store.Names.
func (db *DB) SetVariant(ctx context.Context, account string, v store.Variant) error {
	if _, err := db.Account(ctx, account); err != nil {
		return err
	}
	return setVariant(ctx, db.write, account, v)
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
