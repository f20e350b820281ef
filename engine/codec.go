package engine

import (
	"context"
	"time"

	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

// Info is what the header of a picture says. Sides are as stored, before
// orientation.
type Info struct {
	Media       params.Media
	Size        params.Size // an SVG's is its view box, rounded; zero when it has none
	Orientation params.Orientation
	Frames      int // ≥ 1
	Alpha       bool
	Bytes       int // length of the whole file
	Weight      int // bytes that decoding one frame takes for each of its pixels, however small it comes out; 0 = as most
}

// Animated reports whether there is more than one frame.
func (i Info) Animated() bool { return i.Frames > 1 }

// Codec reads and writes pictures of one media type. Its methods may be called
// by many goroutines at once. What src holds is hostile; it is never changed and
// never kept after the call.
//
// Errors are *fault.Error: Unsupported for a variety of the format that is not
// read, DecodeFailed for a broken file, EncodeFailed, or the context's own error.
// A panic is caught by Engine and costs one request only.
type Codec interface {
	Media() params.Media

	// Probe reads the header alone, in memory that does not grow with the size of
	// the picture. It does not judge limits: Engine does.
	Probe(src []byte) (Info, error)

	// Decode is only called for what Probe described and Engine's limits let pass.
	// The caller owns the result; no byte of it is shared with src.
	Decode(ctx context.Context, src []byte, want DecodeOptions) (*Picture, error)

	// Pace is about how long encoding a million pixels takes, on one processor and
	// with default options; 0 for a format that is only read: its Encode is never
	// called.
	Pace() time.Duration

	// Shrinks reports whether EncodeOptions.Small makes a difference.
	Shrinks() bool

	// Encode writes p, which it may use up. The colours of p are sRGB, never CMYK;
	// the caller owns the result.
	Encode(ctx context.Context, p *Picture, o EncodeOptions) ([]byte, error)
}

// DecodeOptions says how much of a picture is needed.
type DecodeOptions struct {
	// MinSize lets the decoder return a picture scaled down, in stored
	// orientation, as long as both its sides stay at least twice these. The
	// zero Size asks for all pixels.
	MinSize params.Size
	// FirstFrame leaves out the other frames of an animation.
	FirstFrame bool
}

// Denominator is the largest of 8, 4 and 2 by which both sides of a picture can be
// divided and stay at least twice those of MinSize; 1 for all pixels.
func (o DecodeOptions) Denominator(size params.Size) int {
	if o.MinSize.W <= 0 || o.MinSize.H <= 0 {
		return 1
	}
	for d := 8; d > 1; d /= 2 {
		if (size.W+d-1)/d >= 2*o.MinSize.W && (size.H+d-1)/d >= 2*o.MinSize.H {
			return d
		}
	}
	return 1
}

// Picture is a decoded picture: one frame or more. Its pixels may be changed by
// whoever holds it.
type Picture struct {
	Frames []Frame // at least one, all of one size
	Loop   int     // how often an animation plays; 0 = forever
	ICC    []byte  // profile of the pixels; nil = sRGB
	EXIF   []byte  // raw TIFF block; nil = none
	// Denominator tells that the decoder scaled down: each sample stands for so
	// many of the stored picture's each way, those at the far edges for fewer. 0
	// and 1: it did not.
	Denominator int
}

// Frame is one full canvas of an animation, with disposal already applied.
type Frame struct {
	Image *pixel.Image
	Delay time.Duration // until the next frame
}

// EncodeOptions tunes an encoder. What a format does not know is ignored.
type EncodeOptions struct {
	Quality  int    // 1..100; 0 = the format's default
	Lossless bool   // WebP
	Baseline bool   // JPEG: not progressive
	Palette  bool   // PNG: at most 256 colours
	Fast     bool   // least work, even if the file grows
	Small    bool   // least bytes at the same quality, for a picture that nobody waits for
	EXIF     []byte // raw TIFF block to embed; JPEG only
}
