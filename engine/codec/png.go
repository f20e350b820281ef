package codec

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"image"
	"image/png"
	"io"
	"time"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

// pngCodec reads every PNG that the standard library does, the first picture of
// an animated one, and writes true colour or, when asked, a palette.
type pngCodec struct{}

func (pngCodec) form() string        { return "image/png (Go)" }
func (pngCodec) Media() params.Media { return params.PNG }
func (pngCodec) Pace() time.Duration { return 150 * time.Millisecond }
func (pngCodec) Shrinks() bool       { return false }

type pngHeader struct {
	info    engine.Info
	exif    []byte
	profile []byte // body of the first iCCP chunk, still packed
}

// maxProfile is the largest ICC profile that is unpacked, in bytes.
const maxProfile = 4 << 20

// readPNG walks the chunks before the pixels (PNG specification, section 5).
func readPNG(src []byte) (h pngHeader, err error) {
	h.info = engine.Info{Media: params.PNG, Orientation: 1, Frames: 1, Bytes: len(src)}
	for at := 8; ; {
		if at+12 > len(src) {
			return h, broken(params.PNG, "no pixels")
		}
		size, kind := uint64(binary.BigEndian.Uint32(src[at:])), string(src[at+4:at+8])
		if kind == "IDAT" {
			if h.info.Size.W == 0 {
				return h, broken(params.PNG, "no header")
			}
			return h, nil
		}
		if size > uint64(len(src)-at-12) {
			return h, broken(params.PNG, "chunk %q at %d has %d bytes", kind, at, size)
		}
		body := src[at+8:][:size]
		switch kind {
		case "IHDR":
			if size != 13 || h.info.Size.W != 0 {
				return h, broken(params.PNG, "header")
			}
			w, height := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if w == 0 || height == 0 || w > 1<<31-1 || height > 1<<31-1 {
				return h, broken(params.PNG, "%d×%d pixels", w, height)
			}
			h.info.Size = params.Size{W: int(w), H: int(height)}
			h.info.Alpha = body[9]&4 != 0
			if body[8] == 16 {
				h.info.Weight = 24 // interlaced, it is there twice
			}
		case "tRNS":
			h.info.Alpha = true
		case "eXIf":
			h.exif = body
			h.info.Orientation = engine.EXIFOrientation(body)
		case "iCCP":
			if h.profile == nil {
				h.profile = body
			}
		}
		at += 12 + int(size)
	}
}

// pngProfile unpacks an iCCP chunk; nil if that fails or gives too much.
func pngProfile(body []byte) []byte {
	_, packed, ok := bytes.Cut(body, []byte{0})
	if !ok || len(packed) < 1 || packed[0] != 0 {
		return nil
	}
	r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil
	}
	profile, err := io.ReadAll(io.LimitReader(r, maxProfile+1))
	if err != nil || len(profile) > maxProfile {
		return nil
	}
	return profile
}

func (pngCodec) Probe(src []byte) (engine.Info, error) {
	h, err := readPNG(src)
	return h.info, err
}

func (pngCodec) Decode(ctx context.Context, src []byte, _ engine.DecodeOptions) (*engine.Picture, error) {
	h, err := readPNG(src)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	decoded, err := png.Decode(interruptible(ctx, src))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, broken(params.PNG, "%w", err)
	}
	if opaque, ok := decoded.(*image.RGBA); ok { // colour without alpha: the same bytes either way
		decoded = &image.NRGBA{Pix: opaque.Pix, Stride: opaque.Stride, Rect: opaque.Rect}
	}
	return still(fromImage(decoded), pngProfile(h.profile), append([]byte(nil), h.exif...)), nil
}

func (pngCodec) Encode(ctx context.Context, p *engine.Picture, o engine.EncodeOptions) ([]byte, error) {
	m := p.Frames[0].Image
	img := standardPNG(m)
	if o.Palette && !halfTransparent(m.Alpha) {
		// Quality chooses how many colours: all of them from 80 on.
		colours := min(max(qualityOf(o)*256/80, 8), 256)
		img = newPalette(m.NRGBA(), colours).paint(m.NRGBA(), true)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	encoder := png.Encoder{CompressionLevel: png.DefaultCompression}
	if o.Fast {
		encoder.CompressionLevel = png.BestSpeed
	}
	var out bytes.Buffer
	err := encoder.Encode(writer{ctx, &out}, img)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, encodeFailed(params.PNG, err)
	}
	return out.Bytes(), nil
}

// halfTransparent reports whether alpha has more than on and off: the palettes that
// we make do not.
func halfTransparent(alpha *pixel.Plane) bool {
	if alpha == nil {
		return false
	}
	for y := range alpha.H {
		for _, a := range alpha.Row(y) {
			if a != 0 && a != 255 {
				return true
			}
		}
	}
	return false
}

// standardPNG keeps grey pictures grey: a third of the bytes.
func standardPNG(m *pixel.Image) image.Image {
	if m.Model == pixel.Gray && m.Alpha == nil {
		return standard(m)
	}
	return m.NRGBA()
}
