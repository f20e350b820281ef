package pixel

// The factors of JFIF (BT.601, full range), in 16 bits after the point.
const (
	fromCr, fromCbG, fromCrG, fromCb = 91881, 22554, 46802, 116130
	half16                           = 1 << 15
)

// toRGB converts one pixel.
func toRGB(y, cb, cr byte) (r, g, b byte) {
	luma := int32(y)<<16 + half16
	u, v := int32(cb)-128, int32(cr)-128
	return clamp((luma + fromCr*v) >> 16), clamp((luma - fromCbG*u - fromCrG*v) >> 16), clamp((luma + fromCb*u) >> 16)
}

// toYCbCr converts one pixel. Each row of factors sums to 1 or 0 exactly, so grey
// stays grey.
func toYCbCr(r, g, b byte) (y, cb, cr byte) {
	R, G, B := int32(r), int32(g), int32(b)
	const middle = 128<<16 + half16
	return byte((19595*R + 38470*G + 7471*B + half16) >> 16),
		clamp((-11058*R - 21710*G + 32768*B + middle) >> 16),
		clamp((32768*R - 27439*G - 5329*B + middle) >> 16)
}

// ToRGB converts img to three full planes of RGB; chroma of halved planes is
// interpolated between the centres of its blocks. RGB itself is returned as it is. CMYK without a profile is mixed as
// (1-C)(1-K). Alpha stays with the result.
func (img *Image) ToRGB() *Image {
	if img.Model == RGB {
		return img
	}
	out := New(RGB, img.W, img.H)
	out.Alpha, out.Premultiplied = img.Alpha, img.Premultiplied
	for y := range img.H {
		r, g, b := out.Planes[0].Row(y), out.Planes[1].Row(y), out.Planes[2].Row(y)
		first := img.Planes[0].Row(y)
		switch img.Model {
		case Gray:
			copy(r, first)
			copy(g, first)
			copy(b, first)
		case YCbCr:
			cb, cr := img.chroma(1, y), img.chroma(2, y)
			for x := range r {
				r[x], g[x], b[x] = toRGB(first[x], cb[x], cr[x])
			}
		case CMYK:
			m, yellow, k := img.Planes[1].Row(y), img.Planes[2].Row(y), img.Planes[3].Row(y)
			for x := range r {
				white := 255 - k[x]
				r[x], g[x], b[x] = times(255-first[x], white), times(255-m[x], white), times(255-yellow[x], white)
			}
		}
	}
	return out
}

// chroma returns the samples of a chroma plane for each pixel of row y. Centres
// of halved samples lie a quarter of a sample beside the pixels' (JFIF).
func (img *Image) chroma(plane, y int) []byte {
	sx, sy := img.sub(plane)
	p := &img.Planes[plane]
	row := p.Row(y / sy)
	if sy == 2 {
		near, far := row, p.Row(min(max(y/2+2*(y&1)-1, 0), p.H-1))
		row = make([]byte, p.W)
		for x := range row {
			row[x] = nearer(near[x], far[x])
		}
	}
	if sx == 1 {
		return row
	}
	wide := make([]byte, img.W)
	for x := range wide {
		i := x / sx
		if wide[x] = row[i]; sx == 2 {
			wide[x] = nearer(row[i], row[min(max(i+2*(x&1)-1, 0), p.W-1)])
		}
	}
	return wide
}

// nearer mixes three parts of near with one of far.
func nearer(near, far byte) byte { return byte((3*uint16(near) + uint16(far) + 2) >> 2) }

// ToYCbCr converts img to planes with chroma at full size; YCbCr is returned as it
// is. Alpha stays with the result.
func (img *Image) ToYCbCr() *Image {
	switch img.Model {
	case YCbCr:
		return img
	case Gray:
		out := *img
		cb, cr := NewPlane(img.W, img.H), NewPlane(img.W, img.H)
		cb.fill(128)
		cr.fill(128)
		out.Model, out.SubX, out.SubY, out.Planes = YCbCr, 1, 1, []Plane{img.Planes[0], cb, cr}
		return &out
	}
	out := img.ToRGB()
	for y := range out.H {
		a, b, c := out.Planes[0].Row(y), out.Planes[1].Row(y), out.Planes[2].Row(y)
		for x := range a {
			a[x], b[x], c[x] = toYCbCr(a[x], b[x], c[x])
		}
	}
	out.Model = YCbCr
	return out
}

// times is a×b of numbers that mean 0..1, rounded.
func times(a, b byte) byte {
	n := uint32(a)*uint32(b) + 128
	return byte((n + n>>8) >> 8)
}

// Premultiply multiplies colour by alpha, so that what cannot be seen weighs
// nothing in a resize. YCbCr becomes RGB for it; opaque pictures stay as they are.
func (img *Image) Premultiply() *Image {
	if img.Alpha == nil || img.Premultiplied {
		return img
	}
	if img.Model == YCbCr {
		img = img.ToRGB()
	}
	img.perAlpha(func(_ int, row, alpha []byte) { premultiply(row, alpha) })
	img.Premultiplied = true
	return img
}

// Unpremultiply undoes Premultiply as far as 8 bits can.
func (img *Image) Unpremultiply() *Image {
	if img.Alpha == nil || !img.Premultiplied {
		return img
	}
	img.perAlpha(func(_ int, row, alpha []byte) {
		row = row[:len(alpha)]
		for x, a := range alpha {
			if a != 255 {
				row[x] = straight(row[x], a)
			}
		}
	})
	img.Premultiplied = false
	return img
}

// perAlpha calls change for each row of each plane with the row's alpha.
func (img *Image) perAlpha(change func(plane int, row, alpha []byte)) {
	for y := range img.H {
		alpha := img.Alpha.Row(y)
		for i := range img.Planes {
			change(i, img.Planes[i].Row(y), alpha)
		}
	}
}

// To420 converts img to YCbCr with chroma halved both ways, what most encoders
// work on; a picture that is so already is returned as it is. Alpha stays with the
// result. It uses img up.
func (img *Image) To420() *Image {
	if img.Model == YCbCr && img.SubX == 2 && img.SubY == 2 {
		return img
	}
	full := img.ToYCbCr()
	out := &Image{W: img.W, H: img.H, Model: YCbCr, SubX: 2, SubY: 2, Alpha: full.Alpha, Premultiplied: full.Premultiplied}
	out.Planes = []Plane{full.Planes[0], {}, {}}
	for i := 1; i < 3; i++ {
		w, h := out.planeSize(i)
		out.Planes[i] = NewPlane(w, h)
		for y := range h {
			full.meanChroma(out.Planes[i].Row(y), i, 2*y)
		}
	}
	return out
}

// meanChroma fills row with the means of two by two pixels of a chroma plane, from
// row y of the picture on; what lies beyond the edge repeats it.
func (img *Image) meanChroma(row []byte, plane, y int) {
	sx, sy := img.sub(plane)
	p := &img.Planes[plane]
	above, below := p.Row(y/sy), p.Row(min((y+1)/sy, p.H-1))
	if sx == 1 {
		for x := range row {
			l, r := 2*x, min(2*x+1, p.W-1)
			row[x] = byte((uint(above[l]) + uint(above[r]) + uint(below[l]) + uint(below[r]) + 2) >> 2)
		}
		return
	}
	for x := range row {
		i := min(2*x/sx, p.W-1)
		row[x] = byte((uint(above[i]) + uint(below[i]) + 1) >> 1)
	}
}
