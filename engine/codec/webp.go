package codec

import (
	"bytes"
	"context"
	"image"
	"math"
	"time"

	"github.com/gen2brain/webp"
	xwebp "golang.org/x/image/webp"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec/native"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

// webpCodec reads with the Go project's own decoder, so that strangers' bytes
// never meet a native library, and writes with libwebp: the system's if there is
// one, else its translation to Go. Animations are taken apart and put together
// here.
type webpCodec struct{ native *native.WebP }

func (webpCodec) Media() params.Media { return params.WebP }
func (webpCodec) Shrinks() bool       { return true }

func (c webpCodec) Pace() time.Duration {
	if c.native != nil {
		return 35 * time.Millisecond
	}
	return 130 * time.Millisecond
}

func (c webpCodec) form() string {
	if c.native != nil {
		return c.native.String() + " (native encoder), x/image (Go decoder)"
	}
	return "libwebp (translated to Go), x/image (Go decoder)"
}

func (webpCodec) Probe(src []byte) (engine.Info, error) {
	h, err := readWebP(src)
	return h.info, err
}

func (webpCodec) Decode(ctx context.Context, src []byte, want engine.DecodeOptions) (*engine.Picture, error) {
	h, err := readWebP(src)
	if err != nil {
		return nil, err
	}
	icc, exif := append([]byte(nil), h.icc...), append([]byte(nil), h.exif...)
	if h.frames == nil {
		m, err := decodeVP8(h.still)
		if err != nil {
			return nil, err
		}
		return still(m, icc, exif), ctx.Err()
	}
	p := &engine.Picture{Loop: h.loop, ICC: icc, EXIF: exif}
	c := newCanvas(h.info.Size.W, h.info.Size.H)
	for part := range chunks(h.frames) {
		if part.kind != "ANMF" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		frame, err := c.anmf(part.body)
		if err != nil {
			return nil, err
		}
		p.Frames = append(p.Frames, frame)
		if want.FirstFrame {
			break
		}
	}
	return p, nil
}

// anmf paints the frame in the body of an ANMF chunk.
func (c *canvas) anmf(body []byte) (engine.Frame, error) {
	if len(body) < 16 {
		return engine.Frame{}, broken(params.WebP, "frame of %d bytes", len(body))
	}
	x, y := 2*uint24(body), 2*uint24(body[3:])
	area := image.Rect(x, y, x+uint24(body[6:])+1, y+uint24(body[9:])+1)
	var parts []chunk
	for part := range chunks(body[16:]) {
		parts = part.join(parts)
	}
	size, _, ok := bitstream(parts)
	if !ok || size.W != area.Dx() || size.H != area.Dy() || !area.In(image.Rect(0, 0, c.pixels.W, c.pixels.H)) {
		return engine.Frame{}, broken(params.WebP, "frame of %v at %v", size, area)
	}
	m, err := decodeVP8(parts)
	if err != nil {
		return engine.Frame{}, err
	}
	then := leave
	if body[15]&1 != 0 {
		then = clearArea
	}
	delay := time.Duration(uint24(body[12:])) * time.Millisecond
	return engine.Frame{Image: c.picture(m, area.Min, body[15]&2 == 0, then), Delay: delay}, nil
}

// decodeVP8 decodes one picture from its ALPH, VP8 or VP8L chunks.
func decodeVP8(parts []chunk) (*pixel.Image, error) {
	size, _, ok := bitstream(parts)
	if !ok {
		return nil, broken(params.WebP, "no picture")
	}
	var file []byte
	for _, part := range parts {
		switch part.kind {
		case "ALPH":
			extended := append24(append24([]byte{flagAlpha, 0, 0, 0}, size.W-1), size.H-1)
			file = appendChunk(appendChunk(file, "VP8X", extended), "ALPH", part.body)
		case "VP8 ", "VP8L":
			file = appendChunk(file, part.kind, part.body)
		}
	}
	decoded, err := xwebp.Decode(bytes.NewReader(riff(file)))
	if err != nil {
		return nil, broken(params.WebP, "%w", err)
	}
	switch decoded := decoded.(type) {
	case *image.YCbCr:
		return pixel.FromYCbCr(fullRange(decoded)), nil
	case *image.NYCbCrA:
		m := pixel.FromYCbCr(fullRange(&decoded.YCbCr))
		m.Alpha = &pixel.Plane{W: m.W, H: m.H, Stride: decoded.AStride, Pix: decoded.A}
		return m, nil
	}
	return fromImage(decoded), nil
}

// fullRange stretches the samples of VP8, 16..235 for luma and 16..240 for
// chroma, to the range of JPEG, in place.
func fullRange(m *image.YCbCr) *image.YCbCr {
	stretch := func(pix []byte, table *[256]byte) {
		for i, v := range pix {
			pix[i] = table[v]
		}
	}
	stretch(m.Y, &lumaRange)
	stretch(m.Cb, &chromaRange)
	stretch(m.Cr, &chromaRange)
	return m
}

var lumaRange, chromaRange = rangeTable(16, 0, 219), rangeTable(128, 128, 224)

// rangeTable maps v to (v-from)*255/span+to, rounded and clamped.
func rangeTable(from, to, span int) (table [256]byte) {
	for v := range table {
		n := (2*255*(v-from) + span) / (2 * span)
		if v < from {
			n = -((2*255*(from-v) + span) / (2 * span))
		}
		table[v] = byte(min(max(n+to, 0), 255))
	}
	return table
}

func (c webpCodec) Encode(ctx context.Context, p *engine.Picture, o engine.EncodeOptions) ([]byte, error) {
	if len(p.Frames) == 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return c.still(p.Frames[0].Image, o)
	}
	return c.animation(ctx, p, o)
}

