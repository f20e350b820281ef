package engine

import (
	"context"
	"image"
	"math"

	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// mostCompared is the largest picture, in pixels, that is compared with another.
const mostCompared = 16 << 20

// Likeness is the structural similarity of two encoded pictures, 1 if they look the
// same; of animations that of their first frames. It is not a number if they differ in
// size, are too large or too small to compare, or one of them has no pixels. It waits
// until a worker has nothing else to do. Errors are *fault.Error, as those of Probe and
// of a decoder, and ctx's.
func (e *Engine) Likeness(ctx context.Context, a, b []byte) (float64, error) {
	bodies, infos := [2][]byte{a, b}, [2]Info{}
	bytes := int64(0)
	for i, body := range bodies {
		var err error
		if infos[i], err = e.Probe(body); err != nil {
			return 0, err
		}
		bytes += decodedBytes(infos[i], DecodeOptions{FirstFrame: true}) + 20*area(infos[i].Size) // as it is compared
	}
	if infos[0].Size != infos[1].Size || infos[0].Orientation != infos[1].Orientation || area(infos[0].Size) > mostCompared ||
		infos[0].Media == params.SVG || infos[1].Media == params.SVG {
		return math.NaN(), nil
	}
	if err := e.workers.enter(ctx, bytes, idle); err != nil {
		return 0, err
	}
	defer e.workers.leave(bytes)
	var pixels [2]*image.NRGBA
	for i, body := range bodies {
		err := guard(fault.DecodeFailed, func() error {
			p, err := e.codecs[infos[i].Media].Decode(ctx, body, DecodeOptions{FirstFrame: true})
			if err == nil {
				pixels[i] = p.Frames[0].Image.ToSRGB(p.ICC).NRGBA()
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	if pixels[0].Rect != pixels[1].Rect {
		return math.NaN(), nil
	}
	return pixel.SSIM(pixels[0], pixels[1]), nil
}
