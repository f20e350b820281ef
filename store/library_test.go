package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/store/fsblob"
	"github.com/fovea-images/fovea/store/sqldb"
	"github.com/fovea-images/fovea/token"
)

func TestDrafts(t *testing.T) {
	f := newFixture(t)
	hash := f.account.Hash
	draft := store.Image{Account: hash, ID: "d", Creator: "me", Uploaded: time.Now(), Expires: time.Now().Add(time.Hour)}
	if _, err := f.library.Promise(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	if _, err := f.catalog.Image(t.Context(), hash, "d"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a draft is delivered: %v", err)
	}
	if _, err := f.add(t, "d", "other", false); !errors.Is(err, store.ErrExists) {
		t.Errorf("an upload beside a draft: %v", err)
	}
	img, err := f.library.Fulfil(t.Context(), store.Image{Account: hash, ID: "d", Filename: "d.jpg"}, []byte("bytes"))
	if err != nil || img.Creator != "me" || img.Filename != "d.jpg" || img.Draft || f.bytes(t, img.Blob) != "bytes" {
		t.Fatalf("%+v, %v", img, err)
	}
	if got, err := f.catalog.Image(t.Context(), hash, "d"); err != nil || got.Version != img.Version {
		t.Errorf("fulfilled: %+v, %v", got, err)
	}
	if _, err := f.library.Fulfil(t.Context(), store.Image{Account: hash, ID: "d"}, []byte("twice")); !fault.Is(err, fault.NotFound) {
		t.Errorf("fulfilled twice: %v", err)
	}
}

func TestKeysAreSeenAtOnce(t *testing.T) {
	f := newFixture(t)
	hash := f.account.Hash
	value := func(name string) token.Secret {
		keys, err := f.catalog.Keys(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if k.Name == name {
				return k.Value
			}
		}
		return ""
	}
	first := value(store.DefaultKey)
	if len(first) != 43 {
		t.Errorf("the first key has %d characters", len(first))
	}
	if err := f.library.RotateKey(t.Context(), hash, store.DefaultKey); err != nil {
		t.Fatal(err)
	}
	rotated := value(store.DefaultKey)
	if rotated == first || rotated == "" {
		t.Error("a rotated key kept its value")
	}
	if err := f.library.RemoveKey(t.Context(), hash, store.DefaultKey); err != nil {
		t.Fatal(err)
	}
	if fresh := value(store.DefaultKey); fresh == "" || fresh == rotated {
		t.Error("the last key was not replaced by a fresh one")
	}
	for i := range 9 {
		if err := f.library.RotateKey(t.Context(), hash, "key"+string(rune('0'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.library.RotateKey(t.Context(), hash, "eleventh"); !errors.Is(err, store.ErrFull) {
		t.Errorf("an eleventh key: %v", err)
	}
	if err := f.library.RotateKey(t.Context(), hash, "a b"); !fault.Is(err, fault.BadPath) {
		t.Errorf("a bad name: %v", err)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{"a", "b", "c", "d"} {
		if _, err := f.add(t, id, "bytes of "+id, false); err != nil {
			t.Fatal(err)
		}
	}
	check := func(deep bool) store.Findings {
		t.Helper()
		got, err := f.library.Check(t.Context(), time.Now().Add(time.Second), 0, deep)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := check(true); got.Images != 4 || len(got.Missing) > 0 || len(got.Unnamed) > 0 {
		t.Errorf("a whole store: %+v", got)
	}
	spoil := func(id string, how func(path string) error) {
		t.Helper()
		img, err := f.library.Names.Image(t.Context(), f.account.Hash, id)
		if err == nil {
			ref := string(img.Blob)
			err = how(f.blobs + "/" + ref[:2] + "/" + ref[2:4] + "/" + ref)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	spoil("a", os.Remove)
	spoil("b", func(path string) error { return os.Truncate(path, 3) })
	spoil("c", func(path string) error { return os.WriteFile(path, []byte("bytes of X"), 0o600) })
	if _, err := f.library.Names.RemoveImage(t.Context(), f.account.Hash, "d"); err != nil {
		t.Fatal(err)
	}
	if got := check(false); len(got.Missing) != 2 || len(got.Unnamed) != 1 {
		t.Errorf("%+v", got)
	}
	got := strings.Join(check(true).Missing, "\n")
	for _, want := range []string{"/a: ", "/b: expected 10 bytes, found 3", "/c: expected bytes of the hash"} {
		if !strings.Contains(got, want) {
			t.Errorf("findings lack %q:\n%s", want, got)
		}
	}
}

// Two processes share a store: one adds and removes an image, the other one adds
// another of the same bytes meanwhile. Whoever is told that it is there finds it whole.
func TestBytesAreNotLostBetweenTwoProcesses(t *testing.T) {
	folder := t.TempDir()
	var open [2]*store.Library
	for i := range open {
		names, err := sqldb.Open(t.Context(), filepath.Join(folder, "names.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = names.Close() })
		blobs, err := fsblob.Open(filepath.Join(folder, "blobs"))
		if err != nil {
			t.Fatal(err)
		}
		open[i] = &store.Library{Names: names, Blobs: blobs, Left: func(_ store.BlobRef, err error) { t.Error(err) }}
	}
	contested(t, open, 60)
}

// contested has two libraries of one store add and remove the same bytes, and sweep now
// and then without any grace.
func contested(t *testing.T, open [2]*store.Library, rounds int) {
	t.Helper()
	account, err := open[0].EnsureAccount(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("the same bytes")
	var all sync.WaitGroup
	for i, l := range open {
		all.Go(func() {
			for n := range rounds {
				id := fmt.Sprint(i, "-", n)
				img, err := l.Add(t.Context(), store.Image{Account: account.Hash, ID: id}, body, false)
				if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				r, _, err := l.Blobs.Open(t.Context(), img.Blob)
				if err != nil {
					t.Errorf("%s was acknowledged and has no bytes: %v", id, err)
					return
				}
				_ = r.Close()
				if err := l.Remove(t.Context(), account.Hash, id); err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				if n%6 == i {
					if _, err := l.Sweep(t.Context(), time.Now().Add(time.Hour), 0); err != nil {
						t.Errorf("a sweep: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	if found, err := open[0].Check(t.Context(), time.Now().Add(time.Hour), 0, true); err != nil || len(found.Missing)+len(found.Unnamed) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestBytesOfARefusedAddAreNotLeftBehind(t *testing.T) {
	f := newFixture(t)
	draft := store.Image{Account: f.account.Hash, ID: "d", Uploaded: time.Now(), Expires: time.Now().Add(time.Hour)}
	if _, err := f.library.Promise(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	if _, err := f.add(t, "d", "beside a draft", false); !errors.Is(err, store.ErrExists) {
		t.Errorf("%v", err)
	}
	if _, err := f.library.Fulfil(t.Context(), store.Image{Account: f.account.Hash, ID: "none"}, []byte("of no draft")); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
	if _, err := f.library.Add(t.Context(), store.Image{Account: "nobody", ID: "a"}, []byte("of nobody"), false); !fault.Is(err, fault.WrongAccount) {
		t.Errorf("%v", err)
	}
	if found, err := f.library.Check(t.Context(), time.Now().Add(time.Hour), 0, false); err != nil || len(found.Unnamed) > 0 {
		t.Errorf("%d bytes without a name, %v", len(found.Unnamed), err)
	}
}

func TestWhatGoesDuringACheckIsNotMissing(t *testing.T) {
	f := newFixture(t)
	if _, err := f.add(t, "a", "one", false); err != nil {
		t.Fatal(err)
	}
	f.library.Blobs = removing{f.library.Blobs, func() {
		if _, err := f.library.Names.RemoveImage(t.Context(), f.account.Hash, "a"); err != nil {
			t.Error(err)
		}
	}}
	if found, err := f.library.Check(t.Context(), time.Now(), time.Hour, false); err != nil || found.Images != 1 || len(found.Missing) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

// removing has something happen before bytes are opened, and they are gone.
type removing struct {
	store.Blobs
	first func()
}

func (r removing) Open(ctx context.Context, ref store.BlobRef) (io.ReadCloser, int64, error) {
	r.first()
	if err := r.Delete(ctx, ref); err != nil {
		return nil, 0, err
	}
	return r.Blobs.Open(ctx, ref)
}

func TestBytesThatCannotBeRemovedAreToldOf(t *testing.T) {
	f := newFixture(t)
	if _, err := f.add(t, "a", "one", false); err != nil {
		t.Fatal(err)
	}
	stuck := errors.New("stuck")
	f.library.Blobs = undeletable{f.library.Blobs, stuck}
	told := 0
	f.library.Left = func(_ store.BlobRef, err error) {
		if told++; !errors.Is(err, stuck) {
			t.Error(err)
		}
	}
	if err := f.library.Remove(t.Context(), f.account.Hash, "a"); err != nil || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
	if _, err := f.catalog.Image(t.Context(), f.account.Hash, "a"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

type undeletable struct {
	store.Blobs
	err error
}

func (u undeletable) Delete(context.Context, store.BlobRef) error { return u.err }

// What cannot be removed keeps nothing else: what was deleted must go.
func TestASweepGoesOnPastBytesThatCannotBeRemoved(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		left int // of 5, of which the first that is met cannot be removed
	}{
		"those alone stay": {errors.New("stuck"), 1},
		"where nothing can be asked, it is not tried": {fault.New(fault.Overloaded, "away"), 5},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			for i := range 5 {
				if _, _, err := f.library.Blobs.Put(t.Context(), "", strings.NewReader(fmt.Sprint("left ", i))); err != nil {
					t.Fatal(err)
				}
			}
			f.library.Blobs = &stuckOnce{Blobs: f.library.Blobs, err: tt.err}
			removed, err := f.library.Sweep(t.Context(), time.Now().Add(time.Hour), time.Minute)
			if removed != 5-tt.left || !errors.Is(err, tt.err) {
				t.Errorf("%d removed, %v", removed, err)
			}
		})
	}
}

// stuckOnce cannot remove the first bytes that it is asked to.
type stuckOnce struct {
	store.Blobs
	err   error
	tried bool
}

func (s *stuckOnce) Delete(ctx context.Context, ref store.BlobRef) error {
	if s.tried {
		return s.Blobs.Delete(ctx, ref)
	}
	s.tried = true
	return s.err
}

// Within a day of their removal bytes are kept under another name, and then under their
// hash again.
func TestATombstoneStaysForADay(t *testing.T) {
	f := newFixture(t)
	again := func(id string) store.BlobRef {
		t.Helper()
		img, err := f.add(t, id, "the same", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.library.Remove(t.Context(), f.account.Hash, id); err != nil {
			t.Fatal(err)
		}
		return img.Blob
	}
	hash := again("first")
	for _, tt := range []struct {
		later time.Duration
		apart bool
	}{{0, true}, {23 * time.Hour, true}, {25 * time.Hour, false}} {
		if err := f.library.Expire(t.Context(), time.Now().Add(tt.later)); err != nil {
			t.Fatal(err)
		}
		if got := again("again"); got.Hash() != hash.Hash() || (got != hash) != tt.apart {
			t.Errorf("%v later: %s", tt.later, got)
		}
	}
}
