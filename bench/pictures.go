package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// scene draws a picture with edges, gradients and grain, so that it compresses much
// as a photograph does. Equal seeds draw equal pictures.
func scene(width, height int, seed uint64) *image.YCbCr {
	random := rand.New(rand.NewPCG(seed, 2))
	p := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	type blob struct{ x, y, r, l float64 }
	blobs := make([]blob, 24)
	for i := range blobs {
		blobs[i] = blob{random.Float64(), random.Float64(), .03 + random.Float64()*.2, random.Float64()*160 - 80}
	}
	for y := range height {
		for x := range width {
			u, v := float64(x)/float64(width), float64(y)/float64(height)
			light := 120 + 60*v + 12*math.Sin(40*u*(1+v))
			for _, b := range blobs {
				if (u-b.x)*(u-b.x)+(v-b.y)*(v-b.y) < b.r*b.r {
					light += b.l
				}
			}
			p.Y[p.YOffset(x, y)] = uint8(min(max(light+random.Float64()*10, 0), 255))
		}
	}
	for y := 0; y < height; y += 2 {
		for x := 0; x < width; x += 2 {
			at := p.COffset(x, y)
			p.Cb[at], p.Cr[at] = uint8(96+64*x/width), uint8(112+48*y/height)
		}
	}
	return p
}

// photograph is a scene as a JPEG.
func photograph(width, height int, seed uint64) ([]byte, error) {
	return encode(scene(width, height, seed))
}

func encode(p image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, p, &jpeg.Options{Quality: 90})
	return b.Bytes(), err
}

// fetch gets one answer and judges it plainly.
func fetch(ctx context.Context, address string, r *load.Request) (*load.Answer, error) {
	var kept *load.Answer
	got, err := load.Run(ctx, load.Plan{
		Address: address, Connections: 1, Count: 1, Next: func(int) *load.Request { return r },
		Judge: func(r *load.Request, a *load.Answer, sampled bool) error {
			kept = a.Copy()
			return load.Plain(r, a, sampled)
		},
	})
	if err == nil && got.Wrong > 0 {
		err = fmt.Errorf("%v", got.Complaints)
	}
	return kept, err
}

// sized finds a width at which image id comes to about so many bytes, and returns
// the options with it and the answer. What it found once holds for the whole run.
func (b *bench) sized(ctx context.Context, f *rig.Fovea, id string, size int) (options string, answer *load.Answer, err error) {
	get := func(options string) (*load.Answer, error) {
		return fetch(ctx, f.Address, load.Get(f.Address, rig.Path(id, options), 200, accept))
	}
	name := fmt.Sprint(id, size)
	if known := b.sizes[name]; known != "" {
		answer, err = get(known)
		return known, answer, err
	}
	low, high, best := 16, 2000, math.MaxInt
	for low <= high && best > size/50 {
		width := (low + high) / 2
		try := fmt.Sprintf("width=%d", width)
		got, err := get(try)
		if err != nil {
			return "", nil, err
		}
		n := len(got.Body)
		if off := max(n-size, size-n); off < best {
			best, options, answer = off, try, got
		}
		if n < size {
			low = width + 1
		} else {
			high = width - 1
		}
	}
	b.sizes[name] = options
	return options, answer, nil
}

// accept is what a browser of today asks for.
const accept = "Accept: image/avif,image/webp,image/apng,image/*,*/*;q=0.8"
