package codec

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// served is the kind of a file that is made into a picture.
const served = fault.Kind(255)

// judged makes a thumbnail of src as a visitor would ask for it, and checks how
// that ends, in memory that grows with no number of the file; a second is long.
func judged(t *testing.T, src []byte, want fault.Kind) engine.Result {
	t.Helper()
	e, err := engine.New(engine.Options{Codecs: portable(t)})
	if err != nil {
		t.Fatal(err)
	}
	var result engine.Result
	allocated, took := cost(func() {
		var info engine.Info
		if info, err = e.Probe(src); err == nil {
			result, err = e.Transform(t.Context(), src, info, engine.Plan{Media: params.JPEG, Options: params.Options{Width: 20}})
		}
	})
	if took > time.Second {
		t.Logf("took %v, which is too long on an idle machine", took)
	}
	if allocated > 64<<20 {
		t.Errorf("took %d bytes", allocated)
	}
	if want == served && err != nil || want != served && !fault.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	return result
}

func TestHostileHeadersAreAnsweredInKind(t *testing.T) {
	zeroJPEG := []byte("\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x00\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00\xff\xd9")
	frame := func(w, h byte) []byte {
		return []byte{0x2c, 0, 0, 0, 0, w, 0, h, 0, 0, 2, 2, 0x44, 1, 0, 0x3b}
	}
	gif := func(w, h uint16, rest ...byte) []byte {
		b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16([]byte("GIF89a"), w), h)
		return append(append(b, 0x80, 0, 0, 0, 0, 0, 255, 255, 255), rest...)
	}
	for _, tt := range []struct {
		name string
		src  []byte
		want fault.Kind
	}{
		{"PNG of 30,000²", pngBomb(), fault.TooLarge},
		{"PNG of 0×0", pngFile(ihdr(0, 0, 8, 2), chunkPNG("IDAT", deflated(4)), chunkPNG("IEND", nil)), fault.DecodeFailed},
		{"PNG of 2^31 pixels a side", pngFile(ihdr(1<<31, 1, 8, 2), chunkPNG("IDAT", deflated(4))), fault.DecodeFailed},
		{"PNG with pixels for one row of 4,000", pngFile(ihdr(4000, 4000, 8, 0), chunkPNG("IDAT", deflated(4001)), chunkPNG("IEND", nil)), fault.DecodeFailed},
		{"PNG with a chunk of 4 GiB", pngFile(ihdr(9, 9, 8, 2), []byte("\xff\xff\xff\xfftEXt")), fault.DecodeFailed},
		{"GIF of 5,000 large frames", gifOf(1000, 1000, 5000), fault.TooLarge},
		{"GIF of 5,001 frames", gifOf(1, 1, 5001), fault.TooLarge},
		{"GIF of 0×0", gif(0, 0, frame(1, 1)...), fault.DecodeFailed},
		{"GIF with a frame outside", gif(1, 1, frame(9, 9)...), fault.DecodeFailed},
		{"GIF without frames", gif(9, 9, 0x3b), fault.DecodeFailed},
		{"JPEG of 0×0", zeroJPEG, fault.DecodeFailed},
		{"JPEG of 65,535²", hostile()["65535.jpg"], fault.TooLarge},
		{"JPEG of 100 megapixels and many scans", scansJPEG(3, 10000, 10000, 99), fault.Unsupported},
		{"WebP of 16,384²", hostile()["frames.webp"], fault.DecodeFailed},
		{"WebP that lies about its canvas", hostile()["lie.webp"], fault.DecodeFailed},
		{"AVIF without size", hostile()["properties.avif"], fault.DecodeFailed},
		{"HEIC without meta", []byte("\x00\x00\x00\x10ftypheic\x00\x00\x00\x00"), fault.DecodeFailed},
		{"HEIC film", []byte("\x00\x00\x00\x10ftyphevc\x00\x00\x00\x00\x00\x00\x00\x08moov"), fault.DecodeFailed},
		{"TIFF", []byte("II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"), fault.Unsupported},
		{"nothing", nil, fault.Unsupported},
		{"HTML", []byte("<!DOCTYPE html><svg onload=alert(1)>"), fault.Unsupported},
		{"PDF", []byte("%PDF-1.7"), fault.Unsupported},
	} {
		t.Run(tt.name, func(t *testing.T) { judged(t, tt.src, tt.want) })
	}
}

