package engine

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// Plan says what to make. Media and what follows it were negotiated.
type Plan struct {
	Options                               params.Options // width=auto already resolved
	Media                                 params.Media
	Animated, Baseline, Palette, Lossless bool
	// Source names the bytes of the source: the same name, the same bytes. "" lets
	// nothing of it be kept for other plans.
	Source string
	Small  bool // spend time on saving bytes
	// Overlays are the bytes of the sources of Options.Draw, in its order.
	Overlays [][]byte
}

// Result is what was made, and what it took.
type Result struct {
	Body     []byte
	Media    params.Media
	Size     params.Size
	Warnings []params.Warning // those that geometry and negotiation have not given
	// Mezzanine says whether the source was decoded for this result.
	Mezzanine Mezzanine
	Decode    time.Duration
	Resize    time.Duration // all steps between decode and encode
	Encode    time.Duration
	Queued    time.Duration
}

// work is one transform under way.
type work struct {
	engine   *Engine
	src      []byte
	info     Info
	plan     Plan
	geometry params.Geometry
	shared   *Picture // a mezzanine, not to be changed; nil if there is none
	result   Result

	// Of the picture that is worked on.
	icc         []byte
	denominator int
	layers      []layer // of Options.Draw, made for the first frame
}

// step is one change of one frame.
type step struct {
	name string
	do   func(*work, context.Context, *pixel.Image) (*pixel.Image, error)
}

// steps is the order in which a decoded frame is changed (contract 2.2, R-order).
func steps() []step {
	return []step{
		{"place", (*work).place},       // EXIF orientation, trim, flip, rotate, scale and crop in one pass
		{"colours", (*work).colours},   // to sRGB: here, where fewest pixels are left
		{"pad", (*work).pad},           // bars of fit=pad, which the tone changes
		{"sharpen", (*work).sharpen},   // before blur: fixed, so that results are stable
		{"blur", (*work).blur},         //
		{"tone", (*work).tone},         // gamma, brightness, contrast, saturation
		{"flatten", (*work).flatten},   // background under what is still transparent
		{"border", (*work).drawBorder}, // outside; no effect reaches it
		{"draw", (*work).draw},         // over all of it
	}
}

// settle does what needs no pixels. It reports whether that was all.
func (w *work) settle() (bool, error) {
	w.result.Media = w.plan.Media
	if w.info.Media == params.SVG {
		if w.result.Size = w.info.Size; w.plan.Media == params.JSON {
			return true, w.json()
		}
		return false, nil
	}
	if err := w.check(); err != nil {
		return false, err
	}
	if w.tooMuch() {
		return true, nil
	}
	var err error
	w.geometry, _, err = w.plan.Options.Geometry(w.info.Size, w.info.Orientation, params.Seen{})
	if err != nil {
		return false, err
	}
	w.result.Size = w.geometry.Output
	if w.plan.Media == params.JSON && !w.plan.Options.NeedsPixels() {
		return true, w.json()
	}
	return false, nil
}

// bytes is about what the work holds at its largest.
func (w *work) bytes() int64 {
	if w.info.Media == params.SVG {
		return 4 * int64(len(w.src))
	}
	frames := 1
	if w.plan.Animated {
		frames = w.info.Frames
	}
	n := encodedBytes(w.geometry.Output, frames)
	if w.shared == nil {
		n += decodedBytes(w.info, w.want())
	}
	for _, body := range w.plan.Overlays {
		if info, err := w.engine.Probe(body); err == nil { // else it is told when it is drawn
			n += decodedBytes(info, DecodeOptions{FirstFrame: true})
		}
	}
	return n
}

func (w *work) want() DecodeOptions {
	return DecodeOptions{MinSize: w.minSize(), FirstFrame: !w.plan.Animated}
}

func (w *work) run(ctx context.Context) error {
	if w.info.Media == params.SVG {
		return w.svg(ctx)
	}
	picture, err := w.picture(ctx)
	if err != nil {
		return err
	}
	if err := w.change(ctx, picture); err != nil {
		return err
	}
	if w.plan.Media == params.JSON {
		return w.json()
	}
	return w.encode(ctx, picture)
}

