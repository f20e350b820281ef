package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
)

//go:embed sqlite/*.sql
var sqliteMigrations embed.FS

const busyTimeout = "10000" // milliseconds

// Open opens the SQLite database in file, makes it if it is not there, and brings its
// tables up to date. Several processes may have it open. Readers do not wait for the
// writer (WAL); writers wait for each other, up to busyTimeout.
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
	open := func(most int) (*pool, error) {
		p, err := sql.Open("sqlite", source)
		if err != nil {
			return nil, err
		}
		p.SetMaxOpenConns(most)
		p.SetMaxIdleConns(most)
		return &pool{DB: p, dialect: sqliteDialect{}}, nil
	}
	migrate := func(ctx context.Context, db *DB) error {
		return patiently(ctx, func(ctx context.Context) error { return db.migrate(ctx, sqliteMigrations, "sqlite", false) })
	}
	db, err := assemble(ctx, open, 1, max(4, runtime.GOMAXPROCS(0)), migrate)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", file, err)
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

// sqliteDialect is the dialect of one file. Its changes are one after the other, in
// whatever process: there is nothing to hold.
type sqliteDialect struct{}

func (sqliteDialect) spell(text string) string                          { return text }
func (sqliteDialect) options() *sql.TxOptions                           { return nil }
func (sqliteDialect) hold(context.Context, *sql.Tx, string, bool) error { return nil }
func (sqliteDialect) again(error) bool                                  { return false }
func (sqliteDialect) absent(error) bool                                 { return false }

func (sqliteDialect) number(ctx context.Context, tx *sql.Tx) (n int, err error) {
	return n, tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&n)
}

func (sqliteDialect) setNumber(ctx context.Context, tx *sql.Tx, n int) error {
	_, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(n))
	return err
}

func (sqliteDialect) taken(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE)
}

func (sqliteDialect) failed(err error) error {
	if busy(err) {
		return fault.Wrap(fault.Overloaded, err, "The database is busy; try again shortly")
	}
	return fmt.Errorf("database: %w", err)
}

func (sqliteDialect) index(name string) string { return " INDEXED BY " + name }

func (sqliteDialect) search() string {
	return "instr(lower(id || char(10) || filename || char(10) || creator), lower(?)) > 0"
}

// condition: of a value in the metadata, json_type says the type, ->> is the value,
// and -> its spelling. Before any of them is asked, the text has to have what it must
// have if they hold: most rows are not parsed. See canonical.
func (sqliteDialect) condition(s *statement, c *store.Condition, v *store.Value) {
	path := "$"
	for _, name := range c.Field {
		path += `."` + name + `"`
	}
	field := keyOf(c)
	if v.Text != nil {
		s.add(" OR (instr(meta, ?) AND json_type(meta, ?) = 'text' AND meta ->> ? = ?)", field+quoted(*v.Text), path, path, *v.Text)
	}
	if v.Literal != nil {
		s.add(" OR (instr(meta, ?) AND json_type(meta, ?) IN ('integer', 'real', 'true', 'false') AND meta -> ? = ?)", field+*v.Literal, path, path, *v.Literal)
	}
	if v.Number != nil {
		s.add(" OR (instr(meta, ?) AND json_type(meta, ?) IN ('integer', 'real') AND meta ->> ? "+comparisons[c.Operator]+" CAST(? AS NUMERIC))", field, path, path, *v.Number)
	}
	if v.Bool != nil {
		s.add(" OR (instr(meta, ?) AND json_type(meta, ?) = ?)", field+strconv.FormatBool(*v.Bool), path, strconv.FormatBool(*v.Bool))
	}
}
