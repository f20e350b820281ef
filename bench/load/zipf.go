package load

import (
	"math"
	"math/rand/v2"
)

// Zipf draws from 0 to n-1 with chances in proportion to 1/(rank+1)^s. The standard
// library's does not take s = 1. It is not safe for concurrent use.
type Zipf struct {
	random *rand.Rand
	// By Walker's alias method: a draw is its own column, or that column's other.
	keep  []float64
	other []int
}

// NewZipf returns a Zipf over n ≥ 1 ranks; s = 0 makes all equally likely. Equal
// seeds draw equal sequences.
func NewZipf(n int, s float64, seed uint64) *Zipf {
	z := &Zipf{random: rand.New(rand.NewPCG(seed, 1)), keep: make([]float64, n), other: make([]int, n)}
	sum := 0.0
	for i := range z.keep {
		z.keep[i] = math.Pow(float64(i+1), -s)
		sum += z.keep[i]
	}
	var small, large []int
	for i := range z.keep {
		z.keep[i] *= float64(n) / sum
		z.other[i] = i
		if z.keep[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		less, more := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		z.other[less] = more
		z.keep[more] -= 1 - z.keep[less]
		if z.keep[more] < 1 {
			large = large[:len(large)-1]
			small = append(small, more)
		}
	}
	for _, i := range append(small, large...) { // but for rounding they are 1
		z.keep[i] = 1
	}
	return z
}

// Draw returns the next rank.
func (z *Zipf) Draw() int {
	i := z.random.IntN(len(z.keep))
	if z.random.Float64() < z.keep[i] {
		return i
	}
	return z.other[i]
}

// Sequence draws n ranks.
func (z *Zipf) Sequence(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = z.Draw()
	}
	return all
}
