package pixel

// Color is an sRGB colour, not premultiplied.
type Color struct{ R, G, B, A uint8 }

// samples is c as the planes of model m hold it; only RGB and YCbCr know colour.
func (c Color) samples(m Model) [3]byte {
	if m == YCbCr {
		y, cb, cr := toYCbCr(c.R, c.G, c.B)
		return [3]byte{y, cb, cr}
	}
	return [3]byte{c.R, c.G, c.B}
}

// coloured is img in a model that can hold c.
func (img *Image) coloured(c Color) *Image {
	if img.Model == Gray && (c.R != c.G || c.G != c.B) {
		return img.ToYCbCr()
	}
	return img
}

// Flatten lays img over c and returns the result, with no alpha if c is opaque.
// It uses img up; opaque pictures are returned as they are.
func (img *Image) Flatten(c Color) *Image {
	if img.Alpha == nil {
		return img
	}
	img = img.coloured(c).Premultiply() // YCbCr becomes RGB here
	under := c.samples(img.Model)
	for i := range under {
		under[i] = times(under[i], c.A)
	}
	img.perAlpha(func(plane int, row, alpha []byte) {
		value := under[plane]
		for x, a := range alpha {
			row[x] = byte(min(int(row[x])+int(times(value, 255-a)), 255))
		}
	})
	if c.A == 255 {
		img.Alpha, img.Premultiplied = nil, false
		return img
	}
	img.Alpha.each(func(row []byte) {
		for x, a := range row {
			row[x] = a + times(c.A, 255-a)
		}
	})
	return img.Unpremultiply()
}

// Extend adds bars of colour c around img, in pixels ≥ 0, and returns the result.
// A colour that is not opaque gives an opaque picture alpha.
func (img *Image) Extend(top, right, bottom, left int, c Color) *Image {
	if top|right|bottom|left == 0 {
		return img
	}
	img = img.Unpremultiply().coloured(c)
	if sx, sy := img.sub(1); left%sx != 0 || top%sy != 0 {
		img = img.ToRGB() // the bars end inside a chroma block
	}
	out := newSubsampled(img.Model, img.W+left+right, img.H+top+bottom, img.SubX, img.SubY)
	colour := c.samples(img.Model)
	for i := range img.Planes {
		sx, sy := img.sub(i)
		out.Planes[i].fill(colour[i])
		out.Planes[i].paste(&img.Planes[i], left/sx, top/sy)
	}
	if img.Alpha == nil && c.A == 255 {
		return out
	}
	alpha := NewPlane(out.W, out.H)
	alpha.fill(c.A)
	inner := img.Alpha
	if inner == nil {
		opaque := NewPlane(img.W, img.H)
		opaque.fill(255)
		inner = &opaque
	}
	alpha.paste(inner, left, top)
	out.Alpha = &alpha
	return out
}

func (p *Plane) paste(src *Plane, x, y int) {
	for i := range src.H {
		copy(p.Row(y + i)[x:], src.Row(i))
	}
}

// Content is what is left without edges of one colour: the smallest rectangle of
// pixels that differ from c, or from the top left pixel if c is nil, by more than
// tolerance in some channel, alpha included (R-trim). ok is false when nothing
// differs.
func (img *Image) Content(c *Color, tolerance int) (x, y, w, h int, ok bool) {
	rgb := img.ToRGB()
	planes := append([]Plane(nil), rgb.Planes...)
	var colour [4]byte
	if c != nil {
		colour = [4]byte{c.R, c.G, c.B, c.A}
	} else {
		for i := range planes {
			colour[i] = planes[i].Pix[0]
		}
	}
	if img.Alpha != nil {
		planes = append(planes, *img.Alpha)
		if c == nil {
			colour[3] = img.Alpha.Pix[0]
		}
	}
	x0, y0, x1, y1 := img.W, img.H, 0, 0
	for i := range planes {
		lo, hi := int(colour[i])-tolerance, int(colour[i])+tolerance
		for y := range img.H {
			row := planes[i].Row(y)
			near := 0
			for near < len(row) && int(row[near]) >= lo && int(row[near]) <= hi {
				near++
			}
			if near == len(row) {
				continue
			}
			far := len(row)
			for int(row[far-1]) >= lo && int(row[far-1]) <= hi {
				far--
			}
			x0, x1, y0, y1 = min(x0, near), max(x1, far), min(y0, y), max(y1, y+1)
		}
	}
	if x1 <= x0 {
		return 0, 0, 0, 0, false
	}
	return x0, y0, x1 - x0, y1 - y0, true
}

// straight is a premultiplied sample as it was before, as far as 8 bits can tell.
func straight(v, alpha byte) byte {
	if alpha == 0 {
		return 0
	}
	return byte(min((uint32(v)*255+uint32(alpha)/2)/uint32(alpha), 255))
}
