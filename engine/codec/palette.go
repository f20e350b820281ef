package codec

import (
	"image"
	"image/color"
	"sort"
)

// palette is at most 256 colours that stand for all of a picture's, chosen by
// median cut, with a place for "transparent" if the picture needs one.
type palette struct {
	colours []color.NRGBA
	hidden  int             // index of the transparent colour; -1 if there is none
	nearest map[int]int     // of colours seen so far, to 5 bits a channel
	exact   map[[3]byte]int // index of every colour, if there are few enough; else nil
}

// bin is a group of pixels whose colours share their upper 5 bits.
type bin struct {
	sum   [3]int
	count int
}

func (b *bin) mean() [3]int {
	return [3]int{b.sum[0] / b.count, b.sum[1] / b.count, b.sum[2] / b.count}
}

// opaqueFrom is the least alpha that counts as visible: a palette of a GIF knows
// no half transparency.
const opaqueFrom = 128

// exactPalette holds every colour of m, or is nil if they are more than most.
func exactPalette(m *image.NRGBA, most int) *palette {
	p := &palette{hidden: -1, exact: map[[3]byte]int{}}
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:][:4*m.Rect.Dx()]
		for ; len(row) > 0; row = row[4:] {
			seen := p.hidden >= 0
			if row[3] >= opaqueFrom {
				_, seen = p.exact[[3]byte(row)]
			}
			if seen {
				continue
			}
			if len(p.colours) == most {
				return nil
			}
			if row[3] < opaqueFrom {
				p.hidden = len(p.colours)
				p.colours = append(p.colours, color.NRGBA{})
				continue
			}
			p.exact[[3]byte(row)] = len(p.colours)
			p.colours = append(p.colours, color.NRGBA{R: row[0], G: row[1], B: row[2], A: 255})
		}
	}
	return p
}

// newPalette chooses at most most colours for m, 2..256: its own if they suffice.
func newPalette(m *image.NRGBA, most int) *palette {
	if p := exactPalette(m, most); p != nil {
		return p
	}
	bins := map[int]*bin{}
	p := &palette{hidden: -1, nearest: map[int]int{}}
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:][:4*m.Rect.Dx()]
		for ; len(row) > 0; row = row[4:] {
			if row[3] < opaqueFrom {
				p.hidden = 0
				continue
			}
			key := key(int(row[0]), int(row[1]), int(row[2]))
			b := bins[key]
			if b == nil {
				b = &bin{}
				bins[key] = b
			}
			b.sum[0] += int(row[0])
			b.sum[1] += int(row[1])
			b.sum[2] += int(row[2])
			b.count++
		}
	}
	if p.hidden == 0 {
		p.colours = append(p.colours, color.NRGBA{})
		most--
	}
	all := make([]*bin, 0, len(bins))
	for _, b := range bins {
		all = append(all, b)
	}
	sort.Slice(all, func(i, j int) bool { // a map has no order, and bytes must repeat
		return before(all[i].mean(), all[j].mean())
	})
	for _, group := range cut(all, most) {
		p.colours = append(p.colours, average(group))
	}
	if len(p.colours) == 0 {
		p.colours = append(p.colours, color.NRGBA{A: 255})
	}
	return p
}

func key(r, g, b int) int { return r>>3<<10 | g>>3<<5 | b>>3 }

func before(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

func average(group []*bin) color.NRGBA {
	var total bin
	for _, b := range group {
		total.count += b.count
		for i := range total.sum {
			total.sum[i] += b.sum[i]
		}
	}
	mean := total.mean()
	return color.NRGBA{R: uint8(mean[0]), G: uint8(mean[1]), B: uint8(mean[2]), A: 255}
}

// cut halves the group whose colours spread most, weighed by its pixels, until
// there are most groups or nothing is left to halve.
func cut(all []*bin, most int) [][]*bin {
	if len(all) == 0 {
		return nil
	}
	type group struct {
		bins  []*bin
		axis  int
		worth int
	}
	measure := func(bins []*bin) group {
		g := group{bins: bins}
		low, high, count := [3]int{255, 255, 255}, [3]int{}, 0
		for _, b := range bins {
			for i, v := range b.mean() {
				low[i], high[i] = min(low[i], v), max(high[i], v)
			}
			count += b.count
		}
		spread := 0
		for i, weight := range [3]int{3, 6, 2} { // the eye sees green best
			if s := (high[i] - low[i]) * weight; s > spread {
				spread, g.axis = s, i
			}
		}
		if len(bins) > 1 {
			g.worth = spread * spread / 16 * (count + 1)
		}
		return g
	}
	groups := []group{measure(all)}
	for len(groups) < most {
		widest := 0
		for i := range groups {
			if groups[i].worth > groups[widest].worth {
				widest = i
			}
		}
		g := groups[widest]
		if g.worth == 0 {
			break
		}
		sort.SliceStable(g.bins, func(i, j int) bool { return g.bins[i].mean()[g.axis] < g.bins[j].mean()[g.axis] })
		half := middle(g.bins)
		groups[widest] = measure(g.bins[:half])
		groups = append(groups, measure(g.bins[half:]))
	}
	result := make([][]*bin, len(groups))
	for i, g := range groups {
		result[i] = g.bins
	}
	return result
}

// middle is where half of the pixels lie on either side, with a bin on each.
func middle(bins []*bin) int {
	total, seen := 0, 0
	for _, b := range bins {
		total += b.count
	}
	for i, b := range bins[:len(bins)-1] {
		if seen += b.count; 2*seen >= total {
			return i + 1
		}
	}
	return len(bins) - 1
}

// index is the nearest colour's.
func (p *palette) index(r, g, b int) int {
	if i, ok := p.exact[[3]byte{byte(r), byte(g), byte(b)}]; ok {
		return i
	}
	k := key(r, g, b)
	if i, ok := p.nearest[k]; ok {
		return i
	}
	best, least := 0, 1<<30
	for i, c := range p.colours {
		if i == p.hidden {
			continue
		}
		dr, dg, db := r-int(c.R), g-int(c.G), b-int(c.B)
		if d := 3*dr*dr + 6*dg*dg + 2*db*db; d < least {
			best, least = i, d
		}
	}
	p.nearest[k] = best
	return best
}

// paint renders m in the palette. With dither the error of each pixel is spread
// over its neighbours (Floyd and Steinberg, 1976).
func (p *palette) paint(m *image.NRGBA, dither bool) *image.Paletted {
	colours := make(color.Palette, len(p.colours))
	for i, c := range p.colours {
		colours[i] = c
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewPaletted(image.Rect(0, 0, w, h), colours)
	here, next := make([][3]int, w+2), make([][3]int, w+2)
	for y := range h {
		row := m.Pix[y*m.Stride:][:4*w]
		clear(next)
		for x := range w {
			px := row[4*x : 4*x+4]
			if px[3] < opaqueFrom {
				out.Pix[y*out.Stride+x] = uint8(max(p.hidden, 0))
				continue
			}
			var want [3]int
			for i := range want {
				want[i] = min(max(int(px[i])+here[x+1][i]/16, 0), 255)
			}
			index := p.index(want[0], want[1], want[2])
			out.Pix[y*out.Stride+x] = uint8(index)
			if !dither {
				continue
			}
			c := p.colours[index]
			for i, got := range [3]int{int(c.R), int(c.G), int(c.B)} {
				e := want[i] - got
				here[x+2][i] += 7 * e
				next[x][i] += 3 * e
				next[x+1][i] += 5 * e
				next[x+2][i] += e
			}
		}
		here, next = next, here
	}
	return out
}
