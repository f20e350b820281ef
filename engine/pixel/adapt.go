package pixel

import "image"

// FromYCbCr wraps a decoded picture without copying: it shares src's bytes.
// Subsampling other than 1, 2 or 4 does not exist in image.YCbCr.
func FromYCbCr(src *image.YCbCr) *Image {
	subX, subY := 1, 1
	switch src.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		subX = 2
	case image.YCbCrSubsampleRatio420:
		subX, subY = 2, 2
	case image.YCbCrSubsampleRatio440:
		subY = 2
	case image.YCbCrSubsampleRatio411:
		subX = 4
	case image.YCbCrSubsampleRatio410:
		subX, subY = 4, 2
	}
	img := &Image{W: src.Rect.Dx(), H: src.Rect.Dy(), Model: YCbCr, SubX: subX, SubY: subY, Planes: make([]Plane, 3)}
	for i, pix := range [][]byte{src.Y, src.Cb, src.Cr} {
		w, h := img.planeSize(i)
		stride := src.CStride
		at := src.COffset(src.Rect.Min.X, src.Rect.Min.Y)
		if i == 0 {
			stride, at = src.YStride, src.YOffset(src.Rect.Min.X, src.Rect.Min.Y)
		}
		img.Planes[i] = Plane{W: w, H: h, Stride: stride, Pix: pix[at:]}
	}
	return img
}

// FromGray wraps src without copying.
func FromGray(src *image.Gray) *Image {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	at := src.PixOffset(src.Rect.Min.X, src.Rect.Min.Y)
	return &Image{W: w, H: h, Model: Gray, SubX: 1, SubY: 1, Planes: []Plane{{W: w, H: h, Stride: src.Stride, Pix: src.Pix[at:]}}}
}

// FromNRGBA takes src apart into planes; alpha is left out if all of it is opaque.
func FromNRGBA(src *image.NRGBA) *Image {
	img := New(RGB, src.Rect.Dx(), src.Rect.Dy())
	alpha := NewPlane(img.W, img.H)
	for y := range img.H {
		row := src.Pix[src.PixOffset(src.Rect.Min.X, src.Rect.Min.Y+y):][:4*img.W]
		split(img.Planes[0].Row(y), img.Planes[1].Row(y), img.Planes[2].Row(y), alpha.Row(y), row)
	}
	if !alpha.opaque() {
		img.Alpha = &alpha
	}
	return img
}

// NRGBA puts img together as RGB with alpha, not premultiplied.
func (img *Image) NRGBA() *image.NRGBA {
	rgb := img.Unpremultiply().ToRGB()
	out := image.NewNRGBA(image.Rect(0, 0, img.W, img.H))
	for y := range img.H {
		row := out.Pix[y*out.Stride:][:4*img.W]
		r, g, b := rgb.Planes[0].Row(y), rgb.Planes[1].Row(y), rgb.Planes[2].Row(y)
		for x := range r {
			p := row[4*x:][:4]
			p[0], p[1], p[2], p[3] = r[x], g[x], b[x], 255
		}
		if img.Alpha != nil {
			for x, a := range img.Alpha.Row(y) {
				row[4*x+3] = a
			}
		}
	}
	return out
}
