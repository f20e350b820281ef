package main

import "math"

// landscape is a lake at first light: sky, five ranges of mountains in the haze,
// their reflection, reeds in front.
func landscape(w, h int) func(x, y int) vec {
	aspect := float64(w) / float64(h)
	return func(px, py int) vec {
		u, v := (float64(px)+0.5)/float64(w)*aspect, (float64(py)+0.5)/float64(h)
		const shore = 0.62
		var c vec
		if v < shore {
			c = scenery(u, v, shore)
		} else {
			c = water(u, v, shore)
		}
		c = reeds(c, u, v, aspect)
		grain := hash(px, py, 7) + hash(px, py, 8) - 1
		return c.times(1 + 0.035*grain)
	}
}

func sky(u, v float64) vec {
	sun := vec{0.95, 0.47, 0}
	d := math.Hypot(u-sun.x, (v-sun.y)*1.6)
	c := mix(vec{1.0, 0.62, 0.36}, vec{0.16, 0.30, 0.58}, smooth(0.62, 0.05, v))
	c = c.add(vec{1.0, 0.55, 0.22}.times(0.55 * math.Exp(-d*3.2)))
	c = c.add(vec{1.6, 1.25, 0.8}.times(2.2 * math.Exp(-d*d*900)))
	// Clouds lie on a plane high above, seen at an angle.
	depth := 0.16 / (0.66 - v)
	n := fbm(u*2.2*depth+3, depth*4.2, 0.3, 7)
	body := smooth(0.48, 0.78, n) * smooth(0.56, 0.3, v)
	light := fbm(u*2.2*depth+3.05, depth*4.2-0.12, 0.3, 6)
	lit := mix(vec{0.55, 0.45, 0.50}, vec{1.35, 0.92, 0.68}, smooth(-0.06, 0.10, n-light))
	return mix(c, lit, body*0.85)
}

// ranges are mountains from far to near: height of the crest, roughness, haze.
var ranges = []struct{ base, height, frequency, haze float64 }{
	{0.42, 0.20, 1.3, 0.80}, {0.47, 0.20, 1.9, 0.62}, {0.52, 0.16, 2.6, 0.42}, {0.57, 0.13, 3.7, 0.22}, {0.615, 0.08, 6.0, 0.06},
}

func scenery(u, v, shore float64) vec {
	c := sky(u, v)
	for i, m := range ranges {
		seed := float64(i) * 13.7
		crest := m.base - m.height*(ridged(u*m.frequency+seed, seed, 8)-0.35)
		if i == len(ranges)-1 { // woods: their tops are trees
			crest -= 0.018 * math.Abs(noise(u*95+seed, 1, 2)-0.35) * (0.5 + noise(u*31, 3, 1))
		}
		if v < crest {
			continue
		}
		down := v - crest
		slope := ridged(u*m.frequency+seed+0.012, seed, 8) - ridged(u*m.frequency+seed-0.012, seed, 8)
		rock := fbm(u*m.frequency*14, v*m.frequency*22, seed, 6)
		face := mix(vec{0.10, 0.11, 0.16}, vec{0.40, 0.30, 0.26}, smooth(-0.12, 0.2, slope+0.5*(rock-0.5)))
		if i < 3 { // snow holds where it is flat and high
			snow := smooth(0.10, 0.0, down) * smooth(0.42, 0.6, rock)
			face = mix(face, mix(vec{0.45, 0.50, 0.66}, vec{1.15, 0.85, 0.70}, smooth(-0.05, 0.16, slope)), snow)
		} else {
			wood := fbm(u*m.frequency*60, v*m.frequency*90, seed, 4)
			face = mix(vec{0.018, 0.030, 0.026}, vec{0.10, 0.11, 0.055}, wood*smooth(-0.2, 0.3, slope+0.2))
		}
		mist := m.haze + (1-m.haze)*0.55*smooth(shore-0.10, shore, v)*(0.5+0.5*fbm(u*3, v*30, seed, 4))
		hazed := mix(vec{0.34, 0.38, 0.52}, vec{1.0, 0.66, 0.44}, math.Exp(-math.Abs(u-0.95)*1.6))
		c = mix(face, hazed, min(mist, 0.94))
	}
	return c
}

func water(u, v, shore float64) vec {
	depth := (v - shore) / (1 - shore)
	near := 0.02 + 0.98*depth
	ripple := fbm(u*14/near*0.6, 3.5/near*9, 4, 5) - 0.5
	fine := fbm(u*60/near*0.5, 3.5/near*40, 9, 3) - 0.5
	ru := u + (0.012*ripple+0.004*fine)*(0.3+depth)
	rv := 2*shore - v - 0.01 + (0.05*ripple+0.02*fine)*(0.15+depth)
	reflected := scenery(ru, min(max(rv, 0.02), shore-0.002), shore)
	deep := vec{0.012, 0.030, 0.042}
	return mix(deep, reflected, 0.86-0.42*depth*depth).add(vec{1.2, 0.7, 0.35}.times(0.10 * math.Exp(-math.Abs(u-0.95)*7) * smooth(0.12, 0.3, ripple+0.25)))
}

// reeds stand in the lower corners, dark against the water.
func reeds(c vec, u, v, aspect float64) vec {
	for i := range 150 {
		x := hash(i, 1, 0)
		root := x * x * 0.52
		if i%3 == 0 {
			root = aspect - x*x*0.36
		}
		length := 0.10 + 0.26*hash(i, 2, 0)*(1-1.4*x*x)
		top := 1.02 - length
		if v < top {
			continue
		}
		t := (1.02 - v) / length // 0 at the root, 1 at the tip
		bend := (hash(i, 3, 0) - 0.5) * 0.16
		at := root + bend*t*t*length*4
		width := 0.0022 * (1 - 0.85*t) * (0.7 + 0.6*hash(i, 4, 0))
		if i%5 == 0 && t > 0.84 && t < 0.97 { // a cattail
			width = 0.0052
		}
		cover := smooth(width+0.0011, width-0.0004, math.Abs(u-at))
		lit := mix(vec{0.010, 0.013, 0.010}, vec{0.20, 0.13, 0.05}, smooth(-width, width, u-at)*t*0.8)
		c = mix(c, lit, cover)
	}
	return c
}