// What else a file is does not matter: its content says what it is, and the
// result is made of pixels alone.
func TestPolyglotsAreOnlyPictures(t *testing.T) {
	decode(t, heicCodec{}, readFile(t, "photo.heic"), engine.DecodeOptions{}) // compiles the library, once
	const payload = "PAYLOAD<script>alert(1)</script>"
	p := still(scene(64, 48), nil, nil)
	jpeg, png, gif := encode(t, jpegCodec{}, p, engine.EncodeOptions{}), encode(t, pngCodec{}, p, engine.EncodeOptions{}), encode(t, gifCodec{}, p, engine.EncodeOptions{})
	webp := encode(t, webpCodec{}, p, engine.EncodeOptions{})
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	if f, err := z.Create("PAYLOAD.html"); err != nil || z.Close() != nil {
		t.Fatal(f, err)
	}
	comment := append([]byte("\xff\xfe\x00\x22"), payload...)
	for _, tt := range []struct {
		name string
		src  []byte
	}{
		{"JPEG and HTML behind its end", append(bytes.Clone(jpeg), payload...)},
		{"JPEG and HTML in a comment", bytes.Join([][]byte{jpeg[:2], comment, jpeg[2:]}, nil)},
		{"JPEG and another JPEG", append(bytes.Clone(jpeg), jpeg...)},
		{"PNG and ZIP", append(bytes.Clone(png), packed.Bytes()...)},
		{"PNG and HTML in a text chunk", bytes.Join([][]byte{png[:33], chunkPNG("tEXt", []byte("x\x00"+payload)), png[33:]}, nil)},
		{"GIF and JavaScript behind its end", append(bytes.Clone(gif), "=1;/*"+payload+"*/"...)},
		{"GIF and JavaScript in a comment", bytes.Join([][]byte{gif[:len(gif)-1], []byte("\x21\xfe\x20"), []byte(payload), []byte("\x00;")}, nil)},
		{"WebP and HTML in a chunk", riff(append(bytes.Clone(webp[12:]), appendChunk(nil, "XMP ", []byte(payload))...))},
		{"HEIC and HTML in a box", append(readFile(t, "photo.heic"), "\x00\x00\x00\x28free"+payload...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judged(t, tt.src, served).Body; bytes.Contains(got, []byte("PAYLOAD")) || engine.Sniff(got) != params.JPEG {
				t.Errorf("%.64q", got)
			}
		})
	}
}

// tag is one entry of a profile's table.
type tag struct {
	name     string
	at, size uint32
}

// profile is an ICC profile of RGB with these tags over body.
func profile(count uint32, tags []tag, body []byte) []byte {
	b := make([]byte, 128)
	copy(b[8:], "\x02\x40\x00\x00mntrRGB XYZ ")
	copy(b[36:], "acsp")
	b = binary.BigEndian.AppendUint32(b, count)
	for _, tag := range tags {
		b = append(b, tag.name...)
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, tag.at), tag.size)
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

