package params

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
