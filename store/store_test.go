package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
)

// fixture is a real library, whose every look-up is counted, under a catalog.
type fixture struct {
	*counting
	library *store.Library
	catalog *store.Catalog
	blobs   string // folder
	account store.Account
	nanos   atomic.Int64
	deaf    bool // other nodes are not heard
}

type counting struct {
	store.Names
	looks  atomic.Int64
	before func() // called in the middle of a look-up
}

func (c *counting) Image(ctx context.Context, account, id string) (store.Image, error) {
	c.looks.Add(1)
	img, err := c.Names.Image(ctx, account, id)
	if c.before != nil {
		c.before()
	}
	return img, err
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "names.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f := &fixture{counting: &counting{Names: db}, blobs: filepath.Join(t.TempDir(), "blobs")}
	blobs, err := fsblob.Open(f.blobs)
	if err != nil {
		t.Fatal(err)
	}
	f.catalog = store.NewCatalog(f.counting, store.CatalogOptions{Now: func() time.Time { return time.Unix(0, f.nanos.Load()) }})
	f.library = &store.Library{Names: db, Blobs: blobs, Forget: f.catalog.Forget}
	if f.account, err = f.library.EnsureAccount(t.Context(), "", true); err != nil {
		t.Fatal(err)
	}
	if again, err := f.library.EnsureAccount(t.Context(), f.account.Hash, false); err != nil || again != f.account {
		t.Fatal(again, err)
	}
	return f
}

func (f *fixture) add(t *testing.T, id, body string, replace bool) (store.Image, error) {
	t.Helper()
	return f.library.Add(t.Context(), store.Image{Account: f.account.Hash, ID: id}, []byte(body), replace)
}

