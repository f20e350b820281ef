package main

import "math"

// ball is an ellipsoid: a sphere stretched upwards by tall.
type ball struct {
	at     vec
	radius float64
	tall   float64
	skin   func(p, n vec) surface
}

// surface is what light meets.
type surface struct {
	colour vec
	gloss  float64 // share of light mirrored straight on
	rough  float64 // how far mirrored light scatters
	glass  bool
	bumpy  float64 // strength and
	bumps  float64 // frequency of small dents
}

type hit struct {
	t      float64
	p, n   vec
	s      surface
	inside bool
}

type scene struct{ balls []ball }

// stillLife is fruit, glass and metal on a wooden table by a window, traced along
// so many paths a pixel.
func stillLife(w, h, samples int) func(x, y int) vec {
	s := table()
	eye, target := vec{0, 2.35, 7.2}, vec{0.05, 0.78, 0}
	forward := target.sub(eye).norm()
	right := forward.cross(vec{0, 1, 0}).norm()
	up := right.cross(forward)
	focus := 6.55
	return func(px, py int) vec {
		r := random{uint64(px)*0x9e3779b97f4a7c15 ^ uint64(py)*0xc2b2ae3d27d4eb4f | 1}
		r.next()
		var sum vec
		for i := range samples {
			// Stratified over the pixel and over the lens.
			x := (float64(px) + (float64(i%8)+r.next())/8 - float64(w)/2) / float64(h)
			y := (float64(h)/2 - float64(py) - (float64(i/8%8)+r.next())/8) / float64(h)
			d := forward.add(right.times(x * 0.66)).add(up.times(y * 0.66)).norm()
			a, b := 2*math.Pi*r.next(), 0.055*math.Sqrt(r.next())
			lens := right.times(b * math.Cos(a)).add(up.times(b * math.Sin(a)))
			sharp := eye.add(d.times(focus / d.dot(forward)))
			c := s.trace(eye.add(lens), sharp.sub(eye.add(lens)).norm(), &r)
			sum = sum.add(vec{min(c.x, 6), min(c.y, 6), min(c.z, 6)})
		}
		dx, dy := float64(px)/float64(w)-0.5, float64(py)/float64(h)-0.5
		return sum.times((1.12 - 0.9*(dx*dx+dy*dy)) / float64(samples))
	}
}

func table() *scene {
	return &scene{[]ball{
		{vec{-1.55, 0.86, -0.35}, 0.86, 0.92, apple},
		{vec{-0.15, 0.66, 0.75}, 0.66, 1, orange},
		{vec{0.35, 1.22, -1.15}, 0.95, 1.32, vase},
		{vec{1.62, 0.62, 0.35}, 0.62, 1, glassBall},
		{vec{2.35, 0.46, -0.75}, 0.46, 1, silver},
		{vec{-2.55, 0.40, 0.75}, 0.40, 1.06, plum},
		{vec{-0.98, 0.33, 1.35}, 0.33, 1.06, plum},
		{vec{0.72, 0.20, 1.72}, 0.20, 1, cherry}, {vec{1.10, 0.19, 1.50}, 0.19, 1, cherry}, {vec{0.94, 0.18, 1.98}, 0.18, 1, cherry},
		{vec{-2.0, 0.13, 1.75}, 0.13, 1, cherry},
		{vec{-3.3, 0.95, -1.6}, 0.95, 0.95, orange},
	}}
}

func apple(p, n vec) surface {
	q := p.times(2.1)
	streak := fbm(math.Atan2(n.z, n.x)*7, n.y*1.2, 3, 5)
	c := mix(vec{0.62, 0.035, 0.03}, vec{0.80, 0.52, 0.10}, smooth(0.52, 0.72, streak)*smooth(-0.6, 0.7, n.x-0.3*n.y))
	c = mix(c, vec{0.34, 0.30, 0.08}, smooth(0.86, 0.99, n.y))
	speck := smooth(0.80, 0.86, noise(q.x*16, q.y*16, q.z*16))
	return surface{colour: mix(c, vec{0.85, 0.62, 0.35}, 0.55*speck), gloss: 0.045, rough: 0.05, bumpy: 0.010, bumps: 7}
}

func orange(p, _ vec) surface {
	c := mix(vec{0.86, 0.30, 0.02}, vec{0.94, 0.42, 0.04}, fbm(p.x*3, p.y*3, p.z*3, 4))
	return surface{colour: c, gloss: 0.04, rough: 0.16, bumpy: 0.16, bumps: 30}
}

