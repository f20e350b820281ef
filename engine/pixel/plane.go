package pixel

// NewPlane returns a zeroed plane. Sides must be positive and judged by the
// caller: they are what is allocated.
func NewPlane(w, h int) Plane {
	return Plane{W: w, H: h, Stride: w, Pix: make([]byte, w*h)}
}

// Row returns row y, W bytes that belong to the plane.
func (p *Plane) Row(y int) []byte {
	at := y * p.Stride
	return p.Pix[at : at+p.W : at+p.W]
}

// view is the part of p at x, y; it shares p's bytes.
func (p *Plane) view(x, y, w, h int) Plane {
	at := y*p.Stride + x
	return Plane{W: w, H: h, Stride: p.Stride, Pix: p.Pix[at : at+(h-1)*p.Stride+w]}
}

func (p *Plane) fill(value byte) {
	for y := range p.H {
		row := p.Row(y)
		for x := range row {
			row[x] = value
		}
	}
}

// opaque reports whether all of an alpha plane is 255.
func (p *Plane) opaque() bool {
	for y := range p.H {
		for _, a := range p.Row(y) {
			if a != 255 {
				return false
			}
		}
	}
	return true
}

// each calls change for every row.
func (p *Plane) each(change func(row []byte)) {
	for y := range p.H {
		change(p.Row(y))
	}
}

func (p *Plane) flip(horizontal, vertical bool) {
	if horizontal {
		p.each(func(row []byte) {
			for i, j := 0, len(row)-1; i < j; i, j = i+1, j-1 {
				row[i], row[j] = row[j], row[i]
			}
		})
	}
	if !vertical {
		return
	}
	spare := make([]byte, p.W)
	for i, j := 0, p.H-1; i < j; i, j = i+1, j-1 {
		a, b := p.Row(i), p.Row(j)
		copy(spare, a)
		copy(a, b)
		copy(b, spare)
	}
}

// transpose swaps x and y, tile by tile so that both sides stay in cache.
func (p *Plane) transpose() Plane {
	const tile = 32
	out := NewPlane(p.H, p.W)
	for y0 := 0; y0 < p.H; y0 += tile {
		for x0 := 0; x0 < p.W; x0 += tile {
			for y := y0; y < min(y0+tile, p.H); y++ {
				row := p.Row(y)
				for x := x0; x < min(x0+tile, p.W); x++ {
					out.Pix[x*out.Stride+y] = row[x]
				}
			}
		}
	}
	return out
}
