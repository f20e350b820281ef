package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"time"

	"github.com/gen2brain/jpegn"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec/native"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

// jpegCodec reads baseline and progressive JPEG into planes and writes both. A
// file whose scan has no end is refused as broken; one that is damaged inside
// decodes as far as it goes.
type jpegCodec struct{ native *native.JPEG }

func (c jpegCodec) form() string {
	if c.native != nil {
		return c.native.String() + " (native decoder), jpegn (Go encoder)"
	}
	return "jpegn (Go)"
}

func (jpegCodec) Media() params.Media { return params.JPEG }
func (jpegCodec) Pace() time.Duration { return 15 * time.Millisecond }
func (jpegCodec) Shrinks() bool       { return false }

// jpegHeader is what stands before the first scan.
type jpegHeader struct {
	info       engine.Info
	exif       []byte // TIFF block
	profile    [][]byte
	components int
	scan       int // offset of the first SOS marker
}

const (
	exifName = "Exif\x00\x00"
	iccName  = "ICC_PROFILE\x00"
)

// readJPEG walks the segments before the first scan (ITU-T T.81 annex B).
func readJPEG(src []byte) (h jpegHeader, err error) {
	h.info = engine.Info{Media: params.JPEG, Orientation: 1, Frames: 1, Bytes: len(src)}
	for at := 2; ; {
		for at+1 < len(src) && src[at] == 0xff && src[at+1] == 0xff { // fill bytes
			at++
		}
		if at+4 > len(src) || src[at] != 0xff {
			return h, broken(params.JPEG, "no marker at %d", at)
		}
		marker := src[at+1]
		size := int(binary.BigEndian.Uint16(src[at+2:]))
		if marker == 0x00 || marker == 0xd8 { // the decoders take what follows for one thing or the other
			return h, broken(params.JPEG, "marker %x at %d", marker, at)
		}
		if marker >= 0xd0 && marker <= 0xd7 || marker == 0x01 { // no length
			at += 2
			continue
		}
		if size < 2 || at+2+size > len(src) {
			return h, broken(params.JPEG, "segment %x at %d has %d bytes", marker, at, size)
		}
		if marker == 0xda {
			if h.components == 0 {
				return h, broken(params.JPEG, "a scan before its frame")
			}
			h.scan = at
			return h, nil
		}
		if err := h.segment(marker, src[at+4:at+2+size]); err != nil {
			return h, err
		}
		at += 2 + size
	}
}

func (h *jpegHeader) segment(marker byte, body []byte) error {
	switch {
	case marker == 0xc0 || marker == 0xc1 || marker == 0xc2:
		if len(body) < 6 || h.components != 0 || len(body) < 6+3*int(body[5]) {
			return broken(params.JPEG, "frame header")
		}
		if body[0] != 8 {
			return unsupported(params.JPEG, "samples of other than 8 bits")
		}
		h.info.Size = params.Size{W: int(binary.BigEndian.Uint16(body[3:])), H: int(binary.BigEndian.Uint16(body[1:]))}
		if h.components = int(body[5]); h.components != 1 && h.components != 3 && h.components != 4 {
			return unsupported(params.JPEG, "other than 1, 3 or 4 components")
		}
		h.info.Weight = weightJPEG(body[6:][:3*h.components], marker == 0xc2)
	case marker >= 0xc3 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
		return unsupported(params.JPEG, "lossless, hierarchical or arithmetic coding")
	case marker == 0xe1 && h.exif == nil && bytes.HasPrefix(body, []byte(exifName)):
		h.exif = body[len(exifName):]
		h.info.Orientation = engine.EXIFOrientation(h.exif)
	case marker == 0xe2 && bytes.HasPrefix(body, []byte(iccName)) && len(body) > len(iccName)+2:
		h.chunk(body[len(iccName):])
	}
	return nil
}

// weightJPEG is the memory that a decoder needs for each pixel, whatever it scales to:
// of a progressive picture the coefficients, of 32 bits, and of one in four inks, which
// is decoded whole, the samples on their way to planes.
func weightJPEG(components []byte, progressive bool) (bytes int) {
	widest, highest, samples := 1, 1, 0
	for at := 0; at < len(components); at += 3 {
		w, h := int(components[at+1]>>4), int(components[at+1]&15)
		widest, highest, samples = max(widest, w), max(highest, h), samples+w*h
	}
	if progressive {
		bytes = (4*samples + widest*highest - 1) / (widest * highest)
	}
	if len(components) == 4*3 {
		bytes += 12
	}
	return bytes
}

// chunk notes one part of the ICC profile: its number from 1, how many there
// are, and its bytes.
func (h *jpegHeader) chunk(body []byte) {
	number, count := int(body[0]), int(body[1])
	if h.profile == nil {
		h.profile = make([][]byte, count)
	}
	if number >= 1 && number <= len(h.profile) && count == len(h.profile) {
		h.profile[number-1] = body[2:]
	}
}

// icc joins the parts; nil if one is missing.
func (h *jpegHeader) icc() []byte {
	var all []byte
	for _, part := range h.profile {
		if part == nil {
			return nil
		}
		all = append(all, part...)
	}
	return all
}

func (jpegCodec) Probe(src []byte) (engine.Info, error) {
	h, err := readJPEG(src)
	return h.info, err
}

