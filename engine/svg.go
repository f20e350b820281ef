package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

const (
	svgSpace   = "http://www.w3.org/2000/svg"
	xlinkSpace = "http://www.w3.org/1999/xlink"
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"

	maxSVGDepth   = 256     // elements inside each other
	maxSVGProlog  = 1 << 16 // bytes before the root element that are looked at
	maxSVGElement = 1 << 20 // elements in all
)

// looksLikeSVG reports whether src begins as XML whose root element is svg.
func looksLikeSVG(src []byte) bool {
	if len(src) == 0 {
		return false
	}
	_, err := svgRoot(src)
	return err == nil
}

// svgRoot reads up to the root element.
func svgRoot(src []byte) (xml.StartElement, error) {
	text := toUTF8(src[:min(len(src), maxSVGProlog)])
	if head := bytes.TrimLeft(text, " \t\r\n"); len(head) == 0 || head[0] != '<' {
		return xml.StartElement{}, errors.New("no XML")
	}
	decoder := newSVGDecoder(text)
	for {
		token, err := decoder.RawToken()
		if err != nil {
			return xml.StartElement{}, err
		}
		if root, ok := token.(xml.StartElement); ok {
			if root.Name.Local != "svg" {
				return root, errors.New("the root is no svg")
			}
			return root, nil
		}
	}
}

// probeSVG is the size of the view box, or else width and height in pixels,
// rounded; zero when neither is given.
func probeSVG(src []byte) (params.Size, error) {
	root, err := svgRoot(src)
	if err != nil {
		return params.Size{}, fault.Wrap(fault.Unsupported, err, "Expected a well-formed SVG")
	}
	var box, sides params.Size
	for _, a := range root.Attr {
		switch a.Name.Local {
		case "viewBox":
			if parts := strings.FieldsFunc(a.Value, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }); len(parts) == 4 {
				box = params.Size{W: svgPixels(parts[2]), H: svgPixels(parts[3])}
			}
		case "width":
			sides.W = svgPixels(a.Value)
		case "height":
			sides.H = svgPixels(a.Value)
		}
	}
	if box.W > 0 && box.H > 0 {
		return box, nil
	}
	if sides.W > 0 && sides.H > 0 {
		return sides, nil
	}
	return params.Size{}, nil
}

// svgPixels reads a length in pixels; 0 for anything else.
func svgPixels(text string) int {
	n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "px"), 64)
	if err != nil || !(n > 0 && n < 1<<24) {
		return 0
	}
	return max(int(math.Floor(n+0.5)), 1)
}

// newSVGDecoder reads UTF-8, or Latin-1 if the declaration says so. There are no
// entities but the five of XML, so nothing can expand.
func newSVGDecoder(text []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(name string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(name) {
		case "utf-8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be": // toUTF8 was here
			return in, nil
		case "iso-8859-1", "latin1", "latin-1", "windows-1252":
			return &latin1{in: in.(io.ByteReader)}, nil
		}
		return nil, errors.New("unknown character set")
	}
	return d
}

// latin1 reads Latin-1 as UTF-8.
type latin1 struct {
	in   io.ByteReader
	rest byte // second byte of a character, when not 0
}

func (l *latin1) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if l.rest != 0 {
		p[0], l.rest = l.rest, 0
		return 1, nil
	}
	b, err := l.in.ReadByte()
	if err != nil {
		return 0, err
	}
	if p[0] = b; b >= 0x80 {
		p[0], l.rest = 0xC0|b>>6, 0x80|b&0x3F
	}
	return 1, nil
}

// toUTF8 drops a byte order mark and converts UTF-16, told by its mark or by the
// zero byte beside the first '<'.
func toUTF8(src []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(src, []byte("\xEF\xBB\xBF")):
		return src[3:]
	case bytes.HasPrefix(src, []byte("\xFF\xFE")), bytes.HasPrefix(src, []byte("<\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(src, []byte("\xFE\xFF")), bytes.HasPrefix(src, []byte("\x00<")):
		order = binary.BigEndian
	default:
		return src
	}
	units := make([]uint16, 0, len(src)/2)
	for ; len(src) >= 2; src = src[2:] {
		units = append(units, order.Uint16(src))
	}
	if len(units) > 0 && units[0] == 0xFEFF {
		units = units[1:]
	}
	return []byte(string(utf16.Decode(units)))
}
