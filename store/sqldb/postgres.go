package sqldb

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
)

//go:embed postgres/*.sql
var postgresMigrations embed.FS

// Postgres says where a PostgreSQL is, 14 or newer, and how patient to be with it.
// Zero fields take the defaults named.
type Postgres struct {
	URL         string        // postgres://user:password@host:5432/database?sslmode=verify-full; required
	Connections int           // at most, half of them for changes; 16. One more listens
	Timeout     time.Duration // for a question, or for a change; 5 s
	// Trust is how long what others may have changed is not asked for while the
	// database does not say that nobody has; 5 s, at least 1 s.
	Trust time.Duration
	// Look makes no tables and changes none: where there are none it is ErrEmpty.
	Look bool
}

// Validate says what is wrong with o, without connecting. It does not quote the URL,
// which may hold a password.
func (o Postgres) Validate() error { _, _, err := o.settings(); return err }

func (o Postgres) settings() (Postgres, *pgx.ConnConfig, error) {
	if o.Connections == 0 {
		o.Connections = 16
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Trust == 0 {
		o.Trust = 5 * time.Second
	}
	var wrong []error
	if o.Connections < 2 {
		wrong = append(wrong, fmt.Errorf("connections: expected 2 or more, received %d", o.Connections))
	}
	if o.Timeout < 0 {
		wrong = append(wrong, fmt.Errorf("timeout: expected a time above 0, received %v", o.Timeout))
	}
	if o.Trust < time.Second {
		wrong = append(wrong, fmt.Errorf("trust: expected 1s or more, received %v", o.Trust))
	}
	config, err := pgx.ParseConfig(o.URL)
	if err != nil || !strings.HasPrefix(o.URL, "postgres://") && !strings.HasPrefix(o.URL, "postgresql://") {
		wrong = append(wrong, errors.New("database: expected a URL such as postgres://user:password@host:5432/database?sslmode=verify-full, received something else"))
	}
	return o, config, errors.Join(wrong...)
}

// OpenPostgres opens the database, and brings its tables up to date. Of several that
// start at once one does that, and the others wait. Where they are up to date it waits for
// no answer longer than Timeout.
func OpenPostgres(ctx context.Context, o Postgres) (*DB, error) {
	o, config, err := o.settings()
	if err != nil {
		return nil, err
	}
	node := rand.Text()[:16]
	config.RuntimeParams["application_name"] = "fovea-" + node
	// What a node that was cut off holds is let go of.
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "120000"
	if !strings.Contains(o.URL, "connect_timeout") {
		config.ConnectTimeout = o.Timeout
	}
	open := func(most int) (*pool, error) {
		p := stdlib.OpenDB(*config)
		p.SetMaxOpenConns(most)
		p.SetMaxIdleConns(most)
		p.SetConnMaxIdleTime(5 * time.Minute)
		p.SetConnMaxLifetime(30 * time.Minute) // the address may have moved
		return &pool{DB: p, dialect: postgresDialect{}, patience: o.Timeout}, nil
	}
	migrate := func(ctx context.Context, db *DB) error {
		return db.migrate(ctx, postgresMigrations, "postgres", o.Look)
	}
	db, err := assemble(ctx, open, o.Connections/2, o.Connections-o.Connections/2, migrate)
	var shown *fault.Error
	if errors.As(err, &shown) && shown.Cause != nil { // an operator reads it, and no visitor
		err = shown.Cause
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("expected an answer within %v, received none: %w", o.Timeout, err)
	}
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	db.line = &line{config: &config.Config, trust: o.Trust, began: time.Now()}
	return db, nil
}

// postgresDialect has many writers: changes hold by name what they rely on.
type postgresDialect struct{}

// spell numbers the values.
func (postgresDialect) spell(text string) string {
	if text == nextVersion {
		return "SELECT nextval('versions')"
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, more := strings.Cut(text, "?")
		b.WriteString(before)
		if !more {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		text = after
	}
}

func (postgresDialect) options() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// hold takes an advisory lock. Two names that share one wait for each other, and no more.
func (postgresDialect) hold(ctx context.Context, tx *sql.Tx, name string, shared bool) error {
	sum := sha256.Sum256([]byte("fovea " + name))
	lock := "SELECT pg_advisory_xact_lock($1)"
	if shared {
		lock = "SELECT pg_advisory_xact_lock_shared($1)"
	}
	_, err := tx.ExecContext(ctx, lock, int64(binary.BigEndian.Uint64(sum[:]))) //nolint:gosec // all bits will do
	return err
}

func (postgresDialect) number(ctx context.Context, tx *sql.Tx) (n int, err error) {
	// to_regclass would say what the connection knows from before it waited for another starter.
	var there bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = 'fovea_migrations' AND pg_table_is_visible(oid))").Scan(&there); err != nil || !there {
		return 0, err
	}
	return n, tx.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM fovea_migrations").Scan(&n)
}

