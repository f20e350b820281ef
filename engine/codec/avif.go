package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"iter"
	"strings"

	"github.com/gen2brain/avif"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
)

// avifCodec reads and writes AVIF stills with libavif. A sequence counts as its
// first picture. The library turns pictures upright itself, so sizes are given
// upright and the orientation is always 1.
type avifCodec struct{}

func (avifCodec) Media() params.Media { return params.AVIF }
func (avifCodec) CanEncode() bool     { return true }

func avifForm() string {
	if avif.Dynamic() == nil {
		return "libavif (native)"
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

// Probe reads the properties of the primary item (ISO/IEC 23008-12).
func (avifCodec) Probe(src []byte) (engine.Info, error) {
	info := engine.Info{Media: params.AVIF, Orientation: 1, Frames: 1, Bytes: len(src)}
	meta := find(src, "meta")
	if len(meta) < 4 {
		return info, broken(params.AVIF, "no meta box")
	}
	meta = meta[4:]
	properties := find(meta, "iprp")
	var list []box
	for property := range boxes(find(properties, "ipco")) {
		if list = append(list, property); len(list) > 1024 {
			return info, broken(params.AVIF, "more than 1024 properties")
		}
		if property.kind == "auxC" && strings.Contains(string(property.body), "alpha") {
			info.Alpha = true
		}
	}
	turned := false
	for _, i := range associations(find(properties, "ipma"), primary(find(meta, "pitm"))) {
		if i < 1 || i > len(list) {
			continue
		}
		switch property := list[i-1]; {
		case property.kind == "ispe" && len(property.body) >= 12:
			w, h := binary.BigEndian.Uint32(property.body[4:]), binary.BigEndian.Uint32(property.body[8:])
			if w > 1<<24 || h > 1<<24 {
				return info, broken(params.AVIF, "%d×%d pixels", w, h)
			}
			info.Size = params.Size{W: int(w), H: int(h)}
		case property.kind == "irot" && len(property.body) >= 1:
			turned = property.body[0]&1 != 0
		}
	}
	if turned {
		info.Size.W, info.Size.H = info.Size.H, info.Size.W
	}
	if info.Size.W == 0 || info.Size.H == 0 {
		return info, broken(params.AVIF, "no size")
	}
	return info, nil
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

func (c avifCodec) Decode(ctx context.Context, src []byte, _ engine.DecodeOptions) (*engine.Picture, error) {
	info, err := c.Probe(src)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// The library believes the coded picture, not the header that was judged.
	config, err := avif.DecodeConfig(bytes.NewReader(src))
	if err != nil || config.Width*config.Height > info.Size.W*info.Size.H {
		return nil, broken(params.AVIF, "a picture of %d×%d under a header of %v: %w", config.Width, config.Height, info.Size, err)
	}
	decoded, err := avif.Decode(bytes.NewReader(src), avif.Options{AutoRotate: true})
	if err != nil {
		return nil, broken(params.AVIF, "%w", err)
	}
	if size := decoded.Bounds().Size(); size.X != info.Size.W || size.Y != info.Size.H {
		return nil, broken(params.AVIF, "a picture of %v under a header of %v", size, info.Size)
	}
	return still(fromImage(decoded), nil, nil), nil
}

// avifSpeed is the fastest: the slower ones save few bytes and take many times
// as long (8: twice, 7: four times).
const avifSpeed = 10

func (avifCodec) Encode(ctx context.Context, p *engine.Picture, o engine.EncodeOptions) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	quality := avifQuality(qualityOf(o))
	var out bytes.Buffer
	err := avif.Encode(&out, p.Frames[0].Image.NRGBA(), avif.Options{
		Quality: quality, QualityAlpha: quality, Speed: avifSpeed, ChromaSubsampling: image.YCbCrSubsampleRatio420,
	})
	if err != nil {
		return nil, encodeFailed(params.AVIF, err)
	}
	return out.Bytes(), nil
}

// avifQuality maps the contract's quality to libavif's of about the same
// structural similarity, measured on photographs at 800 pixels: 40 is 34, 85 is
// 64, 95 is 88.
func avifQuality(quality int) int {
	if quality > defaultQuality {
		return 64 + (quality-defaultQuality)*36/15
	}
	return (65*quality + 900) / 100
}
