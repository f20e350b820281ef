package pixel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The kernels give the same bits as the scalar loops, for every width, number of
// taps and sample, extremes included.
func TestKernelsMatchTheScalarLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		p := NewPlane(1+r.IntN(150), 1+r.IntN(90))
		for i := range p.Pix {
			switch r.IntN(3) {
			case 0:
				p.Pix[i] = byte(r.IntN(256))
			case 1:
				p.Pix[i] = 255
			}
		}
		w, h := 1+r.IntN(120), 1+r.IntN(40)
		x, y := r.Float64()*float64(p.W)/2, r.Float64()*float64(p.H)/2
		columns := newFilter(p.W, x, float64(p.W)-x, w)
		rows := newFilter(p.H, y, float64(p.H)-y, h)
		want, got := make([]int16, p.W+columns.taps), make([]int16, p.W+columns.taps)
		wantRow, gotRow := make([]byte, w), make([]byte, w)
		for i := range h {
			left := r.IntN(p.W)
			verticalScalar(want[:p.W-left], &p, left, rows, i)
			vertical(got[:p.W-left], &p, left, rows, i)
			if !slices.Equal(got, want) {
				t.Fatalf("vertical, %d×%d to %d×%d, row %d from column %d", p.W, p.H, w, h, i, left)
			}
			horizontalScalar(wantRow, want, columns, 0)
			horizontal(gotRow, got, columns)
			if !slices.Equal(gotRow, wantRow) {
				t.Fatalf("horizontal, %d to %d: %v, want %v", p.W, w, gotRow, wantRow)
			}
		}
	}
}

func TestSampleKernelsMatchTheScalarLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for n := range 100 {
		row, alpha := random(n), random(n)
		want := slices.Clone(row)
		premultiplyScalar(want, alpha)
		if premultiply(row, alpha); !slices.Equal(row, want) {
			t.Fatalf("premultiply of %d samples", n)
		}
		pix := random(4 * n)
		var got, wanted [4][]byte
		for i := range got {
			got[i], wanted[i] = make([]byte, n), make([]byte, n)
		}
		splitScalar(wanted[0], wanted[1], wanted[2], wanted[3], pix)
		split(got[0], got[1], got[2], got[3], pix)
		for i := range got {
			if !slices.Equal(got[i], wanted[i]) {
				t.Fatalf("split of %d pixels, channel %d", n, i)
			}
		}
	}
	for v := range 256 { // every product
		row, alpha := make([]byte, 256), make([]byte, 256)
		for a := range alpha {
			row[a], alpha[a] = byte(v), byte(a)
		}
		want := slices.Clone(row)
		premultiplyScalar(want, alpha)
		if premultiply(row, alpha); !slices.Equal(row, want) {
			t.Fatalf("%d times an alpha", v)
		}
	}
}

func TestAbsoluteCoefficientsStayBelow(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		source := 1 + r.IntN(500)
		size := float64(source) * (0.01 + 0.99*r.Float64())
		f := newFilter(source, r.Float64()*(float64(source)-size), size, 1+r.IntN(300))
		for i := range f.start {
			sum, total := 0, 0
			_, coef := f.at(i)
			for _, c := range coef {
				sum += max(int(c), -int(c))
				total += int(c)
			}
			if total != one || sum*10 > 16*one {
				t.Fatalf("%d of %.1f samples: sum %d, absolute %d", i, size, total, sum)
			}
		}
	}
}
