package sqldb

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

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
