package engine

import (
	"context"
	"image"

	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

// FaceFinder finds faces. It is safe for use by many goroutines.
type FaceFinder interface {
	// Find returns boxes around the faces in a grey picture, which it only reads.
	// None is no error. Its time is bounded by the size of the picture.
	Find(grey *pixel.Plane) []image.Rectangle
}

// The sides of the small pictures in which a subject is looked for, in pixels.
const (
	interestSide = 128
	faceSide     = 400
)

// looksFor is the kind of gravity whose subject has to be found among the pixels;
// GravityCenter if there is nothing to look for.
func (w *work) looksFor() params.GravityKind {
	o := &w.plan.Options
	if o.Fit != params.Cover && o.Fit != params.Crop && o.Fit != params.AspectCrop {
		return params.GravityCenter
	}
	switch kind := o.Gravity.Kind; {
	case kind == params.GravityFace && w.engine.faces != nil:
		return kind
	case kind == params.GravityAuto, kind == params.GravityEntropy:
		if g := &w.geometry; g.Window.W < float64(g.Oriented.W) || g.Window.H < float64(g.Oriented.H) {
			return kind
		}
	}
	return params.GravityCenter
}

// tightens reports whether the window may become smaller than the geometry says
// before the faces are known.
func (w *work) tightens() bool {
	return w.looksFor() == params.GravityFace && w.plan.Options.Zoom > 0
}

// subject adds to seen what the gravity asks for, found in the first frame.
func (w *work) subject(ctx context.Context, stored *pixel.Image, seen *params.Seen) error {
	kind := w.looksFor()
	if kind == params.GravityCenter {
		return nil
	}
	side := interestSide
	if kind == params.GravityFace {
		side = faceSide
	}
	g := &w.geometry
	width, height := g.Oriented.W, g.Oriented.H
	if long := max(width, height); long > side {
		width, height = max(width*side/long, 1), max(height*side/long, 1)
	}
	copied := *stored // turning and premultiplying use a picture up
	if width == stored.W && height == stored.H || stored.Alpha != nil {
		copied = *stored.Clone()
	}
	thumb, err := w.part(ctx, &copied, params.Window{W: float64(g.Oriented.W), H: float64(g.Oriented.H)}, width, height)
	if err != nil {
		return err
	}
	thumb = thumb.Unpremultiply()
	fx, fy := float64(width)/float64(g.Oriented.W), float64(height)/float64(g.Oriented.H)
	if kind == params.GravityFace {
		seen.Faces = w.faces(thumb, fx, fy)
		return nil
	}
	interest := thumb.Saliency
	if kind == params.GravityEntropy {
		interest = thumb.Detail
	}
	winW, winH := int(g.Window.W*fx+0.5), int(g.Window.H*fy+0.5)
	x, y := interest().Best(winW, winH)
	seen.Focus.X = (float64(x) + float64(min(winW, width))/2) / float64(width)
	seen.Focus.Y = (float64(y) + float64(min(winH, height))/2) / float64(height)
	seen.HasFocus = true
	return nil
}

// faces returns the faces of a picture scaled down by fx and fy, as they lie in the
// oriented picture.
func (w *work) faces(thumb *pixel.Image, fx, fy float64) []params.Rect {
	var all []params.Rect
	whole := image.Rect(0, 0, w.geometry.Oriented.W, w.geometry.Oriented.H)
	for _, f := range w.engine.faces.Find(&thumb.ToRGB().ToYCbCr().Planes[0]) {
		full := image.Rect(int(float64(f.Min.X)/fx), int(float64(f.Min.Y)/fy), int(float64(f.Max.X)/fx), int(float64(f.Max.Y)/fy)).Intersect(whole)
		if !full.Empty() {
			all = append(all, params.Rect{X: full.Min.X, Y: full.Min.Y, W: full.Dx(), H: full.Dy()})
		}
	}
	return all
}
