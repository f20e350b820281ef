package params

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
)

// draft is Options while they are read. What may be spelt in two ways that
// override each other is kept apart, so that the order of options never counts.
type draft struct {
	Options
	quad Trim // trim=…; Options.Trim holds trim.top and its like, which beat it
}

// option is one row of the grammar: how a value is read, and how it is spelt in
// the canonical form (nothing when it has no effect).
type option struct {
	name, alias string
	doc         string // one sentence, for people
	values      values
	read        func(d *draft, value string) verdict
	spell       func(b []byte, o *Options) []byte
}

// verdict is what became of a value. Its zero value is "taken".
type verdict struct {
	warning  string // taken, but not as it stands
	ignored  bool   // left out, with a warning (R-invalid)
	expected string // not "": refused or ignored; what was expected
}

var taken = verdict{}

func refuse(expected string) verdict { return verdict{expected: expected} }

func ignore(expected string) verdict { return verdict{ignored: true, expected: expected} }

// maxLength bounds pixel counts: far above any picture, far below overflow.
const maxLength = 1 << 30

// grammar has every option in the order of the canonical spelling: by name.
var grammar = [...]option{
	{"anim", "", "false: the first frame of an animation",
		oneOf(animWords), readAnim, func(b []byte, o *Options) []byte { return spellWord(b, o.Still, "false") }},
	{"background", "", "Colour under transparency and beside a padded picture",
		colour(), func(d *draft, v string) verdict { return readColor(&d.Background, v) },
		func(b []byte, o *Options) []byte { return o.Background.append(b) }},
	{"blur", "", "Radius of a blur",
		decimals(0, 250), ranged(func(d *draft) *float64 { return &d.Blur }, 250, "a number from 0 to 250"),
		func(b []byte, o *Options) []byte { return spellFloat(b, o.Blur) }},
	{"brightness", "", "Factor; 0 and 1 change nothing",
		decimals(0, 255), multiplier(func(d *draft) *float64 { return &d.Brightness }),
		func(b []byte, o *Options) []byte { return spellFloat(b, o.Brightness) }},
	{"compression", "", "The quickest codec, whatever format says",
		oneOf(fastWords), func(d *draft, v string) verdict { return readWord(&d.Fast, v, fastWords) },
		func(b []byte, o *Options) []byte { return spellWord(b, o.Fast, "fast") }},
	{"contrast", "", "Factor; 0 and 1 change nothing",
		decimals(0, 255), multiplier(func(d *draft) *float64 { return &d.Contrast }),
		func(b []byte, o *Options) []byte { return spellFloat(b, o.Contrast) }},
	{"dpr", "", "Multiplies width, height, and pixels of trim and border",
		decimals(0, 3), readDPR, func(b []byte, o *Options) []byte { return spellFloat(b, o.DPR) }},
	{"fit", "", "How the picture comes into width and height; see below",
		oneOf(fitWords), func(d *draft, v string) verdict { return readWord(&d.Fit, v, fitWords) },
		func(b []byte, o *Options) []byte { return spellWord(b, o.Fit != ScaleDown, wordOf(o.Fit, fitWords)) }},
	{"flip", "", "Mirror it: across, upside down, or both; before rotate",
		oneOf(flipWords), func(d *draft, v string) verdict { return readWord(&d.Flip, v, flipWords) },
		func(b []byte, o *Options) []byte { return spellWord(b, o.Flip != FlipNone, wordOf(o.Flip, flipWords)) }},
	{"format", "f", "auto is the best that the client's Accept names; json describes the picture",
		oneOf(formatWords), func(d *draft, v string) verdict { return readWord(&d.Format, v, formatWords) },
		func(b []byte, o *Options) []byte {
			return spellWord(b, o.Format != FormatUnset, wordOf(o.Format, formatSpellings))
		}},
	{"gamma", "", "Exponent: below 1 lightens; 0 and 1 change nothing",
		decimals(0, 255), multiplier(func(d *draft) *float64 { return &d.Gamma }),
		func(b []byte, o *Options) []byte { return spellFloat(b, o.Gamma) }},
	{"gravity", "g", "What stays in the picture when it is cropped",
		oneOf(gravityWords).or("XxY"), readGravity, func(b []byte, o *Options) []byte { return o.Gravity.append(b) }},
	{"height", "h", "Most pixels of height",
		lengths(), func(d *draft, v string) verdict { return readPixels(&d.Height, v, "a positive number") },
		func(b []byte, o *Options) []byte { return spellInt(b, o.Height) }},
	{"metadata", "", "What of the EXIF data a JPEG keeps; other formats keep none",
		oneOf(metadataWords), func(d *draft, v string) verdict { return readWord(&d.Metadata, v, metadataWords) },
		func(b []byte, o *Options) []byte {
			return spellWord(b, o.Metadata != MetadataCopyright, wordOf(o.Metadata, metadataWords))
		}},
	{"onerror", "", "When it fails: redirect to a source of the same zone",
		oneOf(onerrorWords), func(d *draft, v string) verdict { return readWord(&d.Redirect, v, onerrorWords) },
		func(b []byte, o *Options) []byte { return spellWord(b, o.Redirect, "redirect") }},
	{"quality", "q", "Of JPEG, WebP and AVIF; 85 by default. WebP at 100 is lossless, PNG with a quality has a palette",
		oneOf(qualityWords).between(1, 100), func(d *draft, v string) verdict { return readQuality(&d.Quality, v) },
		func(b []byte, o *Options) []byte { return spellInt(b, o.Quality) }},
	{"rotate", "", "Degrees clockwise, before resizing",
		oneOf(rotateWords), func(d *draft, v string) verdict { return readWord(&d.Rotate, v, rotateWords) },
		func(b []byte, o *Options) []byte { return spellInt(b, o.Rotate) }},
	{"saturation", "", "Factor; 0 is grey, 1 changes nothing",
		decimals(0, 255), readSaturation, spellSaturation},
	{"segment", "", "Not available on this server: answered 400",
		oneOf(segmentWords), func(d *draft, v string) verdict { return readWord(&d.Segment, v, segmentWords) },
		func(b []byte, o *Options) []byte { return spellWord(b, o.Segment, "foreground") }},
	{"sharpen", "", "Strength; 1 after making smaller",
		decimals(0, 10), ranged(func(d *draft) *float64 { return &d.Sharpen }, 10, "a number from 0 to 10"),
		func(b []byte, o *Options) []byte { return spellFloat(b, o.Sharpen) }},
	{"slow-connection-quality", "scq", "Instead of quality, for clients whose hints tell of a slow connection",
		oneOf(qualityWords).between(1, 100), func(d *draft, v string) verdict { return readQuality(&d.SlowQuality, v) },
		func(b []byte, o *Options) []byte { return spellInt(b, o.SlowQuality) }},
	{"trim", "", "Cut off before all else: four sides, or a border of one colour",
		words("border").or("top;right;bottom;left"), readTrim, spellTrim},
	{"trim.border.color", "", "The border's colour; by default that of the first pixel",
		colour(), readTrimColor, func(b []byte, o *Options) []byte { return o.Trim.Color.append(b) }},
	{"trim.border.keep", "", "Pixels of the border to leave",
		lengths(), readTrimKeep, func(b []byte, o *Options) []byte { return spellInt(b, o.Trim.Keep) }},
	{"trim.border.tolerance", "", "How far a channel may differ and still be border; 10 by default",
		wholes(0, 255), readTrimTolerance, spellTolerance},
	{"trim.bottom", "", "Cut off at the bottom",
		fractions(), trimSide(func(t *Trim) *Length { return &t.Bottom }), func(b []byte, o *Options) []byte { return o.Trim.Bottom.append(b) }},
	{"trim.height", "", "Height of what is left, from trim.top",
		fractions(), trimSize(func(t *Trim) *Length { return &t.Height }), func(b []byte, o *Options) []byte { return o.Trim.Height.append(b) }},
	{"trim.left", "", "Cut off at the left",
		fractions(), trimSide(func(t *Trim) *Length { return &t.Left }), func(b []byte, o *Options) []byte { return o.Trim.Left.append(b) }},
	{"trim.right", "", "Cut off at the right",
		fractions(), trimSide(func(t *Trim) *Length { return &t.Right }), func(b []byte, o *Options) []byte { return o.Trim.Right.append(b) }},
	{"trim.top", "", "Cut off at the top",
		fractions(), trimSide(func(t *Trim) *Length { return &t.Top }), func(b []byte, o *Options) []byte { return o.Trim.Top.append(b) }},
	{"trim.width", "", "Width of what is left, from trim.left",
		fractions(), trimSize(func(t *Trim) *Length { return &t.Width }), func(b []byte, o *Options) []byte { return o.Trim.Width.append(b) }},
	{"upscale", "", "How it is enlarged; generate interpolates here, with a warning",
		oneOf(upscaleWords), func(d *draft, v string) verdict { return readWord(&d.Generate, v, upscaleWords) },
		func(b []byte, o *Options) []byte { return spellWord(b, o.Generate, "generate") }},
	{"wbreakpoints", "", "Widths that width=auto chooses from",
		text("320;768;1200"), readBreakpoints, spellBreakpoints},
	{"wdesktop", "", "What width=auto is on a client without hints; 1200 by default",
		lengths(), func(d *draft, v string) verdict { return readPixels(&d.Desktop, v, "a positive number") },
		func(b []byte, o *Options) []byte { return spellInt(b, o.Desktop) }},
	{"width", "w", "Most pixels of width; auto: by the client's hints",
		words("auto").between(1, maxLength), readWidth, spellWidth},
	{"wmobile", "", "What width=auto is on a phone without hints; 768 by default",
		lengths(), func(d *draft, v string) verdict { return readPixels(&d.Mobile, v, "a positive number") },
		func(b []byte, o *Options) []byte { return spellInt(b, o.Mobile) }},
	{"zoom", "face-zoom", "With gravity=face, how close: 0 is far, 1 is near",
		decimals(0, 1), ranged(func(d *draft) *float64 { return &d.Zoom }, 1, "a number from 0 to 1"),
		func(b []byte, o *Options) []byte { return spellFloat(b, o.Zoom) }},
}

