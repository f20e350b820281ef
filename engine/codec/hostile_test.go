package codec

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// cost runs work and returns what it allocated, in bytes, and how long it took.
func cost(work func()) (allocated uint64, took time.Duration) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	work()
	took = time.Since(start)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, took
}

// chunkPNG is one chunk with its checksum.
func chunkPNG(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func ihdr(w, h uint32, depth, colour byte) []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return chunkPNG("IHDR", append(b, depth, colour, 0, 0, 0))
}

func pngFile(parts ...[]byte) []byte {
	return append([]byte("\x89PNG\r\n\x1a\n"), bytes.Join(parts, nil)...)
}

func deflated(n int) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(make([]byte, n))
	w.Close()
	return out.Bytes()
}

// pngBomb is a picture of 30,000 × 30,000 in a few bytes of file.
func pngBomb() []byte {
	return pngFile(ihdr(30000, 30000, 1, 0), chunkPNG("IDAT", deflated(1<<20)), chunkPNG("IEND", nil))
}

// profileBombs is a small picture under n profiles that each unpack to 3 MiB.
func profileBombs(n int) []byte {
	profile := chunkPNG("iCCP", append([]byte("x\x00\x00"), deflated(3<<20)...))
	return pngFile(ihdr(1, 1, 8, 0), bytes.Repeat(profile, n), chunkPNG("IDAT", deflated(2)), chunkPNG("IEND", nil))
}

// gifOf is n frames of one pixel on a canvas.
func gifOf(w, h uint16, n int) []byte {
	b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16([]byte("GIF89a"), w), h)
	b = append(b, 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	frame := []byte("\x21\xf9\x04\x00\x05\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00")
	return append(append(b, bytes.Repeat(frame, n)...), 0x3b)
}

func TestAHeaderIsReadInBoundedTimeAndMemory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		media params.Media
		src   []byte
	}{
		{"a picture of 900 megapixels in a kilobyte", params.PNG, pngBomb()},
		{"profiles that unpack without end", params.PNG, profileBombs(500)},
		{"5,000 frames", params.GIF, gifOf(1000, 1000, 5000)},
		{"a megabyte of empty frames", params.WebP, riff(bytes.Repeat([]byte("ANMF\x00\x00\x00\x00"), 1<<17))},
		{"a megabyte of empty alpha", params.WebP, riff(bytes.Repeat([]byte("ALPH\x00\x00\x00\x00"), 1<<17))},
		{"a megabyte of empty application data", params.JPEG, append([]byte("\xff\xd8"), bytes.Repeat([]byte("\xff\xe2\x00\x02"), 1<<18)...)},
		{"a megabyte of properties", params.AVIF, heif(box0("ipco", bytes.Repeat([]byte("\x00\x00\x00\x08free"), 1<<17)))},
		{"4,294,967,295 associations", params.AVIF, heif(box0("ipma", []byte("\x00\x00\x00\x00\xff\xff\xff\xff")))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := codecOf(t, tt.media)
			allocated, took := cost(func() { c.Probe(tt.src) })
			if took > 100*time.Millisecond {
				t.Logf("took %v, which is too long on an idle machine", took)
			}
			if allocated > 4<<20 {
				t.Errorf("%d bytes of file took %d bytes of memory", len(tt.src), allocated)
			}
		})
	}
	info, err := codecOf(t, params.GIF).Probe(gifOf(1000, 1000, 5000))
	if err != nil || info.Frames != 5000 {
		t.Errorf("Probe = %+v, %v", info, err)
	}
}

func box0(kind string, body []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// heif is an AVIF of which only one part of its property box exists.
func heif(property []byte) []byte {
	ftyp := box0("ftyp", []byte("avif\x00\x00\x00\x00avif"))
	return append(ftyp, box0("meta", append(make([]byte, 4), box0("iprp", property)...))...)
}

// refused checks that err is a fault that a visitor may see.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil && !fault.Is(err, fault.DecodeFailed) && !fault.Is(err, fault.Unsupported) {
		t.Errorf("%s: %v, want a broken or unsupported picture", what, err)
	}
}

