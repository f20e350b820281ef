package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// An entry outside memory is one frame:
//
//	magic (8) · checksum (4) · head length (4) · body length (8) · head · body
//
// The checksum, CRC-32C, covers all that follows it: a torn or a rotten frame is
// told from a whole one. Numbers are big-endian; strings in the head are a uvarint
// length and bytes.
const (
	frameMagic = "FOVEA\x00e2" // the last character is the version of the layout
	frameStart = 24            // bytes before the head
	maxHead    = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrFrame is returned for bytes that are not one whole frame.
var ErrFrame = errors.New("cache: not a whole entry")

// AppendFrame appends e, kept under key, to b.
func (e *Entry) AppendFrame(b []byte, key string) []byte {
	start := len(b)
	b = append(b, frameMagic...)
	b = append(b, make([]byte, frameStart-len(frameMagic))...)
	for _, s := range [...]string{key, e.Type, e.ETag} {
		b = appendString(b, s)
	}
	b = binary.AppendVarint(b, unixNano(e.Modified))
	for _, d := range [...]time.Duration{e.Fresh, e.Stale, e.Grace} {
		b = binary.AppendVarint(b, int64(d))
	}
	b = binary.AppendVarint(b, unixNano(e.Filled))
	b = binary.AppendUvarint(b, uint64(len(e.Fields)))
	for _, f := range e.Fields {
		b = appendString(appendString(b, f.Name), f.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Tags)))
	for _, tag := range e.Tags {
		b = appendString(b, tag)
	}
	if e.Fault == nil {
		b = append(b, 0)
	} else {
		b = appendString(append(b, 1), e.Fault.Kind.String())
		b = appendString(appendString(b, e.Fault.Public), e.Fault.Hint)
		b = binary.AppendVarint(binary.AppendVarint(b, int64(e.Fault.Status)), int64(e.Fault.Relayed))
	}
	frame := b[start:]
	binary.BigEndian.PutUint32(frame[12:], uint32(len(frame)-frameStart))
	binary.BigEndian.PutUint64(frame[16:], uint64(len(e.Body)))
	b = append(b, e.Body...)
	frame = b[start:]
	binary.BigEndian.PutUint32(frame[8:], crc32.Checksum(frame[12:], castagnoli))
	return b
}

// ReadFrame returns the entry in b and the key it was kept under. The entry's Body
// shares memory with b. Anything but one whole frame is ErrFrame.
func ReadFrame(b []byte) (key string, e *Entry, err error) {
	head, body, err := split(b)
	if err != nil {
		return "", nil, err
	}
	key, e, err = readHead(head)
	if err != nil {
		return "", nil, err
	}
	if len(body) > 0 {
		e.Body = body
	}
	return key, e, nil
}

// ReadHead reads the entry that r begins with, without its body. The checksum is not
// looked at: it covers the body.
func ReadHead(r io.Reader) (*Entry, error) {
	var start [frameStart]byte
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(start[12:])
	if string(start[:len(frameMagic)]) != frameMagic || length > maxHead {
		return nil, ErrFrame
	}
	head := make([]byte, length)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	_, e, err := readHead(head)
	return e, err
}

// split checks the frame around head and body.
func split(b []byte) (head, body []byte, err error) {
	if len(b) < frameStart || string(b[:len(frameMagic)]) != frameMagic {
		return nil, nil, ErrFrame
	}
	headLength := uint64(binary.BigEndian.Uint32(b[12:]))
	bodyLength := binary.BigEndian.Uint64(b[16:])
	rest := uint64(len(b) - frameStart)
	if headLength > maxHead || headLength > rest || bodyLength != rest-headLength {
		return nil, nil, ErrFrame
	}
	if crc32.Checksum(b[12:], castagnoli) != binary.BigEndian.Uint32(b[8:]) {
		return nil, nil, ErrFrame
	}
	return b[frameStart : frameStart+headLength], b[frameStart+headLength:], nil
}

func readHead(b []byte) (key string, e *Entry, err error) {
	r := headReader{rest: b}
	e = &Entry{}
	key, e.Type, e.ETag = r.text(), r.text(), r.text()
	e.Modified = fromNano(r.number())
	e.Fresh, e.Stale, e.Grace = time.Duration(r.number()), time.Duration(r.number()), time.Duration(r.number())
	e.Filled = fromNano(r.number())
	for range r.count(2) {
		e.Fields = append(e.Fields, Field{Name: r.text(), Value: r.text()})
	}
	for range r.count(1) {
		e.Tags = append(e.Tags, r.text())
	}
	switch r.octet() {
	case 0:
	case 1:
		kind, ok := fault.KindOf(r.text())
		if !ok {
			r.broken = true
		}
		e.Fault = &fault.Error{Kind: kind, Public: r.text(), Hint: r.text(), Status: int(r.number()), Relayed: int(r.number())}
	default:
		r.broken = true
	}
	if r.broken || len(r.rest) > 0 {
		return "", nil, fmt.Errorf("%w: its head", ErrFrame)
	}
	return key, e, nil
}

// headReader takes a head apart. Once broken it stays so and yields nothing.
type headReader struct {
	rest   []byte
	broken bool
}

func (r *headReader) octet() byte {
	if r.broken || len(r.rest) == 0 {
		r.broken = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *headReader) number() int64 {
	n, size := binary.Varint(r.rest)
	if r.broken || size <= 0 {
		r.broken = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *headReader) length() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.broken || size <= 0 {
		r.broken = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count is the length of a list whose members take at least least bytes: a number
// that the head cannot hold allocates nothing.
func (r *headReader) count(least int) int {
	n := r.length()
	if n > uint64(len(r.rest)/least) {
		r.broken = true
		return 0
	}
	return int(n)
}

func (r *headReader) text() string {
	n := r.length()
	if r.broken || n > uint64(len(r.rest)) {
		r.broken = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// unixNano is t as a number; the zero time is the least one.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixNano()
}

const noTime = -1 << 63

func fromNano(n int64) time.Time {
	if n == noTime {
		return time.Time{}
	}
	return time.Unix(0, n)
}