func (postgresDialect) setNumber(ctx context.Context, tx *sql.Tx, n int) error {
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS fovea_migrations (
		number INTEGER PRIMARY KEY, done TIMESTAMPTZ NOT NULL DEFAULT now(), by TEXT NOT NULL DEFAULT current_setting('application_name'))`); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO fovea_migrations (number) VALUES ($1)", n)
	return err
}

// code is the SQLSTATE of err; "" = it has none.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func (postgresDialect) taken(err error) bool { return code(err) == "23505" }

// again: a deadlock, or, where the server makes transactions serializable, a conflict.
func (postgresDialect) again(err error) bool {
	return code(err) == "40P01" || code(err) == "40001"
}

// absent: text that the database cannot have, it does not have.
func (postgresDialect) absent(err error) bool { return code(err) == "22021" }

func (postgresDialect) failed(err error) error {
	state := code(err)
	class := state
	if len(state) == 5 {
		class = state[:2]
	}
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("database: %w", err)
	case state == "54000": // an index has no room for it
		return fault.Wrap(fault.BadPath, err, "Expected shorter text: an image id may have about 2,600 bytes")
	case class == "08", class == "40", class == "53", class == "55", class == "57", state == "25006": // connection, conflict, room, lock, operator; and a standby
		return fault.Wrap(fault.Overloaded, err, "The database cannot do this now; try again shortly")
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, driver.ErrBadConn), errors.Is(err, net.ErrClosed), pgconn.SafeToRetry(err):
		return fault.Wrap(fault.Overloaded, err, "The database does not answer; try again shortly")
	}
	return fmt.Errorf("database: %w", err)
}

func (postgresDialect) index(string) string { return "" }

func (postgresDialect) search() string {
	return `strpos(lower(id || chr(10) || filename || chr(10) || creator), lower(?::text COLLATE "C")) > 0`
}

// condition: #> is a value as it is spelt. A NUL in the metadata, which the database
// cannot have, is looked at as another character that is none. Only texts that have what
// they must have are parsed. See canonical.
func (postgresDialect) condition(s *statement, c *store.Condition, v *store.Value) {
	const meta = `replace(meta, '\u0000', '\ufffd')::json`
	path := func(names []string) string { return `{"` + strings.Join(names, `","`) + `"}` }
	add := func(begins, condition string, values ...any) {
		s.add(" OR CASE WHEN strpos(meta, ?) > 0 THEN "+condition, append([]any{begins}, values...)...)
		for i, name := range c.Field[1:] {
			if strings.Trim(name, "0123456789") == "" { // it would be a place in a list, too
				s.add(" AND json_typeof("+meta+" #> ?::text[]) = 'object'", path(c.Field[:i+1]))
			}
		}
		s.add(" ELSE FALSE END")
	}
	all, field := path(c.Field), keyOf(c)
	spelt := func(text string) string { return strings.ReplaceAll(text, `\u0000`, `\ufffd`) }
	if v.Text != nil {
		add(field+quoted(*v.Text), "("+meta+" #> ?::text[])::text = ?", all, spelt(quoted(*v.Text)))
	}
	if v.Literal != nil && quoted(*v.Literal) == `"`+*v.Literal+`"` {
		add(field+*v.Literal, "json_typeof("+meta+" #> ?::text[]) IN ('number', 'boolean') AND ("+meta+" #> ?::text[])::text = ?", all, all, *v.Literal)
	}
	if v.Number != nil {
		add(field, "json_typeof("+meta+" #> ?::text[]) = 'number' AND fovea_number(("+meta+" #> ?::text[])::text) "+comparisons[c.Operator]+" fovea_number(?)", all, all, *v.Number)
	}
	if v.Bool != nil {
		add(field+strconv.FormatBool(*v.Bool), "("+meta+" #> ?::text[])::text = ?", all, strconv.FormatBool(*v.Bool))
	}
}
