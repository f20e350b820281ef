package pixel

import (
	"context"
	"math"
)

// exactSigma is up to where a Gaussian is computed as it is; three box filters come
// near one only when it is wider, and their cost does not grow with it.
const exactSigma = 4

// Blur blurs img in place by a Gaussian of that radius (two standard deviations),
// 0..250 pixels.
func (img *Image) Blur(ctx context.Context, radius float64) (*Image, error) {
	img = img.Premultiply()
	blur := func(p *Plane, sx, sy int) error {
		if radius/2 <= exactSigma {
			return p.gaussian(ctx, radius/2/float64(sx), radius/2/float64(sy))
		}
		return p.blur(ctx, boxes(radius/2/float64(sx)), boxes(radius/2/float64(sy)))
	}
	for i := range img.Planes {
		sx, sy := img.sub(i)
		if err := blur(&img.Planes[i], sx, sy); err != nil {
			return nil, err
		}
	}
	if img.Alpha != nil {
		if err := blur(img.Alpha, 1, 1); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// boxes returns the half widths of three box filters that make a Gaussian of
// standard deviation sigma (P. Kovesi, "Fast Almost-Gaussian Filtering", 2010).
func boxes(sigma float64) [3]int {
	const n = 3
	ideal := math.Sqrt(12*sigma*sigma/n + 1)
	small := int(ideal)
	if small%2 == 0 {
		small--
	}
	w := float64(small)
	few := int(math.Round((12*sigma*sigma - n*w*w - 4*n*w - 3*n) / (-4*w - 4)))
	var half [n]int
	for i := range half {
		if half[i] = small / 2; i >= few {
			half[i]++
		}
	}
	return half
}

// gaussian blurs p by standard deviations along x and y.
func (p *Plane) gaussian(ctx context.Context, x, y float64) error {
	s := &scaler{w: p.W, h: p.H, columns: gaussianFilter(p.W, x), rows: gaussianFilter(p.H, y), width: p.W}
	blurred, err := s.run(ctx, p)
	if err == nil {
		*p = blurred
	}
	return err
}

func (p *Plane) blur(ctx context.Context, x, y [3]int) error {
	line, spare := make([]byte, max(p.W, p.H)), make([]byte, max(p.W, p.H))
	for row := range p.H {
		if row&63 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		boxBlur(p.Row(row), spare[:p.W], x)
	}
	for column := range p.W {
		if column&63 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for i := range p.H {
			line[i] = p.Pix[i*p.Stride+column]
		}
		boxBlur(line[:p.H], spare[:p.H], y)
		for i, v := range line[:p.H] {
			p.Pix[i*p.Stride+column] = v
		}
	}
	return nil
}

// boxBlur applies the three filters to line; the edges repeat. An even number of
// passes would end in spare, so the last one is copied back.
func boxBlur(line, spare []byte, half [3]int) {
	from, to := line, spare
	for _, h := range half {
		if h == 0 {
			continue
		}
		last := len(from) - 1
		n := 2*h + 1
		sum := 0
		for i := -h; i <= h; i++ {
			sum += int(from[min(max(i, 0), last)])
		}
		for i := range from {
			to[i] = byte((sum + h) / n)
			sum += int(from[min(i+h+1, last)]) - int(from[max(i-h, 0)])
		}
		from, to = to, from
	}
	if &from[0] != &line[0] {
		copy(line, from)
	}
}

// Sharpen raises the contrast of details in place; strength is 0..10, and 1 suits
// a picture that was scaled down. Of a YCbCr picture only the luma changes.
func (img *Image) Sharpen(ctx context.Context, strength float64) error {
	amount := int(math.Round(strength * 128)) // of 256
	for i := range img.Planes {
		if img.Model == YCbCr && i > 0 {
			break
		}
		if err := img.Planes[i].sharpen(ctx, amount); err != nil {
			return err
		}
	}
	if img.Alpha != nil && img.Premultiplied { // colour must not outshine its alpha
		img.perAlpha(func(_ int, row, alpha []byte) {
			for x, a := range alpha {
				row[x] = min(row[x], a)
			}
		})
	}
	return nil
}

// sharpen adds amount/256 of the difference to a 3×3 binomial blur.
func (p *Plane) sharpen(ctx context.Context, amount int) error {
	above, here := append([]byte(nil), p.Row(0)...), append([]byte(nil), p.Row(0)...)
	for y := range p.H {
		if y&63 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		row, below := p.Row(y), p.Row(min(y+1, p.H-1))
		copy(here, row)
		if y == p.H-1 {
			below = here
		}
		column := func(x int) int { return int(above[x]) + 2*int(here[x]) + int(below[x]) }
		for x := range row {
			mean := column(max(x-1, 0)) + 2*column(x) + column(min(x+1, p.W-1))
			v := int(here[x])
			row[x] = clamp(v + (amount*(16*v-mean)+2048)>>12)
		}
		above, here = here, above
	}
	return nil
}

// Tone is a change of light. The zero values change nothing, but for Saturation,
// where nil does.
type Tone struct {
	Gamma, Brightness, Contrast float64
	Saturation                  *float64
}

// Adjust applies t and returns the result as RGB; it may use img up. The steps
// are gamma, brightness, contrast, saturation (contract 2.2).
func (img *Image) Adjust(t Tone) *Image {
	img = img.ToRGB().Unpremultiply()
	if t.Gamma != 0 || t.Brightness != 0 || t.Contrast != 0 {
		table := t.table()
		for i := range img.Planes {
			img.Planes[i].each(func(row []byte) {
				for x, v := range row {
					row[x] = table[v]
				}
			})
		}
	}
	if t.Saturation != nil {
		img.saturate(*t.Saturation)
	}
	return img
}

func (t Tone) table() (table [256]byte) {
	for v := range table {
		n := float64(v) / 255
		if t.Gamma != 0 {
			n = math.Pow(n, t.Gamma)
		}
		if t.Brightness != 0 {
			n *= t.Brightness
		}
		if t.Contrast != 0 {
			n = (n-0.5)*t.Contrast + 0.5
		}
		table[v] = clamp(int(min(max(n, 0), 1)*255 + 0.5))
	}
	return table
}

// saturate moves each colour away from its luma, or towards it.
func (img *Image) saturate(factor float64) {
	f := int(math.Round(factor * 256))
	for y := range img.H {
		r, g, b := img.Planes[0].Row(y), img.Planes[1].Row(y), img.Planes[2].Row(y)
		for x := range r {
			luma, _, _ := toYCbCr(r[x], g[x], b[x])
			l := int(luma)
			r[x] = clamp(l + (f*(int(r[x])-l)+128)>>8)
			g[x] = clamp(l + (f*(int(g[x])-l)+128)>>8)
			b[x] = clamp(l + (f*(int(b[x])-l)+128)>>8)
		}
	}
}
