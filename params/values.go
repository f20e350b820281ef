package params

import (
	"math"
	"strconv"
	"strings"
)

// word pairs a value with its spelling.
type word[T comparable] struct {
	text  string
	value T
}

var (
	fitWords = []word[Fit]{
		{"scale-down", ScaleDown}, {"contain", Contain}, {"cover", Cover}, {"crop", Crop},
		{"aspect-crop", AspectCrop}, {"pad", Pad}, {"squeeze", Squeeze}, {"scale-up", ScaleUp},
	}
	flipWords   = []word[Flip]{{"h", FlipH}, {"v", FlipV}, {"hv", FlipH | FlipV}}
	formatWords = []word[Format]{
		{"auto", FormatAuto}, {"avif", FormatAVIF}, {"webp", FormatWebP}, {"jpeg", FormatJPEG},
		{"baseline-jpeg", FormatBaselineJPEG}, {"json", FormatJSON}, {"png", FormatPNG}, {"png-force", FormatPNGForce},
	}
	formatSpellings = append([]word[Format]{{"svg", FormatSVG}}, formatWords...) // svg is JSON only
	metadataWords   = []word[Metadata]{{"copyright", MetadataCopyright}, {"keep", MetadataKeep}, {"none", MetadataNone}}
	rotateWords     = []word[int]{{"90", 90}, {"180", 180}, {"270", 270}, {"0", 0}, {"360", 0}}
	fastWords       = []word[bool]{{"fast", true}}
	segmentWords    = []word[bool]{{"foreground", true}}
	upscaleWords    = []word[bool]{{"interpolate", false}, {"generate", true}}
	onerrorWords    = []word[bool]{{"redirect", true}}
	animWords       = []word[bool]{{"true", false}, {"false", true}}
	qualityWords    = []word[int]{{"high", 90}, {"medium-high", 70}, {"medium-low", 50}, {"low", 35}} // R-quality
	gravityWords    = []word[Gravity]{
		{"auto", Gravity{Kind: GravityAuto}}, {"face", Gravity{Kind: GravityFace}},
		{"left", Gravity{Kind: GravityPoint, X: 0, Y: 0.5}}, {"right", Gravity{Kind: GravityPoint, X: 1, Y: 0.5}},
		{"top", Gravity{Kind: GravityPoint, X: 0.5, Y: 0}}, {"bottom", Gravity{Kind: GravityPoint, X: 0.5, Y: 1}},
		{"center", Gravity{}}, {"entropy", Gravity{Kind: GravityEntropy}},
	}
)

func readWord[T comparable](field *T, text string, words []word[T]) verdict {
	for _, w := range words {
		if w.text == text {
			*field = w.value
			return taken
		}
	}
	return refuse(list(words))
}

// list spells the accepted words for an error's sentence.
func list[T comparable](words []word[T]) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString("'" + w.text + "'")
	}
	return b.String()
}

// wordOf returns the first spelling of value; "" if it has none.
func wordOf[T comparable](value T, words []word[T]) string {
	for _, w := range words {
		if w.value == value {
			return w.text
		}
	}
	return ""
}

// ranged reads a number from 0 to most.
func ranged(field func(*draft) *float64, most float64, expected string) func(*draft, string) verdict {
	return func(d *draft, text string) verdict {
		n, ok := decimal(text)
		if !ok || n < 0 || n > most {
			return refuse(expected)
		}
		*field(d) = n
		return taken
	}
}

// multiplier reads a number from 0 to 255 of which both 0 and 1 change nothing.
func multiplier(field func(*draft) *float64) func(*draft, string) verdict {
	read := ranged(field, 255, "a number from 0 to 255")
	return func(d *draft, text string) verdict {
		v := read(d, text)
		if n := field(d); *n == 1 {
			*n = 0
		}
		return v
	}
}

func readSaturation(d *draft, text string) verdict {
	n, ok := decimal(text)
	switch {
	case !ok || n < 0 || n > 255:
		return refuse("a number from 0 to 255")
	case n == 1:
		d.Saturation = nil
	default:
		d.Saturation = &n
	}
	return taken
}

func spellSaturation(b []byte, o *Options) []byte {
	if o.Saturation == nil {
		return b
	}
	return appendFloat(b, *o.Saturation)
}

func readAnim(d *draft, text string) verdict { return readWord(&d.Still, text, animWords) }

func readPixels(field *int, text, expected string) verdict {
	n, ok := decimal(text)
	if !ok || n <= 0 {
		return ignore(expected)
	}
	*field = pixels(n)
	return taken
}

// pixels rounds half up, to at least 1 and at most maxLength (R-round).
func pixels(n float64) int { return int(min(max(math.Floor(n+0.5), 1), maxLength)) }

func readWidth(d *draft, text string) verdict {
	if text == "auto" {
		d.Width, d.AutoWidth = 0, true
		return taken
	}
	v := readPixels(&d.Width, text, "a positive number or auto")
	if v == taken {
		d.AutoWidth = false
	}
	return v
}

func spellWidth(b []byte, o *Options) []byte {
	if o.AutoWidth {
		return append(b, "auto"...)
	}
	return spellInt(b, o.Width)
}

func readDPR(d *draft, text string) verdict {
	n, ok := decimal(text)
	if !ok || n <= 0 {
		return ignore("a positive number")
	}
	v := taken
	if n > 3 {
		n, v.warning = 3, "dpr > 3 should never be used"
	}
	if d.DPR = n; n == 1 {
		d.DPR = 0
	}
	return v
}

