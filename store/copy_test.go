package store_test

import (
	"path/filepath"
	"testing"

	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/sqldb"
)

// Two stores may have their bytes in one place, when only the names move.
func TestWhatACopyRemovesFromTheTargetTakesNoBytesOfTheSource(t *testing.T) {
	f := newFixture(t)
	other, err := f.library.EnsureAccount(t.Context(), "", true)
	if err != nil {
		t.Fatal(err)
	}
	first, second := f.account.Hash, other.Hash
	if first > second { // the order in which they are copied
		first, second = second, first
	}
	add := func(account, id string) store.Image {
		img, err := f.library.Add(t.Context(), store.Image{Account: account, ID: id}, []byte("the same"), false)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	add(first, "goes")
	names, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	copying := &store.Copying{From: f.library, To: &store.Library{Names: names, Blobs: f.library.Blobs}, Remove: true}
	if _, err := copying.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	stays := add(second, "stays")
	if err := f.library.Remove(t.Context(), first, "goes"); err != nil {
		t.Fatal(err)
	}
	done, err := copying.Run(t.Context())
	if err != nil || done.Removed != 1 || done.Images != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := f.bytes(t, stays.Blob); got != "the same" {
		t.Errorf("the bytes of an image of the source: %s", got)
	}
}
