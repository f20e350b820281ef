package engine

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strings"

	"github.com/fovea-images/fovea/params"
)

// words lists what is allowed, between spaces, so that a look-up is one search.
const (
	svgElements = ` a animate animateMotion animateTransform circle clipPath defs desc ellipse feBlend feColorMatrix ` +
		`feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow ` +
		`feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset ` +
		`fePointLight feSpecularLighting feSpotLight feTile feTurbulence filter g image line linearGradient marker mask ` +
		`mpath path pattern polygon polyline radialGradient rect set stop style svg switch symbol text textPath title ` +
		`tspan use view `

	svgAttributes = ` accumulate additive alignment-baseline amplitude attributeName azimuth baseFrequency baseline-shift ` +
		`baseProfile begin bias by calcMode class clip clip-path clip-rule clipPathUnits color color-interpolation ` +
		`color-interpolation-filters color-rendering cursor cx cy d diffuseConstant direction display divisor ` +
		`dominant-baseline dur dx dy edgeMode elevation end enable-background exponent fill fill-opacity fill-rule filter ` +
		`filterUnits flood-color flood-opacity font font-family font-size font-size-adjust font-stretch font-style ` +
		`font-variant font-weight fr from fx fy gradientTransform gradientUnits height id image-rendering in in2 ` +
		`intercept isolation k1 k2 k3 k4 kernelMatrix kernelUnitLength keyPoints keySplines keyTimes lang lengthAdjust ` +
		`letter-spacing lighting-color limitingConeAngle marker-end marker-mid marker-start markerHeight markerUnits ` +
		`markerWidth mask mask-type maskContentUnits maskUnits max min mix-blend-mode mode numOctaves offset opacity ` +
		`operator order orient origin overflow paint-order path pathLength patternContentUnits patternTransform ` +
		`patternUnits points pointsAtX pointsAtY pointsAtZ preserveAlpha preserveAspectRatio primitiveUnits r radius ` +
		`refX refY repeatCount repeatDur restart result rotate rx ry scale seed shape-rendering side slope space spacing ` +
		`specularConstant specularExponent spreadMethod startOffset stdDeviation stitchTiles stop-color stop-opacity ` +
		`stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity ` +
		`stroke-width style surfaceScale systemLanguage tableValues targetX targetY text-anchor text-decoration ` +
		`text-overflow text-rendering textLength to transform transform-origin type unicode-bidi values vector-effect ` +
		`version viewBox visibility white-space width word-spacing writing-mode x x1 x2 xChannelSelector y y1 y2 ` +
		`yChannelSelector z `

	svgLinking = ` radialGradient linearGradient image use pattern feImage `
)

func listed(list, word string) bool {
	return word != "" && !strings.Contains(word, " ") && strings.Contains(list, " "+word+" ")
}

func svgElement(name string) bool { return listed(svgElements, name) }

// svgAttribute returns how attribute a of an element is written; ok is false when
// it is dropped.
func svgAttribute(element string, a xml.Attr) (key, value string, ok bool) {
	name, value := a.Name.Local, a.Value
	switch {
	case name == "href" && (a.Name.Space == "" || a.Name.Space == xlinkSpace):
		if !listed(svgLinking, element) {
			return "", "", false
		}
		value, ok = cleanURL(value, element == "image" || element == "feImage")
		if a.Name.Space == xlinkSpace {
			name = "xlink:href"
		}
		return name, value, ok
	case a.Name.Space == xmlSpace || a.Name.Space == "xml":
		return "xml:" + name, value, name == "space" || name == "lang"
	case a.Name.Space != "" || !listed(svgAttributes, name):
		return "", "", false
	case name == "attributeName": // an animation must not set what is not on the list, or a link
		return name, value, listed(svgAttributes, value) && value != "style"
	case name == "style" || strings.ContainsAny(value, `(\:@`):
		value = cleanCSS(value)
	}
	return name, value, true
}

// cleanURL keeps what stays on our own site: a fragment, or a path from which
// scheme and host are cut off. Data is kept if it is a JPEG, PNG or GIF and the
// element shows pictures.
func cleanURL(text string, picture bool) (string, bool) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "#") {
		return text, true
	}
	if len(text) >= 5 && strings.EqualFold(text[:5], "data:") {
		return text, picture && rasterData(text[5:])
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" || strings.Contains(text, `\`) {
		return "", false
	}
	path := u.EscapedPath()
	if u.Host != "" || strings.HasPrefix(path, "/") {
		path = "/" + strings.TrimLeft(path, "/")
	}
	if strings.Contains(path, ":") { // could be read as a scheme
		return "", false
	}
	clean := url.URL{RawQuery: u.RawQuery, Fragment: u.Fragment}
	return path + clean.String(), true
}

// rasterData reports whether the rest of a data URL is a picture of the type that
// it names.
func rasterData(rest string) bool {
	head, body, ok := strings.Cut(rest, ",")
	media, ok2 := strings.CutSuffix(strings.ToLower(head), ";base64")
	if !ok || !ok2 {
		return false
	}
	first := strings.Join(strings.Fields(body[:min(len(body), 64)]), "")
	start, err := base64.StdEncoding.DecodeString(first[:len(first)/4*4])
	if err != nil {
		return false
	}
	switch m := Sniff(start); m {
	case params.JPEG, params.PNG, params.GIF:
		return media == m.String() || media == "image/jpg" && m == params.JPEG
	}
	return false
}

// cleanCSS takes out of a style what could fetch or run: comments and escapes
// first, which could hide the rest, then imports and URLs that are no fragment.
// A style that knows other ways is emptied.
func cleanCSS(text string) string {
	text = withoutComments(text)
	lower := lowerASCII(text)
	for _, word := range [...]string{`\`, "image-set", "image(", "src(", "expression", "script:", "behavior", "-moz-binding", "<"} {
		if strings.Contains(lower, word) {
			return ""
		}
	}
	var b strings.Builder
	// next is where word comes from from on; the end if it does not. Each byte is
	// searched once for each word.
	next := func(word string, from int) int {
		if n := strings.Index(lower[from:], word); n >= 0 {
			return from + n
		}
		return len(lower)
	}
	done, rule, link := 0, next("@import", 0), next("url(", 0)
	for rule < len(text) || link < len(text) {
		if rule < link {
			b.WriteString(text[done:rule] + "@-import") // no rule of CSS: skipped up to its end
			done = rule + len("@import")
			rule = next("@import", done)
			continue
		}
		b.WriteString(text[done:link])
		size := strings.IndexByte(text[link:], ')')
		if size < 0 {
			return b.String()
		}
		target := strings.Trim(text[link+len("url("):link+size], " \t\r\n\f\"'")
		if !strings.HasPrefix(target, "#") || strings.ContainsAny(target, "\"'( \t\r\n\f") {
			target = "#"
		}
		b.WriteString("url(" + target + ")")
		done = link + size + 1
		link = next("url(", done)
		if rule < done {
			rule = next("@import", done)
		}
	}
	b.WriteString(text[done:])
	return b.String()
}

// lowerASCII lowers the letters that CSS knows words of, so that every position
// is the same as in text: other letters change their length.
func lowerASCII(text string) string {
	lower := []byte(text)
	for i, b := range lower {
		if b >= 'A' && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	return string(lower)
}

// withoutComments puts a space in the place of each comment.
func withoutComments(css string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(css, "/*")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if _, css, ok = strings.Cut(rest, "*/"); !ok {
			return b.String()
		}
		b.WriteByte(' ')
	}
}
