package codec

import (
	"bytes"
	"encoding/binary"
	"image"
	"slices"
	"testing"

	"github.com/gen2brain/avif"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// gridAVIF is a grid of one picture of 64×64 pixels in rows and columns, under a header
// of another size than the grid says, if it likes.
func gridAVIF(t *testing.T, rows, columns int, says, header uint16) []byte {
	var out bytes.Buffer
	if err := avif.Encode(&out, scene(64, 64).NRGBA(), avif.Options{Speed: 10, Quality: 50, ChromaSubsampling: image.YCbCrSubsampleRatio420}); err != nil {
		t.Fatal(err)
	}
	h, err := readHEIF(params.AVIF, out.Bytes())
	items, ok := itemsOf(out.Bytes(), h.meta)
	if err != nil || !ok || len(items) != 1 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	tile, properties, be := items[0].data, find(find(h.meta, "iprp"), "ipco"), binary.BigEndian
	number := func(parts ...uint16) (b []byte) {
		for _, n := range parts {
			b = be.AppendUint16(b, n)
		}
		return b
	}
	ispe := func(side uint16) []byte { return box0("ispe", number(0, 0, 0, side, 0, side)) }
	kind := func(id uint16, kind string) []byte {
		return box0("infe", slices.Concat([]byte{2, 0, 0, 0}, number(id, 0), []byte(kind), []byte{0}))
	}
	grid := append([]byte{0, 0, byte(rows - 1), byte(columns - 1)}, number(says, says)...)
	n := uint16(rows * columns)
	build := func(at int) []byte {
		iloc := append([]byte{1, 0, 0, 0, 0x44, 0}, number(n+1, 1, 1, 0, 1, 0, 0, 0, uint16(len(grid)))...) // the grid is in idat
		iinf := append(number(0, 0, n+1), kind(1, "grid")...)
		ipma := append(number(0, 0, 0, n+1, 1), 2, 1, 3)
		refs := number(1, n)
		for id := uint16(2); id < n+2; id++ {
			iloc = append(iloc, number(id, 0, 0, 1, uint16(at>>16), uint16(at), 0, uint16(len(tile)))...)
			iinf, refs = append(iinf, kind(id, "av01")...), append(refs, number(id)...)
			ipma = append(append(ipma, number(id)...), 3, 2, 3, 0x84)
		}
		ipco := slices.Concat(ispe(header), ispe(64), box0("pixi", find(properties, "pixi")), box0("av1C", find(properties, "av1C")))
		return slices.Concat(box0("ftyp", []byte("avif\x00\x00\x00\x00avifmif1miaf")), box0("meta", slices.Concat(make([]byte, 4),
			box0("hdlr", find(h.meta, "hdlr")), box0("pitm", number(0, 0, 1)), box0("idat", grid), box0("iloc", iloc), box0("iinf", iinf),
			box0("iref", slices.Concat(make([]byte, 4), box0("dimg", refs))), box0("iprp", slices.Concat(box0("ipco", ipco), box0("ipma", ipma))))))
	}
	return slices.Concat(build(len(build(0))+8), box0("mdat", tile))
}

// A grid of AVIFs is as large as its header says, and not as large as the library would
// make it: it does so in memory of its own, and writes beyond its picture there.
func TestAGridLargerThanItsHeaderIsRefused(t *testing.T) {
	c := avifCodec{}
	if m := decode(t, c, gridAVIF(t, 2, 2, 100, 100), engine.DecodeOptions{}).Frames[0].Image; m.W != 100 || m.H != 100 {
		t.Errorf("%d×%d", m.W, m.H)
	}
	src := gridAVIF(t, 16, 16, 1024, 64)
	if info, err := c.Probe(src); err != nil || info.Size != (params.Size{W: 64, H: 64}) {
		t.Fatalf("%+v, %v", info, err)
	}
	var err error
	allocated, took := cost(func() { _, err = c.Decode(t.Context(), src, engine.DecodeOptions{}) })
	if !fault.Is(err, fault.DecodeFailed) || allocated > 1<<20 {
		t.Errorf("%v; %d bytes allocated in %v", err, allocated, took)
	}
}
