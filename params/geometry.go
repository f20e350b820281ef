package params

import (
	"math"

	"github.com/fovea-images/fovea/internal/fault"
)

// Size is a width and a height in pixels.
type Size struct{ W, H int }

// Rect is a rectangle of whole pixels: left, top, width, height.
type Rect struct{ X, Y, W, H int }

// Window is a rectangle that need not lie on pixel borders.
type Window struct{ X, Y, W, H float64 }

// Edges are widths in pixels along the four sides.
type Edges struct{ Top, Right, Bottom, Left int }

// Orientation is an EXIF orientation, 1..8; 0 counts as 1.
type Orientation uint8

// Upright is the size that a picture stored in that size is shown in.
func (o Orientation) Upright(stored Size) Size {
	if o >= 5 && o <= 8 {
		return Size{stored.H, stored.W}
	}
	return stored
}

// Seen is what only the pixels can tell geometry. The zero value is "nothing":
// options that need it then fall back as the contract says.
type Seen struct {
	// Faces are boxes in the oriented picture (after trim, flip, rotate).
	Faces []Rect
	// Focus is the most interesting point, 0..1, for GravityAuto and GravityEntropy.
	Focus    struct{ X, Y float64 }
	HasFocus bool
	// Content is what trim=border leaves, in the picture after EXIF orientation;
	// zero size means that no border was found.
	Content Rect
}

// Geometry is the whole way of a picture's pixels, in the order of the steps:
// EXIF orientation, Trim, flip, rotate, scale Window to Crop's size, Pad, Border.
type Geometry struct {
	Upright  Size   // after EXIF orientation
	Trim     Rect   // kept, in Upright pixels; the whole picture when nothing is cut
	Oriented Size   // after trim, flip and rotate
	Resized  Size   // what the whole Oriented picture would be after scaling
	Crop     Rect   // kept, in Resized pixels; the whole when nothing is cut
	Window   Window // the same part in Oriented pixels, exact
	Pad      Edges  // bars added by fit=pad
	Border   Edges  // frame added by the border option
	Output   Size   // final
}

// Limits of what a transform may make (R-invalid, contract 5).
const (
	MaxOutputSide   = 12_000
	MaxOutputPixels = 100_000_000
)

// maxSide bounds what is computed with: sides beyond it are refused, so that
// products of two of them and a length fit into 63 bits.
const maxSide = 1 << 24

// NeedsPixels reports whether Geometry depends on Seen in a way that changes the
// output's size: then a header alone does not settle it.
func (o Options) NeedsPixels() bool { return o.Trim.Border }

// Geometry computes the whole way of the pixels of a picture whose header says
// stored and orient (contract 3). Errors are *fault.Error of kind TooLarge
// (source or result beyond the limits) or BadOptions (a trim that leaves
// nothing). Options with width=auto count as without a width: resolve it first.
func (o Options) Geometry(stored Size, orient Orientation, seen Seen) (Geometry, []Warning, error) {
	if stored.W <= 0 || stored.H <= 0 || stored.W > maxSide || stored.H > maxSide {
		return Geometry{}, nil, fault.New(fault.TooLarge, "Expected a picture of 1 to %d pixels a side", maxSide)
	}
	var g Geometry
	g.Upright = orient.Upright(stored)
	var err error
	if g.Trim, err = o.trimmed(g.Upright, seen.Content); err != nil {
		return Geometry{}, nil, err
	}
	g.Oriented = Size{g.Trim.W, g.Trim.H}
	if o.Rotate == 90 || o.Rotate == 270 {
		g.Oriented = Size{g.Trim.H, g.Trim.W}
	}
	warnings := o.place(&g, seen)
	o.frame(&g)
	if g.Output.W > MaxOutputSide || g.Output.H > MaxOutputSide || g.Output.W*g.Output.H > MaxOutputPixels {
		return Geometry{}, nil, fault.New(fault.TooLarge, "The result would be %d×%d; at most %d pixels a side and %d in all are made",
			g.Output.W, g.Output.H, MaxOutputSide, MaxOutputPixels)
	}
	return g, warnings, nil
}

// scale is how much lengths in image pixels are multiplied.
func (o *Options) scale() float64 {
	if o.DPR == 0 {
		return 1
	}
	return o.DPR
}

// times is pixels × dpr, rounded half up.
func (o *Options) times(pixels int) int {
	return int(min(math.Floor(float64(pixels)*o.scale()+0.5), maxLength))
}

// Box is the target size in pixels, after dpr; 0 for a side that is not given.
func (o *Options) Box() (w, h int) {
	side := func(n int) int {
		if n == 0 {
			return 0
		}
		return min(max(o.times(n), 1), maxSide)
	}
	return side(o.Width), side(o.Height)
}

