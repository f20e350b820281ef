package sqldb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/storetest"
)

func TestNames(t *testing.T) {
	storetest.Names(t, func(t *testing.T) (one, other store.Names) {
		file := filepath.Join(t.TempDir(), "a b?#%", "names.db")
		var open [2]*DB
		for i := range open {
			db, err := Open(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			open[i] = db
		}
		return open[0], open[1]
	})
}

func TestTwoStartersMigrateOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names.db")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db, err := Open(t.Context(), file)
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names.db")
	db, err := Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file); err == nil {
		t.Error("it was opened")
	}
}

func TestABusyDatabaseSaysSoAndNothingIsHalfDone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names.db")
	var open [2]*DB
	for i := range open {
		db, err := Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		open[i] = db
	}
	account := store.NewAccount("")
	if err := open[0].AddAccount(t.Context(), account, store.NewKey("default")); err != nil {
		t.Fatal(err)
	}
	tx, err := open[1].write.BeginTx(t.Context(), nil) // and holds on to it
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open[0].write.ExecContext(t.Context(), "PRAGMA busy_timeout = 10"); err != nil {
		t.Fatal(err)
	}
	if _, err := open[0].AddImage(t.Context(), store.Image{Account: account.Hash, ID: "a"}, false); !fault.Is(err, fault.Overloaded) {
		t.Errorf("an image: %v", err)
	}
	if err := open[0].SetKey(t.Context(), account.Hash, store.NewKey("b"), 10); !fault.Is(err, fault.Overloaded) {
		t.Errorf("a key: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := open[0].AddImage(t.Context(), store.Image{Account: account.Hash, ID: "a"}, false); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAFullDiskLeavesNothingHalfDone(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	account := store.NewAccount("")
	if err := db.AddAccount(t.Context(), account, store.NewKey("default")); err != nil {
		t.Fatal(err)
	}
	var pages int
	if err := db.write.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages+2)); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for ; kept < 1000; kept++ {
		if _, err = db.AddImage(t.Context(), store.Image{Account: account.Hash, ID: fmt.Sprint("i", kept), Meta: fmt.Appendf(nil, `{"k":"%0900d"}`, 0)}, false); err != nil {
			break
		}
	}
	if n, countErr := db.CountImages(t.Context(), account.Hash); err == nil || countErr != nil || n != int64(kept) {
		t.Errorf("%d images are there, %d were acknowledged: %v, %v", n, kept, err, countErr)
	}
	if _, err := db.RemoveImage(t.Context(), account.Hash, "i0"); err != nil {
		t.Errorf("removing one: %v", err)
	}
}

// A filter passes rows over in the index that has all it asks for, whatever its form.
func TestAFilteredListReadsOneIndex(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	five, me := "5", "me"
	for i := range 16 {
		q, want := form(i), "USING COVERING INDEX images_by_meta (account=?"
		if i >= 8 {
			q.Creator, want = &me, "USING INDEX images_by_creator (account=? AND creator=?"
		}
		q.Where = []store.Condition{{Field: []string{"n"}, Values: []store.Value{{Number: &five}}}}
		s := db.read.compose(&q)
		query, err := db.read.PrepareContext(t.Context(), "EXPLAIN QUERY PLAN "+s.text.String())
		if err != nil {
			t.Fatal(err)
		}
		defer query.Close()
		plan, err := all(t.Context(), db.read, query, func(r row) (step string, err error) {
			var a, b, c int
			return step, r.Scan(&a, &b, &c, &step)
		}, s.values...)
		if err != nil || !strings.Contains(strings.Join(plan, "\n"), want) || strings.Contains(strings.Join(plan, "\n"), "SCAN") {
			t.Errorf("%v: %v", plan, err)
		}
	}
}

func TestStatementsArePreparedOnceAndClosedWithTheDatabase(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.AddAccount(t.Context(), store.NewAccount("a"), store.NewKey("default")); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 { // of more than there are connections
		all.Go(func() {
			for range 20 {
				if _, err := db.Account(t.Context(), "a"); err != nil {
					t.Error(err)
				}
				if _, err := db.List(t.Context(), store.Query{Account: "a", Limit: 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	kept := db.read.stmt(oneAccount) //nolint:sqlclosecheck // that Close closes it is what is tested
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := scanAccount(kept.QueryRowContext(t.Context(), "a")); err == nil {
		t.Error("a statement outlives its database")
	}
}
