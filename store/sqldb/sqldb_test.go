package sqldb

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/storetest"
)

func TestNames(t *testing.T) {
	storetest.Names(t, func(t *testing.T) store.Names {
		db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a b?#%", "names.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
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
	if err := open[0].SetKey(t.Context(), account.Hash, store.NewKey("b")); !fault.Is(err, fault.Overloaded) {
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
