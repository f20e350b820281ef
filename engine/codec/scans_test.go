package codec

import (
	"bytes"
	"encoding/binary"
)

// scansJPEG is a progressive JPEG of 3 or 4 full components in few bytes: a scan
// of grey, then so many that each go over the whole of one component, and change
// nothing. Sides are multiples of 8.
func scansJPEG(components, w, h, scans int) []byte {
	b := append([]byte("\xff\xd8\xff\xdb\x00\x43\x00"), bytes.Repeat([]byte{16}, 64)...)
	b = append(b, 0xff, 0xc2, 0, byte(8+3*components), 8)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, uint16(h)), uint16(w))
	b = append(b, byte(components))
	for i := range components {
		b = append(b, byte(1+i), 0x11, 0)
	}
	table := func(class, symbol byte) {
		b = append(b, 0xff, 0xc4, 0, 20, class, 1)
		b = append(append(b, make([]byte, 15)...), symbol)
	}
	table(0x00, 0)    // "0" is no difference
	table(0x10, 0xe0) // "0", and 14 bits more than 16384: so many blocks end here
	blocks := (w / 8) * (h / 8)
	b = append(b, 0xff, 0xda, 0, byte(6+2*components), byte(components))
	for i := range components {
		b = append(b, byte(1+i), 0)
	}
	b = append(b, 0, 0, 0)
	b = append(b, make([]byte, (components*blocks+7)/8)...)
	var bits bitWriter
	for left := blocks; left > 0; {
		run := min(left, 1<<15-1)
		if run < 1<<14 {
			run = 1 << 14 // the last one may end beyond the picture
		}
		bits.write(0, 1)
		bits.write(uint32(run-1<<14), 14)
		left -= run
	}
	for i := range scans {
		component, low := byte(1+i%components), byte(0)
		fine := byte(0x10)
		if i < components {
			fine = 0x01 // the first of a component; others make it finer
		}
		b = append(b, 0xff, 0xda, 0, 8, 1, component, 0, 1, 63, fine|low)
		b = append(b, bits.stuffed()...)
	}
	return append(b, 0xff, 0xd9)
}

// bitWriter writes bits, the highest first.
type bitWriter struct {
	out  []byte
	bits int
}

func (w *bitWriter) write(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.bits%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[len(w.out)-1] |= byte(v>>i&1) << (7 - w.bits%8)
		w.bits++
	}
}

// stuffed is what was written, as a scan has it: ones up to the end of the byte,
// and a zero after each byte of ones.
func (w *bitWriter) stuffed() []byte {
	last := bytes.Clone(w.out)
	if n := w.bits % 8; n != 0 {
		last[len(last)-1] |= 1<<(8-n) - 1
	}
	return bytes.ReplaceAll(last, []byte{0xff}, []byte{0xff, 0})
}
