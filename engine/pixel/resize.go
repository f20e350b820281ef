package pixel

import (
	"context"
	"math"
)

// The filter's arithmetic: coefficients have coefBits fractional bits and sum to
// exactly one; between the two passes samples keep midBits fractional bits in 16.
const (
	coefBits = 14
	midBits  = 6
	one      = 1 << coefBits
)

// lanczosLobes is the support of the filter in samples of the coarser grid.
const lanczosLobes = 3

func lanczos(x float64) float64 {
	x = math.Abs(x)
	if x < 1e-9 {
		return 1
	}
	if x >= lanczosLobes {
		return 0
	}
	a := math.Pi * x
	return lanczosLobes * math.Sin(a) * math.Sin(a/lanczosLobes) / (a * a)
}

// taps are the source samples of one result sample: from start on, one coefficient each.
type taps struct {
	start int
	coef  []int32
}

// filter computes the taps that map the window [at, at+size) of source samples
// to dst samples. Samples beyond the source's edge count as its outermost.
func filter(source int, at, size float64, dst int) []taps {
	scale := size / float64(dst)
	stretch := max(scale, 1)
	support := lanczosLobes * stretch
	all := make([]taps, dst)
	weights := make([]float64, 0, int(2*support)+3)
	for i := range all {
		centre := at + (float64(i)+0.5)*scale
		first := int(math.Floor(centre - support))
		last := int(math.Ceil(centre + support))
		start := min(max(first, 0), source-1)
		end := min(max(last, start), source-1)
		weights = weights[:end-start+1]
		clear(weights)
		sum := 0.0
		for s := first; s <= last; s++ {
			w := lanczos((float64(s) + 0.5 - centre) / stretch)
			weights[min(max(s, start), end)-start] += w
			sum += w
		}
		all[i] = quantise(start, weights, sum)
	}
	return all
}

// quantise makes fixed-point coefficients that sum to one: what rounding loses
// goes to the largest, so that an even area stays even.
func quantise(start int, weights []float64, sum float64) taps {
	for len(weights) > 1 && math.Abs(weights[0]/sum) < 0.5/one {
		weights = weights[1:]
		start++
	}
	for len(weights) > 1 && math.Abs(weights[len(weights)-1]/sum) < 0.5/one {
		weights = weights[:len(weights)-1]
	}
	coef := make([]int32, len(weights))
	left, largest := int32(one), 0
	for i, w := range weights {
		coef[i] = int32(math.Round(w / sum * one))
		left -= coef[i]
		if coef[i] > coef[largest] {
			largest = i
		}
	}
	coef[largest] += left
	return taps{start, coef}
}

// Window is a rectangle in samples that need not lie on their borders.
type Window struct{ X, Y, W, H float64 }

// Resize returns the window of m scaled to w × h by Lanczos3. m is left as it is.
// The window is in full-size samples and must lie within m; chroma planes are
// scaled at their own size (JFIF siting). Colour must be premultiplied if m has
// alpha. When ctx ends, its error is returned within a few rows' time.
func Resize(ctx context.Context, m *Image, window Window, w, h int) (*Image, error) {
	out := &Image{W: w, H: h, Model: m.Model, SubX: m.SubX, SubY: m.SubY, Premultiplied: m.Premultiplied}
	for i := range m.Planes {
		// A chroma plane of the result covers whole blocks, which may reach beyond w × h.
		sx, sy := m.sub(i)
		pw, ph := out.planeSize(i)
		at := Window{window.X / float64(sx), window.Y / float64(sy),
			window.W / float64(w) * float64(pw), window.H / float64(h) * float64(ph)}
		plane, err := resizePlane(ctx, &m.Planes[i], at, pw, ph)
		if err != nil {
			return nil, err
		}
		out.Planes = append(out.Planes, plane)
	}
	if m.Alpha != nil {
		alpha, err := resizePlane(ctx, m.Alpha, window, w, h)
		if err != nil {
			return nil, err
		}
		out.Alpha = &alpha
	}
	return out, nil
}

func resizePlane(ctx context.Context, p *Plane, at Window, w, h int) (Plane, error) {
	if at.W == float64(w) && at.H == float64(h) && at.X == math.Floor(at.X) && at.Y == math.Floor(at.Y) {
		return p.cut(int(at.X), int(at.Y), w, h), nil
	}
	out := NewPlane(w, h)
	columns := filter(p.W, at.X, at.W, w)
	rows := filter(p.H, at.Y, at.H, h)
	left, right := columns[0].start, 0
	for _, c := range columns {
		left, right = min(left, c.start), max(right, c.start+len(c.coef))
	}
	sums := make([]int32, right-left)
	line := make([]int16, right-left)
	for y := range rows {
		if y&15 == 0 && ctx.Err() != nil {
			return Plane{}, ctx.Err()
		}
		vertical(line, sums, p, left, &rows[y])
		horizontal(out.Row(y), line, left, columns)
	}
	return out, nil
}

// cut copies a part of p; what lies beyond its edge repeats the outermost sample.
func (p *Plane) cut(x, y, w, h int) Plane {
	out := NewPlane(w, h)
	for i := range h {
		row, from := out.Row(i), p.Row(min(y+i, p.H-1))
		n := copy(row, from[min(x, len(from)-1):])
		for k := n; k < w; k++ {
			row[k] = from[len(from)-1]
		}
	}
	return out
}

// vertical sums the source rows of one result row into line, which starts at
// column left. sums is room to work in.
func vertical(line []int16, sums []int32, p *Plane, left int, t *taps) {
	clear(sums)
	for k, c := range t.coef {
		at := (t.start+k)*p.Stride + left
		accumulate(sums, p.Pix[at:at+len(sums)], c)
	}
	const shift = coefBits - midBits
	line = line[:len(sums)]
	for i, s := range sums {
		line[i] = int16((s + 1<<(shift-1)) >> shift)
	}
}

// accumulate adds c × row to sums.
func accumulate(sums []int32, row []byte, c int32) {
	row = row[:len(sums)]
	i := 0
	for ; i+4 <= len(sums); i += 4 {
		s, r := sums[i:i+4:i+4], row[i:i+4:i+4]
		s[0] += int32(r[0]) * c
		s[1] += int32(r[1]) * c
		s[2] += int32(r[2]) * c
		s[3] += int32(r[3]) * c
	}
	for ; i < len(sums); i++ {
		sums[i] += int32(row[i]) * c
	}
}

// horizontal filters line, which starts at column left, into row.
func horizontal(row []byte, line []int16, left int, columns []taps) {
	const shift = coefBits + midBits
	for x := range row {
		t := &columns[x]
		samples := line[t.start-left:][:len(t.coef)]
		sum := int64(1) << (shift - 1)
		for k, c := range t.coef {
			sum += int64(samples[k]) * int64(c)
		}
		row[x] = clamp(sum >> shift)
	}
}

func clamp[T int | int32 | int64](v T) byte {
	if v < 0 {
		return 0
	}
	if v > 255 {
		return 255
	}
	return byte(v)
}
