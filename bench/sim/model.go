package main

import "math"

// Zipf is a popularity: the r-th of Items is asked for in proportion to r^-Alpha. Ranks
// that are far down stand together, so that a hundred million cost what two thousand do.
type Zipf struct {
	weight []float64 // share of the requests of one item
	count  []float64 // items that have it
}

// NewZipf returns the popularity of items.
func NewZipf(items int, alpha float64) *Zipf {
	z := &Zipf{}
	total := 0.0
	for first := 1; first <= items; {
		next := max(first+1, int(float64(first)*1.01))
		next = min(next, items+1)
		n := float64(next - first)
		middle := math.Sqrt(float64(first) * float64(next-1))
		w := math.Pow(middle, -alpha)
		z.weight, z.count = append(z.weight, w), append(z.count, n)
		total += w * n
		first = next
	}
	for i := range z.weight {
		z.weight[i] /= total
	}
	return z
}

// Time solves held(t) = size for t, the characteristic time of an LRU of size items of
// which each is there with the probability there(i, t), by Che's approximation. It is
// infinite if all fit.
func (z *Zipf) Time(size float64, there func(i int, t float64) float64) float64 {
	held := func(t float64) float64 {
		sum := 0.0
		for i, n := range z.count {
			sum += n * there(i, t)
		}
		return sum
	}
	low, high := 0.0, 1.0
	for held(high) < size {
		if high *= 2; high > 1e18 {
			return math.Inf(1)
		}
	}
	for range 60 {
		if middle := (low + high) / 2; held(middle) < size {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// LRU is the characteristic time of a cache that is asked at these rates: an item is
// there if it was asked for within t, 1 - exp(-rate * t).
func (z *Zipf) LRU(rate []float64, size float64) float64 {
	return z.Time(size, func(i int, t float64) float64 { return -math.Expm1(-rate[i] * t) })
}

// Behind is what an LRU of size items lets through that stands behind n caches of the
// time front, each of which asks it at these rates. A cache does not ask twice within
// its time, so nobody has asked for t with the probability
// (1 - rate*min(t, front)) * exp(-rate*max(0, t-front)).
func (z *Zipf) Behind(rate []float64, n, front, size float64) []float64 {
	silent := func(i int, t float64) float64 {
		return (1 - rate[i]*min(t, front)) * math.Exp(-rate[i]*max(0, t-front))
	}
	t := z.Time(size, func(i int, t float64) float64 { return 1 - math.Pow(silent(i, t), n) })
	left := make([]float64, len(rate))
	for i, r := range rate {
		own := math.Exp(-r * max(0, t-front)) // it asks itself, so it has not for front
		left[i] = n * r * math.Pow(silent(i, t), n-1) * own
	}
	return left
}

// After is the rates that an LRU lets through whose characteristic time is t.
func After(rate []float64, t float64) []float64 {
	left := make([]float64, len(rate))
	for i, r := range rate {
		if !math.IsInf(t, 1) {
			left[i] = r * math.Exp(-r*t)
		}
	}
	return left
}

// Sum adds up rates over all items.
func (z *Zipf) Sum(rate []float64) float64 {
	sum := 0.0
	for i, r := range rate {
		sum += z.count[i] * r
	}
	return sum
}

// LFU is the share of the requests for the size most popular items: what no cache of
// that size exceeds.
func (z *Zipf) LFU(size float64) float64 {
	share := 0.0
	for i, w := range z.weight {
		n := min(z.count[i], size)
		if share, size = share+n*w, size-n; size <= 0 {
			break
		}
	}
	return share
}

// Fleet is what is computed.
type Fleet struct {
	Nodes    int
	Each     float64 // requests a second that one node gets
	Entries  int     // pictures in all their sizes and formats
	Alpha    float64
	Entry    float64 // bytes of one
	Memory   float64 // bytes of a node
	Disk     float64 // bytes of a node
	Redis    float64 // bytes that all share
	Purges   float64 // images a second
	Variants float64 // entries of an image
	Core     float64 // transforms a second of one core
	// Affinity: the front sends each picture to the node that its URL's hash names.
	Affinity bool
}

// Load is what comes of it, a second.
type Load struct {
	Requests, Ceiling     float64 // Ceiling: share of memory if it knew the future
	Memory, Disk, Shared  float64 // shares of the requests
	Fills                 float64 // transforms, each with a GET of S3
	RedisOps, RedisStream float64 // commands, and purges told to nodes
	RedisBits             float64
	Cores                 float64 // of all nodes, for fills
}

// Load computes f. Without Affinity requests are spread at random, and each node sees
// all pictures; with it the nodes together are one cache.
func (f Fleet) Load() Load {
	z := NewZipf(f.Entries, f.Alpha)
	all := f.Each * float64(f.Nodes)
	n, together := float64(f.Nodes), 1.0 // caches, and nodes that each of them is
	if f.Affinity {
		n, together = 1, n
	}
	rate := make([]float64, len(z.weight))
	for i, w := range z.weight {
		rate[i] = w * all / n
	}
	// Disk holds what memory holds, too: what gets past it was not asked for within its time.
	front := z.LRU(rate, together*(f.Disk+f.Memory)/f.Entry)
	memory, disk := After(rate, z.LRU(rate, together*f.Memory/f.Entry)), After(rate, front)
	asked := n * z.Sum(disk)
	missed := asked
	if f.Redis > 0 && asked > 0 {
		missed = z.Sum(z.Behind(disk, n, front, f.Redis/f.Entry))
	}
	l := Load{Requests: all, Ceiling: z.LFU(together * f.Memory / f.Entry)}
	l.Memory = 1 - n*z.Sum(memory)/all
	l.Disk = (n*z.Sum(memory) - asked) / all
	l.Shared = (asked - missed) / all
	l.Fills = missed + f.Purges*f.Variants // at most: each purged picture is asked for again
	l.RedisOps = asked + 3*l.Fills + f.Purges
	l.RedisStream = float64(f.Nodes) * max(1, f.Purges) // a node reads once a second, or as often as one comes
	l.RedisBits = 8 * f.Entry * (asked - missed + l.Fills)
	l.Cores = l.Fills / f.Core
	return l
}