func TestTruncatedFilesAreRefused(t *testing.T) {
	each(t, func(t *testing.T, c engine.Codec) {
		file := encode(t, c, still(scene(64, 48), nil, nil), engine.EncodeOptions{})
		step := max(len(file)/40, 1)
		if c.Media() == params.AVIF {
			step = max(len(file)/8, 1)
		}
		for n := 0; n < len(file)-16; n += step {
			cut := file[:n:n]
			if _, err := c.Probe(cut); err != nil {
				refused(t, fmt.Sprintf("Probe of %d of %d bytes", n, len(file)), err)
				continue
			}
			_, err := c.Decode(t.Context(), cut, engine.DecodeOptions{})
			if err == nil {
				t.Errorf("%d of %d bytes were taken for a picture", n, len(file))
			}
			refused(t, fmt.Sprintf("Decode of %d bytes", n), err)
		}
	})
}

func TestDamagedFilesNeverPanic(t *testing.T) {
	each(t, func(t *testing.T, c engine.Codec) {
		file := encode(t, c, still(veiled(48, 32), nil, nil), engine.EncodeOptions{})
		step, values := 1+len(file)/400, []byte{0, 0x7f, 0x80, 0xff}
		if c.Media() == params.AVIF {
			step, values = 1+len(file)/12, values[3:]
		}
		for at := 0; at < len(file); at += step {
			for _, v := range values {
				bad := bytes.Clone(file)
				bad[at] = v
				tryBoth(t, c, bad, fmt.Sprintf("byte %d = %#x", at, v))
			}
		}
	})
}

// tryBoth probes, and decodes what a small limit lets pass.
func tryBoth(t *testing.T, c engine.Codec, src []byte, what string) {
	t.Helper()
	info, err := c.Probe(src)
	if err != nil {
		refused(t, what, err)
		return
	}
	if int64(info.Size.W)*int64(info.Size.H)*int64(info.Frames) > 1<<20 {
		return
	}
	p, err := c.Decode(t.Context(), src, engine.DecodeOptions{})
	refused(t, what, err)
	if err != nil {
		return
	}
	if len(p.Frames) != info.Frames {
		t.Errorf("%s: %d frames, Probe said %d", what, len(p.Frames), info.Frames)
	}
	for _, f := range p.Frames {
		if f.Image.W != info.Size.W || f.Image.H != info.Size.H {
			t.Fatalf("%s: decoded to %d×%d, Probe said %v", what, f.Image.W, f.Image.H, info.Size)
		}
		f.Image.Clone().NRGBA() // touches every plane
	}
}

// yccK is a grey JPEG of four components with the sampling of Adobe's YCCK.
func yccK(w, h uint16, transform byte) []byte {
	b := []byte("\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00")
	b = append(b, transform, 0xff, 0xdb, 0, 67, 0)
	b = append(b, bytes.Repeat([]byte{16}, 64)...)
	b = append(b, 0xff, 0xc0, 0, 20, 8)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, h), w)
	b = append(b, 4, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x22, 0)
	// One code a table: "0" is "no difference" (DC) and "end of block" (AC).
	b = append(b, "\xff\xc4\x00\x14\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	b = append(b, "\xff\xc4\x00\x14\x10\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	b = append(b, "\xff\xda\x00\x0e\x04\x01\x00\x02\x00\x03\x00\x04\x00\x00\x3f\x00"...)
	mcus := (int(w) + 15) / 16 * ((int(h) + 15) / 16)
	return append(append(b, make([]byte, (20*mcus+7)/8)...), 0xff, 0xd9)
}

