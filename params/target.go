package params

// Kind says which of the URL forms a request has.
type Kind uint8

const (
	// None is a path that is not ours: the caller passes it through.
	None Kind = iota
	// Hosted is a delivery URL: account, image, and a variant or options.
	Hosted
	// Remote is a transform URL: options and a source.
	Remote
)

// String returns the kind's name as logs and metric labels spell it.
func (k Kind) String() string {
	switch k {
	case Hosted:
		return "hosted"
	case Remote:
		return "remote"
	}
	return "none"
}

// Target is what a URL says. It is a value: copy it freely, never change what
// it points to. Its strings may share memory with the text it was parsed from.
type Target struct {
	Kind    Kind
	Account string  // Hosted: account hash, as written
	Image   string  // Hosted: image id, percent-decoded once a segment, joined by "/"
	Variant string  // Hosted: variant name; "" when the URL carries options
	Options Options // zero when Variant is named
	Source  Source  // Remote
}

// Source names the picture that a Remote target transforms.
type Source struct {
	// Absolute tells the two forms apart: true for an absolute http(s) or s3 URL,
	// false for a path on the zone's own site.
	Absolute bool
	// Value is the URL or the path (it starts with exactly one slash), with its
	// query string, as it goes on the wire: not percent-decoded. That of an object in
	// a bucket is s3://bucket/key.
	Value string
	// Zone is whose path it is: paths of two zones are two sources. "" for the one
	// zone that has no name, and for an absolute source.
	Zone string
}

// URL returns the source as an absolute URL; a path belongs to its zone.
func (s Source) URL() string {
	if s.Absolute {
		return s.Value
	}
	return "https://" + s.Zone + s.Value
}

// Warning is something in a request that could not be honoured and was left out.
type Warning struct {
	Option string // long name of the option; "" when no single one is to blame
	Text   string // one short sentence, for the `warning: cf-images 299 "…"` header
}

// Fit says how the picture goes into the box of width and height (contract 3).
type Fit uint8

// The fits; the zero value is the default.
const (
	ScaleDown Fit = iota
	Contain
	Cover
	Crop
	AspectCrop
	Pad
	Squeeze
	ScaleUp
)

// GravityKind says how a cropping fit finds what to keep.
type GravityKind uint8

// The gravity kinds. Sides and the centre are points: `left` is 0x0.5.
const (
	GravityCenter  GravityKind = iota // 0.5x0.5, the default
	GravityPoint                      // X, Y
	GravityAuto                       // most salient part
	GravityFace                       // the faces
	GravityEntropy                    // most detailed part; JSON only
)

// Gravity says which part of the picture a cropping fit keeps (contract 3.3).
type Gravity struct {
	Kind GravityKind
	// X and Y are 0..1, from the left and from the top; only for GravityPoint.
	X, Y float64
	// BoxCenter centres the box on the point, clamped; otherwise the relative
	// point of the box lies on the relative point of the picture. JSON only.
	BoxCenter bool
}

// Length is one number of a trim: absent, pixels (before dpr) or a fraction of
// the picture's side.
type Length struct {
	N    float64
	Unit Unit
}

// Unit says what a Length counts.
type Unit uint8

// The units.
const (
	Unset Unit = iota
	Pixels
	Fraction // 0 ≤ N < 1
)

// Trim says what is cut off before anything else moves (contract 3.4, R-trim).
type Trim struct {
	Top, Right, Bottom, Left Length
	Width, Height            Length // beat Right and Bottom
	Border                   bool   // cut edges of one colour, see TrimBorder
	TrimBorder
}

// TrimBorder tunes Trim.Border. Its zero value is the default.
type TrimBorder struct {
	Color        Color // unset: the colour of the top left pixel
	Tolerance    int   // largest channel difference that still counts as border, 0..255
	HasTolerance bool  // false: 10
	Keep         int   // pixels of border to leave, before dpr
}

// Color is an sRGB colour, not premultiplied.
type Color struct {
	R, G, B, A uint8
	Set        bool // false: no colour was given
}

// Flip says how to mirror.
type Flip uint8

// The flips; they combine as bits.
const (
	FlipH    Flip = 1 << iota // left and right change places
	FlipV                     // top and bottom change places
	FlipNone Flip = 0
)

// Format is what the format option asks for.
type Format uint8

// The formats; the zero value means that the option was not given.
const (
	FormatUnset Format = iota
	FormatAuto
	FormatAVIF
	FormatWebP
	FormatJPEG
	FormatBaselineJPEG
	FormatJSON
	FormatPNG      // R-png
	FormatPNGForce // R-png
	FormatSVG      // JSON only
)

// Metadata says what EXIF a JPEG keeps (contract 2).
type Metadata uint8

// The metadata policies; the zero value is the default.
const (
	MetadataCopyright Metadata = iota
	MetadataKeep
	MetadataNone
)

// Border is a frame of one colour added outside the picture (R-border). JSON only.
type Border struct {
	Color                    Color
	Top, Right, Bottom, Left int // pixels, before dpr
}

// Options are the options of one transform, typed, with everything that has no
// effect removed: two option lists that mean the same are equal values.
// The zero value leaves the picture as it is.
type Options struct {
	Width, Height int     // box in image pixels before dpr; 0 = not given
	DPR           float64 // multiplies sizes and pixel lengths; 0 = 1
	Fit           Fit
	Gravity       Gravity
	Zoom          float64 // 0..1, how tight gravity=face crops

	AutoWidth   bool  // width=auto: ResolveWidth makes it a number
	Breakpoints []int // ascending; nil = 320, 768, 960, 1200
	Mobile      int   // px; 0 = 768
	Desktop     int   // px; 0 = 1200

	Trim   Trim
	Flip   Flip
	Rotate int // clockwise degrees after Flip: 0, 90, 180, 270

	Background Color
	Blur       float64  // 0..250
	Sharpen    float64  // 0..10
	Brightness float64  // multiplier; 0 = unchanged
	Contrast   float64  // multiplier; 0 = unchanged
	Gamma      float64  // exponent; 0 = unchanged
	Saturation *float64 // multiplier; nil = unchanged, 0 = grey. Never written through

	Format      Format
	Quality     int  // 1..100; 0 = not given
	SlowQuality int  // 1..100, replaces Quality on slow connections; 0 = not given
	Still       bool // anim=false: first frame only
	Metadata    Metadata
	Fast        bool // compression=fast
	Segment     bool // segment=foreground
	Generate    bool // upscale=generate
	Redirect    bool // onerror=redirect
	Border      Border
	Draw        []Overlay // in this order, the last on top; JSON only
}

// Media is the type of picture bytes, in or out.
type Media uint8

// The media types.
const (
	MediaUnknown Media = iota
	JPEG
	PNG
	GIF
	WebP
	AVIF
	SVG
	HEIC // in only
	JSON // out only: format=json
)

var mediaTypes = [...]string{
	MediaUnknown: "application/octet-stream", JPEG: "image/jpeg", PNG: "image/png", GIF: "image/gif",
	WebP: "image/webp", AVIF: "image/avif", SVG: "image/svg+xml", HEIC: "image/heic", JSON: "application/json",
}

// String returns the media type as Content-Type spells it.
func (m Media) String() string {
	if int(m) < len(mediaTypes) {
		return mediaTypes[m]
	}
	return mediaTypes[MediaUnknown]
}

// ParseMedia returns the Media that String spells as s, or MediaUnknown.
func ParseMedia(s string) Media {
	for m, name := range mediaTypes {
		if name == s {
			return Media(m)
		}
	}
	return MediaUnknown
}
