package engine

import (
	"errors"
	"fmt"
	"math"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// Limits bound what is taken in, judged by the header before any decode
// (contract 5). Zero fields take the default. What may go out is bounded by params.
type Limits struct {
	SourceBytes   int64 // default 100 MB
	Side          int   // pixels; default 12,000
	Pixels        int64 // of one frame; default 100 MP
	AnimationWork int64 // pixels of all frames together that are transformed; default 50 MP
	AnimationMax  int64 // pixels of all frames together that are delivered; default 100 MP
	Frames        int   // default 5,000
}

// withDefaults returns l with its zero fields filled in.
func (l Limits) withDefaults() Limits {
	fill := func(n *int64, value int64) {
		if *n == 0 {
			*n = value
		}
	}
	fill(&l.SourceBytes, 100_000_000)
	fill(&l.Pixels, 100_000_000)
	fill(&l.AnimationWork, 50_000_000)
	fill(&l.AnimationMax, 100_000_000)
	if l.Side == 0 {
		l.Side = 12_000
	}
	if l.Frames == 0 {
		l.Frames = 5_000
	}
	return l
}

// valid reports whether no limit is negative; sides must leave products within 63 bits.
// validate complains of every limit that is none.
func (l Limits) validate() error {
	var errs []error
	for _, n := range []struct {
		name    string
		n, most int64
	}{
		{"max_bytes", l.SourceBytes, math.MaxInt64}, {"max_side", int64(l.Side), 1 << 20}, {"max_pixels", l.Pixels, math.MaxInt64},
		{"animation work", l.AnimationWork, math.MaxInt64}, {"animation pixels", l.AnimationMax, math.MaxInt64}, {"frames", int64(l.Frames), math.MaxInt64},
	} {
		switch {
		case n.n >= 1 && n.n <= n.most:
		case n.most == math.MaxInt64:
			errs = append(errs, fmt.Errorf("%s: expected 0 or more, received %d", n.name, n.n)) // 0 is the default
		default:
			errs = append(errs, fmt.Errorf("%s: expected 0 to %d, received %d", n.name, n.most, n.n))
		}
	}
	return errors.Join(errs...)
}

// bytes judges the length of a source.
func (l Limits) bytes(n int) error {
	if int64(n) > l.SourceBytes {
		return fault.New(fault.SourceTooLong, "Expected at most %d bytes, received %d", l.SourceBytes, n)
	}
	return nil
}

// judge judges what a header says. The order of its checks keeps the products
// within 63 bits.
func (l Limits) judge(i Info) error {
	w, h := i.Size.W, i.Size.H
	switch {
	case w <= 0 || h <= 0 || i.Frames < 1:
		return fault.New(fault.DecodeFailed, "Expected a picture with pixels, received one of %d×%d", w, h)
	case w > l.Side || h > l.Side:
		return fault.New(fault.TooLarge, "Expected at most %d pixels a side, received %d×%d", l.Side, w, h)
	case area(i.Size) > l.Pixels:
		return fault.New(fault.TooLarge, "Expected at most %d pixels, received %d×%d", l.Pixels, w, h)
	case i.Frames > l.Frames:
		return fault.New(fault.TooLarge, "Expected at most %d frames, received %d", l.Frames, i.Frames)
	case i.Animated() && area(i.Size)*int64(i.Frames) > l.AnimationMax:
		return fault.New(fault.TooLarge, "Expected at most %d pixels in all frames, received %d frames of %d×%d",
			l.AnimationMax, i.Frames, w, h)
	}
	return nil
}

// tooMuchWork reports whether an animation is too large to transform (R-anim).
func (l Limits) tooMuchWork(i Info) bool {
	return i.Animated() && area(i.Size)*int64(i.Frames) > l.AnimationWork
}

func area(s params.Size) int64 { return int64(s.W) * int64(s.H) }

// decodedBytes is about what a decoder needs in memory for a picture with this
// header: what the governor counts with before any of it is there.
func decodedBytes(i Info, want DecodeOptions) int64 {
	pixels := area(i.Size)
	switch {
	case i.Media == params.JPEG:
		d := int64(want.Denominator(i.Size))
		return int64(i.Weight)*pixels + 3*pixels/(d*d)
	case i.Animated() && !want.FirstFrame:
		return 8*pixels + 4*pixels*int64(i.Frames)
	case i.Weight > 0:
		return int64(i.Weight) * pixels
	}
	return 12 * pixels // interleaved as the library gives it, and in planes
}

// encodedBytes is about what the steps after decoding and the encoder need.
func encodedBytes(out params.Size, frames int) int64 { return 12 * area(out) * int64(frames) }
