package codec

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"slices"
	"testing"

	"github.com/gen2brain/avif"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

// hiddenGIF is one frame on a canvas, an extension, what may be taken for the end or
// for the length of a block, n bytes, and more frames.
func hiddenGIF(extension string, n int) []byte {
	one := gifOf(1000, 1000, 1)
	frame := one[19 : len(one)-1]
	b := append(bytes.Clone(one[:len(one)-1]), extension...)
	b = append(append(b, 0x3b), make([]byte, n)...)
	return append(append(b, bytes.Repeat(frame, 30)...), 0x3b)
}

// hiddenJPEG is a marker and two pictures: who takes what follows the marker for the
// length of a segment finds the second one only, others the first one.
func hiddenJPEG(marker string, first, second []byte) []byte {
	b := append(append([]byte("\xff\xd8"), marker...), first[2:]...)
	end := 4 + int(binary.BigEndian.Uint16(b[4:]))
	b = append(b, make([]byte, 1<<16)...)
	return append(b[:end], second[2:]...)
}

// hiddenScans has an end in front of its second scan for who takes what follows 0xd8
// for anything but the length of a segment.
func hiddenScans(src []byte) []byte {
	first := bytes.Index(src, []byte("\xff\xda"))
	second := first + 2 + bytes.Index(src[first+2:], []byte("\xff\xda"))
	return slices.Concat(src[:second], []byte("\xff\xd8\x00\x04\xff\xd9"), src[second:])
}

// Two readers of one file must not see two pictures: limits are judged by what the
// first one sees, and the second one decodes.
func TestNothingIsHiddenFromTheLimits(t *testing.T) {
	small := encode(t, jpegCodec{}, still(scene(64, 64), nil, nil), engine.EncodeOptions{})
	large := append(scansJPEG(3, 4000, 4000, 0), make([]byte, 16<<10)...)
	for _, tt := range []struct {
		name string
		c    engine.Codec
		src  []byte
	}{
		{"frames behind an application's data without a name", gifCodec{}, hiddenGIF("\x21\xff\x00", 0x3c)},
		{"frames behind a text of another length", gifCodec{}, hiddenGIF("\x21\x01\x00", 12)},
		{"a frame behind a second beginning", jpegCodec{}, hiddenJPEG("\xff\xd8", small, large)},
		{"a frame of four inks before a byte that is no marker", jpegCodec{}, hiddenJPEG("\xff\x00\xff\xff", yccK(2400, 2400, 2), yccK(16, 16, 2))},
		{"scans behind a second beginning", jpegCodec{}, hiddenScans(scansJPEG(3, 4000, 4000, 117))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info, err := tt.c.Probe(tt.src)
			if err != nil {
				refused(t, "Probe", err)
				return
			}
			allocated, took := cost(func() {
				_, err = tt.c.Decode(t.Context(), tt.src, engine.DecodeOptions{})
			})
			if allocated > 16<<20 {
				t.Errorf("%d bytes allocated in %v for %d bytes that say to be %+v: %v", allocated, took, len(tt.src), info, err)
			}
		})
	}
}

