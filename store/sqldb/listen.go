package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// line is the connection on which a database tells of changes.
type line struct {
	config *pgconn.Config
	trust  time.Duration
	began  time.Time
	heard  atomic.Int64          // when all changes were known, by the monotonic clock since began; 0 = never
	lost   atomic.Uint64         // connections
	wrong  atomic.Pointer[error] // why there is no connection; nil = there is one, or was none yet
	unsure atomic.Bool           // changes of our own are heard, too: one may come into force at any time
}

const (
	channel   = "fovea"
	listening = 250 * time.Millisecond // between two looks whether the connection is alive
	alive     = time.Second            // for one look
	resting   = 250 * time.Millisecond // after a connection was lost
)

// Tells reports whether the database tells of what other processes change, if Listen
// runs.
func (db *DB) Tells() bool { return db.line != nil }

// Vouched reports whether Listen knew within the last Trust of all that other
// processes had changed.
func (db *DB) Vouched() bool {
	at := db.line.heard.Load()
	return at > 0 && time.Since(db.line.began) < time.Duration(at)+db.line.trust
}

// Ready returns nil if Vouched, and otherwise why not.
func (db *DB) Ready() error {
	if db.Vouched() {
		return nil
	}
	err := errors.New("it has not answered yet")
	if wrong := db.line.wrong.Load(); wrong != nil {
		err = *wrong
	}
	return fmt.Errorf("database: expected to have heard of all changes within %v: %w", db.line.trust, err)
}

// Lost is how many connections Listen has lost.
func (db *DB) Lost() uint64 { return db.line.lost.Load() }

// Listen calls heard with the tags of what other processes have changed, once that is
// in force, until ctx ends; one call at a time. Without tags it is everything: of a
// connection that is new, others may have been missed. Once the end of a change of this
// process was not heard, heard is told of its own changes, too.
func (db *DB) Listen(ctx context.Context, heard func(tags ...string)) {
	for ctx.Err() == nil {
		err := db.line.follow(ctx, heard)
		if ctx.Err() != nil {
			return
		}
		db.line.wrong.Store(&err)
		db.line.lost.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(resting):
		}
	}
}

// follow connects and listens until something fails.
func (l *line) follow(ctx context.Context, heard func(tags ...string)) error {
	config := l.config.Copy()
	own := strings.ToLower(config.RuntimeParams["application_name"]) // a channel that nobody else listens to
	echoed, all := false, false
	var tags []string
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		switch tag, by, _ := cutLast(n.Payload, "\n"); {
		case n.Channel == own:
			echoed = true
		case tag == "*":
			all = true
		case by != config.RuntimeParams["application_name"] || l.unsure.Load():
			tags = append(tags, tag)
		}
	}
	// What came together is told together: who hears it may have to write it down.
	tell := func() {
		if len(tags) > 0 {
			heard(tags...)
		}
		if all {
			heard()
		}
		tags, all = nil, false
	}
	defer tell()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), alive)
		defer cancel()
		_ = conn.Close(ended) // what failed has been said
	}()
	if err := ask(ctx, conn, `LISTEN `+channel+`; LISTEN "`+own+`"`); err != nil {
		return err
	}
	heard()
	for {
		asked := time.Since(l.began)
		echoed = false
		if err := ask(ctx, conn, `NOTIFY "`+own+`"`); err != nil { // what was told before this was asked has been heard after it
			return err
		}
		if !echoed {
			return errors.New("it does not tell of changes: expected a connection of our own, and no pooler")
		}
		tell()
		l.wrong.Store(nil)
		l.heard.Store(max(1, int64(asked)))
		if err := wait(ctx, conn, tell); err != nil {
			return err
		}
	}
}

// cutLast is strings.Cut at the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func ask(ctx context.Context, conn *pgconn.PgConn, text string) error {
	ctx, end := context.WithTimeout(ctx, alive)
	defer end()
	_, err := conn.Exec(ctx, text).ReadAll()
	return err
}

// wait takes what is told for a while, and calls tell each time that something was.
func wait(ctx context.Context, conn *pgconn.PgConn, tell func()) error {
	limited, end := context.WithTimeout(ctx, listening)
	defer end()
	for limited.Err() == nil {
		if err := conn.WaitForNotification(limited); err != nil && limited.Err() == nil {
			return err
		}
		tell()
	}
	return ctx.Err()
}