// lookup finds the row of a long or short name; nil for an unknown one.
func lookup(name string, aliases bool) *option {
	for i := range grammar {
		if row := &grammar[i]; row.name == name || aliases && name != "" && row.alias == name {
			return row
		}
	}
	return nil
}

// ParseOptions reads the comma-separated options of a URL. What cannot be used is
// left out with a warning or, if it is wrong beyond that or strict, refused:
// a *fault.Error of kind BadOptions (R-invalid).
func ParseOptions(list string, strict bool) (Options, []Warning, error) {
	return parseOptions(list, strict, nil)
}

func parseOptions(list string, strict bool, ladder *Ladder) (Options, []Warning, error) {
	var d draft
	var warnings []Warning
	known := false
	for rest, more := list, true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		if item = strings.Trim(item, " "); item == "" {
			continue
		}
		name, raw, ok := strings.Cut(item, "=")
		if !ok {
			return Options{}, nil, fault.New(fault.BadOptions, "Expected options such as width=400, received '%s'", clip(item))
		}
		row := lookup(strings.TrimSpace(name), true)
		if row == nil {
			if strict {
				return Options{}, nil, fault.New(fault.BadOptions, "There is no option '%s' in a URL", clip(name))
			}
			warnings = append(warnings, Warning{Option: name, Text: "unknown option " + clip(name) + " was ignored"})
			continue
		}
		known = true
		if !ladder.allows(row.name) {
			if strict || ladder.Refuse {
				return Options{}, nil, fault.New(fault.BadOptions, "The option %s may not be used here. Use %s", row.name, strings.Join(ladder.Options, ", "))
			}
			warnings = append(warnings, Warning{Option: row.name, Text: row.name + " was ignored: it may not be used here"})
			continue
		}
		warning, err := row.take(&d, raw, strict)
		if err != nil {
			return Options{}, nil, err
		}
		if warning != "" {
			warnings = append(warnings, Warning{Option: row.name, Text: warning})
		}
	}
	if !known {
		return Options{}, nil, fault.New(fault.BadOptions, "Expected at least one known option, such as width=400")
	}
	if ladder != nil {
		return ladder.apply(d.finish(), warnings)
	}
	return d.finish(), warnings, nil
}

