package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// pair opens an empty keeper as two processes have it.
type pair = func(t *testing.T) [2]store.Names

// races looks at what two processes do at the same time.
func races(t *testing.T, both pair, image store.Image) {
	t.Run("of many who add the same id one does", func(t *testing.T) { oneWins(t, both(t), image) })
	t.Run("an image that many replace has the newest version", func(t *testing.T) { replacements(t, both(t), image) })
	t.Run("the last key never goes", func(t *testing.T) { lastKeys(t, both(t), image.Account) })
	t.Run("no bytes go while a name is given them", func(t *testing.T) { contested(t, both(t), image) })
	t.Run("what one process changes the other sees at once", func(t *testing.T) {
		two := both(t)
		want, err := two[0].AddImage(t.Context(), image, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := two[1].Image(t.Context(), image.Account, image.ID)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	})
	t.Run("text that no database can have is kept readable", func(t *testing.T) {
		names := both(t)[0]
		img := image
		img.Filename, img.Creator = "a\x00b\xffc", "\x00"
		if _, err := names.AddImage(t.Context(), img, false); err != nil {
			t.Fatal(err)
		}
		got, err := names.Image(t.Context(), img.Account, img.ID)
		if err != nil || got.Filename != "a\ufffdb\ufffdc" || got.Creator != "\ufffd" {
			t.Errorf("%q, %q, %v", got.Filename, got.Creator, err)
		}
	})
}

func oneWins(t *testing.T, both [2]store.Names, image store.Image) {
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			switch _, err := both[i%2].AddImage(t.Context(), image, false); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrExists):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("added %d times", won.Load())
	}
}

func replacements(t *testing.T, both [2]store.Names, image store.Image) {
	var newest atomic.Int64
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 10 {
				added, err := both[i%2].AddImage(t.Context(), image, true)
				if err != nil {
					t.Error(err)
				}
				for at := newest.Load(); added.Version > at && !newest.CompareAndSwap(at, added.Version); {
					at = newest.Load()
				}
			}
		})
	}
	all.Wait()
	if got, err := both[0].Image(t.Context(), image.Account, image.ID); err != nil || got.Version != newest.Load() {
		t.Errorf("version %d, %v; the newest is %d", got.Version, err, newest.Load())
	}
}

func lastKeys(t *testing.T, both [2]store.Names, account string) {
	for i := range 8 {
		other := token.Key{Name: "other", Value: "o"}
		if err := both[0].SetKey(t.Context(), account, other, 2); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for j, name := range []string{store.DefaultKey, other.Name} {
			all.Go(func() {
				if err := both[j].RemoveKey(t.Context(), account, name, token.Key{Name: store.DefaultKey, Value: token.Secret(fmt.Sprint("fresh", i))}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if keys, err := both[0].Keys(t.Context(), account); err != nil || len(keys) != 1 || keys[0].Name != store.DefaultKey {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
	}
}

// contested has one process name bytes while the other one buries them.
func contested(t *testing.T, both [2]store.Names, image store.Image) {
	for i := range 20 {
		mine := image
		mine.ID, mine.Blob = fmt.Sprint("i", i), store.BlobRef(fmt.Sprintf("%064d", i))
		var named, buried bool
		var all sync.WaitGroup
		all.Go(func() {
			_, err := both[0].AddImage(t.Context(), mine, false)
			if named = err == nil; !named && !errors.Is(err, store.ErrRemoved) {
				t.Error(err)
			}
		})
		all.Go(func() {
			var err error
			if buried, err = both[1].AddTombstone(t.Context(), mine.Blob, image.Uploaded); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if named == buried {
			t.Errorf("bytes are named: %v, and have a tombstone: %v", named, buried)
		}
	}
}