// trimmed is what trim leaves of a picture of size s (R-trim).
func (o *Options) trimmed(s Size, content Rect) (Rect, error) {
	whole := Rect{0, 0, s.W, s.H}
	if o.Trim.Border {
		if content.W <= 0 || content.H <= 0 {
			return whole, nil
		}
		keep := o.times(o.Trim.Keep)
		x, y := max(content.X-keep, 0), max(content.Y-keep, 0)
		return Rect{x, y, min(content.X+content.W+keep, s.W) - x, min(content.Y+content.H+keep, s.H) - y}, nil
	}
	r := Rect{}
	r.X, r.W = o.cut(s.W, o.Trim.Left, o.Trim.Right, o.Trim.Width)
	r.Y, r.H = o.cut(s.H, o.Trim.Top, o.Trim.Bottom, o.Trim.Height)
	if r.W <= 0 || r.H <= 0 {
		return whole, fault.New(fault.BadOptions, "trim leaves nothing of a picture of %d×%d", s.W, s.H)
	}
	return r, nil
}

// cut trims one axis: near and far are cut off, or size is kept after near.
func (o *Options) cut(side int, near, far, size Length) (at, left int) {
	at = o.length(near, side)
	left = side - at - o.length(far, side)
	if size.Unit != Unset {
		left = min(max(o.length(size, side), 1), side-at)
	}
	return at, left
}

func (o *Options) length(l Length, side int) int {
	switch l.Unit {
	case Pixels:
		return o.times(int(l.N))
	case Fraction:
		return int(math.Floor(l.N*float64(side) + 0.5))
	}
	return 0
}

// place scales, crops and pads g.Oriented into the box.
func (o *Options) place(g *Geometry, seen Seen) []Warning {
	w, h := o.Box()
	W, H := g.Oriented.W, g.Oriented.H
	g.whole(W, H)
	var warnings []Warning
	switch {
	case w == 0 && h == 0:
		return nil
	case w == 0 || h == 0:
		switch o.Fit {
		case ScaleDown, Contain, ScaleUp:
		default:
			warnings = []Warning{{Option: "fit", Text: wordOf(o.Fit, fitWords) + " fit mode needs both width and height"}}
		}
		o.single(g, w, h)
		return warnings
	}
	wide := int64(w)*int64(H) >= int64(h)*int64(W) // the box is at least as wide as the picture: w/W ≥ h/H
	inside := func() (int, int) {                  // the largest picture in the box
		if wide {
			return portion(W, h, H), h
		}
		return w, portion(H, w, W)
	}
	switch o.Fit {
	case ScaleDown:
		if w < W || h < H {
			g.whole(inside())
		}
	case Contain:
		g.whole(inside())
	case ScaleUp:
		if w > W && h > H {
			g.whole(inside())
		}
	case Squeeze:
		g.whole(w, h)
	case Pad:
		g.whole(inside())
		g.pad(w, h)
	default:
		o.crop(g, w, h, wide, seen)
	}
	return warnings
}

// single places a picture of which only one side is given (R-single).
func (o *Options) single(g *Geometry, w, h int) {
	W, H := g.Oriented.W, g.Oriented.H
	smaller := w != 0 && w < W || h != 0 && h < H
	larger := w != 0 && w > W || h != 0 && h > H
	switch o.Fit {
	case ScaleDown, Crop, AspectCrop:
		larger = false
	case ScaleUp:
		smaller = false
	}
	switch {
	case !smaller && !larger:
	case w != 0:
		g.whole(w, portion(H, w, W))
	default:
		g.whole(portion(W, h, H), h)
	}
}

// whole scales the whole picture to w × h and keeps all of it.
func (g *Geometry) whole(w, h int) {
	g.Resized, g.Output = Size{w, h}, Size{w, h}
	g.Crop = Rect{0, 0, w, h}
	g.Window = Window{0, 0, float64(g.Oriented.W), float64(g.Oriented.H)}
	g.Pad = Edges{}
}

func (g *Geometry) pad(w, h int) {
	x, y := max(w-g.Resized.W, 0), max(h-g.Resized.H, 0)
	g.Pad = Edges{Top: (y + 1) / 2, Bottom: y / 2, Left: (x + 1) / 2, Right: x / 2}
	g.Output = Size{max(w, g.Resized.W), max(h, g.Resized.H)}
}

