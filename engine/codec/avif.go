package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"iter"
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

// box is one box of an ISO base media file (ISO/IEC 14496-12).
type box struct {
	kind string
	body []byte
}

// boxes walks the boxes in b; it ends at the first that does not fit.
func boxes(b []byte) iter.Seq[box] {
	return func(yield func(box) bool) {
		for len(b) >= 8 {
			size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
			kind := string(b[4:8])
			switch size {
			case 0:
				size = uint64(len(b))
			case 1:
				if len(b) < 16 {
					return
				}
				size, head = binary.BigEndian.Uint64(b[8:]), 16
			}
			if size < head || size > uint64(len(b)) || !yield(box{kind, b[head:size]}) {
				return
			}
			b = b[size:]
		}
	}
}

func find(b []byte, kind string) []byte {
	for found := range boxes(b) {
		if found.kind == kind {
			return found.body
		}
	}
	return nil
}

// avifHeader is what the meta box of an AVIF file says.
type avifHeader struct {
	info   engine.Info
	stored params.Size // before irot
	meta   []byte      // the boxes in the meta box
	icc    []byte
}

func (avifCodec) Probe(src []byte) (engine.Info, error) {
	h, err := readAVIF(src)
	return h.info, err
}

// readAVIF reads the properties of the primary item (ISO/IEC 23008-12).
func readAVIF(src []byte) (h avifHeader, err error) {
	h.info = engine.Info{Media: params.AVIF, Orientation: 1, Frames: 1, Bytes: len(src)}
	meta := find(src, "meta")
	if len(meta) < 4 {
		return h, broken(params.AVIF, "no meta box")
	}
	h.meta = meta[4:]
	properties := find(h.meta, "iprp")
	var list []box
	for property := range boxes(find(properties, "ipco")) {
		if list = append(list, property); len(list) > 1024 {
			return h, broken(params.AVIF, "more than 1024 properties")
		}
		switch body := property.body; {
		case property.kind == "auxC" && bytes.Contains(body, []byte("alpha")):
			h.info.Alpha = true
		case property.kind == "colr" && len(body) > 4 && string(body[:4]) == "prof":
			h.icc = body[4:]
		}
	}
	turned := false
	for _, i := range associations(find(properties, "ipma"), primary(find(h.meta, "pitm"))) {
		if i < 1 || i > len(list) {
			continue
		}
		switch property := list[i-1]; {
		case property.kind == "ispe" && len(property.body) >= 12:
			w, height := binary.BigEndian.Uint32(property.body[4:]), binary.BigEndian.Uint32(property.body[8:])
			if w == 0 || height == 0 || w > 1<<24 || height > 1<<24 {
				return h, broken(params.AVIF, "%d×%d pixels", w, height)
			}
			h.stored = params.Size{W: int(w), H: int(height)}
		case property.kind == "irot" && len(property.body) >= 1:
			turned = property.body[0]&1 != 0
		}
	}
	if h.stored.W == 0 {
		return h, broken(params.AVIF, "no size")
	}
	h.info.Size = h.stored
	if turned {
		h.info.Size = params.Size{W: h.stored.H, H: h.stored.W}
	}
	return h, nil
}

// primary is the id of the primary item.
func primary(pitm []byte) uint32 {
	switch {
	case len(pitm) >= 8 && pitm[0] != 0:
		return binary.BigEndian.Uint32(pitm[4:])
	case len(pitm) >= 6:
		return uint32(binary.BigEndian.Uint16(pitm[4:]))
	}
	return 0
}

// associations lists the property numbers, from 1, of an item.
func associations(ipma []byte, item uint32) []int {
	if len(ipma) < 8 {
		return nil
	}
	wideID, wideIndex := ipma[0] != 0, ipma[3]&1 != 0
	entries := binary.BigEndian.Uint32(ipma[4:])
	r := bytes.NewReader(ipma[8:])
	read := func(wide bool, narrow, broad int) (n uint32, ok bool) {
		size := narrow
		if wide {
			size = broad
		}
		for range size {
			b, err := r.ReadByte()
			if err != nil {
				return 0, false
			}
			n = n<<8 | uint32(b)
		}
		return n, true
	}
	for range entries {
		id, ok := read(wideID, 2, 4)
		count, ok2 := read(false, 1, 1)
		if !ok || !ok2 {
			return nil
		}
		var list []int
		for range count {
			n, ok := read(wideIndex, 1, 2)
			if !ok {
				return nil
			}
			if wideIndex {
				n &= 0x7fff
			} else {
				n &= 0x7f
			}
			list = append(list, int(n))
		}
		if id == item {
			return list
		}
	}
	return nil
}

// Decode cannot be interrupted by ctx: the library has no way to.
func (avifCodec) Decode(ctx context.Context, src []byte, _ engine.DecodeOptions) (*engine.Picture, error) {
	h, err := readAVIF(src)
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
	decoded, err := avif.Decode(bytes.NewReader(src), avif.Options{AutoRotate: true})
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