func (c jpegCodec) Decode(ctx context.Context, src []byte, want engine.DecodeOptions) (*engine.Picture, error) {
	h, err := readJPEG(src)
	if err != nil {
		return nil, err
	}
	if bytes.LastIndex(src, []byte{0xff, 0xd9}) < h.scan {
		return nil, broken(params.JPEG, "the scan has no end")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if n := h.scans(src); n > maxScans || int64(n)*int64(h.info.Size.W)*int64(h.info.Size.H) > h.maxWork() {
		return nil, unsupported(params.JPEG, fmt.Sprintf("%d scans of components over %v pixels", n, h.info.Size))
	}
	scale := want.Denominator(h.info.Size)
	if h.components == 4 {
		scale = 1
	}
	decoded, err := c.pixels(src, &h, scale)
	var refused jpeg.UnsupportedError
	switch {
	case errors.Is(err, jpegn.ErrUnsupported), errors.As(err, &refused):
		return nil, unsupported(params.JPEG, "an unusual layout of samples")
	case err != nil:
		return nil, broken(params.JPEG, "%w", err)
	}
	picture := still(fromImage(decoded), h.icc(), bytes.Clone(h.exif))
	picture.Denominator = scale
	return picture, nil
}

// Bounds of the work that a small progressive file can ask for: each scan goes
// over all of its components. libjpeg writes 10 scans of 14 components in all.
const (
	maxScans = 200           // scans of one component each
	maxWork  = 1_600_000_000 // pixels of all such scans, about 2 s: 16 scans at 100 megapixels
)

// maxWork is less where the standard library decodes, which is slower.
func (h *jpegHeader) maxWork() int64 {
	if h.components == 4 {
		return maxWork / 4
	}
	return maxWork
}

// scans counts the components of all scans up to the end of the picture, once for
// each scan that has them. What comes after it, such as a phone's film, does not count.
func (h *jpegHeader) scans(src []byte) (n int) {
	for at := h.scan; at+4 < len(src); {
		marker := src[at+1]
		switch {
		case src[at] != 0xff:
			next := bytes.IndexByte(src[at:], 0xff)
			if next < 0 {
				return n
			}
			at += next
			continue
		case marker == 0xff: // fill byte
			at++
			continue
		case marker == 0x00 || marker == 0x01 || marker >= 0xd0 && marker <= 0xd7: // no length; jpegn gives 0xd8 one
			at += 2
			continue
		case marker == 0xd9:
			return n
		case marker == 0xda:
			n += min(max(int(src[at+4]), 1), 4)
		}
		at += 2 + int(binary.BigEndian.Uint16(src[at+2:]))
	}
	return n
}

// pixels leaves four components to the standard library: jpegn (0.6.1) misreads
// those whose middle two are halved, as Photoshop writes them.
func (c jpegCodec) pixels(src []byte, h *jpegHeader, scale int) (image.Image, error) {
	if h.components == 4 {
		return jpeg.Decode(bytes.NewReader(src))
	}
	if c.native != nil {
		decoded, err := c.native.Decode(src, image.Pt(h.info.Size.W, h.info.Size.H), scale)
		if !errors.Is(err, native.ErrLayout) {
			return decoded, err
		}
	}
	return jpegn.Decode(bytes.NewReader(src), &jpegn.Options{ScaleDenom: scale})
}

func (jpegCodec) Encode(ctx context.Context, p *engine.Picture, o engine.EncodeOptions) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	options := &jpegn.EncodeOptions{
		Quality: qualityOf(o), OptimizeCoding: !o.Fast, Progressive: !o.Fast && !o.Baseline, AdaptiveQuantization: !o.Fast,
	}
	if len(o.EXIF) > 0 {
		options.Exif = append([]byte(exifName), o.EXIF...)
	}
	var out bytes.Buffer
	if err := jpegn.Encode(&out, standard(p.Frames[0].Image), options); err != nil {
		return nil, encodeFailed(params.JPEG, err)
	}
	return out.Bytes(), nil
}

// standard is m as the standard library has it, with m's own planes where it can.
func standard(m *pixel.Image) image.Image {
	bounds := image.Rect(0, 0, m.W, m.H)
	ratios := map[[2]int]image.YCbCrSubsampleRatio{
		{1, 1}: image.YCbCrSubsampleRatio444, {2, 1}: image.YCbCrSubsampleRatio422, {2, 2}: image.YCbCrSubsampleRatio420,
		{1, 2}: image.YCbCrSubsampleRatio440,
	}
	ratio, ok := ratios[[2]int{m.SubX, m.SubY}]
	switch {
	case m.Model == pixel.Gray:
		return &image.Gray{Pix: m.Planes[0].Pix, Stride: m.Planes[0].Stride, Rect: bounds}
	case m.Model == pixel.YCbCr && ok && m.Planes[1].Stride == m.Planes[2].Stride:
		return &image.YCbCr{
			Y: m.Planes[0].Pix, Cb: m.Planes[1].Pix, Cr: m.Planes[2].Pix,
			YStride: m.Planes[0].Stride, CStride: m.Planes[1].Stride, SubsampleRatio: ratio, Rect: bounds,
		}
	}
	return m.NRGBA()
}