func readQuality(field *int, text string) verdict {
	if readWord(field, text, qualityWords) == taken {
		return taken
	}
	n, ok := decimal(text)
	if !ok {
		return refuse("a number from 1 to 100, " + list(qualityWords))
	}
	*field = min(pixels(n), 100)
	return taken
}

func readGravity(d *draft, text string) verdict {
	if readWord(&d.Gravity, text, gravityWords) == taken {
		return taken
	}
	left, right, ok := strings.Cut(text, "x")
	x, okX := decimal(left)
	y, okY := decimal(right)
	if !ok || !okX || !okY || !unit(x) || !unit(y) {
		return refuse(list(gravityWords) + ", or XxY with numbers from 0 to 1")
	}
	d.Gravity = pointGravity(x, y, false)
	return taken
}

func unit(n float64) bool { return n >= 0 && n <= 1 }

func pointGravity(x, y float64, boxCenter bool) Gravity {
	if x == 0.5 && y == 0.5 {
		return Gravity{} // the centre is the centre in both modes
	}
	return Gravity{Kind: GravityPoint, X: x, Y: y, BoxCenter: boxCenter}
}

func (g Gravity) append(b []byte) []byte {
	switch g.Kind {
	case GravityCenter:
		return b
	case GravityPoint:
		b = appendFloat(b, g.X)
		b = appendFloat(append(b, 'x'), g.Y)
		if g.BoxCenter { // JSON only, like border
			b = append(b, "xbox-center"...)
		}
		return b
	}
	return append(b, wordOf(Gravity{Kind: g.Kind}, gravityWords)...)
}

func readBreakpoints(d *draft, text string) verdict {
	const expected = "positive numbers in ascending order, separated by ';'"
	var points []int
	for item := range strings.SplitSeq(text, ";") {
		var n int
		if len(points) == 64 || readPixels(&n, strings.TrimSpace(item), expected) != taken ||
			len(points) > 0 && n <= points[len(points)-1] {
			return ignore(expected)
		}
		points = append(points, n)
	}
	if d.Breakpoints = points; string(spellBreakpoints(nil, &d.Options)) == defaultBreakpoints {
		d.Breakpoints = nil
	}
	return taken
}

func spellBreakpoints(b []byte, o *Options) []byte {
	for i, n := range o.Breakpoints {
		if i > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return b
}

// readLength reads pixels or, below 1, a fraction (R-trim).
func readLength(text string) (Length, bool) {
	n, ok := decimal(text)
	switch {
	case !ok || n < 0:
		return Length{}, false
	case n > 0 && n < 1:
		return Length{N: n, Unit: Fraction}, true
	}
	return Length{N: min(math.Floor(n+0.5), maxLength), Unit: Pixels}, true
}

func (l Length) append(b []byte) []byte {
	if l.Unit == Unset {
		return b
	}
	return appendFloat(b, l.N)
}

func readTrim(d *draft, text string) verdict {
	if text == "border" {
		d.quad = Trim{Border: true}
		return taken
	}
	var sides [4]Length
	n := 0
	for item := range strings.SplitSeq(text, ";") {
		length, ok := readLength(strings.TrimSpace(item))
		if !ok || n == len(sides) {
			n = 0
			break
		}
		sides[n] = length
		n++
	}
	if n != len(sides) {
		return refuse("top;right;bottom;left with numbers from 0, or 'border'")
	}
	d.quad = Trim{Top: sides[0], Right: sides[1], Bottom: sides[2], Left: sides[3]}
	return taken
}

func spellTrim(b []byte, o *Options) []byte { return spellWord(b, o.Trim.Border, "border") }

// trimSide reads trim.top and its like.
func trimSide(field func(*Trim) *Length) func(*draft, string) verdict {
	return func(d *draft, text string) verdict {
		length, ok := readLength(text)
		if !ok {
			return refuse("a number from 0: pixels, or a fraction below 1")
		}
		*field(&d.Trim) = length
		return taken
	}
}

// trimSize reads trim.width and trim.height.
func trimSize(field func(*Trim) *Length) func(*draft, string) verdict {
	return func(d *draft, text string) verdict {
		length, ok := readLength(text)
		if !ok || length.N == 0 {
			return refuse("a positive number: pixels, or a fraction below 1")
		}
		*field(&d.Trim) = length
		return taken
	}
}

// The border's details imply trim=border.

func readTrimColor(d *draft, text string) verdict {
	d.Trim.Border = true
	return readColor(&d.Trim.Color, text)
}

func readTrimTolerance(d *draft, text string) verdict {
	n, ok := decimal(text)
	if !ok || n < 0 || n > 255 {
		return refuse("a number from 0 to 255")
	}
	d.Trim.Border = true
	d.Trim.Tolerance, d.Trim.HasTolerance = int(math.Floor(n+0.5)), true
	if d.Trim.Tolerance == defaultTolerance {
		d.Trim.Tolerance, d.Trim.HasTolerance = 0, false
	}
	return taken
}

const defaultTolerance = 10 // R-trim

func spellTolerance(b []byte, o *Options) []byte {
	if !o.Trim.HasTolerance {
		return b
	}
	return strconv.AppendInt(b, int64(o.Trim.Tolerance), 10)
}

func readTrimKeep(d *draft, text string) verdict {
	n, ok := decimal(text)
	if !ok || n < 0 {
		return refuse("a number of pixels from 0")
	}
	d.Trim.Border = true
	d.Trim.Keep = int(min(math.Floor(n+0.5), maxLength))
	return taken
}
