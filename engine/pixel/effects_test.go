package pixel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// noise is a picture of every sample value.
func noise(model Model, w, h int) *Image {
	r := rand.New(rand.NewPCG(7, 8))
	img := New(model, w, h)
	for i := range img.Planes {
		for k := range img.Planes[i].Pix {
			img.Planes[i].Pix[k] = byte(r.Uint32())
		}
	}
	return img
}

// Gamma, brightness and contrast are arithmetic on each sample (contract 2): the
// power of, the product with, the distance from the middle times.
func TestToneIsTheArithmetic(t *testing.T) {
	for _, tone := range []Tone{
		{Gamma: 0.5}, {Gamma: 2.2}, {Brightness: 0.3}, {Brightness: 1.7}, {Contrast: 0.5}, {Contrast: 2}, {Gamma: 1.5, Brightness: 1.2, Contrast: 0.8},
	} {
		t.Run(fmt.Sprintf("%+v", tone), func(t *testing.T) {
			source := noise(RGB, 64, 16)
			got := source.Clone().Adjust(tone)
			for i := range source.Planes {
				for k, v := range source.Planes[i].Pix {
					want := float64(v) / 255
					if tone.Gamma != 0 {
						want = math.Pow(want, tone.Gamma)
					}
					if tone.Brightness != 0 {
						want *= tone.Brightness
					}
					if tone.Contrast != 0 {
						want = (want-0.5)*tone.Contrast + 0.5
					}
					want = min(max(want, 0), 1) * 255
					if d := math.Abs(want - float64(got.Planes[i].Pix[k])); d > 0.51 {
						t.Fatalf("%d becomes %d, want %.2f", v, got.Planes[i].Pix[k], want)
					}
				}
			}
		})
	}
}

// Saturation moves a colour along the line through its luma (BT.601).
func TestSaturationIsTheArithmetic(t *testing.T) {
	for _, factor := range []float64{0, 0.5, 1, 1.8} {
		source := noise(RGB, 64, 16)
		got := source.Clone().Adjust(Tone{Saturation: &factor})
		for k := range source.Planes[0].Pix {
			rgb := [3]float64{float64(source.Planes[0].Pix[k]), float64(source.Planes[1].Pix[k]), float64(source.Planes[2].Pix[k])}
			luma := 0.299*rgb[0] + 0.587*rgb[1] + 0.114*rgb[2]
			for i, v := range rgb {
				want := min(max(luma+factor*(v-luma), 0), 255)
				if d := math.Abs(want - float64(got.Planes[i].Pix[k])); d > 2 {
					t.Fatalf("factor %v: %v becomes %d in channel %d, want %.1f", factor, rgb, got.Planes[i].Pix[k], i, want)
				}
			}
		}
	}
}

// Blur is close to a Gaussian of half the radius as its standard deviation.
func TestBlurIsNearlyGaussian(t *testing.T) {
	const w, h = 96, 80
	source := New(Gray, w, h)
	for y := range h {
		for x := range w {
			if (x/12+y/10)%2 == 0 {
				source.Planes[0].Row(y)[x] = 230
			}
		}
	}
	for _, radius := range []float64{0.6, 1, 3, 8, 20} {
		t.Run(fmt.Sprint("radius ", radius), func(t *testing.T) {
			got, err := source.Clone().Blur(t.Context(), radius)
			if err != nil {
				t.Fatal(err)
			}
			want := gaussian(source, radius/2)
			sum := 0.0
			for k, v := range want {
				d := v - float64(got.Planes[0].Pix[k])
				sum += d * d
			}
			if rms := math.Sqrt(sum / float64(len(want))); rms > 3 {
				t.Errorf("off by %.1f", rms)
			}
		})
	}
}

// gaussian blurs in floating point; the edges repeat.
func gaussian(m *Image, sigma float64) []float64 {
	reach := int(4*sigma) + 1
	pass := func(in []float64, dx, dy int) []float64 {
		out := make([]float64, len(in))
		for y := range m.H {
			for x := range m.W {
				sum, weights := 0.0, 0.0
				for k := -reach; k <= reach; k++ {
					weight := math.Exp(-float64(k*k) / (2 * sigma * sigma))
					sx, sy := min(max(x+k*dx, 0), m.W-1), min(max(y+k*dy, 0), m.H-1)
					sum += weight * in[sy*m.W+sx]
					weights += weight
				}
				out[y*m.W+x] = sum / weights
			}
		}
		return out
	}
	in := make([]float64, m.W*m.H)
	for i, v := range m.Planes[0].Pix {
		in[i] = float64(v)
	}
	return pass(pass(in, 1, 0), 0, 1)
}

// Sharpen adds to each sample what a small blur takes from it.
func TestSharpenIsTheArithmetic(t *testing.T) {
	source := noise(Gray, 40, 30)
	for _, strength := range []float64{0.5, 1, 3} {
		got := source.Clone()
		if err := got.Sharpen(t.Context(), strength); err != nil {
			t.Fatal(err)
		}
		p := &source.Planes[0]
		at := func(x, y int) float64 { return float64(p.Row(min(max(y, 0), p.H-1))[min(max(x, 0), p.W-1)]) }
		for y := range p.H {
			for x := range p.W {
				mean := 0.0
				for dy, wy := range map[int]float64{-1: 1, 0: 2, 1: 1} {
					for dx, wx := range map[int]float64{-1: 1, 0: 2, 1: 1} {
						mean += wy * wx * at(x+dx, y+dy) / 16
					}
				}
				want := min(max(at(x, y)+strength/2*(at(x, y)-mean), 0), 255)
				if d := math.Abs(want - float64(got.Planes[0].Row(y)[x])); d > 1 {
					t.Fatalf("strength %v at %d, %d: %d, want %.1f", strength, x, y, got.Planes[0].Row(y)[x], want)
				}
			}
		}
	}
}
