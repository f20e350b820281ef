package codec

import (
	"bytes"
	"encoding/binary"
	"iter"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
)

// chunk is one chunk of a RIFF file.
type chunk struct {
	kind string
	body []byte
	rest []byte // from this chunk on
}

// chunks walks the chunks in b; it ends at the first that does not fit.
func chunks(b []byte) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		for len(b) >= 8 {
			size := uint64(binary.LittleEndian.Uint32(b[4:]))
			if size > uint64(len(b)-8) || !yield(chunk{string(b[:4]), b[8 : 8+size], b}) {
				return
			}
			b = b[min(8+int(size)+int(size&1), len(b)):]
		}
	}
}

// join adds c to the chunks of one picture. They are two at most, the alpha and the
// rest: what comes on top of that is not looked at.
func (c chunk) join(picture []chunk) []chunk {
	if kept := c.kind == "ALPH" || c.kind == "VP8 " || c.kind == "VP8L"; kept && len(picture) < 2 {
		return append(picture, c)
	}
	return picture
}

func appendChunk(b []byte, kind string, body ...[]byte) []byte {
	size := 0
	for _, part := range body {
		size += len(part)
	}
	b = append(b, kind...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for _, part := range body {
		b = append(b, part...)
	}
	if size&1 != 0 {
		b = append(b, 0)
	}
	return b
}

// riff wraps chunks into a file.
func riff(body []byte) []byte { return appendChunk(nil, "RIFF", []byte("WEBP"), body) }

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func append24(b []byte, n int) []byte { return append(b, byte(n), byte(n>>8), byte(n>>16)) }

// Flags of a VP8X chunk.
const (
	flagAnimation = 1 << 1
	flagAlpha     = 1 << 4
)

// webpHeader is what the chunks of a WebP file say (RFC 9649).
type webpHeader struct {
	info      engine.Info
	icc, exif []byte
	loop      int
	frames    []byte  // the chunks from the first ANMF on; nil = not animated
	still     []chunk // ALPH, VP8 and VP8L of a still picture
}

func readWebP(src []byte) (h webpHeader, err error) {
	h.info = engine.Info{Media: params.WebP, Orientation: 1, Frames: 1, Bytes: len(src)}
	if len(src) < 20 {
		return h, broken(params.WebP, "no chunk")
	}
	for c := range chunks(src[12:]) {
		switch c.kind {
		case "VP8X":
			if len(c.body) < 10 {
				return h, broken(params.WebP, "VP8X of %d bytes", len(c.body))
			}
			h.info.Size = params.Size{W: uint24(c.body[4:]) + 1, H: uint24(c.body[7:]) + 1}
			h.info.Alpha = c.body[0]&flagAlpha != 0
		case "VP8 ", "VP8L", "ALPH":
			h.still = c.join(h.still)
		case "ANMF":
			if h.frames == nil {
				h.frames = c.rest
				h.info.Frames = 0
			}
			h.info.Frames++
		case "ANIM":
			if len(c.body) >= 6 {
				h.loop = int(binary.LittleEndian.Uint16(c.body[4:]))
			}
		case "ICCP":
			h.icc = c.body
		case "EXIF":
			h.exif = bytes.TrimPrefix(c.body, []byte(exifName)) // some writers keep JPEG's prefix
			h.info.Orientation = engine.EXIFOrientation(h.exif)
		}
	}
	if h.frames != nil {
		return h, h.sized()
	}
	size, alpha, ok := bitstream(h.still)
	if !ok {
		return h, broken(params.WebP, "no picture")
	}
	if h.info.Size == (params.Size{}) {
		h.info.Size, h.info.Alpha = size, alpha
	}
	if size != h.info.Size {
		return h, broken(params.WebP, "a picture of %v on a canvas of %v", size, h.info.Size)
	}
	return h, h.sized()
}

func (h *webpHeader) sized() error {
	if h.info.Size == (params.Size{}) {
		return broken(params.WebP, "frames without a canvas")
	}
	return nil
}

// bitstream reads the size from the header of VP8 (RFC 6386 section 9.1) or VP8L
// (RFC 9649 section 3.4).
func bitstream(list []chunk) (size params.Size, alpha, ok bool) {
	for _, c := range list {
		switch {
		case c.kind == "ALPH":
			alpha = true
		case c.kind == "VP8 " && len(c.body) >= 10 && string(c.body[3:6]) == "\x9d\x01\x2a":
			w, h := binary.LittleEndian.Uint16(c.body[6:])&0x3fff, binary.LittleEndian.Uint16(c.body[8:])&0x3fff
			return params.Size{W: int(w), H: int(h)}, alpha, w > 0 && h > 0
		case c.kind == "VP8L" && len(c.body) >= 5 && c.body[0] == 0x2f:
			bits := binary.LittleEndian.Uint32(c.body[1:])
			return params.Size{W: int(bits&0x3fff) + 1, H: int(bits>>14&0x3fff) + 1}, bits>>28&1 != 0, true
		}
	}
	return size, alpha, false
}
