package pixel

import "context"

// Turn is one of the eight ways to lay a picture on itself: first the axes
// change places if Transpose, then left and right if FlipX, then top and bottom
// if FlipY. The zero value leaves it as it is.
type Turn struct{ Transpose, FlipX, FlipY bool }

// Orientation returns the Turn that sets a picture with this EXIF orientation
// upright; an unknown one leaves it.
func Orientation(exif int) Turn {
	switch exif {
	case 2:
		return Turn{FlipX: true}
	case 3:
		return Turn{FlipX: true, FlipY: true}
	case 4:
		return Turn{FlipY: true}
	case 5:
		return Turn{Transpose: true}
	case 6:
		return Turn{Transpose: true, FlipX: true}
	case 7:
		return Turn{Transpose: true, FlipX: true, FlipY: true}
	case 8:
		return Turn{Transpose: true, FlipY: true}
	}
	return Turn{}
}

// Rotation returns the Turn of a clockwise rotation by 90, 180 or 270 degrees.
func Rotation(degrees int) Turn {
	switch degrees {
	case 90:
		return Orientation(6)
	case 180:
		return Orientation(3)
	case 270:
		return Orientation(8)
	}
	return Turn{}
}

// Then returns the Turn that does t and after it next.
func (t Turn) Then(next Turn) Turn {
	if next.Transpose { // what flipped one axis now flips the other
		t.FlipX, t.FlipY = t.FlipY, t.FlipX
	}
	return Turn{t.Transpose != next.Transpose, t.FlipX != next.FlipX, t.FlipY != next.FlipY}
}

// Undo returns where r, in a picture of w × h that t has made, was before t.
func (t Turn) Undo(r Window, w, h float64) Window {
	if t.FlipX {
		r.X = w - r.X - r.W
	}
	if t.FlipY {
		r.Y = h - r.Y - r.H
	}
	if t.Transpose {
		r = Window{r.Y, r.X, r.H, r.W}
	}
	return r
}

// Apply returns m turned by t; it uses m up. Chroma that ends inside a block is
// moved by a part of a sample.
func (t Turn) Apply(ctx context.Context, m *Image) (*Image, error) {
	if t.Transpose {
		m = m.transpose()
	}
	return m.flip(ctx, t.FlipX, t.FlipY)
}
