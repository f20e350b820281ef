package codec

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestHEIC(t *testing.T) {
	body := readFile(t, "photo.heic")
	before := bytes.Clone(body)
	if got := engine.Sniff(body); got != params.HEIC {
		t.Fatalf("sniffed as %v", got)
	}
	info, err := heicCodec{}.Probe(body)
	if err != nil || info.Size != (params.Size{W: 161, H: 119}) || info.Alpha || info.Orientation != 1 {
		t.Fatalf("%+v, %v", info, err)
	}
	m := decode(t, heicCodec{}, body, engine.DecodeOptions{}).Frames[0].Image
	if m.W != 161 || m.H != 119 || m.Model != pixel.YCbCr {
		t.Errorf("%d×%d", m.W, m.H)
	}
	if s := pixel.SSIM(picturetest.Photo(161, 119, false), m.NRGBA()); s < 0.98 {
		t.Errorf("SSIM %.3f", s)
	}
	if !bytes.Equal(before, body) {
		t.Error("the source was changed")
	}
	body = readFile(t, "alpha.heic")
	if info, err := (heicCodec{}).Probe(body); err != nil || !info.Alpha {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := (heicCodec{}).Decode(t.Context(), body, engine.DecodeOptions{}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("with transparency: %v", err)
	}
}

// set writes a big-endian number over every place where old stands.
func set(body []byte, old, value uint32) []byte {
	return bytes.ReplaceAll(body, binary.BigEndian.AppendUint32(nil, old), binary.BigEndian.AppendUint32(nil, value))
}

func TestHEICThatLies(t *testing.T) {
	body := readFile(t, "photo.heic")
	grid := []byte{0, 0, 0, 0, 0, 161, 0, 119}
	sps := bytes.Index(body, []byte("\x42\x01\x01\x03\x70")) // its unit's header and profile
	if !bytes.Contains(body, grid) || sps < 0 {
		t.Fatal("the file is not what the test thinks")
	}
	wide := bytes.Clone(body)
	copy(wide[sps+18:], []byte{0x00, 0x00, 0x10, 0x00, 0x04}) // golomb numbers of many bits
	for name, bad := range map[string][]byte{
		"a smaller header":      set(set(body, 161, 20), 119, 20),
		"a larger header":       set(body, 161, 4000),
		"a larger grid":         bytes.Replace(body, grid, []byte{0, 0, 0, 0, 0x7f, 0xff, 0x7f, 0xff}, 1),
		"larger coded pictures": wide,
		"no pictures":           body[:600],
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := (heicCodec{}).Decode(t.Context(), bad, engine.DecodeOptions{}); !fault.Is(err, fault.DecodeFailed) && !fault.Is(err, fault.Unsupported) {
				t.Errorf("%v", err)
			}
		})
	}
	for cut := 0; cut < len(body); cut += len(body) / 16 {
		if _, err := (heicCodec{}).Decode(t.Context(), body[:cut], engine.DecodeOptions{}); err == nil {
			t.Errorf("cut to %d bytes it decodes", cut)
		}
	}
}

func TestSPSSize(t *testing.T) {
	h, err := readHEIF(params.HEIC, readFile(t, "photo.heic"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for property := range boxes(find(find(h.meta, "iprp"), "ipco")) {
		if property.kind != "hvcC" {
			continue
		}
		if err := parameterSets(property.body, func(nal []byte) error {
			if nal[0]>>1&0x3f == nalSPS {
				found++
				if size, ok := spsSize(nal[2:]); !ok || size != (params.Size{W: 168, H: 120}) && size != (params.Size{W: 162, H: 120}) {
					t.Errorf("%v, %v", size, ok)
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if found != 1 {
		t.Errorf("%d parameter sets", found)
	}
}
