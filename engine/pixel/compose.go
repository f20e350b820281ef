package pixel

import "math"

// Operator says how two pictures become one (T. Porter and T. Duff, "Compositing
// digital images", 1984).
type Operator uint8

// The operators.
const (
	Over Operator = iota
	In
	Atop
	Out
	Xor
	Lighter // the sum
)

// weights are how much of the upper and of the lower colour stay, out of 255, by
// their alphas; both colours are premultiplied.
func (op Operator) weights(upper, lower byte) (ofUpper, ofLower byte) {
	switch op {
	case In:
		return lower, 0
	case Atop:
		return lower, 255 - upper
	case Out:
		return 255 - lower, 0
	case Xor:
		return 255 - lower, 255 - upper
	case Lighter:
		return 255, 255
	}
	return 255, 255 - upper
}

// Tiled returns img, without halved planes, beside and below itself so many times.
func (img *Image) Tiled(across, down int) *Image {
	if across == 1 && down == 1 {
		return img
	}
	out := *img
	out.W, out.H = img.W*across, img.H*down
	tiled := func(p *Plane) Plane {
		to := NewPlane(out.W, out.H)
		for y := range out.H {
			row, from := to.Row(y), p.Row(y%p.H)
			for x := 0; x < out.W; x += p.W {
				copy(row[x:], from)
			}
		}
		return to
	}
	out.Planes = make([]Plane, len(img.Planes))
	for i := range img.Planes {
		out.Planes[i] = tiled(&img.Planes[i])
	}
	if img.Alpha != nil {
		alpha := tiled(img.Alpha)
		out.Alpha = &alpha
	}
	return &out
}

// Compose draws top, whose alpha counts opacity (0..1) times, over img with its
// corner at x, y, and returns the result as RGB, not premultiplied; it uses img up
// and leaves top, which must be premultiplied, as it is. What of top lies outside
// is left out, and what of img lies outside of top stays.
func (img *Image) Compose(top *Image, x, y int, opacity float64, op Operator) *Image {
	x0, y0, x1, y1 := max(x, 0), max(y, 0), min(x+top.W, img.W), min(y+top.H, img.H)
	if x0 >= x1 || y0 >= y1 {
		return img
	}
	base := img.ToRGB().Unpremultiply()
	if base.Alpha == nil && op != Over && op != Atop && op != Lighter {
		alpha := NewPlane(base.W, base.H)
		alpha.fill(255)
		base.Alpha = &alpha
	}
	upper := top.ToRGB()
	share := byte(math.Round(opacity * 255))
	solid := make([]byte, x1-x0)
	for i := range solid {
		solid[i] = 255
	}
	for row := y0; row < y1; row++ {
		ua, la := solid, solid
		if upper.Alpha != nil {
			ua = upper.Alpha.Row(row - y)[x0-x:][:len(solid)]
		}
		if base.Alpha != nil {
			la = base.Alpha.Row(row)[x0:x1]
		}
		for i := range solid {
			a, b := times(ua[i], share), la[i]
			ofUpper, ofLower := op.weights(a, b)
			alpha := min(uint32(times(a, ofUpper))+uint32(times(b, ofLower)), 255)
			for c := range base.Planes {
				to := &base.Planes[c].Row(row)[x0+i]
				sum := uint32(times(times(upper.Planes[c].Row(row - y)[x0-x+i], share), ofUpper)) + uint32(times(times(*to, b), ofLower))
				*to = straight(byte(min(sum, 255)), byte(alpha))
			}
			if base.Alpha != nil {
				la[i] = byte(alpha)
			}
		}
	}
	return base
}
