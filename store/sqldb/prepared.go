package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// pool is connections to the file, with statements that each of them prepares once.
type pool struct {
	*sql.DB
	statements map[string]*sql.Stmt // by their text
}

// prepare prepares texts. What is not among them must not be asked for by stmt.
func (p *pool) prepare(ctx context.Context, texts []string) error {
	p.statements = make(map[string]*sql.Stmt, len(texts))
	for _, text := range texts {
		s, err := p.PrepareContext(ctx, text) //nolint:sqlclosecheck // Close does
		if err != nil {
			return fmt.Errorf("prepare %q: %w", text, err)
		}
		p.statements[text] = s
	}
	return nil
}

// Close closes the statements and then the connections.
func (p *pool) Close() error {
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

// row runs a prepared query that has one row at most.
func (p *pool) row(ctx context.Context, text string, args ...any) *sql.Row {
	return p.stmt(text).QueryRowContext(ctx, args...) //nolint:sqlclosecheck // Close does
}

// change is a transaction that runs prepared statements.
type change struct {
	tx *sql.Tx
	on *pool
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
	if err != nil {
		return failed(taken(err))
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, what())
	}
	return nil
}

// all reads every row of a query.
func all[T any](ctx context.Context, query *sql.Stmt, scan func(row) (T, error), args ...any) (list []T, err error) {
	rows, err := query.QueryContext(ctx, args...)
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
	if err := rows.Err(); err != nil {
		return nil, failed(err)
	}
	return list, nil
}
