package codec

import (
	"bytes"
	"encoding/binary"

	"github.com/fovea-images/fovea/params"
)

// What a HEIC file holds besides its header, judged before the library sees it:
// limits were judged by the header, but the library allocates what the coded
// pictures and the grid say.
const (
	largestTile = 1024 // pixels a side; a tile may be larger than the whole picture
	padding     = 64   // of a coded picture, to whole blocks
	maxTiles    = 1024 // phones write 200; each takes a millisecond at least
)

// judgeHEVC refuses a file whose coded pictures or grid are larger than its header
// of stored says, or cannot be told.
func judgeHEVC(src, meta []byte, stored params.Size) error {
	items, ok := itemsOf(src, meta)
	if !ok {
		return broken(params.HEIC, "items in pieces")
	}
	kinds, ok := kindsOf(find(meta, "iinf"))
	if !ok {
		return broken(params.HEIC, "kinds of items")
	}
	tiles, err := tilesOf(meta, kinds)
	if err != nil {
		return err
	}
	limit := params.Size{W: max(stored.W+padding, largestTile), H: max(stored.H+padding, largestTile)}
	var largest int64
	judge := func(nal []byte) error {
		if len(nal) < 2 || nal[0]>>1&0x3f != nalSPS {
			return nil
		}
		size, ok := spsSize(nal[2:])
		if !ok || size.W > limit.W || size.H > limit.H {
			return broken(params.HEIC, "coded pictures of %v under a header of %v", size, stored)
		}
		largest = max(largest, int64(size.W)*int64(size.H))
		return nil
	}
	coded := int64(0)
	for _, it := range items {
		data, units := it.data, 0
		if kinds[it.id] == "grid" {
			if gridLarger(data, stored) {
				return broken(params.HEIC, "a grid that is larger than its header of %v", stored)
			}
			continue
		}
		for len(data) >= 4 {
			size := binary.BigEndian.Uint32(data)
			if uint64(size) > uint64(len(data)-4) {
				break // no HEVC: metadata
			}
			if err := judge(data[4:][:size]); err != nil {
				return err
			}
			data = data[4+size:]
			units++
		}
		if units > 0 {
			coded++
		}
	}
	for property := range boxes(find(find(meta, "iprp"), "ipco")) {
		if property.kind == "hvcC" {
			if err := parameterSets(property.body, judge); err != nil {
				return err
			}
		}
	}
	if most := 4 * (int64(limit.W)*int64(limit.H) + largestTile*largestTile); max(coded, tiles)*largest > most {
		return broken(params.HEIC, "%d coded pictures, %d tiles, of %d pixels under a header of %v", coded, tiles, largest, stored)
	}
	return nil
}

// tilesOf counts the pictures that others are made from, each as often as it is named:
// the library decodes it as often. Only a grid is made, of coded pictures.
func tilesOf(meta []byte, kinds map[uint64]string) (n int64, err error) {
	for _, kind := range kinds {
		if kind == "iovl" { // on a canvas of any size
			return 0, unsupported(params.HEIC, "pictures laid over each other")
		}
	}
	references, ok := madeFrom(find(meta, "iref"))
	if !ok {
		return 0, broken(params.HEIC, "references")
	}
	for _, r := range references {
		for _, id := range r.to {
			if kind := kinds[id]; kinds[r.from] == "grid" && (kind == "grid" || kind == "iden") {
				return 0, unsupported(params.HEIC, "a grid of grids")
			}
			if n++; n > maxTiles {
				return 0, unsupported(params.HEIC, "very many tiles")
			}
		}
	}
	return n, nil
}

const nalSPS = 33

// parameterSets calls judge for each unit of an hvcC box (ISO/IEC 14496-15, 8.3.3).
func parameterSets(body []byte, judge func(nal []byte) error) error {
	if len(body) < 23 || body[21]&3 != 3 { // lengths of four bytes
		return unsupported(params.HEIC, "units with short lengths")
	}
	r := fields{b: body[23:]}
	for range body[22] {
		r.next(1)
		for range r.next(2) {
			size := r.next(2)
			if r.short || size > uint64(len(r.b)) {
				return broken(params.HEIC, "parameter sets")
			}
			if err := judge(r.b[:size]); err != nil {
				return err
			}
			r.b = r.b[size:]
		}
	}
	return nil
}

// spsSize reads the size of the pictures of a sequence parameter set, without its
// unit's header (ITU-T H.265, 7.3.2.2). It is not ok if the set is cut short.
func spsSize(body []byte) (size params.Size, ok bool) {
	r := &bitReader{b: bytes.ReplaceAll(body, []byte{0, 0, 3}, []byte{0, 0})} // emulation prevention
	r.read(4)
	layers := int(r.read(3))
	r.read(1)
	r.at += 88 + 8 // general profile, tier and level
	var profile, level [8]bool
	for i := range layers {
		profile[i], level[i] = r.flag(), r.flag()
	}
	if layers > 0 {
		r.at += 2 * (8 - layers)
	}
	for i := range layers {
		if profile[i] {
			r.at += 88
		}
		if level[i] {
			r.at += 8
		}
	}
	r.golomb() // id
	if r.golomb() == 3 {
		r.read(1)
	}
	w, h := r.golomb(), r.golomb()
	const most = 1 << 20
	return params.Size{W: int(min(w, most)), H: int(min(h, most))}, r.at <= 8*len(r.b) && w > 0 && h > 0
}

// golomb reads ue(v) (ITU-T H.265, 9.2).
func (r *bitReader) golomb() uint64 {
	zeros := 0
	for zeros < 32 && !r.flag() {
		zeros++
	}
	return 1<<zeros - 1 + r.read(zeros)
}
