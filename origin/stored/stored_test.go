package stored

import (
	"path/filepath"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
)

func TestFetch(t *testing.T) {
	db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
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
	img, err := library.Add(t.Context(), store.Image{Account: account.Hash, ID: "a"}, []byte("bytes"), false)
	if err != nil {
		t.Fatal(err)
	}
	o := New(catalog.Image, blobs)
	got, err := o.Fetch(t.Context(), params.Target{Kind: params.Hosted, Account: account.Hash, Image: "a"})
	if err != nil || string(got.Body) != "bytes" || got.Validator != string(img.Blob) || !got.Modified.Equal(img.Uploaded) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := o.Fetch(t.Context(), params.Target{Account: account.Hash, Image: "b"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown image: %v", err)
	}
	if err := blobs.Delete(t.Context(), img.Blob); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Fetch(t.Context(), params.Target{Account: account.Hash, Image: "a"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an image without bytes: %v", err)
	}
}
