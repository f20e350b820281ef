package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// What was found stands until anything that it is made of may be otherwise, and not a
// moment longer.
func TestAFindingStandsUntilSomethingChanges(t *testing.T) {
	yes := true
	for name, change := range map[string]func(f *fixture) error{
		"the image becomes private": func(f *fixture) error {
			_, err := f.library.Change(t.Context(), f.account.Hash, "a/1", store.Change{RequireSigned: &yes})
			return err
		},
		"the image is replaced": func(f *fixture) error { _, err := f.add(t, "a/1", "two", true); return err },
		"the image is removed":  func(f *fixture) error { return f.library.Remove(t.Context(), f.account.Hash, "a/1") },
		"the variant changes": func(f *fixture) error {
			_, err := f.library.ChangeVariant(t.Context(), f.account.Hash, store.PublicVariant, func(v *store.Variant) error { v.Options.Width++; return nil })
			return err
		},
		"another variant is made": func(f *fixture) error {
			return f.library.AddVariant(t.Context(), f.account.Hash, store.Variant{Name: "x", Options: params.Options{Width: 1}}, 9)
		},
		"a key is rotated": func(f *fixture) error { return f.library.RotateKey(t.Context(), f.account.Hash, store.DefaultKey) },
		"a key is added": func(f *fixture) error {
			return f.library.AdoptKey(t.Context(), f.account.Hash, token.Key{Name: "k", Value: "v"})
		},
		"the account changes": func(f *fixture) error {
			_, err := f.library.ChangeAccount(t.Context(), f.account.Hash, func(a *store.Account) error { a.Flexible = false; return nil })
			return err
		},
		"images are forgotten by prefix": func(f *fixture) error { f.catalog.ForgetImages(f.account.Hash, "a/"); return nil },
		"everything is forgotten":        func(f *fixture) error { f.catalog.ForgetImages("", ""); return nil },
		"it has been believed for long":  func(f *fixture) error { f.nanos.Add(int64(10 * time.Second)); return nil },
		"other nodes are not heard":      func(f *fixture) error { f.deaf = true; return nil },
		"others took its place":          func(f *fixture) error { return f.crowd(t) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.catalog = store.NewCatalog(f.counting, store.CatalogOptions{
				Images: 64, Vouched: func() bool { return !f.deaf }, Now: func() time.Time { return time.Unix(0, f.nanos.Load()) },
			})
			f.library.Forget = f.catalog.Forget
			if _, err := f.add(t, "a/1", "one", false); err != nil {
				t.Fatal(err)
			}
			found, err := f.catalog.Find(t.Context(), f.account.Hash, "a/1", store.PublicVariant)
			if err != nil {
				t.Fatal(err)
			}
			f.nanos.Add(int64(time.Second))
			if !found.Standing.Holds(f.catalog.Now()) || found.Image.ID != "a/1" || found.Variant.Name != store.PublicVariant || found.Account.Hash != f.account.Hash {
				t.Fatalf("it does not stand at first: %+v", found)
			}
			if err := change(f); err != nil {
				t.Fatal(err)
			}
			if found.Standing.Holds(f.catalog.Now()) {
				t.Error("it still stands")
			}
		})
	}
}

// crowd looks up more images than are remembered.
func (f *fixture) crowd(t *testing.T) error {
	for i := range 2000 {
		if _, err := f.catalog.Image(t.Context(), f.account.Hash, fmt.Sprint(i)); !fault.Is(err, fault.NotFound) {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

func TestFindSaysWhatIsMissing(t *testing.T) {
	f := newFixture(t)
	_, err1 := f.catalog.Find(t.Context(), "nobody", "a", "")
	_, err2 := f.catalog.Find(t.Context(), f.account.Hash, "a", "")
	_, err3 := f.catalog.Find(t.Context(), f.account.Hash, "a", "none")
	if !fault.Is(err1, fault.WrongAccount) || !fault.Is(err2, fault.NotFound) || !fault.Is(err3, fault.NoVariant) {
		t.Error(errors.Join(err1, err2, err3))
	}
}

// Under fire, nothing stands that was true before a change that has returned.
func TestAFindingNeverOutlivesAChange(t *testing.T) {
	f := newFixture(t)
	if _, err := f.add(t, "a", "one", false); err != nil {
		t.Fatal(err)
	}
	var published atomic.Pointer[store.Finding]
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				if found, err := f.catalog.Find(t.Context(), f.account.Hash, "a", ""); err == nil {
					published.Store(&found)
				}
			}
		})
	}
	for i := range 50 {
		private := i%2 == 0
		if _, err := f.library.Change(t.Context(), f.account.Hash, "a", store.Change{RequireSigned: &private}); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if found := published.Load(); found != nil && found.Standing.Holds(f.catalog.Now()) && found.Image.RequireSigned != private {
				t.Fatal("what was true before a change still stands after it")
			}
		}
	}
	done.Store(true)
	readers.Wait()
}
