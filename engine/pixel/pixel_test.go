package pixel

import (
	"math"
	"testing"
)

func TestResizeMatchesReference(t *testing.T) {
	src := New(Gray, 120, 90)
	for i := range src.Planes[0].Pix {
		x, y := i%120, i/120
		src.Planes[0].Pix[i] = byte(128 + 100*math.Sin(float64(x)/7)*math.Cos(float64(y)/5))
	}
	for _, size := range [][2]int{{40, 30}, {37, 61}, {240, 180}, {1, 1}} {
		w, h := size[0], size[1]
		got, err := Resize(t.Context(), src, Window{W: 120, H: 90}, w, h)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, v := range got.Planes[0].Pix {
			d := float64(v) - reference(src, i%w, i/w, w, h)
			sum += d * d
		}
		if rms := math.Sqrt(sum / float64(w*h)); rms > 1 {
			t.Errorf("%d×%d: off by %.2f", w, h, rms)
		}
	}
}

// reference is one sample of a Lanczos3 in floating point.
func reference(src *Image, x, y, w, h int) float64 {
	sx, sy := float64(src.W)/float64(w), float64(src.H)/float64(h)
	cx, cy := (float64(x)+0.5)*sx, (float64(y)+0.5)*sy
	sx, sy = max(sx, 1), max(sy, 1)
	at := func(i, n int) int { return min(max(i, 0), n-1) }
	sum, weights := 0.0, 0.0
	for j := int(cy - 3*sy - 1); j <= int(cy+3*sy+1); j++ {
		for i := int(cx - 3*sx - 1); i <= int(cx+3*sx+1); i++ {
			weight := lanczos((float64(i)+0.5-cx)/sx) * lanczos((float64(j)+0.5-cy)/sy)
			sum += weight * float64(src.Planes[0].Row(at(j, src.H))[at(i, src.W)])
			weights += weight
		}
	}
	return min(max(sum/weights, 0), 255)
}

func TestOrientation(t *testing.T) {
	want := map[int]string{1: "abcdef", 2: "cbafed", 3: "fedcba", 4: "defabc", 5: "adbecf", 6: "daebfc", 7: "fcebda", 8: "cfbead"}
	for exif, text := range want {
		img := New(Gray, 3, 2)
		copy(img.Planes[0].Pix, "abcdef")
		got, err := Orientation(exif).Apply(t.Context(), img)
		if err != nil || string(got.Planes[0].Pix) != text {
			t.Errorf("orientation %d: %s, %v; want %s", exif, got.Planes[0].Pix, err, text)
		}
	}
}

func TestBrokenProfileCountsAsSRGB(t *testing.T) {
	for _, profile := range [][]byte{nil, {1}, make([]byte, 200)} {
		img := New(RGB, 2, 2)
		img.Planes[0].Pix[0] = 77
		if got := img.ToSRGB(profile); got.Planes[0].Pix[0] != 77 {
			t.Errorf("a profile of %d bytes changed the picture", len(profile))
		}
	}
}

func BenchmarkResize(b *testing.B) {
	src := New(Gray, 4032, 3024)
	for _, form := range []struct {
		name string
		off  bool
	}{{"kernels", false}, {"scalar", true}} {
		b.Run(form.name, func(b *testing.B) {
			defer withoutKernels(form.off)()
			for b.Loop() {
				if _, err := Resize(b.Context(), src, Window{W: 4032, H: 3024}, 800, 600); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