// picture is the source's, or a light copy of the mezzanine.
func (w *work) picture(ctx context.Context) (*Picture, error) {
	if w.shared == nil {
		picture, err := w.decode(ctx, w.want())
		if err == nil {
			w.icc, w.denominator = picture.ICC, picture.Denominator
		}
		return picture, err
	}
	w.denominator = w.shared.Denominator
	frame := *w.shared.Frames[0].Image
	return &Picture{Frames: []Frame{{Image: &frame}}, EXIF: w.shared.EXIF}, nil
}

// check refuses or warns of what this server does not do.
func (w *work) check() error {
	o := &w.plan.Options
	warn := func(option, text string) {
		w.result.Warnings = append(w.result.Warnings, params.Warning{Option: option, Text: text})
	}
	switch {
	case o.Segment:
		return fault.New(fault.BadOptions, "segment=foreground is not available on this server")
	case o.AutoWidth:
		return fault.New(fault.Internal, "Internal error: width=auto was not resolved")
	case w.plan.Media != params.JSON && !w.engine.writes(w.plan.Media):
		return fault.New(fault.EncodeFailed, "%s cannot be made on this server", w.plan.Media)
	}
	if o.Generate {
		warn("upscale", "upscale=generate is not available on this server; interpolated")
	}
	return nil
}

func (e *Engine) writes(m params.Media) bool {
	return int(m) < len(e.codecs) && e.codecs[m] != nil && e.codecs[m].Pace() > 0
}

// tooMuch deals with animations too large to transform (R-anim): delivered
// untouched where the answer may be of that type, else their first frame is used.
func (w *work) tooMuch() bool {
	if !w.plan.Animated || !w.engine.limits.tooMuchWork(w.info) || w.plan.Media == params.JSON {
		return false
	}
	text := "animation too large to transform; only the first frame was used"
	untouched := w.plan.Media == w.info.Media
	if untouched {
		text = "animation too large to transform; the original was delivered"
		w.result.Body, w.result.Size = withoutMetadata(w.info.Media, w.src), w.info.Size
	}
	w.result.Warnings = append(w.result.Warnings, params.Warning{Option: "anim", Text: text})
	w.plan.Animated = false
	return untouched
}

func (w *work) svg(ctx context.Context) error {
	w.result.Media = params.SVG
	var err error
	w.result.Body, err = sanitizeSVG(ctx, w.src)
	return err
}

