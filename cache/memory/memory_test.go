package memory

import (
	"testing"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/cache/cachetest"
)

func TestTier(t *testing.T) {
	cachetest.Tier(t, func(t *testing.T) cache.Tier {
		tier, err := New(cachetest.Budget)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tier.Close() })
		return tier
	})
}

func TestNewRefusesATinyBudget(t *testing.T) {
	if _, err := New(MinBytes - 1); err == nil {
		t.Error("no complaint")
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	tier, err := New(cachetest.Budget)
	if err != nil {
		t.Fatal(err)
	}
	defer tier.Close()
	tier.Set(t.Context(), "a", &cache.Entry{Body: make([]byte, 100), Fresh: 1 << 40})
	if got := testing.AllocsPerRun(1000, func() { tier.Get(t.Context(), "a") }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkGet(b *testing.B) {
	tier, err := New(cachetest.Budget)
	if err != nil {
		b.Fatal(err)
	}
	defer tier.Close()
	tier.Set(b.Context(), "a", &cache.Entry{Body: make([]byte, 100), Fresh: 1 << 40})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tier.Get(b.Context(), "a")
		}
	})
}
