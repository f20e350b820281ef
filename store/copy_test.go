package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
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

// The target may still be removing the bytes that it is to have again.
func TestACopyMeetsNoRemovalOfTheTarget(t *testing.T) {
	f := newFixture(t)
	img, err := f.add(t, "a", "the same", false)
	if err != nil {
		t.Fatal(err)
	}
	names, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	blobs, err := fsblob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	to := &store.Library{Names: names, Blobs: blobs}
	copying := &store.Copying{From: f.library, To: to}
	run := func(copied, kept int) {
		t.Helper()
		if done, err := copying.Run(t.Context()); err != nil || done.Images != copied || done.Kept != kept {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	run(1, 0)
	if err := to.Remove(t.Context(), f.account.Hash, "a"); err != nil {
		t.Fatal(err)
	}
	run(1, 0)
	run(0, 1)
	if err := blobs.Delete(t.Context(), img.Blob); err != nil { // that is late
		t.Fatal(err)
	}
	if found, err := to.Check(t.Context(), time.Now(), time.Hour, true); err != nil || found.Images != 1 || len(found.Missing) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	run(0, 1)
}

// Where only names move, a removal that the old store has asked for may meet what is
// uploaded to the new one.
func TestACopyBringsTombstones(t *testing.T) {
	f := newFixture(t)
	img, err := f.add(t, "a", "the same", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.library.Remove(t.Context(), f.account.Hash, "a"); err != nil {
		t.Fatal(err)
	}
	names, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	to := &store.Library{Names: names, Blobs: f.library.Blobs}
	if _, err := (&store.Copying{From: f.library, To: to}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := to.Add(t.Context(), store.Image{Account: f.account.Hash, ID: "again"}, []byte("the same"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.library.Blobs.Delete(t.Context(), img.Blob); err != nil { // that is late
		t.Fatal(err)
	}
	if got := f.bytes(t, again.Blob); got != "the same" {
		t.Errorf("the bytes of an image of the new store: %s", got)
	}
}