// take reads one value into d and returns the warning it is due, if any.
func (row *option) take(d *draft, raw string, strict bool) (string, error) {
	value, ok := unescape(raw)
	if !ok {
		return "", fault.New(fault.BadOptions, "The value of %s has a %% that is not followed by two hexadecimal digits", row.name)
	}
	v := row.read(d, strings.Trim(value, " "))
	switch {
	case v.expected == "":
		return v.warning, nil
	case v.ignored && !strict:
		return row.name + " was ignored: expected " + v.expected, nil
	}
	return "", fault.New(fault.BadOptions, "'%s' is not a supported value of %s. Use %s", clip(value), row.name, v.expected)
}

// finish merges what was kept apart and removes what has no effect.
func (d *draft) finish() Options {
	o := d.Options
	for _, side := range []struct{ own, quad *Length }{
		{&o.Trim.Top, &d.quad.Top}, {&o.Trim.Right, &d.quad.Right},
		{&o.Trim.Bottom, &d.quad.Bottom}, {&o.Trim.Left, &d.quad.Left},
	} {
		if side.own.Unit == Unset {
			*side.own = *side.quad
		}
		if side.own.N == 0 {
			*side.own = Length{}
		}
	}
	if d.quad.Border {
		o.Trim.Border = true
	}
	if o.Trim.Border { // finds its own sides
		o.Trim = Trim{Border: true, TrimBorder: o.Trim.TrimBorder}
	}
	if o.Trim.Width.Unit != Unset {
		o.Trim.Right = Length{}
	}
	if o.Trim.Height.Unit != Unset {
		o.Trim.Bottom = Length{}
	}
	if !o.AutoWidth {
		o.Breakpoints, o.Mobile, o.Desktop = nil, 0, 0
	}
	if o.Mobile == defaultMobile {
		o.Mobile = 0
	}
	if o.Desktop == defaultDesktop {
		o.Desktop = 0
	}
	return o
}

