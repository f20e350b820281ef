// Package negotiate picks the format that the client accepts and the policy prefers.
//
// It is pure: headers, options and the source's header go in, a choice comes out
// (contract 4.1). How much animation is worth transforming is the engine's to say.
package negotiate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fovea-images/fovea/params"
)

// Client is what a request's headers say, verbatim; "" is absent.
type Client struct {
	Accept, UserAgent, ViewportWidth, SaveData, RTT, ECT, Downlink string
}

// Policy limits formats by the longest side of the result, in pixels.
type Policy struct {
	AVIFAuto     int // AVIF chosen by negotiation
	AVIFExplicit int // AVIF asked for by format=avif
	WebP         int // at most 16,383, the codec's own limit
	NoAVIF       bool
}

// maxWebP is the longest side that WebP can hold.
const maxWebP = 16383

// DefaultPolicy returns Cloudflare's published limits (R-avif).
func DefaultPolicy() Policy { return Policy{AVIFAuto: 1200, AVIFExplicit: 1600, WebP: maxWebP} }

// Validate says which limit is wrong, if one is.
func (p Policy) Validate() error {
	var errs []error
	for _, limit := range []struct {
		name  string
		value int
		most  int
	}{{"avif_auto", p.AVIFAuto, 65536}, {"avif", p.AVIFExplicit, 65536}, {"webp", p.WebP, maxWebP}} {
		if limit.value < 0 || limit.value > limit.most {
			errs = append(errs, fmt.Errorf("%s: expected 0 to %d pixels, received %d", limit.name, limit.most, limit.value))
		}
	}
	return errors.Join(errs...)
}

// Picture is what the source's header says.
type Picture struct {
	Media    params.Media
	Animated bool
	Alpha    bool
	Frames   int
}

// Choice is the format of the answer and why a wish was not fulfilled.
type Choice struct {
	Media      params.Media
	Animated   bool // all frames; false: the first
	VaryAccept bool // the answer depends on the Accept header
	Baseline   bool // JPEG: not progressive
	Palette    bool // PNG: at most 256 colours will do (R-png)
	Lossless   bool // WebP
	Warnings   []params.Warning
}

// Choose picks the format of the answer for a source like pic and a result of
// size out. hosted means that the format is auto when none is asked for; a
// transform then keeps the source's (R-base).
func (p Policy) Choose(o params.Options, hosted bool, pic Picture, out params.Size, a Accepts) Choice {
	if o.Format == params.FormatJSON {
		return Choice{Media: params.JSON}
	}
	if pic.Media == params.SVG { // R-svg
		return Choice{Media: params.SVG}
	}
	format := o.Format
	if format == params.FormatUnset && hosted {
		format = params.FormatAuto
	}
	if o.Fast && (format == params.FormatAVIF || format == params.FormatWebP || format == params.FormatUnset) {
		format = params.FormatAuto
	}
	var c Choice
	if pic.Animated && !o.Still {
		c = p.animated(format, pic, out, a, o.Fast)
	} else {
		c = p.still(format, pic, out, a, o.Fast)
	}
	c.Baseline = c.Media == params.JPEG && (format == params.FormatBaselineJPEG ||
		out.W < 50 && out.H < 50 || out.W > 3000 && out.H > 3000)
	c.Palette = c.Media == params.PNG && o.Quality != 0
	c.Lossless = c.Media == params.WebP && o.Quality == 100
	return c
}

func longest(s params.Size) int { return max(s.W, s.H) }

func warn(text string) []params.Warning { return []params.Warning{{Option: "format", Text: text}} }

func (p Policy) still(format params.Format, pic Picture, out params.Size, a Accepts, fast bool) Choice {
	side := longest(out)
	switch format {
	case params.FormatJPEG, params.FormatBaselineJPEG:
		return Choice{Media: params.JPEG}
	case params.FormatPNG, params.FormatPNGForce, params.FormatSVG:
		return Choice{Media: params.PNG}
	case params.FormatWebP:
		if side <= p.WebP {
			return Choice{Media: params.WebP}
		}
		return Choice{Media: base(pic), Warnings: warn("image too large for WebP")}
	case params.FormatAVIF:
		if p.NoAVIF {
			return Choice{Media: p.webpOr(base(pic), side, a), VaryAccept: true, Warnings: warn("AVIF is not made on this server")}
		}
		if side <= p.AVIFExplicit {
			return Choice{Media: params.AVIF}
		}
		return Choice{Media: p.webpOr(base(pic), side, a), VaryAccept: true, Warnings: warn("image too large for AVIF")}
	case params.FormatUnset:
		if pic.Media == params.WebP {
			return Choice{Media: p.webpOr(base(pic), side, a), VaryAccept: true}
		}
		return Choice{Media: base(pic)}
	}
	if fast { // the quickest codec that keeps the picture whole
		if pic.Alpha {
			return Choice{Media: params.PNG}
		}
		return Choice{Media: params.JPEG}
	}
	c := Choice{VaryAccept: true}
	if a&AcceptsAVIF != 0 && !p.NoAVIF {
		if side <= p.AVIFAuto {
			c.Media = params.AVIF
			return c
		}
		c.Warnings = warn("image too large for AVIF")
	}
	c.Media = p.webpOr(base(pic), side, a)
	if a&AcceptsWebP != 0 && c.Media != params.WebP {
		c.Warnings = append(c.Warnings, warn("image too large for WebP")...)
	}
	return c
}

