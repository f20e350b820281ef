package pixel

import (
	"image"
	"math"
	"testing"
)

func TestSSIM(t *testing.T) {
	a, b, flat := image.NewNRGBA(image.Rect(0, 0, 40, 24)), image.NewNRGBA(image.Rect(0, 0, 40, 24)), image.NewNRGBA(image.Rect(0, 0, 40, 24))
	for i := range a.Pix {
		a.Pix[i] = uint8(i * i >> 3)
		b.Pix[i] = a.Pix[i] ^ uint8(i&7)
		flat.Pix[i] = 128
		if i%4 == 3 {
			a.Pix[i], b.Pix[i], flat.Pix[i] = 255, 255, 255
		}
	}
	if got := SSIM(a, a); math.Abs(got-1) > 1e-9 {
		t.Errorf("a picture is unlike itself: %v", got)
	}
	near, far := SSIM(a, b), SSIM(a, flat)
	if near < 0.9 || near >= 1 || far > 0.1 || SSIM(b, a) != near {
		t.Errorf("a little changed %v, flat %v", near, far)
	}
	if clear := image.NewNRGBA(a.Rect); SSIM(clear, flat) == SSIM(a, flat) || !math.IsNaN(SSIM(image.NewNRGBA(image.Rect(0, 0, 7, 7)), image.NewNRGBA(image.Rect(0, 0, 7, 7)))) {
		t.Error("transparency, or a picture of less than a window, counts for nothing")
	}
}