// crop places by cover, crop or aspect-crop: scale until the box is filled (crop
// and aspect-crop never enlarge), then cut by gravity.
func (o *Options) crop(g *Geometry, w, h int, wide bool, seen Seen) {
	W, H := g.Oriented.W, g.Oriented.H
	scale := max(float64(w)/float64(W), float64(h)/float64(H))
	rw, rh := w, h
	if wide {
		rh = portion(H, w, W)
	} else {
		rw = portion(W, h, H)
	}
	exactW, exactH := float64(w), float64(h)
	if o.Fit != Cover && scale > 1 {
		scale, rw, rh = 1, W, H
		switch {
		case o.Fit == AspectCrop && int64(W)*int64(h) <= int64(H)*int64(w): // W/w ≤ H/h
			exactW, exactH = float64(W), float64(h)*float64(W)/float64(w)
			w, h = W, min(portion(h, W, w), H)
		case o.Fit == AspectCrop:
			exactW, exactH = float64(w)*float64(H)/float64(h), float64(H)
			w, h = min(portion(w, H, h), W), H
		default:
			w, h = min(w, W), min(h, H)
			exactW, exactH = float64(w), float64(h)
		}
	}
	g.Resized = Size{rw, rh}
	g.Output = Size{w, h}
	g.Window.W, g.Window.H = min(exactW/scale, float64(W)), min(exactH/scale, float64(H))
	if o.Gravity.Kind == GravityFace && len(seen.Faces) > 0 {
		o.cropFace(g, seen.Faces)
		return
	}
	gx, gy, boxCenter := o.focus(seen)
	g.Crop = Rect{along(gx, rw, w, boxCenter), along(gy, rh, h, boxCenter), w, h}
	g.Window.X = exactAlong(gx, float64(W), g.Window.W, boxCenter)
	g.Window.Y = exactAlong(gy, float64(H), g.Window.H, boxCenter)
}

// focus is the point that gravity keeps; the centre when nothing better is known.
func (o *Options) focus(seen Seen) (x, y float64, boxCenter bool) {
	switch o.Gravity.Kind {
	case GravityPoint:
		return o.Gravity.X, o.Gravity.Y, o.Gravity.BoxCenter
	case GravityAuto, GravityEntropy:
		if seen.HasFocus {
			return seen.Focus.X, seen.Focus.Y, true
		}
	}
	return 0.5, 0.5, false
}

// exactAlong lays a box of size on an axis (contract 3.3).
func exactAlong(g, side, size float64, boxCenter bool) float64 {
	at := g * (side - size)
	if boxCenter {
		at = g*side - size/2
	}
	return min(max(at, 0), side-size)
}

func along(g float64, side, size int, boxCenter bool) int {
	return int(math.Floor(exactAlong(g, float64(side), float64(size), boxCenter) + 0.5))
}

// cropFace centres the window on the faces and, by zoom, tightens it from the
// largest of the box's shape to the smallest that holds them (R-face). Fits that
// never enlarge stop at a window of the output's size.
func (o *Options) cropFace(g *Geometry, faces []Rect) {
	W, H := float64(g.Oriented.W), float64(g.Oriented.H)
	x0, y0, x1, y1 := W, H, 0.0, 0.0
	for _, f := range faces {
		x0, y0 = min(x0, float64(f.X)), min(y0, float64(f.Y))
		x1, y1 = max(x1, float64(f.X)+float64(f.W)), max(y1, float64(f.Y)+float64(f.H))
	}
	most := g.Window
	// t is the window's side as a share of the largest.
	t := min(max((x1-x0)/most.W, (y1-y0)/most.H, 0), 1)
	if o.Fit != Cover {
		t = max(t, min(float64(g.Output.W)/most.W, 1))
	}
	t = 1 - o.Zoom*(1-t)
	g.Window.W, g.Window.H = max(most.W*t, 1), max(most.H*t, 1)
	g.Window.X = min(max((x0+x1)/2-g.Window.W/2, 0), W-g.Window.W)
	g.Window.Y = min(max((y0+y1)/2-g.Window.H/2, 0), H-g.Window.H)
	sx, sy := float64(g.Output.W)/g.Window.W, float64(g.Output.H)/g.Window.H
	half := func(n float64) int { return int(math.Floor(n + 0.5)) }
	g.Resized = Size{max(half(W*sx), g.Output.W), max(half(H*sy), g.Output.H)}
	g.Crop = Rect{
		min(half(g.Window.X*sx), g.Resized.W-g.Output.W), min(half(g.Window.Y*sy), g.Resized.H-g.Output.H),
		g.Output.W, g.Output.H,
	}
}

// frame adds the border outside (R-border).
func (o *Options) frame(g *Geometry) {
	g.Border = Edges{
		Top: o.times(o.Border.Top), Right: o.times(o.Border.Right),
		Bottom: o.times(o.Border.Bottom), Left: o.times(o.Border.Left),
	}
	g.Output.W += g.Border.Left + g.Border.Right
	g.Output.H += g.Border.Top + g.Border.Bottom
}

// portion is n × part / whole, rounded half up, at least 1 (R-round).
func portion(n, part, whole int) int {
	return int(max((2*int64(n)*int64(part)+int64(whole))/(2*int64(whole)), 1))
}
