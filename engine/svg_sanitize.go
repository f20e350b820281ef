package engine

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
)

// sanitizeSVG writes src anew with nothing in it but what is on the lists below
// (contract 4.4, the rules of svg-hush): no script can run, nothing is fetched
// from elsewhere. Its output, sanitised again, stays the same. Unsupported for
// what is no well-formed SVG.
func sanitizeSVG(ctx context.Context, src []byte) ([]byte, error) {
	s := svgWriter{decoder: newSVGDecoder(toUTF8(src))}
	s.out.Grow(len(src))
	for {
		token, err := s.decoder.Token()
		if errors.Is(err, io.EOF) && s.done {
			return s.out.Bytes(), nil
		}
		if err == nil {
			err = s.take(token)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Unsupported, err, "Expected a well-formed SVG")
		}
		if s.elements%1024 == 0 && ctx.Err() != nil {
			return nil, fault.Of(ctx.Err())
		}
	}
}

// svgWriter copies what is allowed.
type svgWriter struct {
	decoder  *xml.Decoder
	out      bytes.Buffer
	depth    int // open elements that are kept
	dropped  int // open elements inside and with one that is dropped
	elements int
	style    *strings.Builder // the text of an open style element
	done     bool             // the root was closed
}

func (s *svgWriter) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return s.open(t)
	case xml.EndElement:
		s.close(t)
	case xml.CharData:
		s.text(t)
	}
	return nil // comments, instructions and the document type are dropped
}

func (s *svgWriter) open(t xml.StartElement) error {
	s.elements++
	name := t.Name.Local
	root := s.depth == 0 && s.dropped == 0
	switch {
	case s.done:
		return errors.New("a second root")
	case root && name != "svg":
		return errors.New("the root is no svg")
	case s.depth+s.dropped >= maxSVGDepth, s.elements > maxSVGElement:
		return errors.New("too many elements")
	case s.dropped > 0 || s.style != nil || !svgElement(name) || t.Name.Space != svgSpace && t.Name.Space != "":
		if root {
			return errors.New("the root is of another namespace")
		}
		s.dropped++
		return nil
	}
	s.depth++
	s.out.WriteString("<" + name)
	if root {
		s.out.WriteString(` xmlns="` + svgSpace + `" xmlns:xlink="` + xlinkSpace + `"`)
	}
	seen := map[string]bool{}
	for _, a := range t.Attr {
		key, value, ok := svgAttribute(name, a)
		if ok && !seen[key] {
			seen[key] = true
			s.out.WriteString(" " + key + `="`)
			s.escape(value)
			s.out.WriteByte('"')
		}
	}
	s.out.WriteByte('>')
	if name == "style" {
		s.style = &strings.Builder{}
	}
	return nil
}

func (s *svgWriter) close(t xml.EndElement) {
	if s.dropped > 0 {
		s.dropped--
		return
	}
	if s.style != nil {
		s.escape(cleanCSS(s.style.String()))
		s.style = nil
	}
	s.out.WriteString("</" + t.Name.Local + ">")
	s.depth--
	s.done = s.depth == 0
}

func (s *svgWriter) text(t xml.CharData) {
	switch {
	case s.dropped > 0 || s.depth == 0:
	case s.style != nil:
		s.style.Write(t)
	default:
		s.escape(string(t))
	}
}

// escape writes text so that it can be neither markup nor the end of a value.
// A bytes.Buffer never fails.
func (s *svgWriter) escape(text string) {
	if err := xml.EscapeText(&s.out, []byte(text)); err != nil {
		panic(err)
	}
}
