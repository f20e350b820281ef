// Package sqldb keeps names in SQLite.
package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is a store.Names in one SQLite file. Readers do not wait for the writer
// (WAL); writers wait for each other, up to busyTimeout.
type DB struct {
	read, write *pool
}

const busyTimeout = "10000" // milliseconds

// Open opens the database in file, makes it if it is not there, and brings its
// tables up to date. Several processes may have it open.
func Open(ctx context.Context, file string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	// SQLite would make the file readable for everybody.
	created, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := created.Close(); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	query := url.Values{"_pragma": {
		"busy_timeout(" + busyTimeout + ")", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}}
	query.Set("_txlock", "immediate") // a transaction that will write locks at once, or two could deadlock
	source := "file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() + "?" + query.Encode()
	write, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", file, err)
	}
	write.SetMaxOpenConns(1)
	db := &DB{write: &pool{DB: write}}
	if err := patiently(ctx, db.migrate); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", file, err), db.write.Close())
	}
	read, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", file, err), db.write.Close())
	}
	read.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	read.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
	db.read = &pool{DB: read}
	err = db.write.prepare(ctx, changes[:])
	if err == nil {
		err = db.read.prepare(ctx, append(forms(), looks[:]...))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", file, err), db.Close())
	}
	return db, nil
}

// patiently calls do again while another starter holds the file: the change to
// WAL needs it alone, and SQLite does not wait for that by itself.
func patiently(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := do(ctx)
		if !busy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// busy reports whether another connection holds what err's statement wanted.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// failed wraps what the database says; the caller of one that stays busy may try
// again.
func failed(err error) error {
	if busy(err) {
		return fault.Wrap(fault.Overloaded, err, "The database is busy; try again shortly")
	}
	return fmt.Errorf("database: %w", err)
}

// Close implements store.Names.
func (db *DB) Close() error { return errors.Join(db.read.Close(), db.write.Close()) }

// migrate runs the migrations that the file has not seen, in one transaction
// that two starters cannot both be in.
func (db *DB) migrate(ctx context.Context) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(files)
	return db.change(ctx, func(c *change) error {
		var done int
		if err := c.tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&done); err != nil {
			return err
		}
		if done > len(files) {
			return fmt.Errorf("it is of version %d, made by a newer program; this one knows %d", done, len(files))
		}
		for _, file := range files[done:] {
			text, err := migrations.ReadFile(file)
			if err != nil {
				return err
			}
			if _, err := c.tx.ExecContext(ctx, string(text)); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		_, err := c.tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(len(files)))
		return err
	})
}

// change runs do in a transaction that is committed if do succeeds, and that no
// other change runs beside, in whatever process.
func (db *DB) change(ctx context.Context, do func(*change) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return failed(err)
	}
	if err := do(&change{tx, db.write}); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return failed(err)
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// taken turns the breach of a unique key into store.ErrExists.
func taken(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE) {
		return store.ErrExists
	}
	return err
}