func TestProfilesCostNoMoreThanTheirBytes(t *testing.T) {
	jpeg := encode(t, jpegCodec{}, still(scene(64, 48), nil, nil), engine.EncodeOptions{})
	needed := []string{"rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC", "wtpt", "A2B0", "A2B1", "desc"}
	all := func(at, size uint32) (list []tag) {
		for _, name := range needed {
			list = append(list, tag{name, at, size})
		}
		return list
	}
	start := uint32(132 + 12*len(needed))
	curve := append([]byte("curv\x00\x00\x00\x00\xff\xff\xff\xff"), make([]byte, 64)...)
	table := append([]byte("mft1\x00\x00\x00\x00\x0f\x0f\xff\x00"), make([]byte, 4096)...)
	table16 := append([]byte("mft2\x00\x00\x00\x00\x03\x03\xff\x00"), make([]byte, 4096)...)
	program := append([]byte("mAB \x00\x00\x00\x00\x03\x03\x00\x00"), bytes.Repeat([]byte("\x00\x00\x00\x20"), 1024)...)
	inside := append([]byte("mAB \x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x20"),
		append([]byte("para\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00"), curve...)...)
	for _, tt := range []struct {
		name string
		icc  []byte
	}{
		{"4,294,967,295 tags", profile(1<<32-1, nil, make([]byte, 4096))},
		{"2^28 tags, so that twelve times as many overflow", profile(1<<28, nil, make([]byte, 4096))},
		{"tags that overlap", profile(uint32(len(needed)), all(start, 60000), append(curve, make([]byte, 60000)...))},
		{"tags over the table itself", profile(uint32(len(needed)), all(128, 252), nil)},
		{"tags outside", profile(uint32(len(needed)), all(1<<32-4, 8), nil)},
		{"curves of 4,294,967,295 steps", profile(uint32(len(needed)), all(start, uint32(len(curve))), curve)},
		{"tables of 255^15 steps", profile(uint32(len(needed)), all(start, uint32(len(table))), table)},
		{"tables of 255³ steps of 16 bits", profile(uint32(len(needed)), all(start, uint32(len(table16))), table16)},
		{"a long curve in a program", profile(uint32(len(needed)), all(start, uint32(len(inside))), inside)},
		{"programs that name themselves", profile(uint32(len(needed)), all(start, uint32(len(program))), program)},
		{"1,000 tags of all bytes", profile(1000, func() (list []tag) {
			for i := range 1000 {
				list = append(list, tag{fmt.Sprintf("%04d", i), 132 + 12000, 40000})
			}
			return list
		}(), append([]byte("mluc\x00\x00\x00\x00\x00\x00\x0f\xff\x00\x00\x00\x0c"), make([]byte, 50000)...))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var segments []byte
			for i := 0; i < len(tt.icc); i += 60000 {
				part := tt.icc[i:min(i+60000, len(tt.icc))]
				segment := append([]byte(iccName), byte(i/60000+1), byte((len(tt.icc)+59999)/60000))
				segment = append(segment, part...)
				segments = append(append(append(segments, 0xff, 0xe2), be16(len(segment)+2)...), segment...)
			}
			judged(t, bytes.Join([][]byte{jpeg[:2], segments, jpeg[2:]}, nil), served)
		})
	}
	t.Run("64 MiB of zeros in a packed profile", func(t *testing.T) {
		png := encode(t, pngCodec{}, still(scene(64, 48), nil, nil), engine.EncodeOptions{})
		judged(t, bytes.Join([][]byte{png[:33], chunkPNG("iCCP", append([]byte("x\x00\x00"), deflated(64<<20)...)), png[33:]}, nil), served)
	})
}

