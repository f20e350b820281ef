package engine

import (
	"context"

	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// layer is an overlay ready to be drawn.
type layer struct {
	overlay *params.Overlay
	image   *pixel.Image
	x, y    int // of its first corner, in pixels of the result
}

// overlays are the transforms that make the layers. Each is judged by its header
// as a source is.
func (w *work) overlays() ([]*work, error) {
	draw := w.plan.Options.Draw
	if len(draw) != len(w.plan.Overlays) {
		return nil, fault.New(fault.Internal, "Internal error: %d overlays for %d of draw", len(w.plan.Overlays), len(draw))
	}
	all := make([]*work, len(draw))
	for i := range draw {
		info, err := w.engine.Probe(w.plan.Overlays[i])
		if err != nil {
			return nil, nth(i, err)
		}
		if info.Media == params.SVG {
			return nil, nth(i, fault.New(fault.Unsupported, "an SVG cannot be drawn over a picture"))
		}
		o := draw[i].Options
		o.Width, o.Height = draw[i].Size(w.geometry.Output)
		all[i] = &work{engine: w.engine, src: w.plan.Overlays[i], info: info, plan: Plan{Options: o, Media: params.PNG}}
		if _, err := all[i].settle(); err != nil {
			return nil, nth(i, err)
		}
	}
	return all, nil
}

// nth says which overlay failed; its URL is not for strangers.
func nth(i int, err error) error {
	f := *fault.Of(err)
	return fault.Wrap(f.Kind, err, "Overlay %d of draw: %s", i+1, f.Public)
}

// draw composes the overlays over img, in their order (contract 2.2, step 10).
func (w *work) draw(ctx context.Context, img *pixel.Image) (*pixel.Image, error) {
	if len(w.plan.Options.Draw) == 0 {
		return img, nil
	}
	if w.layers == nil {
		if err := w.makeLayers(ctx, params.Size{W: img.W, H: img.H}); err != nil {
			return nil, err
		}
	}
	for _, l := range w.layers {
		if err := ctx.Err(); err != nil {
			return nil, fault.Of(err)
		}
		img = l.over(img)
	}
	if w.plan.Media == params.JPEG {
		img = img.Flatten(white)
	}
	return img, nil
}

func (w *work) makeLayers(ctx context.Context, base params.Size) error {
	all, err := w.overlays()
	if err != nil {
		return err
	}
	draw := w.plan.Options.Draw
	for i, sub := range all {
		picture, err := sub.picture(ctx)
		if err == nil {
			err = sub.change(ctx, picture)
		}
		if err != nil {
			return nth(i, err)
		}
		image := picture.Frames[0].Image.Premultiply()
		x, y := draw[i].Place(base, params.Size{W: image.W, H: image.H})
		across, down := 1, 1
		if r := draw[i].Repeat; r == params.RepeatX || r == params.RepeatBoth {
			across = (leastTile + image.W - 1) / image.W
		}
		if r := draw[i].Repeat; r == params.RepeatY || r == params.RepeatBoth {
			down = (leastTile + image.H - 1) / image.H
		}
		image = image.ToRGB().Tiled(across, down)
		w.layers = append(w.layers, layer{&draw[i], image, x, y})
	}
	return nil
}

// leastTile is the side from which a tile is drawn as it is: smaller ones are put
// together first, so that a speck does not cost a drawing for each pixel.
const leastTile = 256

// over draws l once, or as often as it is repeated.
func (l *layer) over(img *pixel.Image) *pixel.Image {
	xs, ys := []int{l.x}, []int{l.y}
	if l.overlay.Repeat == params.RepeatX || l.overlay.Repeat == params.RepeatBoth {
		xs = tiles(l.x, l.image.W, img.W)
	}
	if l.overlay.Repeat == params.RepeatY || l.overlay.Repeat == params.RepeatBoth {
		ys = tiles(l.y, l.image.H, img.H)
	}
	for _, y := range ys {
		for _, x := range xs {
			img = img.Compose(l.image, x, y, l.overlay.Opacity, operator(l.overlay.Composite))
		}
	}
	return img
}

// tiles are the places along an axis of length side at which a tile lies that also
// lies at at.
func tiles(at, tile, side int) []int {
	first := at % tile
	if first > 0 {
		first -= tile
	}
	var all []int
	for ; first < side; first += tile {
		all = append(all, first)
	}
	return all
}

func operator(c params.Composite) pixel.Operator {
	return map[params.Composite]pixel.Operator{
		params.CompositeOver: pixel.Over, params.CompositeIn: pixel.In, params.CompositeAtop: pixel.Atop,
		params.CompositeOut: pixel.Out, params.CompositeXor: pixel.Xor, params.CompositeLighter: pixel.Lighter,
	}[c]
}
