package wasm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The sections of a module, by their numbers (WebAssembly core, section 5.5.2).
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
)

// order is the one in which sections stand in a module.
var order = [...]byte{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal,
	sectionExport, sectionStart, sectionElement, sectionDataCount, sectionCode, sectionData,
}

const (
	typeI32     = 0x7f
	typeI64     = 0x7e
	typeVoid    = 0x40
	typeFunc    = 0x60
	exportFunc  = 0x00
	exportTable = 0x01
	exportMem   = 0x02
	exportGlob  = 0x03
)

var errShort = errors.New("it ends too early")

// reader reads the binary format. The first error stays; what is read after it is zero.
// fail(nil) is nothing.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil && err != nil {
		r.err = err
		r.at = len(r.b)
	}
}

func (r *reader) more() bool { return r.err == nil && r.at < len(r.b) }

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

// take returns the next n bytes, which stay the module's.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail(errShort)
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

func (r *reader) u32() uint32 {
	n := r.unsigned(32)
	return uint32(n)
}

func (r *reader) unsigned(bits uint) (n uint64) {
	for shift := uint(0); shift < bits; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if left := bits - shift; left < 7 && b>>left != 0 {
				break
			}
			return n
		}
	}
	r.fail(errors.New("a number is too long"))
	return 0
}

// signed reads a number of at most so many bits; whether it is spelt right is the
// validator's to say.
func (r *reader) signed(bits uint) (n int64) {
	for shift := uint(0); shift < bits; shift += 7 {
		b := r.byte()
		n |= int64(b&0x7f) << shift
		if b < 0x80 {
			if shift+7 < 64 && b&0x40 != 0 {
				n |= -1 << (shift + 7)
			}
			return n
		}
	}
	r.fail(errors.New("a number is too long"))
	return 0
}

func (r *reader) name() string { return string(r.take(r.u32())) }

func appendU32(b []byte, n uint32) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendSigned(b []byte, n int64) []byte {
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// module is a module in its sections.
type module struct {
	sections [sectionDataCount + 1][]byte // without their heads; nil = none
	names    []byte                       // the custom section of that name
}

// magic begins every module.
const magic = "\x00asm\x01\x00\x00\x00"

// parse takes b apart. Nothing is copied. Debug and other custom sections are dropped.
func parse(b []byte) (*module, error) {
	if len(b) < len(magic) || string(b[:4]) != magic[:4] {
		return nil, errors.New("expected a WebAssembly module, received something else")
	}
	if string(b[:8]) != magic {
		return nil, errors.New("expected a WebAssembly core module of version 1, not a component")
	}
	m := &module{}
	r := &reader{b: b, at: len(magic)}
	for r.more() {
		id := r.byte()
		body := r.take(r.u32())
		switch {
		case r.err != nil:
		case id == sectionCustom:
			if custom := (&reader{b: body}); custom.name() == "name" {
				m.names = body
			}
		case int(id) >= len(m.sections):
			r.fail(fmt.Errorf("there is no section %d here", id))
		case m.sections[id] != nil:
			r.fail(fmt.Errorf("section %d occurs twice", id))
		default:
			m.sections[id] = body[:len(body):len(body)]
			if body == nil {
				m.sections[id] = []byte{}
			}
		}
	}
	return m, r.err
}

// bytes puts m together again.
func (m *module) bytes() []byte {
	size := len(magic) + len(m.names) + 16
	for _, s := range m.sections {
		size += len(s) + 6
	}
	b := append(make([]byte, 0, size), magic...)
	for _, id := range order {
		if s := m.sections[id]; s != nil {
			b = append(appendU32(append(b, id), uint32(len(s))), s...)
		}
	}
	if m.names != nil {
		b = append(appendU32(append(b, sectionCustom), uint32(len(m.names))), m.names...)
	}
	return b
}

// vector reads a section that is a vector: its length, and a reader of its items. An
// absent section has none.
func (m *module) vector(id int) (uint32, *reader) {
	if m.sections[id] == nil {
		return 0, &reader{}
	}
	r := &reader{b: m.sections[id]}
	return r.u32(), r
}

// extend returns the section of a vector with more items, already in their binary form.
func (m *module) extend(id int, count uint32, items []byte) {
	n, r := m.vector(id)
	b := appendU32(make([]byte, 0, len(r.b)+len(items)+5), n+count)
	m.sections[id] = append(append(b, r.b[r.at:]...), items...)
}
