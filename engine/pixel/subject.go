package pixel

// Interest is how much each pixel of a small picture draws the eye. It is made of
// whole numbers alone, so it is the same on every machine.
type Interest struct {
	w, h int
	sums []int64 // (w+1) × (h+1): the interest above and left of each corner
}

// Saliency is the interest by maximum symmetric surround (R. Achanta and
// S. Süsstrunk, "Saliency detection using maximum symmetric surround", 2010): how
// much a pixel's colour differs from the mean of the largest area around it that
// lies in the picture. The colours are those of YCbCr.
func (img *Image) Saliency() *Interest {
	return img.interest(func(planes []Plane) func(x, y int) int64 {
		sums := make([][]int64, len(planes))
		for i := range planes {
			sums[i] = integral(planes[i].W, planes[i].H, func(x, y int) int64 { return int64(planes[i].Row(y)[x]) })
		}
		return func(x, y int) int64 {
			dx, dy := min(x, img.W-1-x), min(y, img.H-1-y)
			area := int64(2*dx+1) * int64(2*dy+1)
			var distance int64
			for i := range planes {
				mean := box(sums[i], img.W, x-dx, y-dy, x+dx+1, y+dy+1) / area
				d := planes[i].smooth(x, y) - 16*mean
				distance += d * d
			}
			return distance
		}
	})
}

// Detail is the interest by edges: how steeply the light changes.
func (img *Image) Detail() *Interest {
	return img.interest(func(planes []Plane) func(x, y int) int64 {
		return func(x, y int) int64 {
			row, below := planes[0].Row(y), planes[0].Row(min(y+1, img.H-1))
			here := int64(row[x])
			return abs(int64(row[min(x+1, img.W-1)])-here) + abs(int64(below[x])-here)
		}
	})
}

// interest sums up a measure of opaque pixels; what cannot be seen counts nothing.
func (img *Image) interest(measure func(planes []Plane) func(x, y int) int64) *Interest {
	full := img.Clone().ToRGB().ToYCbCr()
	of := measure(full.Planes)
	return &Interest{img.W, img.H, integral(img.W, img.H, func(x, y int) int64 {
		n := of(x, y)
		if img.Alpha != nil {
			n = n * int64(img.Alpha.Row(y)[x]) / 255
		}
		return n
	})}
}

// Best returns the place of the w × h window that holds the most interest; of
// equals, the one nearest the centre. Sides beyond the picture's are cut.
func (n *Interest) Best(w, h int) (x, y int) {
	w, h = min(max(w, 1), n.w), min(max(h, 1), n.h)
	most, nearest := int64(-1), 0
	for top := 0; top <= n.h-h; top++ {
		for left := 0; left <= n.w-w; left++ {
			sum := box(n.sums, n.w, left, top, left+w, top+h)
			dx, dy := 2*left-(n.w-w), 2*top-(n.h-h)
			if away := dx*dx + dy*dy; sum > most || sum == most && away < nearest {
				most, nearest, x, y = sum, away, left, top
			}
		}
	}
	return x, y
}

// integral is the summed area table of value.
func integral(w, h int, value func(x, y int) int64) []int64 {
	sums := make([]int64, (w+1)*(h+1))
	for y := range h {
		var row int64
		for x := range w {
			row += value(x, y)
			sums[(y+1)*(w+1)+x+1] = sums[y*(w+1)+x+1] + row
		}
	}
	return sums
}

// box is the sum over x0 ≤ x < x1, y0 ≤ y < y1 of a table for width w.
func box(sums []int64, w, x0, y0, x1, y1 int) int64 {
	w++
	return sums[y1*w+x1] - sums[y0*w+x1] - sums[y1*w+x0] + sums[y0*w+x0]
}

// smooth is sixteen times the binomial mean of the 3 × 3 samples around one.
func (p *Plane) smooth(x, y int) int64 {
	left, right := max(x-1, 0), min(x+1, p.W-1)
	row := func(y int) int64 {
		r := p.Row(min(max(y, 0), p.H-1))
		return int64(r[left]) + 2*int64(r[x]) + int64(r[right])
	}
	return row(y-1) + 2*row(y) + row(y+1)
}

func abs(n int64) int64 { return max(n, -n) }
