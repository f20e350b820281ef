package engine_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"testing"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

func codecs(t testing.TB) []engine.Codec {
	t.Helper()
	table, err := codec.Table(codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Options{Codecs: codecs(t)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// as encodes m without loss, or as a JPEG of high quality.
func as(t *testing.T, media params.Media, m *image.NRGBA) []byte {
	t.Helper()
	if media == params.PNG {
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range codecs(t) {
		if c.Media() == media {
			body, err := c.Encode(t.Context(), &engine.Picture{Frames: []engine.Frame{{Image: pixel.FromNRGBA(m)}}}, engine.EncodeOptions{Quality: 98})
			if err != nil {
				t.Fatal(err)
			}
			return body
		}
	}
	t.Fatalf("no codec for %v", media)
	return nil
}

// transform makes a picture and decodes it again.
func transform(t *testing.T, e *engine.Engine, body []byte, plan engine.Plan) (*image.NRGBA, engine.Result) {
	t.Helper()
	info, err := e.Probe(body)
	if err != nil {
		t.Fatal(err)
	}
	result, err := e.Transform(t.Context(), body, info, plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range codecs(t) {
		if c.Media() == result.Media {
			p, err := c.Decode(t.Context(), result.Body, engine.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return p.Frames[0].Image.NRGBA(), result
		}
	}
	t.Fatalf("no codec for %v", result.Media)
	return nil, result
}

// reference does the same in the most straightforward way.
func reference(t *testing.T, m *image.NRGBA, o params.Options) *image.NRGBA {
	t.Helper()
	g, _, err := o.Geometry(params.Size{W: m.Rect.Dx(), H: m.Rect.Dy()}, 1, params.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	part := picturetest.Resize(m, g.Window.X, g.Window.Y, g.Window.W, g.Window.H, g.Crop.W, g.Crop.H)
	out := image.NewNRGBA(image.Rect(0, 0, g.Output.W, g.Output.H))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(out, image.Rect(g.Pad.Left, g.Pad.Top, g.Pad.Left+g.Crop.W, g.Pad.Top+g.Crop.H), part, image.Point{}, draw.Src)
	return out
}

func TestEveryFitInEveryFormat(t *testing.T) {
	e := newEngine(t)
	source := picturetest.Photo(640, 427, false)
	point := params.Gravity{Kind: params.GravityPoint, X: 0.2, Y: 0.9}
	for _, from := range []params.Media{params.PNG, params.JPEG} {
		body := as(t, from, source)
		for fit := params.ScaleDown; fit <= params.ScaleUp; fit++ {
			for _, box := range []params.Size{{W: 200, H: 200}, {W: 301, H: 97}, {W: 700, H: 450}} {
				o := params.Options{Width: box.W, Height: box.H, Fit: fit, Gravity: point, Quality: 95}
				want := reference(t, source, o)
				for _, media := range []params.Media{params.JPEG, params.PNG, params.WebP, params.AVIF} {
					if media == params.AVIF && box.W != 200 { // the slowest to encode: its pixels are the same
						continue
					}
					name := fmt.Sprintf("%v to %v, %s", from, media, o)
					got, result := transform(t, e, body, engine.Plan{Options: o, Media: media})
					if got.Rect != want.Rect || result.Size != (params.Size{W: want.Rect.Dx(), H: want.Rect.Dy()}) {
						t.Errorf("%s: %v (%v), want %v", name, got.Rect, result.Size, want.Rect)
						continue
					}
					if s := pixel.SSIM(want, got); s < 0.98 {
						t.Errorf("%s: SSIM %.4f", name, s)
					}
				}
			}
		}
	}
}

func TestAlphaLeavesNoFringe(t *testing.T) {
	e := newEngine(t)
	// A red disc on transparent blue: a resize that mixes what cannot be seen turns its edge purple.
	source := image.NewNRGBA(image.Rect(0, 0, 200, 200))
	for y := range 200 {
		for x := range 200 {
			c := color.NRGBA{B: 255}
			if (x-100)*(x-100)+(y-100)*(y-100) < 8000 {
				c = color.NRGBA{R: 255, A: 255}
			}
			source.SetNRGBA(x, y, c)
		}
	}
	for _, media := range []params.Media{params.PNG, params.WebP} {
		got, _ := transform(t, e, as(t, params.PNG, source), engine.Plan{Options: params.Options{Width: 37, Quality: 100}, Media: media, Lossless: true})
		for i := 0; i < len(got.Pix); i += 4 {
			if px := got.Pix[i : i+4]; px[3] > 8 && px[2] > 40 {
				t.Fatalf("%v: %v at %d", media, px, i/4)
			}
		}
	}
	// Flattened under a background, half covered pixels are half of each.
	got, _ := transform(t, e, as(t, params.PNG, source), engine.Plan{
		Options: params.Options{Width: 37, Background: params.Color{G: 255, A: 255, Set: true}}, Media: params.PNG,
	})
	if corner, centre := got.NRGBAAt(0, 0), got.NRGBAAt(18, 18); corner != (color.NRGBA{G: 255, A: 255}) || centre != (color.NRGBA{R: 255, A: 255}) {
		t.Errorf("corner %v, centre %v", corner, centre)
	}
	for i := 0; i < len(got.Pix); i += 4 {
		if sum := int(got.Pix[i]) + int(got.Pix[i+1]); sum < 250 || sum > 260 || got.Pix[i+2] > 2 {
			t.Fatalf("%v at %d", got.Pix[i:i+4], i/4)
		}
	}
}

// All that only moves pixels, against the picture moved by hand.
func TestTurnsAndTrims(t *testing.T) {
	e := newEngine(t)
	source := picturetest.Photo(120, 80, false)
	moved := func(w, h int, from func(x, y int) (int, int)) *image.NRGBA {
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				m.SetNRGBA(x, y, source.NRGBAAt(from(x, y)))
			}
		}
		return m
	}
	pixels := func(n float64) params.Length { return params.Length{N: n, Unit: params.Pixels} }
	for _, tt := range []struct {
		name string
		o    params.Options
		want *image.NRGBA
	}{
		{"nothing", params.Options{}, source},
		{"flip=h", params.Options{Flip: params.FlipH}, moved(120, 80, func(x, y int) (int, int) { return 119 - x, y })},
		{"flip=v", params.Options{Flip: params.FlipV}, moved(120, 80, func(x, y int) (int, int) { return x, 79 - y })},
		{"rotate=90", params.Options{Rotate: 90}, moved(80, 120, func(x, y int) (int, int) { return y, 79 - x })},
		{"rotate=180", params.Options{Rotate: 180}, moved(120, 80, func(x, y int) (int, int) { return 119 - x, 79 - y })},
		{"rotate=270", params.Options{Rotate: 270}, moved(80, 120, func(x, y int) (int, int) { return 119 - y, x })},
		{"flip before rotate", params.Options{Flip: params.FlipH, Rotate: 90}, moved(80, 120, func(x, y int) (int, int) { return 119 - y, 79 - x })},
		{"trim", params.Options{Trim: params.Trim{Top: pixels(10), Left: pixels(20), Right: pixels(5)}}, moved(95, 70, func(x, y int) (int, int) { return x + 20, y + 10 })},
		{"trim before rotate", params.Options{Trim: params.Trim{Top: pixels(10), Left: pixels(20)}, Rotate: 90}, moved(70, 100, func(x, y int) (int, int) { return y + 20, 79 - x })},
		{"a border outside", params.Options{Border: params.Border{Color: params.Color{R: 9, A: 255, Set: true}, Top: 3, Left: 2}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := transform(t, e, as(t, params.PNG, source), engine.Plan{Options: tt.o, Media: params.PNG})
			if tt.want == nil {
				if got.Rect.Dx() != 122 || got.Rect.Dy() != 83 || got.NRGBAAt(0, 0) != (color.NRGBA{R: 9, A: 255}) || got.NRGBAAt(2, 3) != source.NRGBAAt(0, 0) {
					t.Errorf("%v, corner %v", got.Rect, got.NRGBAAt(0, 0))
				}
				return
			}
			if got.Rect != tt.want.Rect || !bytes.Equal(got.Pix, tt.want.Pix) {
				t.Errorf("%v, want %v; SSIM %.3f", got.Rect, tt.want.Rect, pixel.SSIM(tt.want, got))
			}
		})
	}
}

func TestTrimBorder(t *testing.T) {
	e := newEngine(t)
	source := image.NewNRGBA(image.Rect(0, 0, 100, 60))
	draw.Draw(source, source.Rect, image.NewUniform(color.NRGBA{240, 240, 240, 255}), image.Point{}, draw.Src)
	draw.Draw(source, image.Rect(20, 10, 70, 40), image.NewUniform(color.NRGBA{10, 120, 10, 255}), image.Point{}, draw.Src)
	source.SetNRGBA(5, 5, color.NRGBA{235, 240, 240, 255}) // within the tolerance
	for _, tt := range []struct {
		name string
		o    params.Options
		want params.Size
	}{
		{"found by its corner", params.Options{Trim: params.Trim{Border: true}}, params.Size{W: 50, H: 30}},
		{"some of it kept", params.Options{Trim: params.Trim{Border: true, TrimBorder: params.TrimBorder{Keep: 4}}}, params.Size{W: 58, H: 38}},
		{"exactly, the speck stays", params.Options{Trim: params.Trim{Border: true, TrimBorder: params.TrimBorder{HasTolerance: true}}}, params.Size{W: 65, H: 35}},
		{"another colour: nothing", params.Options{Trim: params.Trim{Border: true, TrimBorder: params.TrimBorder{Color: params.Color{R: 255, A: 255, Set: true}}}}, params.Size{W: 100, H: 60}},
		{"and then scaled", params.Options{Width: 25, Trim: params.Trim{Border: true}}, params.Size{W: 25, H: 15}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, result := transform(t, e, as(t, params.PNG, source), engine.Plan{Options: tt.o, Media: params.PNG}); result.Size != tt.want {
				t.Errorf("%v, want %v", result.Size, tt.want)
			}
		})
	}
}

func TestEffectsGoTheRightWay(t *testing.T) {
	e := newEngine(t)
	source := picturetest.Photo(160, 120, false)
	body := as(t, params.PNG, source)
	plain, _ := transform(t, e, body, engine.Plan{Media: params.PNG})
	grey := 0.0
	mean := func(m *image.NRGBA) (light, colour, detail float64) {
		n := float64(len(m.Pix) / 4)
		for i := 0; i < len(m.Pix); i += 4 {
			r, g, b := float64(m.Pix[i]), float64(m.Pix[i+1]), float64(m.Pix[i+2])
			light += (r + g + b) / 3 / n
			colour += (max(r, g, b) - min(r, g, b)) / n
			if i%m.Stride != 0 {
				d := g - float64(m.Pix[i-3])
				detail += d * d / n
			}
		}
		return light, colour, detail
	}
	light, colour, detail := mean(plain)
	for _, tt := range []struct {
		o  params.Options
		ok func(l, c, d float64) bool
	}{
		{params.Options{Brightness: 1.3}, func(l, _, _ float64) bool { return l > light*1.1 }},
		{params.Options{Brightness: 0.5}, func(l, _, _ float64) bool { return l < light*0.6 }},
		{params.Options{Gamma: 0.5}, func(l, _, _ float64) bool { return l > light*1.1 }},
		{params.Options{Gamma: 2}, func(l, _, _ float64) bool { return l < light*0.9 }},
		{params.Options{Contrast: 0.3}, func(_, _, d float64) bool { return d < detail*0.2 }},
		{params.Options{Saturation: &grey}, func(_, c, _ float64) bool { return c < 1.5 && colour > 10 }},
		{params.Options{Blur: 8}, func(_, _, d float64) bool { return d < detail/2 }},
		{params.Options{Sharpen: 5}, func(_, _, d float64) bool { return d > detail*1.2 }},
	} {
		got, _ := transform(t, e, body, engine.Plan{Options: tt.o, Media: params.PNG})
		if l, c, d := mean(got); !tt.ok(l, c, d) {
			t.Errorf("%s: light %.1f of %.1f, colour %.1f of %.1f, detail %.1f of %.1f", tt.o, l, light, c, colour, d, detail)
		}
	}
}

func TestMetadata(t *testing.T) {
	e := newEngine(t)
	// Orientation 6, a copyright notice, and a GPS directory with a secret.
	exif := []byte("II*\x00\x08\x00\x00\x00\x03\x00" +
		"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00" +
		"\x98\x82\x02\x00\x08\x00\x00\x00\x32\x00\x00\x00" +
		"\x25\x88\x04\x00\x01\x00\x00\x00\x3a\x00\x00\x00" +
		"\x00\x00\x00\x00(c) me!\x00GPS-SECRET")
	var body []byte
	for _, c := range codecs(t) {
		if c.Media() == params.JPEG {
			var err error
			if body, err = c.Encode(t.Context(), &engine.Picture{Frames: []engine.Frame{{Image: pixel.FromNRGBA(picturetest.Photo(40, 20, false))}}},
				engine.EncodeOptions{EXIF: exif}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		media          params.Media
		policy         params.Metadata
		notice, secret bool
	}{
		{params.JPEG, params.MetadataCopyright, true, false},
		{params.JPEG, params.MetadataKeep, true, true},
		{params.JPEG, params.MetadataNone, false, false},
		{params.PNG, params.MetadataKeep, false, false},
		{params.WebP, params.MetadataKeep, false, false},
		{params.AVIF, params.MetadataKeep, false, false},
	} {
		_, result := transform(t, e, body, engine.Plan{Options: params.Options{Metadata: tt.policy}, Media: tt.media})
		if result.Size != (params.Size{W: 20, H: 40}) {
			t.Errorf("%v: %v is not upright", tt.media, result.Size)
		}
		if got := bytes.Contains(result.Body, []byte("(c) me!")); got != tt.notice {
			t.Errorf("%v, policy %d: notice %v", tt.media, tt.policy, got)
		}
		if got := bytes.Contains(result.Body, []byte("GPS-SECRET")); got != tt.secret {
			t.Errorf("%v, policy %d: secret %v", tt.media, tt.policy, got)
		}
		if info, err := e.Probe(result.Body); err != nil || info.Orientation != 1 {
			t.Errorf("%v, policy %d: orientation %d, %v", tt.media, tt.policy, info.Orientation, err)
		}
	}
}
