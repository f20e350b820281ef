// Package sqldb keeps names in SQLite or PostgreSQL.
//
// The statements are the same for both; dialect.go says what is not.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sort"
	"time"
)

// DB is a store.Names in one database.
type DB struct {
	read, write *pool
	line        *line // nil: nobody tells of the changes of other processes
}

// assemble makes a DB of two pools that open makes, once migrate has brought the
// tables up to date.
func assemble(ctx context.Context, open func(most int) (*pool, error), writers, readers int, migrate func(context.Context, *DB) error) (_ *DB, err error) {
	db := &DB{}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if db.write, err = open(writers); err != nil {
		return nil, err
	}
	if err = migrate(ctx, db); err != nil {
		return nil, err
	}
	if db.read, err = open(readers); err != nil {
		return nil, err
	}
	if err = db.write.prepare(ctx, changes[:]); err != nil {
		return nil, err
	}
	if err = db.read.prepare(ctx, append(forms(db.read), looks[:]...)); err != nil {
		return nil, err
	}
	return db, nil
}

// Close implements store.Names. A server that hangs keeps nobody: it lets go of what is
// left when the process ends.
func (db *DB) Close() error {
	closed := make(chan error, 1)
	go func() { closed <- errors.Join(db.read.Close(), db.write.Close()) }()
	var late <-chan time.Time
	if db.write != nil && db.write.patience > 0 {
		late = time.After(db.write.patience)
	}
	select {
	case err := <-closed:
		return err
	case <-late:
		return nil
	}
}

// ErrEmpty says that a database has no tables, and that none were to be made.
var ErrEmpty = errors.New("it has no tables yet; serve makes them")

// migrate runs the migrations in folder that the database has not seen, in one
// transaction that two starters cannot both be in.
func (db *DB) migrate(ctx context.Context, migrations fs.FS, folder string, look bool) error {
	files, err := fs.Glob(migrations, folder+"/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(files)
	// A look of its own, which ends: mostly there is nothing to do, and nobody to wait for.
	done := 0
	if err := db.change(ctx, func(ctx context.Context, c *change) (err error) {
		done, err = c.on.number(ctx, c.tx)
		return err
	}); err != nil || done == len(files) {
		return err
	}
	return db.change(ctx, func(ctx context.Context, c *change) error {
		// Another starter's migrations, or an index of many images, take what they take.
		return c.out(func() error { return c.migrate(ctx, migrations, files, look) })
	})
}

func (c *change) migrate(ctx context.Context, migrations fs.FS, files []string, look bool) error {
	if err := c.hold(ctx, "migrations", false); err != nil {
		return err
	}
	done, err := c.on.number(ctx, c.tx)
	if err != nil {
		return err
	}
	switch {
	case done > len(files):
		return fmt.Errorf("it is of version %d, made by a newer program; this one knows %d", done, len(files))
	case done == len(files):
		return nil
	case look && done == 0:
		return ErrEmpty
	case look:
		return fmt.Errorf("it is of version %d; serve brings it to %d", done, len(files))
	}
	for _, file := range files[done:] {
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			return err
		}
		if _, err := c.tx.ExecContext(ctx, string(text)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return c.on.setNumber(ctx, c.tx, len(files))
}

// tries is how often a change is begun that another one has spoilt.
const tries = 5

// change runs do in a transaction that is committed if do succeeds, and that no
// other change runs beside that holds the same, in whatever process. What another one
// has spoilt is done again, unless do has called out.
func (db *DB) change(ctx context.Context, do func(context.Context, *change) error) error {
	for try := 1; ; try++ {
		c := &change{on: db.write}
		err := c.run(ctx, do)
		if err != nil && c.ending && db.line != nil {
			db.line.unsure.Store(true)
		}
		if err == nil || c.called || try == tries || !db.write.again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try)*5*time.Millisecond + rand.N(5*time.Millisecond)): //nolint:gosec // no secret
		}
	}
}

// run is one try of a change.
func (c *change) run(ctx context.Context, do func(context.Context, *change) error) (err error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	if c.on.patience > 0 {
		c.watch = time.AfterFunc(c.on.patience, func() { c.slow.Store(true); end() })
		defer c.watch.Stop()
		defer func() {
			if err != nil && c.slow.Load() {
				err = c.on.failed(errors.Join(err, context.DeadlineExceeded))
			}
		}()
	}
	if c.tx, err = c.on.BeginTx(ctx, c.on.options()); err != nil {
		return c.on.failed(err)
	}
	if err := do(ctx, c); err != nil {
		return errors.Join(err, ignoreDone(c.tx.Rollback()))
	}
	c.ending = true
	if err := c.tx.Commit(); err != nil {
		return c.on.failed(err)
	}
	return nil
}

// out calls what is not the database's business, however long that takes; not in a change
// that has ended, which holds nothing any more.
func (c *change) out(call func() error) error {
	c.called = true
	if c.watch != nil {
		if !c.watch.Stop() {
			return c.on.failed(context.DeadlineExceeded)
		}
		defer c.watch.Reset(c.on.patience)
	}
	return call()
}

// ignoreDone leaves out that a transaction has ended, or that its connection has:
// what ended it has been said.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