// A sequence counts as its first picture, the one that its header is of: the film of
// another size beside it is not decoded.
func TestTheFilmOfASequenceIsNotDecoded(t *testing.T) {
	library := func(side, frames int) []byte {
		var out bytes.Buffer
		all := &avif.AVIF{}
		for range frames {
			all.Image, all.Delay = append(all.Image, veiled(side, side).NRGBA()), append(all.Delay, 1)
		}
		var err error
		if frames == 1 {
			err = avif.Encode(&out, all.Image[0], avif.Options{Speed: 10, Quality: 50, QualityAlpha: 50, ChromaSubsampling: image.YCbCrSubsampleRatio420})
		} else {
			err = avif.EncodeAll(&out, all, avif.Options{Speed: 10, Quality: 50, QualityAlpha: 50, ChromaSubsampling: image.YCbCrSubsampleRatio420})
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	c := avifCodec{}
	film := library(192, 2)
	if info, err := c.Probe(film); err != nil || info.Size != (params.Size{W: 192, H: 192}) {
		t.Fatalf("%+v, %v", info, err)
	}
	decode(t, c, film, engine.DecodeOptions{})
	small := library(64, 1)
	h, err := readHEIF(params.AVIF, small)
	if err != nil {
		t.Fatal(err)
	}
	items, ok := itemsOf(small, h.meta)
	if !ok || len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	at := bytes.Index(film, []byte("ispe"))
	binary.BigEndian.PutUint32(film[at+8:], 64)
	binary.BigEndian.PutUint32(film[at+12:], 64)
	for i, item := range items { // each of the film's items is in one piece, too
		extent := film[bytes.Index(film, []byte("iloc"))+12+14*i+6:]
		binary.BigEndian.PutUint32(extent, uint32(len(film)))
		binary.BigEndian.PutUint32(extent[4:], uint32(len(item.data)))
		film = append(film, item.data...)
	}
	if m := decode(t, c, film, engine.DecodeOptions{}).Frames[0].Image; m.W != 64 || m.H != 64 {
		t.Errorf("%d×%d", m.W, m.H)
	}
}

// heicOf is photo.heic with other bytes in place of those of its grid, which is made
// from the items to.
func heicOf(t *testing.T, kind string, grid []byte, to ...uint16) []byte {
	file := readFile(t, "photo.heic")
	meta, mdat := find(file, "meta"), find(file, "mdat")
	be := binary.BigEndian
	refs := be.AppendUint16(be.AppendUint16(nil, 2), uint16(len(to)))
	for _, id := range to {
		refs = be.AppendUint16(refs, id)
	}
	build := func(at int) []byte {
		iloc := []byte("\x01\x00\x00\x00\x44\x40\x00\x02\x00\x01\x00\x00\x00\x00")
		iloc = be.AppendUint32(append(iloc, 0, 0, 0, 0, 0, 1), uint32(at))
		iloc = be.AppendUint32(iloc, uint32(len(mdat)))
		iloc = append(iloc, "\x00\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"...)
		iloc = be.AppendUint32(iloc, uint32(len(grid)))
		body := slices.Concat(meta[:4], box0("hdlr", find(meta[4:], "hdlr")), box0("pitm", find(meta[4:], "pitm")),
			box0("idat", grid), box0("iloc", iloc), box0("iinf", bytes.Replace(find(meta[4:], "iinf"), []byte("grid"), []byte(kind), 1)),
			box0("iprp", find(meta[4:], "iprp")), box0("iref", slices.Concat(make([]byte, 4), box0("dimg", refs))))
		return slices.Concat(file[:24], box0("meta", body))
	}
	head := build(0)
	return append(build(len(head)+8), box0("mdat", mdat)...)
}

// What a HEIC file is made from is judged as the library makes it.
func TestWhatAHEICIsMadeFromIsJudged(t *testing.T) {
	grid := func(flags, rows, columns byte, w, h uint16, more ...byte) []byte {
		b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{0, flags, rows - 1, columns - 1}, w), h)
		return append(b, more...)
	}
	overlay := append([]byte("\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x10\x00"), make([]byte, 8)...)
	good := heicOf(t, "grid", grid(0, 1, 1, 161, 119), 1)
	decode(t, heicCodec{}, good, engine.DecodeOptions{}) // and compiles the library, once
	behind := heicOf(t, "grid", grid(0, 1, 1, 4096, 4096), 1)
	for name, src := range map[string][]byte{
		"a larger grid with more behind it": heicOf(t, "grid", grid(0, 1, 1, 4096, 4096, make([]byte, 8)...), 1),
		"a grid in wide numbers":            heicOf(t, "grid", grid(1, 1, 1, 0, 4096, 0, 0, 16, 0), 1),
		"a canvas of its own size":          heicOf(t, "iovl", overlay, 1),
		"one tile very often":               heicOf(t, "grid", grid(0, 50, 50, 161, 119), slices.Repeat([]uint16{1}, 2500)...),
		"a grid of grids":                   heicOf(t, "grid", grid(0, 1, 1, 161, 119), 2),
		"a second header":                   slices.Concat(good, box0("meta", find(behind, "meta"))),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := heicCodec{}.Probe(src)
			allocated, took := cost(func() {
				if err == nil {
					_, err = heicCodec{}.Decode(t.Context(), src, engine.DecodeOptions{})
				}
			})
			if err == nil || allocated > 1<<20 {
				t.Errorf("%v; %d bytes allocated in %v", err, allocated, took)
			}
			refused(t, name, err)
		})
	}
}

// What the header is judged to take, before any of it is there, is what decoding takes.
func TestAHeaderTellsWhatDecodingTakes(t *testing.T) {
	const side = 512
	deep := image.NewNRGBA64(image.Rect(0, 0, side, side))
	var png16 bytes.Buffer
	if err := png.Encode(&png16, deep); err != nil {
		t.Fatal(err)
	}
	of := func(c engine.Codec, m *pixel.Image, o engine.EncodeOptions) []byte {
		return encode(t, c, still(m, nil, nil), o)
	}
	for _, tt := range []struct {
		name string
		c    engine.Codec
		src  []byte
	}{
		{"JPEG", jpegCodec{}, of(jpegCodec{}, scene(side, side), engine.EncodeOptions{Baseline: true})},
		{"JPEG, progressive", jpegCodec{}, of(jpegCodec{}, scene(side, side).To420(), engine.EncodeOptions{})},
		{"JPEG, progressive, of full components", jpegCodec{}, scansJPEG(3, side, side, 0)},
		{"JPEG of four inks", jpegCodec{}, yccK(side, side, 2)},
		{"JPEG of four inks, progressive", jpegCodec{}, scansJPEG(4, side, side, 0)},
		{"PNG", pngCodec{}, of(pngCodec{}, veiled(side, side), engine.EncodeOptions{})},
		{"PNG of 16 bits", pngCodec{}, png16.Bytes()},
		{"GIF", gifCodec{}, of(gifCodec{}, scene(side, side), engine.EncodeOptions{})},
		{"WebP", webpCodec{}, of(webpCodec{}, veiled(side, side), engine.EncodeOptions{})},
		{"WebP, lossless", webpCodec{}, of(webpCodec{}, veiled(side, side), engine.EncodeOptions{Lossless: true})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info, err := tt.c.Probe(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			weight := uint64(info.Weight)
			switch {
			case tt.c.Media() == params.JPEG:
				weight += 3
			case weight == 0:
				weight = 12
			}
			allocated, _ := cost(func() { _, err = tt.c.Decode(t.Context(), tt.src, engine.DecodeOptions{}) })
			refused(t, tt.name, err)
			if most := weight*side*side + 1<<19; allocated > most {
				t.Errorf("%.1f bytes a pixel, the header told of %d", float64(allocated)/(side*side), weight)
			}
		})
	}
}
