package codec

import (
	"bytes"
	"context"
	"time"

	"github.com/gen2brain/heic"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
)

// heicCodec reads HEIC stills with libheif and libde265 in WASM: a
// native one is never used for strangers' bytes. It writes none. The library turns
// pictures upright itself, so the orientation is always 1; EXIF is left behind.
type heicCodec struct{}

// The library prefers a native form unless it is told otherwise, once, before it
// is used.
var _ = func() bool {
	heic.ForceWasmMode = true
	return true
}()

func (heicCodec) form() string        { return "libheif (WASM decoder)" }
func (heicCodec) Media() params.Media { return params.HEIC }
func (heicCodec) Pace() time.Duration { return 0 }
func (heicCodec) Shrinks() bool       { return false }

func (heicCodec) Probe(src []byte) (engine.Info, error) {
	h, err := readHEIF(params.HEIC, src)
	return h.info, err
}

// Encode is never called.
func (heicCodec) Encode(context.Context, *engine.Picture, engine.EncodeOptions) ([]byte, error) {
	return nil, unsupported(params.HEIC, "it is not written")
}

// Decode cannot be interrupted by ctx: the library has no way to.
func (heicCodec) Decode(ctx context.Context, src []byte, _ engine.DecodeOptions) (*engine.Picture, error) {
	h, err := readHEIF(params.HEIC, src)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if h.info.Alpha { // the library would leave it out
		return nil, unsupported(params.HEIC, "with transparency")
	}
	if err := judgeHEVC(src, h.meta, h.stored); err != nil {
		return nil, err
	}
	decoded, err := heic.Decode(bytes.NewReader(src))
	if err != nil {
		return nil, broken(params.HEIC, "%w", err)
	}
	if size := decoded.Bounds().Size(); size.X != h.info.Size.W || size.Y != h.info.Size.H {
		return nil, broken(params.HEIC, "a picture of %v under a header of %v", size, h.info.Size)
	}
	return still(fromImage(decoded), bytes.Clone(h.icc), nil), nil
}
