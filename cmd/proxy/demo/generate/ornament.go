package main

import (
	"image"
	"image/color"
	"math"
)

// ornament is an iris around a pupil, the fovea's neighbours, on nothing at all.
func ornament(size int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, size, size))
	const fine = 4
	for y := range size {
		for x := range size {
			var c vec
			var alpha float64
			for i := range fine * fine {
				u := (float64(x)+(float64(i%fine)+0.5)/fine)/float64(size)*2 - 1
				v := (float64(y)+(float64(i/fine)+0.5)/fine)/float64(size)*2 - 1
				s, a := iris(u, v)
				c, alpha = c.add(s.times(a)), alpha+a
			}
			if alpha > 0 {
				c = c.times(1 / alpha)
			}
			m.SetNRGBA(x, y, color.NRGBA{level(c.x), level(c.y), level(c.z), uint8(alpha/(fine*fine)*255 + 0.5)})
		}
	}
	return m
}

// level keeps few levels, so that the file stays small.
func level(v float64) uint8 { return uint8(math.Round(min(max(v, 0), 1)*31) * 255 / 31) }

func iris(u, v float64) (c vec, alpha float64) {
	r, a := math.Hypot(u, v), math.Atan2(v, u)
	petals := 0.80 + 0.10*math.Cos(12*a)
	switch {
	case r < 0.20:
		return mix(vec{0.05, 0.06, 0.10}, vec{0.10, 0.13, 0.22}, r/0.2), 1
	case r < 0.24:
		return vec{0.98, 0.80, 0.35}, 1
	case r < 0.56:
		ray := 0.5 + 0.5*math.Cos(36*a)
		return mix(vec{0.05, 0.42, 0.55}, vec{0.30, 0.78, 0.72}, ray*(0.56-r)/0.32), 1
	case r < 0.60:
		return vec{0.04, 0.20, 0.32}, 1
	case r < petals:
		return mix(vec{0.93, 0.36, 0.22}, vec{0.99, 0.72, 0.30}, (r-0.6)/0.3), smooth(petals, petals-0.02, r) * 0.92
	}
	return vec{0.93, 0.45, 0.25}, 0.5 * smooth(petals+0.12, petals, r)
}
