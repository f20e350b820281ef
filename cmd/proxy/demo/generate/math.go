package main

import "math"

// vec is a point, a direction or a colour in linear light.
type vec struct{ x, y, z float64 }

func (a vec) add(b vec) vec       { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) sub(b vec) vec       { return vec{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vec) mul(b vec) vec       { return vec{a.x * b.x, a.y * b.y, a.z * b.z} }
func (a vec) times(k float64) vec { return vec{a.x * k, a.y * k, a.z * k} }
func (a vec) dot(b vec) float64   { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) norm() vec           { return a.times(1 / math.Sqrt(a.dot(a))) }
func mix(a, b vec, t float64) vec { return a.times(1 - t).add(b.times(t)) }
func (a vec) cross(b vec) vec     { return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x} }
func smooth(from, to, v float64) float64 {
	t := min(max((v-from)/(to-from), 0), 1)
	return t * t * (3 - 2*t)
}

// display turns linear light into an sRGB byte, with a soft shoulder.
func display(v float64) uint8 {
	v = max(v, 0)
	v = math.Pow(v, 1.13) * 1.08
	v = v * (1 + v/9) / (1 + v*0.72)
	if v <= 0.0031308 {
		v *= 12.92
	} else {
		v = 1.055*math.Pow(v, 1/2.4) - 0.055
	}
	return uint8(min(max(v, 0), 1)*255 + 0.5)
}

// hash is a random number of 0..1 that belongs to a point of a grid.
func hash(x, y, z int) float64 {
	n := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca77 ^ uint32(z)*0xc2b2ae3d
	n = (n ^ n>>15) * 0x2c1b3c6d
	n = (n ^ n>>12) * 0x297a2d39
	return float64(n^n>>15) / (1 << 32)
}

// noise is smooth value noise of 0..1.
func noise(x, y, z float64) float64 {
	fx, fy, fz := math.Floor(x), math.Floor(y), math.Floor(z)
	ix, iy, iz := int(fx), int(fy), int(fz)
	fade := func(t float64) float64 { return t * t * t * (t*(6*t-15) + 10) }
	tx, ty, tz := fade(x-fx), fade(y-fy), fade(z-fz)
	lerp := func(a, b, t float64) float64 { return a + (b-a)*t }
	row := func(dy, dz int) float64 { return lerp(hash(ix, iy+dy, iz+dz), hash(ix+1, iy+dy, iz+dz), tx) }
	return lerp(lerp(row(0, 0), row(1, 0), ty), lerp(row(0, 1), row(1, 1), ty), tz)
}

// fbm sums octaves of noise; 0..1.
func fbm(x, y, z float64, octaves int) float64 {
	sum, weight, total := 0.0, 0.5, 0.0
	for range octaves {
		sum += weight * noise(x, y, z)
		total += weight
		x, y, z, weight = x*2.03+17.1, y*2.03+3.7, z*2.03+8.3, weight/2
	}
	return sum / total
}

// ridged is fbm with sharp crests; 0..1.
func ridged(x, y float64, octaves int) float64 {
	sum, weight, total := 0.0, 0.5, 0.0
	for range octaves {
		n := 1 - math.Abs(2*noise(x, y, 0.5)-1)
		sum += weight * n * n
		total += weight
		x, y, weight = x*2.07+5.2, y*2.07+1.3, weight*0.5
	}
	return sum / total
}

// random is a small generator of its own for every pixel (PCG).
type random struct{ state uint64 }

func (r *random) next() float64 {
	r.state = r.state*6364136223846793005 + 1442695040888963407
	n := uint32(((r.state >> 18) ^ r.state) >> 27)
	rot := uint32(r.state >> 59)
	return float64(n>>rot|n<<(-rot&31)) / (1 << 32)
}