func plum(p, _ vec) surface {
	bloom := smooth(0.35, 0.75, fbm(p.x*5, p.y*5, p.z*5, 5))
	return surface{colour: mix(vec{0.055, 0.012, 0.07}, vec{0.26, 0.24, 0.40}, bloom*0.7), gloss: 0.04 * (1 - 0.7*bloom), rough: 0.10 + 0.3*bloom}
}

func cherry(vec, vec) surface {
	return surface{colour: vec{0.30, 0.006, 0.018}, gloss: 0.06, rough: 0.015}
}

func silver(p, _ vec) surface {
	return surface{colour: vec{0.92, 0.90, 0.86}, gloss: 0.92, rough: 0.015 + 0.05*smooth(0.5, 0.8, fbm(p.x*6, p.y*6, p.z*6, 4))}
}

func glassBall(vec, vec) surface { return surface{colour: vec{0.93, 0.985, 0.96}, glass: true} }

func vase(p, n vec) surface {
	band := math.Abs(p.y-1.35) < 0.34
	a := math.Atan2(n.z, n.x)
	c := vec{0.74, 0.75, 0.72}
	wave := math.Sin(a*9 + 2.2*math.Sin(p.y*9))
	if band && (math.Abs(wave) < 0.34 || math.Abs(math.Abs(p.y-1.35)-0.30) < 0.018) {
		c = vec{0.035, 0.10, 0.36}
	}
	crackle := smooth(0.47, 0.5, math.Abs(fbm(p.x*8, p.y*8, p.z*8, 3)-0.5)+0.46)
	return surface{colour: c.times(0.93 + 0.07*crackle), gloss: 0.055, rough: 0.02}
}

// wood is planks along x.
func wood(p vec) surface {
	plank := math.Floor(p.z/0.92 + 40)
	shift := hash(int(plank), 3, 1) * 50
	x, z := p.x*0.55+shift, p.z
	warp := fbm(x*0.7, z*2.2, plank, 4)
	ring := math.Sin((z*7+warp*9)*3.1 + 0.8*fbm(x*3, z*30, 2, 3)*6)
	grain := fbm(x*5, z*120, plank, 5)
	c := mix(vec{0.175, 0.082, 0.036}, vec{0.36, 0.195, 0.092}, 0.5+0.32*ring*0.6+0.55*(grain-0.5))
	c = c.times(0.82 + 0.3*hash(int(plank), 9, 2))
	seam := math.Abs(p.z/0.92+40-plank-0.5) * 2
	c = c.times(1 - 0.75*smooth(0.985, 0.998, seam))
	return surface{colour: c, gloss: 0.035, rough: 0.10 + 0.16*grain, bumpy: 0.02, bumps: 14}
}

// The window lies around the direction left, so far to either side at distance 1.
var (
	left   = vec{-0.78, 0.50, 0.36}.norm()
	across = vec{0, 1, 0}.cross(left).norm()
	above  = left.cross(across)
)

const paneX, paneY = 0.42, 0.58

// scatter chooses where a dull surface sends a path: towards the window or
// anywhere, one as likely as the other, weighed so that the mean stays right.
func scatter(n vec, r *random) (d vec, weight float64) {
	if r.next() < 0.5 {
		x, y := (2*r.next()-1)*paneX, (2*r.next()-1)*paneY
		d = left.add(across.times(x)).add(above.times(y)).norm()
	} else {
		d = n.add(r.sphere()).norm()
	}
	cos := d.dot(n)
	if cos <= 0 {
		return d, 0
	}
	even := cos / math.Pi
	window := 0.0
	if f := d.dot(left); f > 0 && math.Abs(d.dot(across)/f) < paneX && math.Abs(d.dot(above)/f) < paneY {
		window = 1 / (f * f * f * 4 * paneX * paneY)
	}
	return d, even / (0.5*even + 0.5*window)
}

// window is the light: a tall window to the left in four panes, a pale room, a
// dark wall behind.
func window(d vec) vec {
	room := mix(vec{0.055, 0.050, 0.050}, vec{0.20, 0.20, 0.22}, smooth(-0.2, 1, d.y))
	if f := d.dot(left); f > 0 {
		x, y := d.dot(across)/f, d.dot(above)/f
		if math.Abs(x) < paneX && math.Abs(y) < paneY && math.Abs(x) > 0.022 && math.Abs(y-0.08) > 0.02 {
			return vec{9.4, 9.0, 8.4}.times(0.75 + 0.5*smooth(-0.5, 0.6, y))
		}
	}
	if warm := d.dot(vec{0.86, 0.32, 0.40}.norm()); warm > 0.93 {
		return vec{1.5, 0.85, 0.42}.times(smooth(0.93, 0.99, warm) * 2)
	}
	return room
}