// json answers format=json (contract 4.5).
func (w *work) json() error {
	type original struct {
		Bytes  int    `json:"file_size"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
		Format string `json:"format"`
	}
	upright := w.info.Size
	if w.info.Orientation >= 5 {
		upright = params.Size{W: upright.H, H: upright.W}
	}
	var err error
	w.result.Body, err = json.Marshal(struct {
		Width    int      `json:"width"`
		Height   int      `json:"height"`
		Original original `json:"original"`
	}{w.result.Size.W, w.result.Size.H, original{w.info.Bytes, upright.W, upright.H, w.info.Media.String()}})
	return err
}

func (w *work) decode(ctx context.Context, want DecodeOptions) (*Picture, error) {
	defer w.spent(&w.result.Decode, time.Now())
	w.engine.decodes.Add(1)
	var picture *Picture
	err := guard(fault.DecodeFailed, func() (err error) {
		picture, err = w.engine.codecs[w.info.Media].Decode(ctx, w.src, want)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(picture.Frames) == 0 {
		return nil, fault.New(fault.DecodeFailed, "The image has no frames")
	}
	if want.FirstFrame {
		picture.Frames = picture.Frames[:1]
	}
	return picture, nil
}

// minSize is what the whole stored picture would be at the scale of the result;
// zero when all pixels are needed to find out.
func (w *work) minSize() params.Size {
	if w.plan.Options.NeedsPixels() || w.tightens() {
		return params.Size{}
	}
	g := &w.geometry
	sx, sy := float64(g.Crop.W)/g.Window.W, float64(g.Crop.H)/g.Window.H
	if upright, oriented := w.turns(); upright.Then(oriented).Transpose {
		sx, sy = sy, sx
	}
	if w.looksFor() == params.GravityFace { // small ones want pixels, too
		more := faceSide / 2 / float64(max(w.info.Size.W, w.info.Size.H))
		sx, sy = max(sx, more), max(sy, more)
	}
	return params.Size{W: int(math.Ceil(float64(w.info.Size.W) * sx)), H: int(math.Ceil(float64(w.info.Size.H) * sy))}
}

// change runs the steps on every frame.
func (w *work) change(ctx context.Context, picture *Picture) error {
	defer w.spent(&w.result.Resize, time.Now())
	if w.plan.Options.NeedsPixels() || w.looksFor() != params.GravityCenter {
		if err := w.look(ctx, picture.Frames[0].Image); err != nil {
			return err
		}
	}
	for i := range picture.Frames {
		frame := picture.Frames[i].Image
		for _, s := range steps() {
			if err := ctx.Err(); err != nil {
				return fault.Of(err)
			}
			var err error
			if frame, err = s.do(w, ctx, frame); err != nil {
				return err
			}
		}
		picture.Frames[i].Image = frame.Unpremultiply()
	}
	picture.ICC = nil
	return nil
}

// look settles the geometry by what there is to see in the first frame.
func (w *work) look(ctx context.Context, stored *pixel.Image) error {
	var seen params.Seen
	if w.plan.Options.NeedsPixels() {
		if err := w.content(ctx, stored, &seen); err != nil {
			return err
		}
		if err := w.measure(seen); err != nil {
			return err
		}
	}
	if err := w.subject(ctx, stored, &seen); err != nil {
		return err
	}
	return w.measure(seen)
}

func (w *work) measure(seen params.Seen) error {
	var err error
	w.geometry, _, err = w.plan.Options.Geometry(w.info.Size, w.info.Orientation, seen)
	w.result.Size = w.geometry.Output
	return err
}

// content finds what trim=border leaves of the picture, upright.
func (w *work) content(ctx context.Context, stored *pixel.Image, seen *params.Seen) error {
	upright, _ := w.turns()
	frame, err := upright.Apply(ctx, stored.Clone())
	if err != nil {
		return err
	}
	trim := &w.plan.Options.Trim
	tolerance := 10 // R-trim
	if trim.HasTolerance {
		tolerance = trim.Tolerance
	}
	var colour *pixel.Color
	if trim.Color.Set {
		c := paint(trim.Color)
		colour = &c
	}
	if x, y, width, height, ok := frame.Content(colour, tolerance); ok {
		seen.Content = params.Rect{X: x, Y: y, W: width, H: height}
	}
	return nil
}

// turns are the way from stored pixels to upright ones, and from those to
// oriented ones: flip before rotate.
func (w *work) turns() (upright, oriented pixel.Turn) {
	o := &w.plan.Options
	flip := pixel.Turn{FlipX: o.Flip&params.FlipH != 0, FlipY: o.Flip&params.FlipV != 0}
	return pixel.Orientation(int(w.info.Orientation)), flip.Then(pixel.Rotation(o.Rotate))
}

// place makes the window of the source into the result's picture.
func (w *work) place(ctx context.Context, img *pixel.Image) (*pixel.Image, error) {
	return w.part(ctx, img, w.geometry.Window, w.geometry.Crop.W, w.geometry.Crop.H)
}

// part scales a window of the oriented picture to width × height. Orientation,
// trim, flip and rotate only move the window, back to where it lies among the
// stored pixels: the small result is turned, not the large source.
func (w *work) part(ctx context.Context, img *pixel.Image, window params.Window, width, height int) (*pixel.Image, error) {
	g := &w.geometry
	upright, oriented := w.turns()
	win := oriented.Undo(pixel.Window(window), float64(g.Oriented.W), float64(g.Oriented.H))
	win.X += float64(g.Trim.X)
	win.Y += float64(g.Trim.Y)
	win = upright.Undo(win, float64(g.Upright.W), float64(g.Upright.H))
	fx, fy := w.scale(img)
	win = pixel.Window{X: win.X * fx, Y: win.Y * fy, W: win.W * fx, H: win.H * fy}
	turn := upright.Then(oriented)
	if turn.Transpose {
		width, height = height, width
	}
	if win != (pixel.Window{W: float64(img.W), H: float64(img.H)}) || width != img.W || height != img.H {
		var err error
		if img, err = pixel.Resize(ctx, img.Premultiply(), win, width, height); err != nil {
			return nil, err
		}
	} else if w.shared != nil {
		img = img.Clone()
	}
	return turn.Apply(ctx, img)
}

// scale is how many samples img has for one of the stored picture: decoders and
// mezzanines may have fewer.
func (w *work) scale(img *pixel.Image) (x, y float64) {
	if w.denominator > 1 {
		return 1 / float64(w.denominator), 1 / float64(w.denominator)
	}
	return float64(img.W) / float64(w.info.Size.W), float64(img.H) / float64(w.info.Size.H)
}

func (w *work) colours(_ context.Context, img *pixel.Image) (*pixel.Image, error) {
	return img.Unpremultiply().ToSRGB(w.icc), nil
}

func (w *work) pad(_ context.Context, img *pixel.Image) (*pixel.Image, error) {
	p := w.geometry.Pad
	return img.Extend(p.Top, p.Right, p.Bottom, p.Left, w.background()), nil
}

func (w *work) sharpen(ctx context.Context, img *pixel.Image) (*pixel.Image, error) {
	if w.plan.Options.Sharpen == 0 {
		return img, nil
	}
	return img, img.Sharpen(ctx, w.plan.Options.Sharpen)
}

func (w *work) blur(ctx context.Context, img *pixel.Image) (*pixel.Image, error) {
	if w.plan.Options.Blur == 0 {
		return img, nil
	}
	return img.Blur(ctx, w.plan.Options.Blur)
}

func (w *work) tone(_ context.Context, img *pixel.Image) (*pixel.Image, error) {
	o := &w.plan.Options
	t := pixel.Tone{Gamma: o.Gamma, Brightness: o.Brightness, Contrast: o.Contrast, Saturation: o.Saturation}
	if t == (pixel.Tone{}) {
		return img, nil
	}
	return img.Unpremultiply().Adjust(t), nil
}

func (w *work) flatten(_ context.Context, img *pixel.Image) (*pixel.Image, error) {
	if w.plan.Options.Background.Set {
		img = img.Flatten(paint(w.plan.Options.Background))
	}
	if w.plan.Media == params.JPEG { // it has no alpha (R-background)
		img = img.Flatten(white)
	}
	return img, nil
}

func (w *work) drawBorder(_ context.Context, img *pixel.Image) (*pixel.Image, error) {
	b := w.geometry.Border
	img = img.Extend(b.Top, b.Right, b.Bottom, b.Left, paint(w.plan.Options.Border.Color))
	if w.plan.Media == params.JPEG {
		img = img.Flatten(white) // under a border that lets through
	}
	return img, nil
}

func (w *work) encode(ctx context.Context, picture *Picture) error {
	defer w.spent(&w.result.Encode, time.Now())
	o := EncodeOptions{
		Quality: w.plan.Options.Quality, Fast: w.plan.Options.Fast, Small: w.plan.Small,
		Lossless: w.plan.Lossless, Baseline: w.plan.Baseline, Palette: w.plan.Palette,
	}
	if w.plan.Media == params.JPEG {
		o.EXIF = keepEXIF(picture.EXIF, w.plan.Options.Metadata)
	}
	first := picture.Frames[0].Image
	w.result.Size = params.Size{W: first.W, H: first.H}
	return guard(fault.EncodeFailed, func() (err error) {
		w.result.Body, err = w.engine.codecs[w.plan.Media].Encode(ctx, picture, o)
		return err
	})
}

func (w *work) spent(on *time.Duration, since time.Time) { *on += time.Since(since) }

var white = pixel.Color{R: 255, G: 255, B: 255, A: 255}

func (w *work) background() pixel.Color {
	if w.plan.Options.Background.Set {
		return paint(w.plan.Options.Background)
	}
	return white
}

func paint(c params.Color) pixel.Color {
	if !c.Set {
		return pixel.Color{A: 255} // black, as CSS has it for a border without a colour
	}
	return pixel.Color{R: c.R, G: c.G, B: c.B, A: c.A}
}

// maxEXIF bounds what is carried over, as a JPEG segment does.
const maxEXIF = math.MaxUint16 - 2 - 6
