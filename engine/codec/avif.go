package codec

import (
	"bytes"
	"context"
	"image"
	"io"
	"strings"
	"time"

	"github.com/gen2brain/avif"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec/native"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// avifCodec reads and writes AVIF stills with libavif. A sequence counts as its
// first picture. The library turns pictures upright itself, so sizes are given
// upright and the orientation is always 1.
type avifCodec struct{ native *native.AV1 }

func (avifCodec) Media() params.Media { return params.AVIF }

// Shrinks tells that libheif has slower speeds; libavif in WASM is slow enough.
func (c avifCodec) Shrinks() bool { return c.native != nil }

func (c avifCodec) Pace() time.Duration {
	if c.native != nil {
		return 45 * time.Millisecond
	}
	return 400 * time.Millisecond
}

func (c avifCodec) form() string {
	if c.native != nil {
		return c.native.String() + " (native encoder), libavif (WASM decoder)"
	}
	return "libavif (WASM)"
}

func (avifCodec) Probe(src []byte) (engine.Info, error) {
	h, err := readHEIF(params.AVIF, src)
	return h.info, err
}

// Decode cannot be interrupted by ctx: the library has no way to.
func (avifCodec) Decode(ctx context.Context, src []byte, _ engine.DecodeOptions) (*engine.Picture, error) {
	h, err := readHEIF(params.AVIF, src)
	if err != nil {
		return nil, err
	}
	if avif.Dynamic() == nil {
		refusal := fault.New(fault.Unsupported, "AVIF sources are not read by this server")
		refusal.Hint = "a native libavif was found, and strangers' bytes must not meet it: build with -tags nodynamic"
		return nil, refusal
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if codedLarger(src, h.meta, h.stored) {
		return nil, broken(params.AVIF, "items in pieces, or a picture larger than its header of %v", h.stored)
	}
	decoded, err := avif.Decode(asStill(src), avif.Options{AutoRotate: true})
	if err != nil {
		return nil, broken(params.AVIF, "%w", err)
	}
	if size := decoded.Bounds().Size(); size.X != h.info.Size.W || size.Y != h.info.Size.H {
		return nil, broken(params.AVIF, "a picture of %v under a header of %v", size, h.info.Size)
	}
	// What the library could not decode it answers with zeros, not with an error.
	m := fromImage(decoded)
	if m.Alpha != nil && (!h.info.Alpha || blank(m.Alpha)) {
		return nil, broken(params.AVIF, "nothing was decoded")
	}
	return still(m, bytes.Clone(h.icc), nil), nil
}

// asStill is the file with the brand of a still (ISO/IEC 14496-12, 4.3): of any other
// the library decodes the film beside the picture, whose size nobody has judged.
func asStill(src []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(src[:8]), strings.NewReader("avif"), bytes.NewReader(src[12:]))
}

// blank reports whether nothing of a picture with this alpha can be seen.
func blank(alpha *pixel.Plane) bool {
	for y := range alpha.H {
		for _, a := range alpha.Row(y) {
			if a != 0 {
				return false
			}
		}
	}
	return true
}

// The speeds of the request path, and the one for pictures that nobody waits for:
// of libheif's, 9 takes a quarter of the time of 8 for 5 % more bytes at the same
// quality, and 6 saves 15 % for ten times the time. Of libavif's, 8 takes twice as
// long as 10, and 7 four times.
const (
	libavifSpeed = 10
	libheifSpeed = 9
	smallSpeed   = 6
)

func (c avifCodec) Encode(ctx context.Context, p *engine.Picture, o engine.EncodeOptions) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, quality := p.Frames[0].Image, qualityOf(o)
	if c.native != nil {
		options := native.AV1Options{Quality: libheifScale.of(quality), Speed: libheifSpeed}
		if o.Small {
			options = native.AV1Options{Quality: smallScale.of(quality), Speed: smallSpeed}
		}
		body, err := c.native.Encode(planesOf(m.Unpremultiply().To420()), options)
		if err != nil {
			return nil, encodeFailed(params.AVIF, err)
		}
		return body, nil
	}
	own := libavifScale.of(quality)
	var out bytes.Buffer
	err := avif.Encode(&out, m.NRGBA(), avif.Options{
		Quality: own, QualityAlpha: own, Speed: libavifSpeed, ChromaSubsampling: image.YCbCrSubsampleRatio420,
	})
	if err != nil {
		return nil, encodeFailed(params.AVIF, err)
	}
	return out.Bytes(), nil
}
