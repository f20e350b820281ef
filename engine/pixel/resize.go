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

// lanczosSteps is how finely the table knows the filter: straight lines between
// the steps are 2e-6 off at most, a thirtieth of what coefBits can tell.
const lanczosSteps = 1024

var lanczosTable = func() (table [lanczosLobes*lanczosSteps + 2]float64) {
	table[0] = 1
	for i := 1; i < lanczosLobes*lanczosSteps; i++ {
		a := math.Pi * float64(i) / lanczosSteps
		table[i] = lanczosLobes * math.Sin(a) * math.Sin(a/lanczosLobes) / (a * a)
	}
	return table
}()

func lanczos(x float64) float64 {
	x = math.Abs(x) * lanczosSteps
	if x >= lanczosLobes*lanczosSteps {
		return 0
	}
	i := int(x)
	return lanczosTable[i] + (x-float64(i))*(lanczosTable[i+1]-lanczosTable[i])
}

// filter maps source samples to result samples: result i is the sum of length[i]
// source samples from start[i] on, each times its coefficient. The coefficients of
// all results lie one after the other, taps each, of which those beyond the length
// are 0; taps is a multiple of 8.
type filter struct {
	start, length []int32
	coef          []int16
	taps          int
}

// at returns the first source sample of result i and all its coefficients.
func (f *filter) at(i int) (start int32, coef []int16) {
	return f.start[i], f.coef[i*f.taps:][:f.taps]
}

// newFilter computes the filter that maps the window [at, at+size) of source
// samples to dst samples by Lanczos3.
func newFilter(source int, at, size float64, dst int) *filter {
	return weighted(source, at, size, dst, lanczosLobes, lanczos)
}

// gaussianFilter blurs a line of samples.
func gaussianFilter(samples int, sigma float64) *filter {
	return weighted(samples, 0, float64(samples), samples, 3*sigma+1, func(x float64) float64 { return math.Exp(-x * x / (2 * sigma * sigma)) })
}

// weighted computes a filter from its kernel, which is 0 from lobes samples of the
// coarser grid on. Samples beyond the source's edge count as its outermost.
func weighted(source int, at, size float64, dst int, lobes float64, kernel func(x float64) float64) *filter {
	scale := size / float64(dst)
	stretch := max(scale, 1)
	support := lobes * stretch
	most := min(int(2*support)+3, source)
	f := &filter{start: make([]int32, dst), length: make([]int32, dst), taps: (most + 7) &^ 7}
	f.coef = make([]int16, dst*f.taps)
	weights := make([]float64, most)
	for i := range dst {
		centre := at + (float64(i)+0.5)*scale
		first := int(math.Floor(centre - support))
		last := int(math.Ceil(centre + support))
		start := min(max(first, 0), source-1)
		end := min(max(last, start), source-1)
		weights = weights[:end-start+1]
		clear(weights)
		sum := 0.0
		for s := first; s <= last; s++ {
			w := kernel((float64(s) + 0.5 - centre) / stretch)
			weights[min(max(s, start), end)-start] += w
			sum += w
		}
		f.quantise(i, start, weights, sum)
	}
	return f
}

// quantise makes fixed-point coefficients that sum to one: what rounding loses
// goes to the largest, so that an even area stays even.
func (f *filter) quantise(i, start int, weights []float64, sum float64) {
	for len(weights) > 1 && math.Abs(weights[0]/sum) < 0.5/one {
		weights = weights[1:]
		start++
	}
	for len(weights) > 1 && math.Abs(weights[len(weights)-1]/sum) < 0.5/one {
		weights = weights[:len(weights)-1]
	}
	f.start[i], f.length[i] = int32(start), int32(len(weights))
	_, coef := f.at(i)
	left, largest := int16(one), 0
	for k, w := range weights {
		coef[k] = int16(math.Round(w / sum * one))
		left -= coef[k]
		if coef[k] > coef[largest] {
			largest = k
		}
	}
	coef[largest] += left
}

// Window is a rectangle in samples that need not lie on their borders.
type Window struct{ X, Y, W, H float64 }

// Resize returns the window of m scaled to w × h by Lanczos3. m is left as it is.
// The window is in full-size samples and must lie within m; chroma planes are
// scaled at their own size (JFIF siting). Colour must be premultiplied if m has
// alpha. When ctx ends, its error is returned within a few rows' time.
func Resize(ctx context.Context, m *Image, window Window, w, h int) (*Image, error) {
	out := &Image{W: w, H: h, Model: m.Model, SubX: m.SubX, SubY: m.SubY, Premultiplied: m.Premultiplied}
	var scale *scaler
	for i := range m.Planes {
		// A chroma plane of the result covers whole blocks, which may reach beyond w × h.
		sx, sy := m.sub(i)
		pw, ph := out.planeSize(i)
		at := Window{window.X / float64(sx), window.Y / float64(sy),
			window.W / float64(w) * float64(pw), window.H / float64(h) * float64(ph)}
		if scale == nil || !scale.suits(&m.Planes[i], at) {
			scale = newScaler(&m.Planes[i], at, pw, ph)
		}
		plane, err := scale.run(ctx, &m.Planes[i])
		if err != nil {
			return nil, err
		}
		out.Planes = append(out.Planes, plane)
	}
	if m.Alpha != nil {
		if !scale.suits(m.Alpha, window) {
			scale = newScaler(m.Alpha, window, w, h)
		}
		alpha, err := scale.run(ctx, m.Alpha)
		if err != nil {
			return nil, err
		}
		out.Alpha = &alpha
	}
	return out, nil
}

// scaler scales a window of planes of one size to w × h.
type scaler struct {
	sourceW, sourceH int
	window           Window
	w, h             int
	cut              bool    // the window's samples as they are
	columns          *filter // its starts count from left
	rows             *filter
	left, width      int // the samples of a row that are needed
}

func newScaler(p *Plane, at Window, w, h int) *scaler {
	s := &scaler{sourceW: p.W, sourceH: p.H, window: at, w: w, h: h}
	if at.W == float64(w) && at.H == float64(h) && at.X == math.Floor(at.X) && at.Y == math.Floor(at.Y) {
		s.cut = true
		return s
	}
	s.columns, s.rows = newFilter(p.W, at.X, at.W, w), newFilter(p.H, at.Y, at.H, h)
	left, right := s.columns.start[0], int32(0)
	for i, start := range s.columns.start {
		left, right = min(left, start), max(right, start+s.columns.length[i])
	}
	for i := range s.columns.start {
		s.columns.start[i] -= left
	}
	s.left, s.width = int(left), int(right-left)
	return s
}

// suits reports whether s scales this window of a plane like p.
func (s *scaler) suits(p *Plane, at Window) bool {
	return p.W == s.sourceW && p.H == s.sourceH && at == s.window
}

func (s *scaler) run(ctx context.Context, p *Plane) (Plane, error) {
	if s.cut {
		return p.cut(int(s.window.X), int(s.window.Y), s.w, s.h), nil
	}
	out := NewPlane(s.w, s.h)
	// Coefficients of 0 may reach beyond the samples, so the line is longer.
	line := make([]int16, s.width+s.columns.taps)
	for y := range s.h {
		if y&15 == 0 && ctx.Err() != nil {
			return Plane{}, ctx.Err()
		}
		vertical(line[:s.width], p, s.left, s.rows, y)
		horizontal(out.Row(y), line, s.columns)
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

func clamp[T int | int32 | int64](v T) byte {
	if v < 0 {
		return 0
	}
	if v > 255 {
		return 255
	}
	return byte(v)
}
