package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/store"
)

// pool is connections to the database, with statements that each of them prepares once.
type pool struct {
	*sql.DB
	dialect
	patience   time.Duration        // for one question, or one step of a change; 0 = what ctx has
	statements map[string]*sql.Stmt // by their text
}

// prepare prepares texts. What is not among them must not be asked for by stmt.
func (p *pool) prepare(ctx context.Context, texts []string) error {
	p.statements = make(map[string]*sql.Stmt, len(texts))
	for _, text := range texts {
		if err := p.prepareOne(ctx, text); err != nil {
			return fmt.Errorf("prepare %q: %w", text, err)
		}
	}
	return nil
}

func (p *pool) prepareOne(ctx context.Context, text string) error {
	ctx, end := p.limit(ctx)
	defer end()
	s, err := p.PrepareContext(ctx, p.spell(text)) //nolint:sqlclosecheck // Close does
	if err == nil {
		p.statements[text] = s
	}
	return err
}

// Close closes the statements and then the connections. A nil pool is closed.
func (p *pool) Close() error {
	if p == nil {
		return nil
	}
	var errs []error
	for _, s := range p.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, p.DB.Close())...)
}

func (p *pool) stmt(text string) *sql.Stmt {
	s := p.statements[text]
	if s == nil {
		panic("sqldb: not prepared: " + text)
	}
	return s
}

// limit ends ctx when a question takes too long.
func (p *pool) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, p.patience)
}

// missing turns "no rows" into what is missing.
func (p *pool) missing(err error, what func() error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows), p.absent(err):
		return what()
	}
	return p.failed(err)
}

// first reads the one row of a prepared query; what says that there is none.
func first[T any](ctx context.Context, p *pool, what func() error, scan func(row) (T, error), text string, args ...any) (T, error) {
	ctx, end := p.limit(ctx)
	defer end()
	item, err := scan(p.stmt(text).QueryRowContext(ctx, args...)) //nolint:sqlclosecheck // Close does
	return item, p.missing(err, what)
}

// change is a transaction that runs prepared statements.
type change struct {
	tx     *sql.Tx
	on     *pool
	called bool        // it has called out: it must not be done again
	ending bool        // it was asked to come into force
	watch  *time.Timer // ends it when a step takes too long; nil = none does
	slow   atomic.Bool // it has
}

// hold is dialect.hold of name.
func (c *change) hold(ctx context.Context, name string, shared bool) error {
	if err := c.on.hold(ctx, c.tx, name, shared); err != nil {
		return c.on.failed(err)
	}
	return nil
}

func (c *change) row(ctx context.Context, text string, args ...any) *sql.Row {
	return c.tx.StmtContext(ctx, c.on.stmt(text)).QueryRowContext(ctx, args...) //nolint:sqlclosecheck // the end of tx does
}

func (c *change) exec(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return c.tx.StmtContext(ctx, c.on.stmt(text)).ExecContext(ctx, args...) //nolint:sqlclosecheck // the end of tx does
}

// one runs a prepared statement that changes what is there: what says that it is not.
func (c *change) one(ctx context.Context, what func() error, text string, args ...any) error {
	result, err := c.exec(ctx, text, args...)
	if err != nil && c.on.taken(err) {
		return fmt.Errorf("database: %w", store.ErrExists)
	}
	if err != nil {
		return c.on.failed(err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, what())
	}
	return nil
}

// all reads every row of a query.
func all[T any](ctx context.Context, p *pool, query *sql.Stmt, scan func(row) (T, error), args ...any) (list []T, err error) {
	ctx, end := p.limit(ctx)
	defer end()
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return nil, p.failed(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, p.failed(err)
		}
		list = append(list, item)
	}
	if err := rows.Err(); err != nil {
		return nil, p.failed(err)
	}
	return list, nil
}
