package stored

import (
	"path/filepath"
	"testing"

	"github.com/fovea-images/fovea/origin/origintest"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
)

func TestOrigin(t *testing.T) {
	origintest.Origin(t, func(t *testing.T) origintest.Case {
		db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		blobs, err := fsblob.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		catalog := store.NewCatalog(db, store.CatalogOptions{})
		library := &store.Library{Names: db, Blobs: blobs, Forget: catalog.Forget}
		account, err := library.EnsureAccount(t.Context(), "", true)
		if err != nil {
			t.Fatal(err)
		}
		body := []byte("\x00picture\r\n\xff")
		if _, err := library.Add(t.Context(), store.Image{Account: account.Hash, ID: "a/b"}, body, false); err != nil {
			t.Fatal(err)
		}
		at := params.Target{Kind: params.Hosted, Account: account.Hash, Variant: "public"}
		c := origintest.Case{Origin: New(catalog.Image, blobs), Body: body, Has: at, Missing: at}
		c.Has.Image, c.Missing.Image = "a/b", "a/c"
		return c
	})
}
