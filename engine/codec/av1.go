package codec

import (
	"encoding/binary"

	"github.com/fovea-images/fovea/params"
)

// codedLarger reports whether some coded picture of an AVIF file, or what is made from
// several, is larger than its header says, or cannot be told. The header is what limits were judged by,
// but the library allocates and decodes what the coded pictures say (AV1
// specification, section 5.5), and scales the result.
func codedLarger(src, meta []byte, stored params.Size) bool {
	items, ok := itemsOf(src, meta)
	kinds, told := kindsOf(find(meta, "iinf"))
	if !ok || !told {
		return true
	}
	for _, it := range items {
		if kinds[it.id] == "grid" {
			if gridLarger(it.data, stored) {
				return true
			}
			continue
		}
		for data := it.data; len(data) > 0; {
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