// noEffect is the canonical spelling of options that change nothing: a URL must
// have at least one option.
const noEffect = "fit=scale-down"

// String returns the canonical list: long names in alphabetical order, numbers
// in their shortest form, and nothing that has no effect.
func (o Options) String() string { return string(o.AppendString(nil)) }

// AppendString appends String to b; it allocates only when b has no room.
func (o *Options) AppendString(b []byte) []byte {
	start := len(b)
	for i := range grammar {
		row := &grammar[i]
		before := len(b)
		if before > start {
			b = append(b, ',')
		}
		b = append(append(b, row.name...), '=')
		filled := len(b)
		if b = row.spell(b, o); len(b) == filled {
			b = b[:before]
		}
	}
	if o.Border != (Border{}) { // JSON only: it shapes the key, and no URL can say it
		b = o.Border.append(append(b, ",border="...))
	}
	if len(o.Draw) > 0 { // JSON only, too
		text, err := json.Marshal(o.Draw)
		if err != nil {
			panic(err) // numbers, words and URLs that were read from JSON
		}
		b = append(append(b, ",draw="...), text...)
	}
	if len(b) == start {
		b = append(b, noEffect...)
	}
	return b
}

func (border Border) append(b []byte) []byte {
	b = border.Color.append(b)
	for _, side := range [...]int{border.Top, border.Right, border.Bottom, border.Left} {
		b = strconv.AppendInt(append(b, ';'), int64(side), 10)
	}
	return b
}

func spellWord(b []byte, set bool, word string) []byte {
	if !set {
		return b
	}
	return append(b, word...)
}

func spellInt(b []byte, n int) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(b, int64(n), 10)
}

func spellFloat(b []byte, n float64) []byte {
	if n == 0 {
		return b
	}
	return appendFloat(b, n)
}

func appendFloat(b []byte, n float64) []byte { return strconv.AppendFloat(b, n, 'f', -1, 64) }

// decimal reads [-] digits [. digits] of at most 32 characters, nothing else.
func decimal(s string) (float64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits == "." || len(s) > 32 || strings.Count(digits, ".") > 1 ||
		strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(n, 0) {
		return 0, false
	}
	return n + 0, true // -0 is 0
}
