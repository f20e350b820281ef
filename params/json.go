package params

import (
	"bytes"
	"encoding/json"
	"sort"
	"strconv"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
)

// UnmarshalJSON reads the JSON spelling of options, that of Workers and of
// hosted variants (contract 2): long names only, numbers and booleans typed,
// objects for points, trims and borders. It is strict: whatever it does not know
// or cannot use is a *fault.Error of kind BadOptions.
func (o *Options) UnmarshalJSON(text []byte) error {
	fields, err := object("options", text)
	if err != nil {
		return err
	}
	var d draft
	for _, name := range sortedKeys(fields) {
		if err := d.readJSON(name, fields[name]); err != nil {
			return err
		}
	}
	*o = d.finish()
	return nil
}

func object(name string, text []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return nil, fault.New(fault.BadOptions, "Expected a JSON object for %s", name)
	}
	return fields, nil
}

func sortedKeys(fields map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	sort.Strings(keys) // so that the same mistake gives the same complaint
	return keys
}

func (d *draft) readJSON(name string, value json.RawMessage) error {
	value = bytes.TrimSpace(value)
	if string(value) == "null" {
		return nil
	}
	isObject := value[0] == '{'
	switch {
	case name == "gravity" && isObject:
		return d.readGravityObject(value)
	case name == "trim" && isObject:
		return d.readTrimObject(value)
	case name == "border":
		return d.readBorder(value)
	case name == "draw":
		return d.readDraw(value)
	case name == "format" && string(value) == `"svg"`:
		d.Format = FormatSVG
		return nil
	}
	return d.readScalar(name, value)
}

// readScalar reads a string, number, boolean or list by the row of name.
func (d *draft) readScalar(name string, value json.RawMessage) error {
	row := lookup(name, false)
	if row == nil {
		return fault.New(fault.BadOptions, "There is no option '%s'", clip(name))
	}
	text, ok := scalar(value)
	if !ok {
		return fault.New(fault.BadOptions, "Expected a number, a string or a boolean for %s", name)
	}
	if v := row.read(d, text); v.expected != "" {
		return fault.New(fault.BadOptions, "'%s' is not a supported value of %s. Use %s", clip(text), name, v.expected)
	}
	return nil
}

// scalar spells a JSON value as a URL would.
func scalar(value json.RawMessage) (string, bool) {
	switch value[0] {
	case '"':
		var text string
		err := json.Unmarshal(value, &text)
		return text, err == nil
	case '[':
		var items []json.RawMessage
		if json.Unmarshal(value, &items) != nil {
			return "", false
		}
		parts := make([]string, len(items))
		for i, item := range items {
			if len(item) == 0 || item[0] == '[' {
				return "", false
			}
			var ok bool
			if parts[i], ok = scalar(item); !ok {
				return "", false
			}
		}
		return strings.Join(parts, ";"), true
	case '{', 'n':
		return "", false
	case 't', 'f':
		return string(value), true
	}
	var n float64
	if json.Unmarshal(value, &n) != nil {
		return "", false
	}
	return strconv.FormatFloat(n, 'f', -1, 64), true // 1e2 is 100
}

func (d *draft) readGravityObject(value json.RawMessage) error {
	var g struct {
		X, Y *float64
		Mode string
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&g) != nil || g.X == nil || g.Y == nil || !unit(*g.X) || !unit(*g.Y) ||
		g.Mode != "" && g.Mode != "remainder" && g.Mode != "box-center" {
		return fault.New(fault.BadOptions, "Expected gravity as {\"x\": 0..1, \"y\": 0..1, \"mode\": \"remainder\" or \"box-center\"}")
	}
	d.Gravity = pointGravity(*g.X+0, *g.Y+0, g.Mode == "box-center")
	return nil
}