// still writes one frame. Method 2 is the best trade for a visitor who
// waits: method 4 saves 4 % of the bytes and takes half as long again.
func (c webpCodec) still(m *pixel.Image, o engine.EncodeOptions) ([]byte, error) {
	method := 2
	switch {
	case o.Small:
		method = 6
	case o.Fast || o.Lossless:
		method = 0
	}
	var body []byte
	var err error
	if o.Lossless {
		body, err = c.lossless(m.NRGBA(), qualityOf(o), method)
	} else {
		body, err = c.lossy(m.Unpremultiply().To420(), webpScale.of(qualityOf(o)), method)
	}
	if err != nil {
		return nil, encodeFailed(params.WebP, err)
	}
	return body, nil
}

func (c webpCodec) lossless(m *image.NRGBA, quality, method int) ([]byte, error) {
	if c.native != nil {
		return c.native.EncodeLossless(m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy(), native.WebPOptions{Quality: quality, Method: method})
	}
	var out bytes.Buffer
	err := webp.Encode(&out, m, webp.Options{Quality: quality, Lossless: true, Method: method})
	return out.Bytes(), err
}

// lossy encodes the planes of m, which it uses up: no way round by RGB.
func (c webpCodec) lossy(m *pixel.Image, quality, method int) ([]byte, error) {
	squeeze(&m.Planes[0], &lumaSqueeze)
	squeeze(&m.Planes[1], &chromaSqueeze)
	squeeze(&m.Planes[2], &chromaSqueeze)
	if c.native != nil {
		return c.native.Encode(planesOf(m), native.WebPOptions{Quality: quality, Method: method})
	}
	planes := &image.NYCbCrA{YCbCr: *standard(m).(*image.YCbCr)}
	if m.Alpha != nil {
		planes.A, planes.AStride = m.Alpha.Pix, m.Alpha.Stride
	} else {
		planes.A, planes.AStride = bytes.Repeat([]byte{255}, m.W*m.H), m.W
	}
	var out bytes.Buffer
	err := webp.Encode(&out, planes, webp.Options{Quality: quality, Method: method})
	return out.Bytes(), err
}

// planesOf hands the planes of a 4:2:0 picture on without copying.
func planesOf(m *pixel.Image) *native.Planes {
	p := &native.Planes{
		W: m.W, H: m.H, Y: m.Planes[0].Pix, U: m.Planes[1].Pix, V: m.Planes[2].Pix,
		YStride: m.Planes[0].Stride, UVStride: m.Planes[1].Stride,
	}
	if m.Alpha != nil {
		p.A, p.AStride = m.Alpha.Pix, m.Alpha.Stride
	}
	return p
}

// squeeze maps the samples of JPEG to the range of VP8, in place.
func squeeze(p *pixel.Plane, table *[256]byte) {
	for y := range p.H {
		row := p.Row(y)
		for x, v := range row {
			row[x] = table[v]
		}
	}
}

var lumaSqueeze, chromaSqueeze = squeezeTable(16, 219), squeezeTable(16, 224)

// squeezeTable maps 0..255 to from..from+span, rounded.
func squeezeTable(from, span int) (table [256]byte) {
	for v := range table {
		table[v] = byte(from + (2*v*span+255)/510)
	}
	return table
}

// animation writes each frame as a still and joins them; each replaces the
// whole canvas.
func (c webpCodec) animation(ctx context.Context, p *engine.Picture, o engine.EncodeOptions) ([]byte, error) {
	first := p.Frames[0].Image
	sides := append24(append24(nil, first.W-1), first.H-1)
	var frames []byte
	flags := byte(flagAnimation)
	for _, frame := range p.Frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if frame.Image.Alpha != nil {
			flags |= flagAlpha
		}
		file, err := c.still(frame.Image, o)
		if err != nil {
			return nil, err
		}
		header := append(make([]byte, 6), sides...) // at 0, 0
		header = append24(header, int(min(frame.Delay.Milliseconds(), 1<<24-1)))
		header = append(header, 2) // do not blend, do not dispose
		var body []byte
		for part := range chunks(file[12:]) {
			switch part.kind {
			case "ALPH", "VP8 ", "VP8L":
				body = appendChunk(body, part.kind, part.body)
			}
		}
		frames = appendChunk(frames, "ANMF", header, body)
	}
	file := appendChunk(nil, "VP8X", []byte{flags, 0, 0, 0}, sides)
	loop := min(p.Loop, math.MaxUint16)
	file = appendChunk(file, "ANIM", []byte{0, 0, 0, 0, byte(loop), byte(loop >> 8)})
	return riff(append(file, frames...)), nil
}
