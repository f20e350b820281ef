package params

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
)

// MaxOverlays is how many pictures may be drawn over one (R-overlay).
const MaxOverlays = 8

// Overlay is a picture drawn over another (contract 2.1, R-overlay). Only the JSON
// spelling has them.
type Overlay struct {
	Source    Source  // absolute
	Options   Options // how it is made; its box is in Width and Height below
	Width     Length  // of its box; Fraction is of the base's side; Unset = no bound
	Height    Length
	Opacity   float64 // 0..1
	Repeat    Repeat
	Top       *int // pixels from that edge of the base; nil = not given. At most one
	Right     *int // of each pair of opposite edges; without one it is centred
	Bottom    *int
	Left      *int
	Composite Composite
}

// Repeat says in which directions an overlay is repeated over the base.
type Repeat uint8

// The directions.
const (
	RepeatNone Repeat = iota
	RepeatX
	RepeatY
	RepeatBoth
)

// Composite is a Porter-Duff operator; it works inside the overlay's box only.
type Composite uint8

// The operators; without a word it is over.
const (
	CompositeOver Composite = iota
	CompositeIn
	CompositeAtop
	CompositeOut
	CompositeXor
	CompositeLighter
)

var compositeWords = []string{"over", "in", "atop", "out", "xor", "lighter"}

// Size resolves the overlay's box for a base of that size; 0 = no bound.
func (o *Overlay) Size(base Size) (width, height int) {
	side := func(l Length, of int) int {
		switch l.Unit {
		case Pixels:
			return int(l.N)
		case Fraction:
			return max(int(l.N*float64(of)+0.5), 1)
		}
		return 0
	}
	return side(o.Width, base.W), side(o.Height, base.H)
}

// Place is where the corner of an overlay of that size lies on base; it may lie
// outside.
func (o *Overlay) Place(base, size Size) (x, y int) {
	along := func(near, far *int, side, own int) int {
		switch {
		case near != nil:
			return *near
		case far != nil:
			return side - own - *far
		}
		return (side - own) / 2
	}
	return along(o.Left, o.Right, base.W, size.W), along(o.Top, o.Bottom, base.H, size.H)
}

// readDraw reads the list of overlays.
func (d *draft) readDraw(value json.RawMessage) error {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		return fault.New(fault.BadOptions, "Expected a list of objects for draw")
	}
	if len(list) > MaxOverlays {
		return fault.New(fault.BadOptions, "Expected at most %d overlays in draw, received %d", MaxOverlays, len(list))
	}
	d.Draw = nil
	for _, item := range list {
		var o Overlay
		if err := o.UnmarshalJSON(item); err != nil {
			return err
		}
		d.Draw = append(d.Draw, o)
	}
	return nil
}

// UnmarshalJSON reads one entry of draw. Errors are *fault.Error of kind BadOptions.
func (o *Overlay) UnmarshalJSON(text []byte) error {
	fields, err := object("an entry of draw", text)
	if err != nil {
		return err
	}
	*o = Overlay{Opacity: 1}
	var d draft
	for _, name := range sortedKeys(fields) {
		value := json.RawMessage(bytes.TrimSpace(fields[name]))
		if string(value) == "null" {
			continue
		}
		read := overlayFields[name]
		if read == nil {
			read = func(*Overlay, json.RawMessage) error { return d.readJSON(name, value) }
		}
		if err := read(o, value); err != nil {
			return err
		}
	}
	switch o.Options = d.finish(); {
	case o.Source.Value == "":
		return fault.New(fault.BadOptions, "Expected an url in each entry of draw")
	case o.Left != nil && o.Right != nil, o.Top != nil && o.Bottom != nil:
		return fault.New(fault.BadOptions, "Expected left or right, and top or bottom, for an entry of draw, received both of a pair")
	case o.Options.AutoWidth:
		return fault.New(fault.BadOptions, "width=auto is not for an entry of draw")
	}
	return nil
}