func (s *scene) nearest(o, d vec) (h hit, ok bool) {
	h.t = math.Inf(1)
	for i := range s.balls {
		b := &s.balls[i]
		squash := vec{1, 1 / b.tall, 1}
		lo, ld := o.sub(b.at).mul(squash), d.mul(squash)
		a, half, c := ld.dot(ld), lo.dot(ld), lo.dot(lo)-b.radius*b.radius
		disc := half*half - a*c
		if disc < 0 {
			continue
		}
		root := math.Sqrt(disc)
		t := (-half - root) / a
		if t < 1e-4 {
			t = (-half + root) / a
		}
		if t > 1e-4 && t < h.t {
			p := o.add(d.times(t))
			n := p.sub(b.at).mul(squash).mul(squash).norm()
			h = hit{t: t, p: p, n: n, s: b.skin(p, n), inside: d.dot(n) > 0}
			ok = true
		}
	}
	if d.y < 0 {
		if t := -o.y / d.y; t > 1e-4 && t < h.t {
			if p := o.add(d.times(t)); p.z > -5 && math.Abs(p.x) < 12 {
				h, ok = hit{t: t, p: p, n: vec{0, 1, 0}, s: wood(p)}, true
			}
		}
	}
	if d.z < 0 { // the wall behind
		if t := (-5 - o.z) / d.z; t > 1e-4 && t < h.t {
			p := o.add(d.times(t))
			plaster := 0.85 + 0.3*fbm(p.x*0.6, p.y*0.6, 5, 6)
			h, ok = hit{t: t, p: p, n: vec{0, 0, 1}, s: surface{colour: vec{0.125, 0.150, 0.155}.times(plaster)}}, true
		}
	}
	if ok && h.s.bumpy > 0 {
		h.n = h.n.add(vec{
			noise(h.p.x*h.s.bumps, h.p.y*h.s.bumps, h.p.z*h.s.bumps) - 0.5,
			noise(h.p.y*h.s.bumps+9, h.p.z*h.s.bumps, h.p.x*h.s.bumps) - 0.5,
			noise(h.p.z*h.s.bumps+5, h.p.x*h.s.bumps, h.p.y*h.s.bumps) - 0.5,
		}.times(h.s.bumpy)).norm()
	}
	return h, ok
}

// trace follows one path of light back from the eye.
func (s *scene) trace(o, d vec, r *random) vec {
	through := vec{1, 1, 1}
	for bounce := range 8 {
		h, ok := s.nearest(o, d)
		if !ok {
			return through.mul(window(d))
		}
		n := h.n
		if d.dot(n) > 0 {
			n = n.times(-1)
		}
		cos := -d.dot(n)
		o = h.p
		if h.s.glass {
			d = refract(d, n, cos, h.inside, r)
			through = through.mul(h.s.colour)
			continue
		}
		mirror := h.s.gloss + (1-h.s.gloss)*math.Pow(1-cos, 5)*(1-0.8*h.s.rough)
		if r.next() < mirror {
			d = d.add(n.times(2 * cos)).add(r.sphere().times(h.s.rough)).norm()
			if d.dot(n) <= 0 {
				return vec{}
			}
			if h.s.gloss > 0.5 {
				through = through.mul(h.s.colour)
			}
			continue
		}
		var weight float64
		if d, weight = scatter(n, r); weight == 0 {
			return vec{}
		}
		through = through.mul(h.s.colour).times(weight)
		if bounce > 2 { // dim paths end by chance
			keep := max(through.x, through.y, through.z)
			if r.next() > keep {
				return vec{}
			}
			through = through.times(1 / keep)
		}
	}
	return vec{}
}

func refract(d, n vec, cos float64, inside bool, r *random) vec {
	eta := 1 / 1.5
	if inside {
		eta = 1.5
	}
	k := 1 - eta*eta*(1-cos*cos)
	base := 0.04
	if k < 0 || r.next() < base+(1-base)*math.Pow(1-cos, 5) {
		return d.add(n.times(2 * cos)).norm()
	}
	return d.times(eta).add(n.times(eta*cos - math.Sqrt(k))).norm()
}

// sphere is a random direction.
func (r *random) sphere() vec {
	z, a := 2*r.next()-1, 2*math.Pi*r.next()
	s := math.Sqrt(1 - z*z)
	return vec{s * math.Cos(a), s * math.Sin(a), z}
}
