package codec

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
)

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

// twice reports whether one of kinds occurs twice in b.
func twice(b []byte, kinds ...string) bool {
	seen := make([]bool, len(kinds))
	for found := range boxes(b) {
		if i := slices.Index(kinds, found.kind); i >= 0 {
			if seen[i] {
				return true
			}
			seen[i] = true
		}
	}
	return false
}

// heifHeader is what the meta box of an AVIF or HEIC file says. Sizes are given
// upright: the libraries turn pictures themselves.
type heifHeader struct {
	info   engine.Info
	stored params.Size // before irot
	meta   []byte      // the boxes in the meta box
	icc    []byte
}

// weightHEIF is what the libraries need: they have planes, RGB and a copy of it in
// their own memory, which is copied when it grows.
const weightHEIF = 32

// readHEIF reads the properties of the primary item (ISO/IEC 23008-12).
func readHEIF(media params.Media, src []byte) (h heifHeader, err error) {
	h.info = engine.Info{Media: media, Orientation: 1, Frames: 1, Bytes: len(src), Weight: weightHEIF}
	meta := find(src, "meta")
	if len(meta) < 4 {
		return h, broken(media, "no meta box")
	}
	h.meta = meta[4:]
	properties := find(h.meta, "iprp")
	// Of two the libraries may take the other one.
	if twice(src, "meta") || twice(h.meta, "iinf", "iloc", "idat", "iprp", "iref", "pitm") || twice(properties, "ipco") {
		return h, broken(media, "a box twice")
	}
	var list []box
	for property := range boxes(find(properties, "ipco")) {
		if list = append(list, property); len(list) > 1024 {
			return h, broken(media, "more than 1024 properties")
		}
		switch body := property.body; {
		case property.kind == "auxC" && (bytes.Contains(body, []byte("alpha")) || bytes.Contains(body, []byte("urn:mpeg:hevc:2015:auxid:1"))):
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
				return h, broken(media, "%d×%d pixels", w, height)
			}
			h.stored = params.Size{W: int(w), H: int(height)}
		case property.kind == "irot" && len(property.body) >= 1:
			turned = property.body[0]&1 != 0
		}
	}
	if h.stored.W == 0 {
		return h, broken(media, "no size")
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