func (d *draft) readTrimObject(value json.RawMessage) error {
	fields, err := object("trim", value)
	if err != nil {
		return err
	}
	for _, key := range sortedKeys(fields) {
		if key != "border" {
			if err := d.readScalar("trim."+key, bytes.TrimSpace(fields[key])); err != nil {
				return err
			}
			continue
		}
		switch border := bytes.TrimSpace(fields[key]); {
		case string(border) == "true":
			d.Trim.Border = true
		case string(border) == "false":
		default:
			details, err := object("trim.border", border)
			if err != nil {
				return err
			}
			d.Trim.Border = true
			for _, detail := range sortedKeys(details) {
				if err := d.readScalar("trim.border."+detail, bytes.TrimSpace(details[detail])); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// readBorder reads {color, width} or {color, top, right, bottom, left}.
func (d *draft) readBorder(value json.RawMessage) error {
	var b struct {
		Color                           string
		Width, Top, Right, Bottom, Left *float64
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	complaint := fault.New(fault.BadOptions, "Expected border as {\"color\": CSS colour, \"width\": pixels} or with top, right, bottom and left")
	if decoder.Decode(&b) != nil {
		return complaint
	}
	border := Border{}
	if b.Color != "" && readColor(&border.Color, b.Color) != taken {
		return complaint
	}
	for _, side := range []struct {
		field *int
		own   *float64
	}{{&border.Top, b.Top}, {&border.Right, b.Right}, {&border.Bottom, b.Bottom}, {&border.Left, b.Left}} {
		n := side.own
		if n == nil {
			n = b.Width
		}
		if n == nil || *n == 0 {
			continue
		}
		if *n < 0 || *n > maxLength {
			return complaint
		}
		*side.field = pixels(*n)
	}
	if border.Top|border.Right|border.Bottom|border.Left == 0 {
		border = Border{} // no frame has no colour
	}
	d.Border = border
	return nil
}

// MarshalJSON writes the JSON spelling; UnmarshalJSON reads it back to an equal value.
func (o Options) MarshalJSON() ([]byte, error) {
	type point struct {
		X    float64 `json:"x"`
		Y    float64 `json:"y"`
		Mode string  `json:"mode,omitempty"`
	}
	fields := map[string]any{}
	for i := range grammar {
		row := &grammar[i]
		text, _ := unescape(string(row.spell(nil, &o)))
		switch {
		case text == "" || strings.HasPrefix(row.name, "trim"):
		case row.name == "gravity" && o.Gravity.Kind == GravityPoint:
			p := point{X: o.Gravity.X, Y: o.Gravity.Y}
			if o.Gravity.BoxCenter {
				p.Mode = "box-center"
			}
			fields["gravity"] = p
		case row.name == "wbreakpoints":
			fields[row.name] = o.Breakpoints
		default:
			fields[row.name] = typed(text)
		}
	}
	if trim := o.Trim.json(); trim != nil {
		fields["trim"] = trim
	}
	if o.Border != (Border{}) {
		color, _ := unescape(string(o.Border.Color.append(nil)))
		fields["border"] = struct {
			Color  string `json:"color,omitempty"`
			Top    int    `json:"top"`
			Right  int    `json:"right"`
			Bottom int    `json:"bottom"`
			Left   int    `json:"left"`
		}{color, o.Border.Top, o.Border.Right, o.Border.Bottom, o.Border.Left}
	}
	if len(o.Draw) > 0 {
		fields["draw"] = o.Draw
	}
	return json.Marshal(fields)
}

// typed is the JSON type of a value spelt for a URL.
func typed(text string) any {
	if n, ok := decimal(text); ok {
		return n
	}
	if text == "true" || text == "false" {
		return text == "true"
	}
	return text
}

func (t Trim) json() any {
	if t == (Trim{}) {
		return nil
	}
	fields := map[string]any{}
	o := Options{Trim: t}
	details := map[string]any{}
	for i := range grammar {
		row := &grammar[i]
		text, _ := unescape(string(row.spell(nil, &o)))
		if text == "" {
			continue
		}
		if detail, ok := strings.CutPrefix(row.name, "trim.border."); ok {
			details[detail] = typed(text)
		} else if side, ok := strings.CutPrefix(row.name, "trim."); ok {
			fields[side] = typed(text)
		}
	}
	switch {
	case len(details) > 0:
		fields["border"] = details
	case t.Border:
		fields["border"] = true
	}
	return fields
}