func TestCMYKOfEverySamplingDecodes(t *testing.T) {
	c := codecOf(t, params.JPEG)
	for transform := range byte(3) {
		t.Run(fmt.Sprintf("Adobe transform %d", transform), func(t *testing.T) {
			tryBoth(t, c, yccK(50, 40, transform), "YCCK 4:2:0")
			if _, err := c.Decode(t.Context(), yccK(50, 40, transform), engine.DecodeOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBoxesThatLieNeverPanic(t *testing.T) {
	file := encode(t, avifCodec{}, still(scene(16, 16), nil, nil), engine.EncodeOptions{})
	for _, tt := range []struct{ name, box string }{
		{"an empty pitm", "\x00\x00\x00\x08pitm"},
		{"a box of 2^63-1 bytes", "\x00\x00\x00\x01pitm\x7f\xff\xff\xff\xff\xff\xff\xff"},
		{"an empty iinf", "\x00\x00\x00\x08iinf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := bytes.Index(file, []byte("pitm")) - 4
			bad := append(append(bytes.Clone(file[:at]), tt.box...), file[at:]...)
			size := binary.BigEndian.Uint32(bad[bytes.Index(bad, []byte("meta"))-4:])
			binary.BigEndian.PutUint32(bad[bytes.Index(bad, []byte("meta"))-4:], size+uint32(len(tt.box)))
			tryBoth(t, avifCodec{}, bad, tt.name)
		})
	}
}

func TestOrientationIsFoundInEveryContainer(t *testing.T) {
	tiff := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00")
	p := still(scene(16, 8), nil, nil)
	jpeg := encode(t, jpegCodec{}, p, engine.EncodeOptions{EXIF: tiff})
	png := encode(t, pngCodec{}, p, engine.EncodeOptions{})
	png = append(append(bytes.Clone(png[:33]), chunkPNG("eXIf", tiff)...), png[33:]...)
	webp := func(exif []byte) []byte {
		body := appendChunk(nil, "VP8X", append24(append24([]byte{8, 0, 0, 0}, 15), 7))
		file := encode(t, webpCodec{}, p, engine.EncodeOptions{})
		return riff(appendChunk(append(body, file[12:]...), "EXIF", exif))
	}
	for _, tt := range []struct {
		name string
		c    engine.Codec
		src  []byte
	}{
		{"JPEG", jpegCodec{}, jpeg}, {"PNG", pngCodec{}, png}, {"WebP", webpCodec{}, webp(tiff)},
		{"WebP whose writer kept JPEG's prefix", webpCodec{}, webp(append([]byte(exifName), tiff...))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info, err := tt.c.Probe(tt.src)
			if err != nil || info.Orientation != 6 {
				t.Fatalf("Probe = %+v, %v", info, err)
			}
			if got := decode(t, tt.c, tt.src, engine.DecodeOptions{}); !bytes.Equal(got.EXIF, tiff) {
				t.Errorf("EXIF = %q", got.EXIF)
			}
		})
	}
}

func TestManyScansAreRefused(t *testing.T) {
	small := encode(t, jpegCodec{}, still(scene(64, 64), nil, nil), engine.EncodeOptions{})
	at := bytes.LastIndex(small, []byte("\xff\xda"))
	last := small[at : len(small)-2]
	film := append(bytes.Clone(small), bytes.Repeat([]byte("\xff\xda\x00\x08\x04"), 1000)...)
	for _, tt := range []struct {
		name string
		src  []byte
		ok   bool
	}{
		{"2,000 scans", append(append(bytes.Clone(small[:at]), bytes.Repeat(last, 2000)...), 0xff, 0xd9), false},
		{"16 scans of a component at 16 megapixels", scansJPEG(3, 4000, 4000, 13), true},
		{"120 scans of a component at 16 megapixels", scansJPEG(3, 4000, 4000, 117), false},
		{"17 scans of a component at 100 megapixels", scansJPEG(3, 10000, 10000, 14), false},
		{"30 scans of a component at 16 megapixels in four inks", scansJPEG(4, 4000, 4000, 26), false},
		{"many scans behind the end", append(film, 0xff, 0xd9), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			allocated, _ := cost(func() { _, err = jpegCodec{}.Decode(t.Context(), tt.src, engine.DecodeOptions{}) })
			if tt.ok && err != nil || !tt.ok && !fault.Is(err, fault.Unsupported) && !fault.Is(err, fault.DecodeFailed) {
				t.Error(err)
			}
			if !tt.ok && allocated > 1<<20 {
				t.Errorf("%d bytes allocated", allocated)
			}
		})
	}
}

// coded makes an AVIF of one size claim another.
func coded(t *testing.T, w, h int, claim uint32) []byte {
	file := encode(t, avifCodec{}, still(scene(w, h), nil, nil), engine.EncodeOptions{})
	at := bytes.Index(file, []byte("ispe"))
	binary.BigEndian.PutUint32(file[at+8:], claim)
	binary.BigEndian.PutUint32(file[at+12:], claim)
	return file
}

func TestAPictureLargerThanItsHeaderIsRefused(t *testing.T) {
	file := coded(t, 512, 512, 64)
	allocated, _ := cost(func() {
		if _, err := (avifCodec{}).Decode(t.Context(), file, engine.DecodeOptions{}); !fault.Is(err, fault.DecodeFailed) {
			t.Errorf("512×512 under a header of 64×64: %v", err)
		}
	})
	if allocated > 1<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
}

func TestExtremesOfAnimationsStayInTheirFields(t *testing.T) {
	for _, media := range []params.Media{params.GIF, params.WebP} {
		for _, loop := range []int{0, 1, 2, 65535, 65536, 1 << 20} {
			t.Run(fmt.Sprintf("%v played %d times", media, loop), func(t *testing.T) {
				c, source := codecOf(t, media), animation(16, 16, 2)
				source.Loop = loop
				source.Frames[0].Delay = 20 * time.Minute // more than a GIF can say
				got := decode(t, c, encode(t, c, source, engine.EncodeOptions{}), engine.DecodeOptions{})
				want := min(loop, 65535)
				if got.Loop < want || got.Loop > max(loop, want) {
					t.Errorf("played %d times", got.Loop)
				}
				if d := got.Frames[0].Delay; d < 10*time.Minute {
					t.Errorf("the first frame stays %v", d)
				}
			})
		}
	}
}

func TestAPaletteKeepsSmoothAlpha(t *testing.T) {
	c, source := codecOf(t, params.PNG), veiled(64, 64)
	file := encode(t, c, still(source, nil, nil), engine.EncodeOptions{Palette: true, Quality: 80})
	m := decode(t, c, file, engine.DecodeOptions{}).Frames[0].Image
	seen := map[byte]bool{}
	for _, a := range m.Alpha.Pix {
		seen[a] = true
	}
	if len(seen) < 16 {
		t.Errorf("%d steps of alpha are left of 64", len(seen))
	}
}

func TestAPaletteOfFewColoursIsExact(t *testing.T) {
	m := pixel.New(pixel.RGB, 64, 64)
	for i := range m.Planes[0].Pix {
		m.Planes[0].Pix[i], m.Planes[1].Pix[i], m.Planes[2].Pix[i] = uint8(100+i%4), 50, 200
	}
	c := codecOf(t, params.PNG)
	got := decode(t, c, encode(t, c, still(m, nil, nil), engine.EncodeOptions{Palette: true, Quality: 85}), engine.DecodeOptions{})
	if diff := cmp.Diff(m.NRGBA().Pix, got.Frames[0].Image.NRGBA().Pix); diff != "" {
		t.Error("four colours became others")
	}
}

// animation is n frames of photo with a square that wanders.
func animation(w, h, n int) *engine.Picture {
	p := &engine.Picture{Loop: 3}
	for i := range n {
		m := scene(w, h)
		for y := range h / 4 {
			row := m.Planes[0].Row(y + i*h/(2*n))
			for x := range w / 4 {
				row[x+i*w/(2*n)] = 255
			}
		}
		p.Frames = append(p.Frames, engine.Frame{Image: m, Delay: time.Duration(40+10*i) * time.Millisecond})
	}
	return p
}

// each runs check for every form of every codec as a subtest.
func each(t *testing.T, check func(t *testing.T, c engine.Codec)) {
	for _, c := range writers(forms(t)) {
		t.Run(formOf(c), func(t *testing.T) { check(t, c) })
	}
}

func codecOf(t testing.TB, m params.Media) engine.Codec {
	for _, c := range forms(t) {
		if c.Media() == m {
			return c
		}
	}
	t.Fatalf("no codec for %v", m)
	return nil
}

// scene is photo as planes.
func scene(w, h int) *pixel.Image { return pixel.FromNRGBA(picturetest.Photo(w, h, false)) }

// veiled is scene with alpha that rises from left to right.
func veiled(w, h int) *pixel.Image {
	m := scene(w, h)
	alpha := pixel.NewPlane(w, h)
	for y := range h {
		row := alpha.Row(y)
		for x := range row {
			row[x] = uint8(255 * x / max(w-1, 1))
		}
	}
	m.Alpha = &alpha
	return m
}
