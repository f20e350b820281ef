package codec

import (
	"image"
	"image/color"

	"github.com/fovea-images/fovea/engine/pixel"
)

// after says what becomes of a frame's area before the next one.
type after uint8

const (
	leave after = iota
	clearArea
	restore
)

// canvas paints the frames of an animation one over the other. Its colours are
// RGB, not premultiplied.
type canvas struct {
	pixels *pixel.Image // always with alpha
	before *pixel.Image // for restore
	dirty  image.Rectangle
	then   after
}

func newCanvas(w, h int) *canvas {
	c := &canvas{pixels: pixel.New(pixel.RGB, w, h)}
	alpha := pixel.NewPlane(w, h)
	c.pixels.Alpha = &alpha
	return c
}

// begin makes the canvas ready for a frame of which then becomes that.
func (c *canvas) begin(area image.Rectangle, then after) {
	switch c.then {
	case clearArea:
		for _, p := range c.planes() {
			for y := c.dirty.Min.Y; y < c.dirty.Max.Y; y++ {
				clear(p.Row(y)[c.dirty.Min.X:c.dirty.Max.X])
			}
		}
	case restore:
		c.pixels = c.before
	}
	if then == restore {
		c.before = c.pixels.Clone()
	}
	c.dirty, c.then = area, then
}

// planes are R, G, B and alpha.
func (c *canvas) planes() []*pixel.Plane {
	p := c.pixels.Planes
	return []*pixel.Plane{&p[0], &p[1], &p[2], c.pixels.Alpha}
}

// paletted paints a frame whose colours are opaque or not there, and returns a
// copy of the whole canvas. What lies beyond the canvas is left out.
func (c *canvas) paletted(frame *image.Paletted, then after) *pixel.Image {
	area := frame.Rect.Intersect(image.Rect(0, 0, c.pixels.W, c.pixels.H))
	c.begin(area, then)
	var table [256][4]byte
	for i, colour := range frame.Palette {
		n := color.NRGBAModel.Convert(colour).(color.NRGBA)
		table[i] = [4]byte{n.R, n.G, n.B, n.A}
	}
	planes := c.planes()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		from := frame.Pix[frame.PixOffset(area.Min.X, y):][:area.Dx()]
		r, g, b, a := planes[0].Row(y)[area.Min.X:], planes[1].Row(y)[area.Min.X:], planes[2].Row(y)[area.Min.X:], planes[3].Row(y)[area.Min.X:]
		for x, i := range from {
			if n := &table[i]; n[3] != 0 {
				r[x], g[x], b[x], a[x] = n[0], n[1], n[2], n[3]
			}
		}
	}
	return c.shown()
}

// picture paints m at a place inside the canvas, over what is there if blend, and
// returns a copy of the whole canvas.
func (c *canvas) picture(m *pixel.Image, at image.Point, blend bool, then after) *pixel.Image {
	m = m.Unpremultiply().ToRGB()
	area := image.Rect(at.X, at.Y, at.X+m.W, at.Y+m.H)
	c.begin(area, then)
	planes := c.planes()
	for y := range m.H {
		under := planes[3].Row(at.Y + y)[at.X:area.Max.X]
		var over []byte
		if m.Alpha != nil {
			over = m.Alpha.Row(y)
		}
		for i := range m.Planes {
			paint(planes[i].Row(at.Y + y)[at.X:area.Max.X], under, m.Planes[i].Row(y), over, blend)
		}
		for x := range under {
			switch {
			case over == nil:
				under[x] = 255
			case blend:
				under[x] = byte(255 - (255-int(over[x]))*(255-int(under[x]))/255)
			default:
				under[x] = over[x]
			}
		}
	}
	return c.shown()
}

// paint lays a row of one colour over another by their alphas; nil is opaque.
func paint(to, under, from, over []byte, blend bool) {
	if over == nil || !blend {
		copy(to, from)
		return
	}
	for x, a := range over {
		top, rest := int(a)*255, int(under[x])*(255-int(a))
		if top+rest > 0 {
			to[x] = byte((int(from[x])*top + int(to[x])*rest + (top+rest)/2) / (top + rest))
		}
	}
}

// shown is a copy of the canvas, without alpha if all of it is opaque.
func (c *canvas) shown() *pixel.Image {
	out := c.pixels.Clone()
	for y := range out.H {
		for _, a := range out.Alpha.Row(y) {
			if a != 255 {
				return out
			}
		}
	}
	out.Alpha = nil
	return out
}
