package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/sqldb"
)

// postgres are the options of the database that several nodes share; without an
// URL there is none.
func postgres(s config.Store, to purpose) sqldb.Postgres {
	return sqldb.Postgres{URL: string(s.Database), Connections: s.Connections, Timeout: s.Timeout, Trust: s.Trust, Look: to == looking}
}

// checkNames judges what openNames will be given.
func checkNames(s config.Store) error {
	if s.Database == "" {
		return nil
	}
	return postgres(s, looking).Validate()
}

// openNames opens the database: the shared one, if there is to be one, or that in folder.
func (a *app) openNames(ctx context.Context, folder string, to purpose) (store.Names, error) {
	if a.settings.Store.Database == "" {
		names, err := sqldb.Open(ctx, filepath.Join(folder, namesFile))
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		return names, nil
	}
	names, err := sqldb.OpenPostgres(ctx, postgres(a.settings.Store, to))
	if err != nil {
		return nil, fmt.Errorf("store.%w", err)
	}
	a.database = names
	return names, nil
}

// remembered is how long the catalog remembers what nobody says has changed: where the
// database says so, longer.
const remembered = time.Minute

// vouched tells the catalog whether other nodes are heard; nil: there are none.
func (a *app) vouched() func() bool {
	switch {
	case a.shared == nil && a.database == nil:
		return nil
	case a.database == nil:
		return a.shared.Vouched
	case a.shared == nil:
		return a.database.Vouched
	}
	return func() bool { return a.database.Vouched() && a.shared.Vouched() }
}

// told makes true here what another process has changed in the database. Without tags
// it may be anything. Redis is neither relied on nor waited for: the node that made the
// change may be cut off from it, or have died; and all are told by the database, which
// each must go on hearing.
func (a *app) told(tags ...string) {
	if len(tags) == 0 {
		a.catalog.ForgetImages("", "")
		return
	}
	a.catalog.Forget(tags...)
	if a.shared == nil {
		a.cache.Purge(tags...)
		return
	}
	a.cache.Heard([]cache.Purge{{Stamp: a.shared.Latest(), Tags: tags}})
}

// namesReady reports whether images can be looked up.
func (a *app) namesReady(ctx context.Context) error {
	if a.database != nil {
		return a.database.Ready()
	}
	_, err := a.library.Names.Accounts(ctx)
	return err
}

// measureNames registers what the shared database counts.
func (a *app) measureNames() {
	if a.database == nil {
		return
	}
	a.telemetry.Gauge("fovea_database_vouched", "1 while the database tells of what other nodes change.", func() float64 {
		if a.database.Vouched() {
			return 1
		}
		return 0
	})
	a.telemetry.Counter("fovea_database_lost_total", "Connections lost on which the database tells of changes; each makes the node forget all records.", func() float64 { return float64(a.database.Lost()) })
}
