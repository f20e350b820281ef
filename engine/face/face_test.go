package face

import (
	"image"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/fovea-images/fovea/engine/pixel"
)

// portrait draws a face as the detector knows them, side pixels high: hair, light
// skin, and in it darker sockets, eyes, brows, a nose and a mouth.
func portrait(w, h int, at image.Point, side int) *pixel.Plane {
	const eyeX, eyeY = 0.173, -0.09
	spots := []struct{ x, y, rx, ry, grey float64 }{
		{0, -0.14, 0.63, 0.77, 11}, {0, -0.05, 0.44, 0.52, 170},
		{-eyeX, eyeY, 0.18, 0.14, 94}, {-eyeX, eyeY, 0.09, 0.07, 48}, {-eyeX, eyeY - 0.1, 0.16, 0.04, 90},
		{eyeX, eyeY, 0.18, 0.14, 94}, {eyeX, eyeY, 0.09, 0.07, 48}, {eyeX, eyeY - 0.1, 0.16, 0.04, 90},
		{0, 0.1, 0.08, 0.04, 106}, {0, 0.23, 0.22, 0.05, 62},
	}
	p := pixel.NewPlane(w, h)
	for y := range h {
		for x := range w {
			grey := 192.0
			for _, s := range spots {
				dx := (float64(x-at.X)/float64(side) - s.x) / s.rx
				dy := (float64(y-at.Y)/float64(side) - s.y) / s.ry
				grey += (s.grey - grey) * min(1, max(0, 2-2*(dx*dx+dy*dy)))
			}
			p.Row(y)[x] = byte(grey)
		}
	}
	return &p
}

func newFinder(t *testing.T) *Finder {
	t.Helper()
	f, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFind(t *testing.T) {
	f := newFinder(t)
	t.Run("a face is found where it is", func(t *testing.T) {
		for _, at := range []image.Point{{100, 120}, {290, 110}} {
			boxes := f.Find(portrait(400, 240, at, 100))
			if len(boxes) != 1 || !at.In(boxes[0]) || boxes[0].Dx() < 50 || boxes[0].Dx() > 160 {
				t.Errorf("at %v: %v", at, boxes)
			}
		}
	})
	t.Run("an even picture has none", func(t *testing.T) {
		p := pixel.NewPlane(300, 200)
		if boxes := f.Find(&p); len(boxes) != 0 {
			t.Errorf("%v", boxes)
		}
	})
	t.Run("odd sizes are no fault", func(t *testing.T) {
		for _, size := range []image.Point{{1, 1}, {23, 400}, {24, 24}, {25, 1024}, {5000, 5000}} {
			p := pixel.NewPlane(size.X, size.Y)
			r := rand.New(rand.NewPCG(1, 2))
			for i := range p.Pix {
				p.Pix[i] = byte(r.Uint32())
			}
			f.Find(&p)
		}
	})
	t.Run("many may ask at once", func(t *testing.T) {
		p := portrait(200, 200, image.Pt(100, 100), 90)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { f.Find(p) })
		}
		all.Wait()
	})
}

func BenchmarkFind(b *testing.B) {
	f, err := New()
	if err != nil {
		b.Fatal(err)
	}
	p := portrait(400, 400, image.Pt(200, 200), 120)
	for b.Loop() {
		f.Find(p)
	}
}