// webpOr is WebP for a client that names it and a result that fits, else other.
func (p Policy) webpOr(other params.Media, side int, a Accepts) params.Media {
	if a&AcceptsWebP != 0 && side <= p.WebP {
		return params.WebP
	}
	return other
}

// base is the format that everybody can show and that keeps the source's alpha (R-base).
func base(pic Picture) params.Media {
	switch {
	case pic.Media == params.JPEG:
		return params.JPEG
	case pic.Media == params.PNG, pic.Media == params.GIF, pic.Alpha:
		return params.PNG
	}
	return params.JPEG
}

// animated chooses for all frames: only GIF and WebP hold them (R-anim).
func (p Policy) animated(format params.Format, pic Picture, out params.Size, a Accepts, fast bool) Choice {
	side := longest(out)
	moving := func(media params.Media, vary bool, warnings []params.Warning) Choice {
		return Choice{Media: media, Animated: true, VaryAccept: vary, Warnings: warnings}
	}
	switch format {
	case params.FormatJPEG, params.FormatBaselineJPEG, params.FormatPNG, params.FormatPNGForce, params.FormatSVG:
		return p.still(format, pic, out, a, fast)
	case params.FormatWebP:
		if side <= p.WebP {
			return moving(params.WebP, false, nil)
		}
		return moving(params.GIF, false, warn("image too large for WebP"))
	case params.FormatAVIF:
		return moving(p.webpOr(params.GIF, side, a), true, warn("AVIF is not made of animations"))
	case params.FormatUnset:
		if pic.Media == params.GIF {
			return moving(params.GIF, false, nil)
		}
	}
	return moving(p.webpOr(params.GIF, side, a), true, nil)
}

// Bucket is the part of a that can matter for these options whatever the source
// turns out to be: it stands in a cache key for the format not yet chosen.
func Bucket(o params.Options, hosted bool, a Accepts) Accepts {
	switch o.Format {
	case params.FormatAuto:
		return a
	case params.FormatAVIF:
		return a & AcceptsWebP
	case params.FormatUnset:
		if hosted {
			return a
		}
		return a & AcceptsWebP
	case params.FormatWebP:
		if o.Fast {
			return a & AcceptsWebP
		}
	}
	return 0
}

// Headers that Resolve looks at, as Vary spells them.
var (
	varyViewport = []string{"Sec-CH-Viewport-Width"}
	varyAgent    = []string{"Sec-CH-Viewport-Width", "User-Agent"}
	varySlow     = []string{"Save-Data", "RTT", "ECT", "Downlink"}
)

// Resolve applies what the client's hints decide: width=auto becomes a number,
// slow-connection-quality the quality or nothing. vary lists the headers looked
// at; it is shared and must not be changed.
func Resolve(o params.Options, c Client) (resolved params.Options, vary []string) {
	if o.AutoWidth {
		viewport := viewportWidth(c.ViewportWidth)
		if vary = varyViewport; viewport == 0 {
			vary = varyAgent
		}
		o = o.ResolveWidth(viewport, strings.Contains(c.UserAgent, "iPhone") || strings.Contains(c.UserAgent, "Android"))
	}
	if o.SlowQuality != 0 {
		if c.slow() {
			o.Quality = o.SlowQuality
		}
		o.SlowQuality = 0
		if vary == nil {
			vary = varySlow
		} else {
			vary = append(vary[:len(vary):len(vary)], varySlow...)
		}
	}
	return o, vary
}

// viewportWidth reads a structured integer (RFC 9651); 0 if it is none, or not positive.
func viewportWidth(header string) int {
	n, err := strconv.ParseUint(trim(header), 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// slow applies the contract's rule for slow connections; what cannot be read does not count.
func (c Client) slow() bool {
	if rtt, err := strconv.ParseFloat(trim(c.RTT), 64); err == nil && rtt > 150 {
		return true
	}
	if downlink, err := strconv.ParseFloat(trim(c.Downlink), 64); err == nil && downlink < 5 {
		return true
	}
	switch strings.ToLower(trim(c.ECT)) {
	case "slow-2g", "2g", "3g":
		return true
	}
	return strings.EqualFold(trim(c.SaveData), "on")
}
