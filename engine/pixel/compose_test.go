package pixel

import (
	"fmt"
	"math"
	"testing"
)

// Every operator on every pair of alphas, against the definition in floating point.
func TestComposeMatchesTheDefinition(t *testing.T) {
	factors := map[Operator]func(a, b float64) (float64, float64){
		Over:    func(a, _ float64) (float64, float64) { return 1, 1 - a },
		In:      func(_, b float64) (float64, float64) { return b, 0 },
		Atop:    func(a, b float64) (float64, float64) { return b, 1 - a },
		Out:     func(_, b float64) (float64, float64) { return 1 - b, 0 },
		Xor:     func(a, b float64) (float64, float64) { return 1 - b, 1 - a },
		Lighter: func(_, _ float64) (float64, float64) { return 1, 1 },
	}
	pixel := func(v, alpha byte) *Image {
		m := New(RGB, 1, 1)
		for i := range m.Planes {
			m.Planes[i].Pix[0] = v
		}
		a := NewPlane(1, 1)
		a.Pix[0] = alpha
		m.Alpha = &a
		return m
	}
	for op, factor := range factors {
		t.Run(fmt.Sprint("operator ", op), func(t *testing.T) {
			for _, opacity := range []float64{1, 0.5, 0} {
				for upper := 0; upper < 256; upper += 51 {
					for lower := 0; lower < 256; lower += 51 {
						got := pixel(40, byte(lower)).Compose(pixel(200, byte(upper)).Premultiply(), 0, 0, opacity, op)
						a, b := float64(upper)/255*opacity, float64(lower)/255
						fa, fb := factor(a, b)
						alpha := min(a*fa+b*fb, 1)
						colour := min(200*a*fa+40*b*fb, 255)
						if d := math.Abs(alpha*255 - float64(got.Alpha.Pix[0])); d > 2 {
							t.Fatalf("opacity %v, alphas %d and %d: alpha %d, want %.1f", opacity, upper, lower, got.Alpha.Pix[0], alpha*255)
						}
						if seen := float64(got.Planes[0].Pix[0]) * float64(got.Alpha.Pix[0]) / 255; math.Abs(seen-colour) > 3 {
							t.Fatalf("opacity %v, alphas %d and %d: %.1f is seen, want %.1f", opacity, upper, lower, seen, colour)
						}
					}
				}
			}
		})
	}
}

func TestComposeStaysInItsBox(t *testing.T) {
	for _, at := range [][2]int{{-1, -1}, {3, 2}, {1, 1}, {-9, 0}, {0, 99}} {
		base, top := New(RGB, 4, 3), New(RGB, 2, 2)
		for i := range top.Planes[0].Pix {
			top.Planes[0].Pix[i] = 255
		}
		got := base.Compose(top, at[0], at[1], 1, Over)
		for y := range 3 {
			for x := range 4 {
				inside := x >= at[0] && x < at[0]+2 && y >= at[1] && y < at[1]+2
				if red := got.Planes[0].Row(y)[x] == 255; red != inside {
					t.Errorf("at %v: pixel %d, %d", at, x, y)
				}
			}
		}
	}
	opaque := New(RGB, 2, 1).Compose(New(RGB, 1, 1), 0, 0, 1, Out)
	if opaque.Alpha == nil || opaque.Alpha.Pix[0] != 0 || opaque.Alpha.Pix[1] != 255 {
		t.Errorf("out of an opaque picture: %+v", opaque.Alpha)
	}
}
