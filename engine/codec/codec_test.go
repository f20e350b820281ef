package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec/native"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

func picture(frames ...*image.NRGBA) *engine.Picture {
	p := &engine.Picture{}
	for _, f := range frames {
		p.Frames = append(p.Frames, engine.Frame{Image: pixel.FromNRGBA(f), Delay: 70 * time.Millisecond})
	}
	return p
}

func encode(t testing.TB, c engine.Codec, p *engine.Picture, o engine.EncodeOptions) []byte {
	t.Helper()
	body, err := c.Encode(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func decode(t testing.TB, c engine.Codec, body []byte, o engine.DecodeOptions) *engine.Picture {
	t.Helper()
	p, err := c.Decode(context.Background(), body, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The suite that every codec passes.
// portable are the codecs that need nothing of the system.
func portable(t testing.TB) []engine.Codec {
	t.Helper()
	table, err := Table(Options{Portable: true})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// forms are the portable codecs and, after them, those native forms that this
// machine has. .ci/run installs them all.
func forms(t testing.TB) []engine.Codec {
	t.Helper()
	all := portable(t)
	table, err := Table(Options{NativeDecoders: true})
	if errors.Is(err, native.ErrAbsent) {
		t.Logf("without a native JPEG decoder: %v", err)
		table, err = Table(Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range table {
		if formOf(c) != formOf(all[i]) {
			t.Logf("also %s", formOf(c))
			all = append(all, c)
		}
	}
	return all
}

// writers are those of codecs that also write.
func writers(codecs []engine.Codec) []engine.Codec {
	return slices.DeleteFunc(codecs, func(c engine.Codec) bool { return c.Pace() == 0 })
}

func formOf(c engine.Codec) string { return c.(interface{ form() string }).form() }

func TestCodecs(t *testing.T) {
	hasAlpha := map[params.Media]bool{params.PNG: true, params.WebP: true, params.AVIF: true, params.GIF: true}
	least := map[params.Media]float64{params.GIF: 0.85} // 256 colours
	for _, c := range writers(forms(t)) {
		t.Run(formOf(c), func(t *testing.T) {
			want := least[c.Media()]
			if want == 0 {
				want = 0.98
			}
			for _, size := range []image.Point{{161, 119}, {1, 1}, {2, 3}, {640, 400}} {
				source := picturetest.Photo(size.X, size.Y, false)
				body := encode(t, c, picture(source), engine.EncodeOptions{Quality: 95})
				if got := engine.Sniff(body); got != c.Media() {
					t.Fatalf("sniffed as %v", got)
				}
				info, err := c.Probe(body)
				if err != nil || info.Size != (params.Size{W: size.X, H: size.Y}) || info.Frames != 1 || info.Orientation != 1 ||
					info.Alpha || info.Bytes != len(body) || info.Media != c.Media() {
					t.Errorf("%v: probed %+v, %v", size, info, err)
				}
				got := decode(t, c, body, engine.DecodeOptions{}).Frames[0].Image.NRGBA()
				if got.Rect != source.Rect {
					t.Fatalf("%v: decoded %v", size, got.Rect)
				}
				if size.X >= 100 {
					if s := pixel.SSIM(source, got); s < want {
						t.Errorf("%v: SSIM %.4f, want at least %.2f", size, s, want)
					}
				}
			}
			faded := picturetest.Photo(160, 120, true)
			body := encode(t, c, picture(faded), engine.EncodeOptions{Quality: 95})
			info, err := c.Probe(body)
			if err != nil || info.Alpha != hasAlpha[c.Media()] {
				t.Errorf("of a picture with alpha: %+v, %v", info, err)
			}
			got := decode(t, c, body, engine.DecodeOptions{}).Frames[0].Image
			if (got.Alpha != nil) != hasAlpha[c.Media()] {
				t.Errorf("alpha is there: %v", got.Alpha != nil)
			}
			if c.Media() != params.GIF && hasAlpha[c.Media()] {
				if s := pixel.SSIM(faded, got.NRGBA()); s < want {
					t.Errorf("with alpha: SSIM %.4f", s)
				}
			}
			broken := body[:len(body)*2/3]
			if _, err := c.Decode(t.Context(), broken, engine.DecodeOptions{}); fault.Of(err) == nil || fault.Of(err).Kind != fault.DecodeFailed {
				t.Errorf("a truncated file: %v", err)
			}
			for _, cut := range []int{0, 1, 4, 12, 16, 20, 30} {
				if _, err := c.Probe(body[:min(cut, len(body))]); err == nil && cut < 30 {
					t.Errorf("%d bytes are probed", cut)
				}
			}
			ended, end := context.WithCancel(t.Context())
			end()
			if _, err := c.Encode(ended, picture(faded), engine.EncodeOptions{}); !fault.Is(err, fault.Canceled) {
				t.Errorf("encoding with an ended context: %v", err)
			}
		})
	}
}

func TestAnimations(t *testing.T) {
	red, blue := image.NewNRGBA(image.Rect(0, 0, 40, 30)), image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for i := 0; i < len(red.Pix); i += 4 {
		copy(red.Pix[i:], []byte{200, 20, 20, 255})
		copy(blue.Pix[i:], []byte{20, 20, 200, byte(255 * (i / 4 % 40 / 20))})
	}
	for _, c := range []engine.Codec{gifCodec{}, webpCodec{}} {
		t.Run(c.Media().String(), func(t *testing.T) {
			p := picture(red, blue, red)
			p.Loop = 3
			body := encode(t, c, p, engine.EncodeOptions{Quality: 90})
			info, err := c.Probe(body)
			if err != nil || info.Frames != 3 || !info.Alpha || info.Size != (params.Size{W: 40, H: 30}) {
				t.Errorf("probed %+v, %v", info, err)
			}
			got := decode(t, c, body, engine.DecodeOptions{})
			if len(got.Frames) != 3 || got.Loop != 3 {
				t.Fatalf("%d frames, loop %d", len(got.Frames), got.Loop)
			}
			for i, source := range []*image.NRGBA{red, blue, red} {
				frame := got.Frames[i].Image.NRGBA()
				if s := pixel.SSIM(source, frame); s < 0.98 || got.Frames[i].Delay != 70*time.Millisecond {
					t.Errorf("frame %d: SSIM %.3f, delay %v", i, s, got.Frames[i].Delay)
				}
			}
			if first := decode(t, c, body, engine.DecodeOptions{FirstFrame: true}); len(first.Frames) != 1 || pixel.SSIM(red, first.Frames[0].Image.NRGBA()) < 0.98 {
				t.Errorf("the first frame alone: %d frames", len(first.Frames))
			}
		})
	}
}

func TestGIFDisposal(t *testing.T) {
	palette := color.Palette{color.NRGBA{}, color.NRGBA{R: 255, A: 255}, color.NRGBA{G: 255, A: 255}}
	fill := func(r image.Rectangle, index uint8) *image.Paletted {
		m := image.NewPaletted(r, palette)
		for i := range m.Pix {
			m.Pix[i] = index
		}
		return m
	}
	whole, left, right := image.Rect(0, 0, 4, 1), image.Rect(0, 0, 2, 1), image.Rect(2, 0, 4, 1)
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{
		Image: []*image.Paletted{fill(whole, 1), fill(left, 2), fill(right, 2), fill(left, 0)},
		Delay: make([]int, 4), Disposal: []byte{gif.DisposalNone, gif.DisposalPrevious, gif.DisposalBackground, gif.DisposalNone},
	}); err != nil {
		t.Fatal(err)
	}
	got := decode(t, gifCodec{}, b.Bytes(), engine.DecodeOptions{})
	want := []string{"rrrr", "ggrr", "rrgg", "rr.."}
	for i, frame := range got.Frames {
		text := ""
		m := frame.Image.NRGBA()
		for x := range 4 {
			switch m.NRGBAAt(x, 0) {
			case color.NRGBA{R: 255, A: 255}:
				text += "r"
			case color.NRGBA{G: 255, A: 255}:
				text += "g"
			default:
				text += "."
			}
		}
		if text != want[i] {
			t.Errorf("frame %d is %s, want %s", i, text, want[i])
		}
	}
}

func TestJPEGScalesOnlyAsFarAsAsked(t *testing.T) {
	body := encode(t, jpegCodec{}, picture(picturetest.Photo(640, 400, false)), engine.EncodeOptions{Quality: 90})
	for least, want := range map[params.Size]int{{}: 640, {W: 300, H: 10}: 640, {W: 160, H: 100}: 320, {W: 80, H: 50}: 160, {W: 1, H: 1}: 80, {W: 161, H: 1}: 640} {
		if got := decode(t, jpegCodec{}, body, engine.DecodeOptions{MinSize: least}).Frames[0].Image.W; got != want {
			t.Errorf("for %v: %d wide, want %d", least, got, want)
		}
	}
}

func TestJPEGForms(t *testing.T) {
	source := picture(picturetest.Photo(200, 150, false))
	exif := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00")
	progressive := encode(t, jpegCodec{}, source, engine.EncodeOptions{EXIF: exif})
	baseline := encode(t, jpegCodec{}, source, engine.EncodeOptions{Baseline: true})
	a, err1 := jpegCodec{}.Probe(progressive)
	b, err2 := jpegCodec{}.Probe(baseline)
	if err1 != nil || err2 != nil || a.Weight != 6 || b.Weight != 0 || a.Orientation != 6 || b.Orientation != 1 {
		t.Errorf("%+v %v, %+v %v", a, err1, b, err2)
	}
	if got := decode(t, jpegCodec{}, progressive, engine.DecodeOptions{}).EXIF; !bytes.Equal(got, exif) {
		t.Errorf("EXIF %q", got)
	}
	if _, err := jpeg.Decode(bytes.NewReader(progressive)); err != nil {
		t.Errorf("the standard library: %v", err)
	}
	grey := pixel.New(pixel.Gray, 50, 40)
	body := encode(t, jpegCodec{}, &engine.Picture{Frames: []engine.Frame{{Image: grey}}}, engine.EncodeOptions{})
	if m := decode(t, jpegCodec{}, body, engine.DecodeOptions{}).Frames[0].Image; m.Model != pixel.Gray {
		t.Errorf("grey comes back as %v", m.Model)
	}
}

func TestPNGPalette(t *testing.T) {
	source := picturetest.Photo(300, 200, true)
	full := encode(t, pngCodec{}, picture(source), engine.EncodeOptions{})
	small := encode(t, pngCodec{}, picture(picturetest.Photo(300, 200, false)), engine.EncodeOptions{Palette: true, Quality: 80})
	if len(small)*2 > len(full) || small[25] != 3 {
		t.Errorf("%d bytes of colour type %d, true colour has %d", len(small), small[25], len(full))
	}
	if s := pixel.SSIM(picturetest.Photo(300, 200, false), decode(t, pngCodec{}, small, engine.DecodeOptions{}).Frames[0].Image.NRGBA()); s < 0.85 {
		t.Errorf("SSIM %.3f", s)
	}
}

func TestWebPLossless(t *testing.T) {
	source := picturetest.Photo(64, 48, false)
	body := encode(t, webpCodec{}, picture(source), engine.EncodeOptions{Lossless: true, Quality: 100})
	if got := decode(t, webpCodec{}, body, engine.DecodeOptions{}).Frames[0].Image.NRGBA(); !bytes.Equal(got.Pix, source.Pix) {
		t.Error("pixels changed")
	}
}

// What quality means is pinned for every form: bytes and likeness of one picture.
func TestQuality(t *testing.T) {
	source := picturetest.Photo(400, 300, false)
	type pin struct {
		bytes int     // ± a fifth, for other versions of a system's library
		ssim  float64 // ± 0.006
	}
	pins := map[params.Media]map[int]pin{
		params.JPEG: {30: {3570, 0.954}, 60: {6115, 0.981}, 85: {10894, 0.992}, 95: {19474, 0.995}},
		params.WebP: {30: {2388, 0.939}, 60: {4470, 0.962}, 85: {8602, 0.981}, 95: {26354, 0.992}},
		params.AVIF: {30: {2100, 0.970}, 60: {3700, 0.984}, 85: {5600, 0.989}, 95: {12000, 0.994}},
	}
	for _, c := range forms(t) {
		for q, want := range pins[c.Media()] {
			body := encode(t, c, picture(source), engine.EncodeOptions{Quality: q})
			ssim := pixel.SSIM(source, decode(t, c, body, engine.DecodeOptions{}).Frames[0].Image.NRGBA())
			if len(body)*5 < want.bytes*4 || len(body)*5 > want.bytes*6 || math.Abs(ssim-want.ssim) > 0.006 {
				t.Errorf("%s quality %d: %d bytes, SSIM %.4f; want %+v", formOf(c), q, len(body), ssim, want)
			}
		}
		if pins[c.Media()] == nil {
			continue
		}
		same := encode(t, c, picture(source), engine.EncodeOptions{})
		if want := encode(t, c, picture(source), engine.EncodeOptions{Quality: 85}); !bytes.Equal(same, want) {
			t.Errorf("%s: the default quality is not 85", formOf(c))
		}
	}
}

func TestScalesNeverFall(t *testing.T) {
	for name, s := range map[string]scale{"webp": webpScale, "libavif": libavifScale, "libheif": libheifScale, "small": smallScale} {
		last := 0
		for q := 1; q <= 100; q++ {
			own := s.of(q)
			if own < last || own > 100 || own < 1 {
				t.Errorf("%s: quality %d is %d after %d", name, q, own, last)
			}
			last = own
		}
		if last != 100 {
			t.Errorf("%s: the best is %d", name, last)
		}
	}
}

func pngChunk(b []byte, kind string, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	at := len(b)
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[at:]))
}

// hostile makes files that lie, twins of those that have felled other servers.
func hostile() map[string][]byte {
	bomb := pngChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", []byte{0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, 1, 0, 0, 0, 0})
	bomb = pngChunk(pngChunk(bomb, "IDAT", make([]byte, 100)), "IEND", nil)
	frames := []byte("GIF89a\xe8\x03\xe8\x03\x80\x00\x00\x00\x00\x00\xff\xff\xff")
	for range 5000 {
		frames = append(frames, ",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00"...)
	}
	jpegLie := []byte("\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00\xff\xd9")
	return map[string][]byte{
		"30000x30000.png":  bomb,
		"zero.png":         pngChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", make([]byte, 13)),
		"5000-frames.gif":  append(frames, ';'),
		"no-end.gif":       frames,
		"65535.jpg":        jpegLie,
		"no-frame.jpg":     []byte("\xff\xd8\xff\xda\x00\x02"),
		"endless.jpg":      append([]byte("\xff\xd8"), bytes.Repeat([]byte{0xff}, 1<<16)...),
		"lie.webp":         riff(appendChunk(appendChunk(nil, "VP8X", []byte{0, 0, 0, 0, 255, 255, 255, 255, 255, 255}), "VP8 ", []byte("\x10\x00\x00\x9d\x01\x2a\x01\x00\x01\x00"))),
		"frames.webp":      riff(appendChunk(nil, "VP8X", []byte{2, 0, 0, 0, 255, 255, 255, 255, 255, 255})),
		"boxes.avif":       append([]byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00avifmif1"), bytes.Repeat([]byte("\x00\x00\x00\x08meta"), 1000)...),
		"properties.avif":  []byte("\x00\x00\x00\x10ftypavif\x00\x00\x00\x00\x00\x00\x00\x20meta\x00\x00\x00\x00\x00\x00\x00\x14iprp\x00\x00\x00\x0cipma\xff\xff\xff\xff"),
		"exif-loop.jpg":    []byte("\xff\xd8\xff\xe1\x00\x1eExif\x00\x00II*\x00\xff\xff\xff\xff\xff\xff\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00"),
		"profile-bomb.png": pngChunk(pngChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", []byte{0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0}), "iCCP", []byte("x\x00\x00\x78\x9c")),
	}
}

func TestHostileFilesAreCheap(t *testing.T) {
	e, err := engine.New(engine.Options{Codecs: portable(t)})
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			info, err := e.Probe(body)
			if err == nil {
				_, err = e.Transform(t.Context(), body, info, engine.Plan{Media: params.JPEG})
			}
			runtime.ReadMemStats(&after)
			if err == nil || fault.Of(err).Kind == fault.Internal {
				t.Errorf("%+v, %v", info, err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
				t.Errorf("%d bytes allocated", used)
			}
		})
	}
}

// FOVEA_IMAGES names a folder of real pictures: each is made into a thumbnail of
// every format or refused, and what is in its sub-folder hostile is refused or
// survived.
func TestRealPictures(t *testing.T) {
	folder := os.Getenv("FOVEA_IMAGES")
	if folder == "" {
		t.Skip("to run on real pictures, name their folder: FOVEA_IMAGES=dir go test ./engine/codec -run RealPictures")
	}
	e, err := engine.New(engine.Options{Codecs: portable(t)})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(folder, "hostile", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			info, err := e.Probe(body)
			if err != nil {
				t.Logf("refused: %v", err)
				return
			}
			for _, media := range []params.Media{params.JPEG, params.PNG, params.WebP, params.AVIF, params.GIF} {
				start := time.Now()
				result, err := e.Transform(t.Context(), body, info, engine.Plan{
					Options: params.Options{Width: 400}, Media: media, Animated: media == params.GIF || media == params.WebP,
				})
				t.Logf("%v to %v: %v, %d bytes, %v (%v)", info.Media, media, result.Size, len(result.Body), time.Since(start).Round(time.Millisecond), err)
				if err != nil && fault.Of(err).Kind == fault.Internal {
					t.Error(err)
				}
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	small := picture(picturetest.Photo(24, 16, true))
	for _, c := range writers(portable(f)) {
		f.Add(encode(f, c, small, engine.EncodeOptions{}))
		f.Add(encode(f, c, picture(picturetest.Photo(5, 4, false)), engine.EncodeOptions{Lossless: true, Palette: true, Baseline: true}))
	}
	for _, name := range []string{"photo.heic", "alpha.heic"} {
		f.Add(readFile(f, name))
	}
	f.Add(encode(f, gifCodec{}, picture(picturetest.Photo(5, 4, false), picturetest.Photo(5, 4, true)), engine.EncodeOptions{}))
	f.Add(encode(f, webpCodec{}, picture(picturetest.Photo(5, 4, false), picturetest.Photo(5, 4, true)), engine.EncodeOptions{}))
	for _, body := range hostile() {
		if len(body) < 1<<12 {
			f.Add(body)
		}
	}
	// Small limits keep the fuzzer from spending its time on large pictures.
	e, err := engine.New(engine.Options{Codecs: portable(f), Limits: engine.Limits{Side: 512, Pixels: 1 << 16, AnimationMax: 1 << 17, AnimationWork: 1 << 17}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		info, err := e.Probe(body)
		if err != nil {
			return
		}
		result, err := e.Transform(t.Context(), body, info, engine.Plan{Media: params.JPEG, Options: params.Options{Width: 20}})
		if info.Media == params.SVG {
			return
		}
		if err == nil && (result.Size.W > 20 || engine.Sniff(result.Body) != params.JPEG) {
			t.Errorf("%+v gives %v", info, result.Size)
		}
		if err != nil && fault.Of(err).Kind == fault.Internal {
			t.Error(err)
		}
	})
}

func FuzzProbe(f *testing.F) {
	for _, c := range writers(portable(f)) {
		f.Add(encode(f, c, picture(picturetest.Photo(24, 16, true)), engine.EncodeOptions{}))
	}
	for _, body := range hostile() {
		if len(body) < 1<<12 {
			f.Add(body)
		}
	}
	f.Add(readFile(f, "photo.heic"))
	table := portable(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range table {
			info, err := c.Probe(body)
			if err == nil && (info.Frames < 1 || info.Size.W < 0 || info.Size.H < 0 || info.Orientation < 1 || info.Orientation > 8) {
				t.Errorf("%+v", info)
			}
			if err != nil && fault.Of(err).Kind == fault.Internal {
				t.Errorf("%v: %v", c.Media(), fmt.Errorf("%w", err))
			}
		}
	})
}

// A native decoder's faults end the process: the fuzzer finds them as crashes.
func FuzzNativeJPEG(f *testing.F) {
	j, err := native.OpenJPEG()
	if err != nil {
		f.Skip("install libturbojpeg0 to run this, as .ci/run does: ", err)
	}
	c := jpegCodec{native: j}
	for _, o := range []engine.EncodeOptions{{}, {Baseline: true}, {Quality: 5, Fast: true}} {
		f.Add(encode(f, c, picture(picturetest.Photo(40, 24, false)), o))
	}
	f.Add(encode(f, c, still(pixel.New(pixel.Gray, 17, 9), nil, nil), engine.EncodeOptions{}))
	f.Fuzz(func(_ *testing.T, body []byte) {
		info, err := c.Probe(body)
		if err != nil || info.Size.W > 512 || info.Size.H > 512 {
			return
		}
		for _, least := range []params.Size{{}, {W: 4, H: 3}} {
			_, _ = c.Decode(context.Background(), body, engine.DecodeOptions{MinSize: least})
		}
	})
}