func (f *fixture) bytes(t *testing.T, ref store.BlobRef) string {
	t.Helper()
	r, _, err := f.library.Blobs.Open(t.Context(), ref)
	if err != nil {
		return "gone"
	}
	body, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestLibrary(t *testing.T) {
	t.Run("an image is added once", func(t *testing.T) {
		f := newFixture(t)
		img, err := f.add(t, "a/b", "one", false)
		if err != nil || f.bytes(t, img.Blob) != "one" || img.Bytes != 3 || img.Uploaded.IsZero() {
			t.Fatalf("%+v, %v", img, err)
		}
		if _, err := f.add(t, "a/b", "two", false); !errors.Is(err, store.ErrExists) {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("replaced bytes go unless another image has them", func(t *testing.T) {
		f := newFixture(t)
		first, err := f.add(t, "a", "one", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.add(t, "b", "one", false); err != nil {
			t.Fatal(err)
		}
		if _, err := f.add(t, "a", "two", true); err != nil || f.bytes(t, first.Blob) != "one" {
			t.Errorf("%v: b's bytes are %q", err, f.bytes(t, first.Blob))
		}
		if err := f.library.Remove(t.Context(), f.account.Hash, "b"); err != nil || f.bytes(t, first.Blob) != "gone" {
			t.Errorf("%v: nobody's bytes are %q", err, f.bytes(t, first.Blob))
		}
	})
	t.Run("an id that no URL can name is refused", func(t *testing.T) {
		f := newFixture(t)
		for _, id := range []string{"", "a//b", "../x", "a\x00"} {
			if _, err := f.add(t, id, "x", false); !fault.Is(err, fault.BadPath) {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
	t.Run("public stays, other variants go", func(t *testing.T) {
		f := newFixture(t)
		hash := f.account.Hash
		if err := f.library.RemoveVariant(t.Context(), hash, "public"); !fault.Is(err, fault.Denied) {
			t.Errorf("%v", err)
		}
		if err := f.library.AddVariant(t.Context(), hash, store.Variant{Name: "a.b"}, 100); !fault.Is(err, fault.BadPath) {
			t.Errorf("%v", err)
		}
		for i, set := range []func(v store.Variant) error{
			func(v store.Variant) error { return f.library.AddVariant(t.Context(), hash, v, 2) },
			func(v store.Variant) error {
				_, err := f.library.ChangeVariant(t.Context(), hash, v.Name, func(to *store.Variant) error { *to = v; return nil })
				return err
			},
		} {
			width := 10 + i
			if err := set(store.Variant{Name: "hero", Options: params.Options{Width: width}}); err != nil {
				t.Fatal(err)
			}
			if v, err := f.catalog.Variant(t.Context(), hash, "hero"); err != nil || v.Options.Width != width {
				t.Errorf("%+v, %v", v, err)
			}
		}
		for name, want := range map[string]error{"hero": store.ErrExists, "third": store.ErrFull} {
			if err := f.library.AddVariant(t.Context(), hash, store.Variant{Name: name}, 2); !errors.Is(err, want) {
				t.Errorf("%s, of two at most: %v", name, err)
			}
		}
		if err := f.library.RemoveVariant(t.Context(), hash, "hero"); err != nil {
			t.Error(err)
		}
		if _, err := f.catalog.Variant(t.Context(), hash, "hero"); !fault.Is(err, fault.NoVariant) {
			t.Errorf("%v", err)
		}
	})
	t.Run("the sweeper takes what a crash left, and nothing else", func(t *testing.T) {
		f := newFixture(t)
		img, err := f.add(t, "a", "kept", false)
		if err != nil {
			t.Fatal(err)
		}
		crashed, err := f.add(t, "b", "lost", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.library.Names.RemoveImage(t.Context(), f.account.Hash, "b"); err != nil { // and then it crashed
			t.Fatal(err)
		}
		if n, err := f.library.Sweep(t.Context(), time.Now(), time.Hour); n != 0 || err != nil {
			t.Errorf("young bytes: %d, %v", n, err)
		}
		if n, err := f.library.Sweep(t.Context(), time.Now().Add(2*time.Hour), time.Hour); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if f.bytes(t, img.Blob) != "kept" || f.bytes(t, crashed.Blob) != "gone" {
			t.Error("the wrong bytes went")
		}
	})
}

func TestCatalogRemembers(t *testing.T) {
	f := newFixture(t)
	hash := f.account.Hash
	look := func(id string) error {
		_, err := f.catalog.Image(t.Context(), hash, id)
		return err
	}
	if _, err := f.add(t, "a", "one", false); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := look("a"); err != nil {
			t.Fatal(err)
		}
		if err := look("missing"); !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
	}
	if n := f.looks.Load(); n != 2 {
		t.Errorf("%d look-ups for two ids", n)
	}
	f.nanos.Add(int64(time.Second))
	if err := errors.Join(look("a"), nil); err != nil || f.looks.Load() != 2 {
		t.Errorf("%v: what is there was forgotten", err)
	}
	if look("missing"); f.looks.Load() != 3 {
		t.Error("what is missing was remembered for too long")
	}
	f.nanos.Add(int64(time.Minute))
	if err := look("a"); err != nil || f.looks.Load() != 4 {
		t.Errorf("%v: what is there was remembered for too long", err)
	}
	if err := f.library.Remove(t.Context(), hash, "a"); err != nil {
		t.Fatal(err)
	}
	if err := look("a"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a removed image: %v", err)
	}
	if _, err := f.catalog.Account(t.Context(), "nobody"); !fault.Is(err, fault.WrongAccount) {
		t.Errorf("%v", err)
	}
}

func TestForgetImagesForgetsByPrefix(t *testing.T) {
	f := newFixture(t)
	hash := f.account.Hash
	for _, id := range []string{"a/1", "a/2", "b"} {
		if _, err := f.add(t, id, "one", false); err != nil {
			t.Fatal(err)
		}
	}
	look := func(want int64) {
		t.Helper()
		before := f.looks.Load()
		for _, id := range []string{"a/1", "a/2", "b"} {
			if _, err := f.catalog.Image(t.Context(), hash, id); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.looks.Load() - before; got != want {
			t.Errorf("%d look-ups, want %d", got, want)
		}
	}
	look(3)
	look(0)
	f.catalog.ForgetImages(hash, "a/")
	look(2)
	f.catalog.ForgetImages("other", "")
	look(0)
	f.catalog.ForgetImages("", "")
	look(3)
}

func TestALookUpBegunBeforeAForgetIsNotRemembered(t *testing.T) {
	f := newFixture(t)
	hash := f.account.Hash
	first, err := f.add(t, "a", "one", false)
	if err != nil {
		t.Fatal(err)
	}
	f.catalog.Forget(params.ImageTag(hash, "a"))
	f.before = func() { // the image changes while it is being looked up
		f.before = nil
		if _, err := f.add(t, "a", "two", true); err != nil {
			t.Error(err)
		}
	}
	old, err := f.catalog.Image(t.Context(), hash, "a")
	if err != nil || old.Version != first.Version {
		t.Fatalf("%+v, %v", old, err)
	}
	if now, err := f.catalog.Image(t.Context(), hash, "a"); err != nil || now.Version <= first.Version {
		t.Errorf("after the change: %+v, %v", now, err)
	}
}

func TestCatalogUnderFire(t *testing.T) {
	f := newFixture(t)
	hash := f.account.Hash
	var newest atomic.Int64
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			for i := range 40 {
				if w == 0 {
					img, err := f.add(t, "a", fmt.Sprint(i), true)
					if err != nil {
						t.Error(err)
						return
					}
					newest.Store(img.Version)
				}
				least := newest.Load()
				img, err := f.catalog.Image(t.Context(), hash, "a")
				if least > 0 && (err != nil || img.Version < least) {
					t.Errorf("version %v after %d was there: %v", img, least, err)
				}
			}
		})
	}
	all.Wait()
}

func TestARememberedLookUpAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	hash := f.account.Hash
	if _, err := f.add(t, "a", "one", false); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if got := testing.AllocsPerRun(100, func() {
		_, err1 := f.catalog.Account(ctx, hash)
		_, err2 := f.catalog.Image(ctx, hash, "a")
		_, err3 := f.catalog.Variant(ctx, hash, "public")
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
