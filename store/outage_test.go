package store_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
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