func TestEXIFThatLoopsOrLiesIsDroppedOrKeptWhole(t *testing.T) {
	le := func(parts ...any) []byte {
		var b bytes.Buffer
		for _, part := range parts {
			if text, ok := part.(string); ok {
				b.WriteString(text)
				continue
			}
			binary.Write(&b, binary.LittleEndian, part)
		}
		return b.Bytes()
	}
	entry := func(name, kind uint16, count, value uint32) []byte { return le(name, kind, count, value) }
	ifd := func(next uint32, entries ...[]byte) []byte {
		return le("II*\x00", uint32(8), uint16(len(entries)), bytes.Join(entries, nil), next)
	}
	const orientation, copyright, exifIFD, subIFDs, gps = 0x112, 0x8298, 0x8769, 0x14a, 0x8825
	jpeg := encode(t, jpegCodec{}, still(scene(64, 48), nil, nil), engine.EncodeOptions{})
	for _, tt := range []struct {
		name  string
		block []byte
		turn  params.Orientation
	}{
		{"a directory that is its own next", ifd(8, entry(orientation, 3, 1, 6)), 6},
		{"a directory inside itself", ifd(0, entry(exifIFD, 4, 1, 8), entry(gps, 4, 1, 8), entry(subIFDs, 4, 1<<30, 8)), 1},
		{"a directory in its own header", le("II*\x00", uint32(0), "\x00\x00"), 1},
		{"a directory beyond the end", le("II*\x00", uint32(1<<32-1), make([]byte, 64)), 1},
		{"65,535 entries", le("II*\x00", uint32(8), uint16(65535), make([]byte, 64)), 1},
		{"a text of 4,294,967,295 bytes", ifd(0, entry(copyright, 2, 1<<32-1, 8)), 1},
		{"a text that begins at 2^32-1", ifd(0, entry(copyright, 2, 64, 1<<32-1)), 1},
		{"a text of no bytes", ifd(0, entry(copyright, 2, 0, 0)), 1},
		{"an orientation of 4,294,967,295 values", ifd(0, entry(orientation, 3, 1<<32-1, 6)), 6},
		{"an orientation of 99", ifd(0, entry(orientation, 3, 1, 99)), 1},
		{"an orientation of another type", ifd(0, entry(orientation, 7, 1, 6)), 1},
		{"orientations by the hundred, one counted", ifd(0, bytes.Repeat(entry(orientation, 3, 1, 3), 100)), 3},
		{"no order of bytes", append([]byte("XX*\x00"), make([]byte, 64)...), 1},
		{"nothing", nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			segment := append([]byte(exifName), tt.block...)
			src := bytes.Join([][]byte{jpeg[:2], {0xff, 0xe1}, be16(len(segment) + 2), segment, jpeg[2:]}, nil)
			info, err := jpegCodec{}.Probe(src)
			if err != nil || info.Orientation != tt.turn {
				t.Errorf("%+v, %v", info, err)
			}
			e, err := engine.New(engine.Options{Codecs: portable(t)})
			if err != nil {
				t.Fatal(err)
			}
			for _, keep := range []params.Metadata{params.MetadataKeep, params.MetadataCopyright, params.MetadataNone} {
				result, err := e.Transform(t.Context(), src, info, engine.Plan{Media: params.JPEG, Options: params.Options{Width: 20, Metadata: keep}})
				if err != nil {
					t.Fatal(err)
				}
				if again, err := e.Probe(result.Body); err != nil || again.Orientation != 1 {
					t.Errorf("policy %d: %+v, %v", keep, again, err)
				}
			}
		})
	}
}

// Every format, cut short or damaged, is an answer and not an accident; the suite
// of codecs looks closer.
func TestDamageOfEveryFormatIsAnswered(t *testing.T) {
	e, err := engine.New(engine.Options{Codecs: portable(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range portable(t) {
		t.Run(strings.TrimPrefix(c.Media().String(), "image/"), func(t *testing.T) {
			file := readFile(t, "photo.heic")
			if c.Pace() > 0 {
				file = encode(t, c, picture(picturetest.Photo(48, 32, false)), engine.EncodeOptions{})
			}
			for i := range 32 {
				bad := bytes.Clone(file)
				if i%2 == 0 {
					bad = bad[:len(bad)*i/32]
				} else {
					copy(bad[len(bad)*i/33:], bytes.Repeat([]byte{0xa5}, 8))
				}
				info, err := e.Probe(bad)
				if err == nil {
					_, err = e.Transform(t.Context(), bad, info, engine.Plan{Media: params.JPEG, Options: params.Options{Width: 20}})
				}
				if err != nil && !fault.Is(err, fault.DecodeFailed) && !fault.Is(err, fault.Unsupported) && !fault.Is(err, fault.TooLarge) {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
}
