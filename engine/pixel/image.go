package pixel

import "context"

// channels is the number of planes of a model.
func (m Model) channels() int { return [...]int{Gray: 1, YCbCr: 3, RGB: 3, CMYK: 4}[m] }

// New returns a zeroed picture with planes of full size. Sides must be positive
// and judged by the caller.
func New(m Model, w, h int) *Image { return newSubsampled(m, w, h, 1, 1) }

func newSubsampled(m Model, w, h, subX, subY int) *Image {
	img := &Image{W: w, H: h, Model: m, SubX: subX, SubY: subY, Planes: make([]Plane, m.channels())}
	for i := range img.Planes {
		img.Planes[i] = NewPlane(img.planeSize(i))
	}
	return img
}

// planeSize is how many samples plane i has.
func (img *Image) planeSize(i int) (w, h int) {
	x, y := img.sub(i)
	return (img.W + x - 1) / x, (img.H + y - 1) / y
}

// sub is how many pixels one sample of plane i spans.
func (img *Image) sub(i int) (x, y int) {
	if img.Model == YCbCr && i > 0 {
		return max(img.SubX, 1), max(img.SubY, 1)
	}
	return 1, 1
}

// Crop returns the rectangle of img at x, y, which must lie inside. It shares
// img's bytes, except for chroma whose samples the cut goes through: that is
// moved by a part of a sample into planes of its own.
func (img *Image) Crop(ctx context.Context, x, y, w, h int) (*Image, error) {
	out := *img
	out.W, out.H = w, h
	out.Planes = make([]Plane, len(img.Planes))
	for i := range img.Planes {
		sx, sy := img.sub(i)
		pw, ph := out.planeSize(i)
		if x%sx == 0 && y%sy == 0 {
			out.Planes[i] = img.Planes[i].view(x/sx, y/sy, pw, ph)
			continue
		}
		win := Window{X: float64(x) / float64(sx), Y: float64(y) / float64(sy), W: float64(pw), H: float64(ph)}
		var err error
		if out.Planes[i], err = newScaler(&img.Planes[i], win, pw, ph).run(ctx, &img.Planes[i]); err != nil {
			return nil, err
		}
	}
	if img.Alpha != nil {
		alpha := img.Alpha.view(x, y, w, h)
		out.Alpha = &alpha
	}
	return &out, nil
}

// flip mirrors img in place and returns it.
func (img *Image) flip(ctx context.Context, horizontal, vertical bool) (*Image, error) {
	for i := range img.Planes {
		p := &img.Planes[i]
		p.flip(horizontal, vertical)
		// The last chroma sample may reach beyond the picture; flipped, it is the
		// first, and the whole plane lies that much too far in.
		sx, sy := img.sub(i)
		win := Window{W: float64(p.W), H: float64(p.H)}
		if horizontal {
			win.X = float64(p.W) - float64(img.W)/float64(sx)
		}
		if vertical {
			win.Y = float64(p.H) - float64(img.H)/float64(sy)
		}
		if win.X == 0 && win.Y == 0 {
			continue
		}
		moved, err := newScaler(p, win, p.W, p.H).run(ctx, p)
		if err != nil {
			return nil, err
		}
		img.Planes[i] = moved
	}
	if img.Alpha != nil {
		img.Alpha.flip(horizontal, vertical)
	}
	return img, nil
}

func (img *Image) transpose() *Image {
	out := *img
	out.W, out.H = img.H, img.W
	out.SubX, out.SubY = img.SubY, img.SubX
	out.Planes = make([]Plane, len(img.Planes))
	for i := range img.Planes {
		out.Planes[i] = img.Planes[i].transpose()
	}
	if img.Alpha != nil {
		alpha := img.Alpha.transpose()
		out.Alpha = &alpha
	}
	return &out
}

// Bytes is the memory that img's planes take.
func (img *Image) Bytes() int64 {
	var n int64
	for i := range img.Planes {
		n += int64(len(img.Planes[i].Pix))
	}
	if img.Alpha != nil {
		n += int64(len(img.Alpha.Pix))
	}
	return n
}

// Clone returns a copy of img that shares no bytes with it.
func (img *Image) Clone() *Image {
	out := *img
	out.Planes = make([]Plane, len(img.Planes))
	for i := range img.Planes {
		out.Planes[i] = img.Planes[i].cut(0, 0, img.Planes[i].W, img.Planes[i].H)
	}
	if img.Alpha != nil {
		alpha := img.Alpha.cut(0, 0, img.Alpha.W, img.Alpha.H)
		out.Alpha = &alpha
	}
	return &out
}
