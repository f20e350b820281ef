// Package picturetest renders and scales pictures for tests.
package picturetest

import (
	"image"
	"image/color"
	"math"
)

// Photo renders a picture with what photographs have: smooth light, edges,
// texture and noise. With alpha it fades out to the right.
func Photo(w, h int, alpha bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	seed := uint32(1)
	for y := range h {
		for x := range w {
			fx, fy := float64(x)/float64(w), float64(y)/float64(h)
			light := 0.5 + 0.4*math.Sin(3*fx+2*fy) + 0.08*math.Sin(40*fx)*math.Sin(31*fy) + 0.03*math.Sin(170*fx*fy+60*fy)
			r, g, b := 230*light, 200*light*(1-fy/2), 160*light*(0.4+fy/2)
			if dx, dy := fx-0.6, fy-0.5; dx*dx+dy*dy < 0.04 {
				r, g, b = 190-300*dx, 60+80*dy, 50
			}
			seed = seed*1664525 + 1013904223
			noise := float64(seed>>24)/170 - 0.75
			px := color.NRGBA{clamp8(r + noise), clamp8(g + noise), clamp8(b + noise), 255}
			if alpha {
				px.A = clamp8(300 * (1 - fx))
			}
			m.SetNRGBA(x, y, px)
		}
	}
	return m
}

func clamp8(v float64) uint8 { return uint8(min(max(v, 0), 255)) }

// Resize scales the window at x, y of size w × h to dw × dh by Lanczos3, in
// floating point and in the most straightforward way: what a fast one is measured
// against. Colour is weighed by alpha.
func Resize(m *image.NRGBA, x, y, w, h float64, dw, dh int) *image.NRGBA {
	columns, rows := weights(m.Rect.Dx(), x, w, dw), weights(m.Rect.Dy(), y, h, dh)
	out := image.NewNRGBA(image.Rect(0, 0, dw, dh))
	wide := make([][4]float64, dw*m.Rect.Dy())
	for sy := range m.Rect.Dy() {
		for dx, list := range columns {
			sum := &wide[sy*dw+dx]
			for _, t := range list {
				px := m.Pix[m.PixOffset(t.at, sy):][:4]
				a := float64(px[3]) * t.weight
				sum[0] += float64(px[0]) * a
				sum[1] += float64(px[1]) * a
				sum[2] += float64(px[2]) * a
				sum[3] += a
			}
		}
	}
	for dy, list := range rows {
		for dx := range dw {
			var sum [4]float64
			for _, t := range list {
				for i, v := range wide[t.at*dw+dx] {
					sum[i] += v * t.weight
				}
			}
			if a := sum[3]; a > 0.5 {
				out.SetNRGBA(dx, dy, color.NRGBA{clamp8(sum[0]/a + 0.5), clamp8(sum[1]/a + 0.5), clamp8(sum[2]/a + 0.5), clamp8(a + 0.5)})
			}
		}
	}
	return out
}

type tap struct {
	at     int
	weight float64
}

func weights(source int, at, size float64, dst int) [][]tap {
	scale := size / float64(dst)
	stretch := max(scale, 1)
	all := make([][]tap, dst)
	for i := range all {
		centre := at + (float64(i)+0.5)*scale
		sum := 0.0
		for s := int(math.Floor(centre - 3*stretch)); s <= int(math.Ceil(centre+3*stretch)); s++ {
			d := (float64(s) + 0.5 - centre) / stretch
			weight := 1.0
			if math.Abs(d) >= 3 {
				continue
			}
			if a := math.Pi * d; math.Abs(a) > 1e-9 {
				weight = 3 * math.Sin(a) * math.Sin(a/3) / (a * a)
			}
			all[i] = append(all[i], tap{min(max(s, 0), source-1), weight})
			sum += weight
		}
		for k := range all[i] {
			all[i][k].weight /= sum
		}
	}
	return all
}