// overlayFields read what only an entry of draw has, or has otherwise.
var overlayFields = map[string]func(o *Overlay, value json.RawMessage) error{
	"url": func(o *Overlay, value json.RawMessage) error {
		var text string
		if json.Unmarshal(value, &text) != nil {
			return fault.New(fault.BadOptions, "Expected a string for the url of an entry of draw")
		}
		var err error
		if o.Source, err = ParseURL(text); err != nil {
			return fault.New(fault.BadOptions, "The url of an entry of draw: %s", fault.Of(err).Public)
		}
		return nil
	},
	"text": func(*Overlay, json.RawMessage) error {
		return fault.New(fault.BadOptions, "Text in draw is not available on this server; use the url of a picture")
	},
	"draw": func(*Overlay, json.RawMessage) error {
		return fault.New(fault.BadOptions, "An entry of draw has no draw of its own")
	},
	"width":  func(o *Overlay, value json.RawMessage) error { return readOverlaySide(&o.Width, "width", value) },
	"height": func(o *Overlay, value json.RawMessage) error { return readOverlaySide(&o.Height, "height", value) },
	"opacity": func(o *Overlay, value json.RawMessage) error {
		if json.Unmarshal(value, &o.Opacity) != nil || !unit(o.Opacity) {
			return fault.New(fault.BadOptions, "Expected a number from 0 to 1 for opacity")
		}
		return nil
	},
	"repeat": func(o *Overlay, value json.RawMessage) error {
		words := map[string]Repeat{"true": RepeatBoth, "false": RepeatNone, `"x"`: RepeatX, `"y"`: RepeatY}
		r, ok := words[string(value)]
		if !ok {
			return fault.New(fault.BadOptions, "Expected true, \"x\" or \"y\" for repeat")
		}
		o.Repeat = r
		return nil
	},
	"composite": func(o *Overlay, value json.RawMessage) error {
		var word string
		if json.Unmarshal(value, &word) == nil {
			for i, known := range compositeWords {
				if word == known {
					o.Composite = Composite(i)
					return nil
				}
			}
		}
		return fault.New(fault.BadOptions, "Expected one of %s for composite", strings.Join(compositeWords, ", "))
	},
	"top":    func(o *Overlay, value json.RawMessage) error { return readOffset(&o.Top, "top", value) },
	"right":  func(o *Overlay, value json.RawMessage) error { return readOffset(&o.Right, "right", value) },
	"bottom": func(o *Overlay, value json.RawMessage) error { return readOffset(&o.Bottom, "bottom", value) },
	"left":   func(o *Overlay, value json.RawMessage) error { return readOffset(&o.Left, "left", value) },
}

func readOverlaySide(to *Length, name string, value json.RawMessage) error {
	var n float64
	if json.Unmarshal(value, &n) != nil || n <= 0 || n > MaxOutputSide {
		return fault.New(fault.BadOptions, "Expected pixels, or a fraction of the base's side between 0 and 1, for the %s of an entry of draw", name)
	}
	if n < 1 {
		*to = Length{N: n, Unit: Fraction}
	} else {
		*to = Length{N: math.Floor(n + 0.5), Unit: Pixels}
	}
	return nil
}

func readOffset(to **int, name string, value json.RawMessage) error {
	var n float64
	if json.Unmarshal(value, &n) != nil || math.Abs(n) > maxLength {
		return fault.New(fault.BadOptions, "Expected pixels for the %s of an entry of draw", name)
	}
	whole := int(math.Floor(n + 0.5))
	*to = &whole
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads back to an equal value.
func (o Overlay) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(o.Options)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	fields["url"] = o.Source.Value
	for name, l := range map[string]Length{"width": o.Width, "height": o.Height} {
		if l.Unit != Unset {
			fields[name] = l.N
		}
	}
	for name, offset := range map[string]*int{"top": o.Top, "right": o.Right, "bottom": o.Bottom, "left": o.Left} {
		if offset != nil {
			fields[name] = *offset
		}
	}
	if o.Opacity != 1 {
		fields["opacity"] = o.Opacity
	}
	if o.Repeat != RepeatNone {
		fields["repeat"] = map[Repeat]any{RepeatX: "x", RepeatY: "y", RepeatBoth: true}[o.Repeat]
	}
	if o.Composite != CompositeOver {
		fields["composite"] = compositeWords[o.Composite]
	}
	return json.Marshal(fields)
}
