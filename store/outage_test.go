package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// away is Names that do not answer until they are told to refuse.
type away struct {
	store.Names
	tries   atomic.Int64
	refuses chan struct{}
}

func (a *away) Accounts(context.Context) ([]store.Account, error) {
	a.tries.Add(1)
	<-a.refuses
	return nil, fault.New(fault.Overloaded, "away")
}

// However many wait for a database that is away, they do not wait for each other's tries.
func TestWhoWaitsForADatabaseThatIsAwaySharesTheRefusal(t *testing.T) {
	names := &away{refuses: make(chan struct{})}
	catalog := store.NewCatalog(names, store.CatalogOptions{})
	const many = 50
	var all, arrived sync.WaitGroup
	arrived.Add(many)
	for range many {
		all.Go(func() {
			arrived.Done()
			if _, err := catalog.Account(t.Context(), "a"); !fault.Is(err, fault.Overloaded) {
				t.Errorf("%v", err)
			}
		})
	}
	arrived.Wait()
	for range 10_000 { // most of them reach the lock
		runtime.Gosched()
	}
	close(names.refuses)
	all.Wait()
	if n := names.tries.Load(); n > many/2 {
		t.Errorf("%d waited, and %d tried one after the other", many, n)
	}
}

// cut is Names behind a line that is cut when a change is in force and before that is said.
type cut struct{ store.Names }

var errCut = fault.New(fault.Overloaded, "the line is cut")

func (c cut) ChangeImage(ctx context.Context, account, id string, to store.Change) (store.Image, error) {
	_, err := c.Names.ChangeImage(ctx, account, id, to)
	return store.Image{}, errors.Join(errCut, err)
}

func (c cut) RemoveImage(ctx context.Context, account, id string) (store.Image, error) {
	_, err := c.Names.RemoveImage(ctx, account, id)
	return store.Image{}, errors.Join(errCut, err)
}

func (c cut) RemoveVariant(ctx context.Context, account, name string) error {
	return errors.Join(errCut, c.Names.RemoveVariant(ctx, account, name))
}

func (c cut) SetKey(ctx context.Context, account string, k token.Key, most int) error {
	return errors.Join(errCut, c.Names.SetKey(ctx, account, k, most))
}

// A change whose end was not heard is in force, as far as anybody knows.
func TestAChangeWhoseEndWasNotHeardIsLookedFor(t *testing.T) {
	f := newFixture(t)
	hash, ctx := f.account.Hash, t.Context()
	for _, id := range []string{"closes", "goes"} {
		if _, err := f.add(t, id, id, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.library.AddVariant(ctx, hash, store.Variant{Name: "open"}, 100); err != nil {
		t.Fatal(err)
	}
	known := func() string {
		closes, err := f.catalog.Image(ctx, hash, "closes")
		if err != nil {
			t.Fatal(err)
		}
		_, goes := f.catalog.Image(ctx, hash, "goes")
		_, variant := f.catalog.Variant(ctx, hash, "open")
		keys, err := f.catalog.Keys(ctx, hash)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("private %v, gone %v, without variant %v, keys %d", closes.RequireSigned, goes != nil, variant != nil, len(keys))
	}
	if before := known(); before != "private false, gone false, without variant false, keys 1" {
		t.Fatal(before)
	}
	f.library.Names = cut{f.library.Names}
	private := true
	_, err := f.library.Change(ctx, hash, "closes", store.Change{RequireSigned: &private})
	for _, err := range []error{err, f.library.Remove(ctx, hash, "goes"), f.library.RemoveVariant(ctx, hash, "open"), f.library.RotateKey(ctx, hash, "second")} {
		if !fault.Is(err, fault.Overloaded) {
			t.Fatalf("expected the line to be cut, received %v", err)
		}
	}
	if after := known(); after != "private true, gone true, without variant true, keys 2" {
		t.Error(after)
	}
}

// stopping is Blobs whose service hears of a removal when who asked for it is told to stop.
type stopping struct {
	store.Blobs
	stop context.CancelFunc
}

func (s *stopping) Delete(ctx context.Context, ref store.BlobRef) error {
	s.stop()
	if err := ctx.Err(); err != nil {
		return err // and it may happen yet
	}
	return s.Blobs.Delete(ctx, ref)
}

// Bytes are held until it is known that they are gone: a removal that nobody waits for any
// more might take them from an upload.
func TestARemovalOfBytesThatHasBegunIsWaitedFor(t *testing.T) {
	f := newFixture(t)
	ref, _, err := f.library.Blobs.Put(t.Context(), "", strings.NewReader("left by a crash"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f.library.Blobs = &stopping{f.library.Blobs, stop}
	removed, err := f.library.Sweep(ctx, time.Now().Add(2*time.Hour), time.Hour)
	if removed != 1 || err != nil && !errors.Is(err, context.Canceled) || f.bytes(t, ref) != "gone" {
		t.Errorf("%d removed, %v, the bytes are: %s", removed, err, f.bytes(t, ref))
	}
}
