package codec

import (
	"encoding/binary"

	"github.com/fovea-images/fovea/params"
)

// maxItems is how many parts of one AVIF file are looked at.
const maxItems = 4096

// codedLarger reports whether some coded picture of an AVIF file is larger than
// its header says, or cannot be told. The header is what limits were judged by,
// but the library allocates and decodes what the coded pictures say (AV1
// specification, section 5.5), and scales the result.
func codedLarger(src, meta []byte, stored params.Size) bool {
	items, ok := itemData(find(meta, "iloc"), src, find(meta, "idat"))
	if !ok {
		return true
	}
	for _, data := range items {
		for len(data) > 0 {
			kind, body, rest, ok := nextOBU(data)
			if !ok {
				break // no AV1: metadata
			}
			if kind == obuSequence {
				size, ok := sequenceSize(body)
				if !ok || size.W > stored.W || size.H > stored.H {
					return true
				}
			}
			data = rest
		}
	}
	return false
}

// itemData cuts the items out of the file (ISO/IEC 14496-12, 8.11.3). An item in
// several pieces, or beyond the end, is not ok.
func itemData(iloc, src, idat []byte) (items [][]byte, ok bool) {
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
		r.next(idSize)
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
		items = append(items, from[at:at+size])
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

const obuSequence = 1

// nextOBU cuts the first unit off data (AV1 specification, section 5.3).
func nextOBU(data []byte) (kind byte, body, rest []byte, ok bool) {
	head := data[0]
	if head&0x80 != 0 {
		return 0, nil, nil, false
	}
	kind, data = head>>3&15, data[1:]
	if head&4 != 0 { // extension
		if len(data) == 0 {
			return 0, nil, nil, false
		}
		data = data[1:]
	}
	if head&2 == 0 { // no size: up to the end
		return kind, data, nil, true
	}
	size, n := binary.Uvarint(data[:min(len(data), 8)]) // leb128
	if n <= 0 || size > uint64(len(data)-n) {
		return 0, nil, nil, false
	}
	return kind, data[n:][:size], data[n:][size:], true
}

// bitReader reads numbers of bits, the highest bit first; zeros after the end.
type bitReader struct {
	b  []byte
	at int // bits read
}

func (r *bitReader) read(n int) (v uint64) {
	for range n {
		v <<= 1
		if r.at>>3 < len(r.b) {
			v |= uint64(r.b[r.at>>3]>>(7-r.at&7)) & 1
		}
		r.at++
	}
	return v
}

func (r *bitReader) flag() bool { return r.read(1) == 1 }

// sequenceSize reads the largest frame that a sequence header allows (AV1
// specification, section 5.5.1). It is not ok if the header is cut short.
func sequenceSize(body []byte) (size params.Size, ok bool) {
	r := &bitReader{b: body}
	r.read(4) // profile, still picture
	if reduced := r.flag(); reduced {
		r.read(5) // level
	} else {
		r.operatingPoints()
	}
	w, h := 1+int(r.read(4)), 1+int(r.read(4))
	size = params.Size{W: 1 + int(r.read(w)), H: 1 + int(r.read(h))}
	return size, r.at <= 8*len(body)
}

// operatingPoints skips what a full sequence header has before its size.
func (r *bitReader) operatingPoints() {
	delayBits := 0
	if timing := r.flag(); timing {
		r.read(64) // ticks
		if equal := r.flag(); equal {
			r.uvlc()
		}
		if model := r.flag(); model {
			delayBits = 1 + int(r.read(5))
			r.read(42)
		}
	}
	display := r.flag()
	for range 1 + r.read(5) {
		r.read(12)
		if level := r.read(5); level > 7 {
			r.read(1) // tier
		}
		if delayBits > 0 && r.flag() {
			r.read(2*delayBits + 1)
		}
		if display && r.flag() {
			r.read(4)
		}
	}
}

// uvlc skips a number of variable length.
func (r *bitReader) uvlc() {
	zeros := 0
	for zeros < 32 && !r.flag() {
		zeros++
	}
	r.read(zeros % 32)
}
