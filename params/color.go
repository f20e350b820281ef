package params

import (
	"math"
	"strings"

	"golang.org/x/image/colornames"
)

const expectedColor = "a CSS colour such as 'red', '#ff0000' or 'rgb(255 0 0 / 50%)'"

func readColor(field *Color, text string) verdict {
	c, ok := parseColor(text)
	if !ok {
		return refuse(expectedColor)
	}
	*field = c
	return taken
}

// parseColor reads a CSS colour (CSS Color 4, the sRGB forms): a name,
// #rgb, #rgba, #rrggbb, #rrggbbaa, rgb(), rgba(), hsl() or hsla() with commas or
// spaces. Like CSS it ignores case and clamps channels.
func parseColor(text string) (Color, bool) {
	if len(text) > 64 {
		return Color{}, false
	}
	text = strings.ToLower(strings.TrimSpace(text))
	if hex, ok := strings.CutPrefix(text, "#"); ok {
		return hexColor(hex)
	}
	if name, args, ok := strings.Cut(text, "("); ok {
		inner, ok := strings.CutSuffix(args, ")")
		if !ok {
			return Color{}, false
		}
		parts, ok := arguments(inner)
		if !ok {
			return Color{}, false
		}
		switch name {
		case "rgb", "rgba":
			return rgbColor(parts)
		case "hsl", "hsla":
			return hslColor(parts)
		}
		return Color{}, false
	}
	switch text {
	case "transparent":
		return Color{Set: true}, true
	case "rebeccapurple": // newer than the library's table
		return Color{R: 0x66, G: 0x33, B: 0x99, A: 255, Set: true}, true
	}
	c, ok := colornames.Map[text]
	return Color{R: c.R, G: c.G, B: c.B, A: c.A, Set: true}, ok
}

func hexColor(hex string) (Color, bool) {
	var v [8]byte
	for i := range len(hex) {
		if i == len(v) || !isHex(hex[i]) {
			return Color{}, false
		}
		v[i] = unhex(hex[i])
	}
	c := Color{A: 255, Set: true}
	switch len(hex) {
	case 4:
		c.A = v[3] * 17
		fallthrough
	case 3:
		c.R, c.G, c.B = v[0]*17, v[1]*17, v[2]*17
	case 8:
		c.A = v[6]<<4 | v[7]
		fallthrough
	case 6:
		c.R, c.G, c.B = v[0]<<4|v[1], v[2]<<4|v[3], v[4]<<4|v[5]
	default:
		return Color{}, false
	}
	return c, true
}

// arguments splits the inside of rgb() or hsl() into three channels and alpha
// ("" when absent). Commas and spaces must not be mixed; a slash comes before
// alpha in the form with spaces.
func arguments(inner string) (parts [4]string, ok bool) {
	var items []string
	if strings.Contains(inner, ",") {
		items = strings.Split(inner, ",")
	} else {
		channels, alpha, slash := strings.Cut(inner, "/")
		items = strings.Fields(channels)
		if slash {
			if len(items) != 3 {
				return parts, false
			}
			items = append(items, alpha)
		}
	}
	if len(items) != 3 && len(items) != 4 {
		return parts, false
	}
	for i, item := range items {
		if parts[i] = strings.TrimSpace(item); parts[i] == "" {
			return parts, false
		}
	}
	return parts, true
}

// scaled reads a number, or a percentage of whole.
func scaled(text string, whole float64) (float64, bool) {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		n, ok := decimal(percent)
		return n / 100 * whole, ok
	}
	return decimal(text)
}

func channel(n float64) uint8 { return uint8(math.Floor(min(max(n, 0), 255) + 0.5)) }

func alphaChannel(text string) (uint8, bool) {
	if text == "" {
		return 255, true
	}
	n, ok := scaled(text, 1)
	return channel(n * 255), ok
}

func rgbColor(parts [4]string) (Color, bool) {
	r, ok1 := scaled(parts[0], 255)
	g, ok2 := scaled(parts[1], 255)
	b, ok3 := scaled(parts[2], 255)
	a, ok4 := alphaChannel(parts[3])
	return Color{R: channel(r), G: channel(g), B: channel(b), A: a, Set: true}, ok1 && ok2 && ok3 && ok4
}

func hslColor(parts [4]string) (Color, bool) {
	hue, ok1 := decimal(strings.TrimSuffix(parts[0], "deg"))
	s, ok2 := scaled(parts[1], 1)
	l, ok3 := scaled(parts[2], 1)
	a, ok4 := alphaChannel(parts[3])
	if !ok1 || !ok2 || !ok3 || !ok4 || !strings.HasSuffix(parts[1], "%") || !strings.HasSuffix(parts[2], "%") {
		return Color{}, false
	}
	s, l = min(max(s, 0), 1), min(max(l, 0), 1)
	// CSS Color 4 section 7.1.
	f := func(n float64) uint8 {
		k := math.Mod(math.Mod(n+hue/30, 12)+12, 12)
		return channel(255 * (l - s*min(l, 1-l)*max(-1, min(k-3, 9-k, 1))))
	}
	return Color{R: f(0), G: f(8), B: f(4), A: a, Set: true}, true
}

// append spells c as %23rrggbb, with alpha when it is not opaque; nothing when
// no colour is set.
func (c Color) append(b []byte) []byte {
	if !c.Set {
		return b
	}
	const digits = "0123456789abcdef"
	b = append(b, "%23"...)
	channels := [...]uint8{c.R, c.G, c.B, c.A}
	for i, v := range channels {
		if i < 3 || v != 255 {
			b = append(b, digits[v>>4], digits[v&15])
		}
	}
	return b
}
