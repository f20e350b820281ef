package main

import (
	"bytes"
	"container/list"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// lru is a cache that holds what was asked for last.
type lru struct {
	size  int
	all   map[int]*list.Element
	order *list.List
}

func (c *lru) get(item int) bool {
	if at := c.all[item]; at != nil {
		c.order.MoveToFront(at)
		return true
	}
	c.all[item] = c.order.PushFront(item)
	if c.order.Len() > c.size {
		last := c.order.Back()
		delete(c.all, c.order.Remove(last).(int))
	}
	return false
}

// A fleet that is played through has the hits that the formulas say, within a point and a half.
func TestTheFormulasHoldWhenPlayedThrough(t *testing.T) {
	const items, requests, warm = 30_000, 900_000, 300_000
	f := Fleet{Nodes: 3, Each: 1, Entries: items, Alpha: 0.9, Entry: 1, Memory: 300, Disk: 2000, Redis: 3000, Core: 1}
	want := f.Load()
	random := rand.New(rand.NewPCG(1, 2))
	sums := make([]float64, items)
	total := 0.0
	for i := range sums {
		total += math.Pow(float64(i+1), -f.Alpha)
		sums[i] = total
	}
	cache := func(size float64) *lru { return &lru{int(size), map[int]*list.Element{}, list.New()} }
	var memory, disk []*lru
	for range f.Nodes {
		memory, disk = append(memory, cache(f.Memory)), append(disk, cache(f.Disk+f.Memory))
	}
	shared := cache(f.Redis)
	var hits [3]float64
	for r := range requests {
		at := random.Float64() * total
		low, high := 0, items-1
		for low < high {
			if middle := (low + high) / 2; sums[middle] < at {
				low = middle + 1
			} else {
				high = middle
			}
		}
		node, tier := random.IntN(f.Nodes), -1
		switch inMemory, onDisk := memory[node].get(low), disk[node].get(low); {
		case inMemory:
			tier = 0
		case onDisk:
			tier = 1
		case shared.get(low):
			tier = 2
		}
		if r >= warm && tier >= 0 {
			hits[tier]++
		}
	}
	for tier, said := range []float64{want.Memory, want.Disk, want.Shared} {
		if got := hits[tier] / (requests - warm); math.Abs(got-said) > 0.015 {
			t.Errorf("tier %d has %.3f of the requests, by the formula %.3f", tier, got, said)
		}
	}
	if want.Memory >= want.Ceiling {
		t.Errorf("an LRU of %.3f is better than the best possible, %.3f", want.Memory, want.Ceiling)
	}
}

func TestThePageIsFresh(t *testing.T) {
	page, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	write(&out)
	for table := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n\n") {
		if !strings.Contains(string(page), table) {
			t.Errorf("docs/scale.md does not have this table of go run ./bench/sim:\n%s", table)
		}
	}
}
