package codec

import (
	"encoding/binary"

	"github.com/fovea-images/fovea/params"
)

// item is one part of a HEIF file: a coded picture, how several make one, or metadata.
type item struct {
	id   uint64
	data []byte
}

// maxItems is how many items of one file are looked at.
const maxItems = 4096

// itemsOf cuts the items out of a file (ISO/IEC 14496-12, 8.11.3). One in several
// pieces, or beyond the end, is not ok.
func itemsOf(src, meta []byte) (items []item, ok bool) {
	iloc, idat := find(meta, "iloc"), find(meta, "idat")
	if len(iloc) < 8 {
		return nil, false
	}
	version := iloc[0]
	offsetSize, lengthSize, baseSize, indexSize := iloc[4]>>4, iloc[4]&15, iloc[5]>>4, iloc[5]&15
	r := fields{b: iloc[6:]}
	idSize := byte(2)
	if version == 2 {
		idSize = 4
	}
	count := r.next(idSize)
	if version > 2 || count > maxItems {
		return nil, false
	}
	for range count {
		id := r.next(idSize)
		from := src
		if version > 0 {
			if method := r.next(2) & 15; method == 1 {
				from = idat
			} else if method != 0 {
				return nil, false
			}
		} else {
			indexSize = 0
		}
		r.next(2) // data reference: this file
		at, extents := r.next(baseSize), r.next(2)
		if extents != 1 {
			return nil, false
		}
		r.next(indexSize)
		at += r.next(offsetSize)
		size := r.next(lengthSize)
		if r.short || at > uint64(len(from)) || size > uint64(len(from))-at {
			return nil, false
		}
		if size == 0 { // up to the end
			size = uint64(len(from)) - at
		}
		items = append(items, item{id, from[at : at+size]})
	}
	return items, true
}

// fields reads big-endian numbers one after the other.
type fields struct {
	b     []byte
	short bool // more was read than there was
}

// next reads a number of 0..8 bytes.
func (f *fields) next(size byte) uint64 {
	if size > 8 || int(size) > len(f.b) {
		f.short, f.b = true, nil
		return 0
	}
	var word [8]byte
	copy(word[8-size:], f.b[:size])
	f.b = f.b[size:]
	return binary.BigEndian.Uint64(word[:])
}

// kindsOf says what the items are, by their ids (ISO/IEC 14496-12, 8.11.6). One that is
// told of twice is not ok.
func kindsOf(iinf []byte) (kinds map[uint64]string, ok bool) {
	head := 6
	if len(iinf) > 0 && iinf[0] != 0 {
		head = 8
	}
	kinds = map[uint64]string{}
	for entry := range boxes(iinf[min(head, len(iinf)):]) {
		if entry.kind != "infe" || len(entry.body) < 4 || entry.body[0] < 2 { // older ones have no kind
			continue
		}
		r := fields{b: entry.body[4:]}
		size := byte(2)
		if entry.body[0] > 2 {
			size = 4
		}
		id := r.next(size)
		r.next(2) // protection
		if r.short || len(r.b) < 4 || kinds[id] != "" || len(kinds) == maxItems {
			return nil, false
		}
		kinds[id] = string(r.b[:4])
	}
	return kinds, true
}

// reference says that an item is made from others.
type reference struct {
	from uint64
	to   []uint64
}

// madeFrom lists such references (ISO/IEC 14496-12, 8.11.12).
func madeFrom(iref []byte) (all []reference, ok bool) {
	if len(iref) < 4 {
		return nil, true
	}
	size := byte(2)
	if iref[0] != 0 {
		size = 4
	}
	for entry := range boxes(iref[4:]) {
		if entry.kind != "dimg" {
			continue
		}
		r := fields{b: entry.body}
		one := reference{from: r.next(size)}
		for range r.next(2) {
			one.to = append(one.to, r.next(size))
			if r.short {
				return nil, false
			}
		}
		if all = append(all, one); r.short || len(all) > maxItems {
			return nil, false
		}
	}
	return all, true
}

// gridLarger reports whether a grid item makes a picture larger than stored, or cannot
// be told (ISO/IEC 23008-12, 6.6.2.3.2).
func gridLarger(data []byte, stored params.Size) bool {
	if len(data) < 8 {
		return true
	}
	r := fields{b: data[4:]}
	side := byte(2)
	if data[1]&1 != 0 {
		side = 4
	}
	w, h := r.next(side), r.next(side)
	return r.short || w > uint64(stored.W) || h > uint64(stored.H)
}
