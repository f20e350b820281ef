package engine_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"testing"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/params"
)

var (
	ground = color.NRGBA{90, 120, 90, 255}
	ball   = color.NRGBA{220, 40, 30, 255}
)

// scene is an even ground with a ball at a place, or fine stripes if striped.
func scene(w, h int, at image.Point, striped bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Rect, image.NewUniform(ground), image.Point{}, draw.Src)
	for y := at.Y - 20; y < at.Y+20; y++ {
		for x := at.X - 20; x < at.X+20; x++ {
			switch dx, dy := x-at.X, y-at.Y; {
			case !striped && dx*dx+dy*dy < 400:
				m.SetNRGBA(x, y, ball)
			case striped && (x/6+y/6)%2 == 0:
				m.SetNRGBA(x, y, color.NRGBA{130, 160, 130, 255})
			}
		}
	}
	return m
}

// found reports how much of the subject at a place a picture has kept.
func found(m *image.NRGBA, striped bool) (pixels int) {
	for i := 0; i < len(m.Pix); i += 4 {
		if r := m.Pix[i]; !striped && r > 180 || striped && r > 115 {
			pixels++
		}
	}
	return pixels
}

func TestGravityKeepsTheSubject(t *testing.T) {
	e := newEngine(t)
	for _, tt := range []struct {
		name    string
		kind    params.GravityKind
		striped bool
		at      image.Point
		o       params.Options
	}{
		{"a ball at the left", params.GravityAuto, false, image.Pt(30, 100), params.Options{}},
		{"a ball at the right", params.GravityAuto, false, image.Pt(370, 100), params.Options{}},
		{"a ball that was turned", params.GravityAuto, false, image.Pt(30, 100), params.Options{Rotate: 180}},
		{"a ball that was turned a quarter", params.GravityAuto, false, image.Pt(30, 100), params.Options{Rotate: 90}},
		{"a ball that was mirrored", params.GravityAuto, false, image.Pt(60, 100), params.Options{Flip: params.FlipH}},
		{"a ball beside what was trimmed", params.GravityAuto, false, image.Pt(300, 100), params.Options{Trim: params.Trim{Left: params.Length{N: 100, Unit: params.Pixels}}}},
		{"stripes at the left", params.GravityEntropy, true, image.Pt(30, 100), params.Options{}},
		{"stripes at the right", params.GravityEntropy, true, image.Pt(370, 60), params.Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := scene(400, 200, tt.at, tt.striped)
			body := as(t, params.PNG, source)
			o := tt.o
			o.Width, o.Height, o.Fit, o.Gravity.Kind = 100, 100, params.Cover, tt.kind
			got, result := transform(t, e, body, engine.Plan{Options: o, Media: params.PNG})
			want := found(source, tt.striped) / 4 // at half the size
			if n := found(got, tt.striped); n < want*6/10 || got.Rect.Dx() != 100 || got.Rect.Dy() != 100 {
				t.Errorf("%v keeps %d of %d pixels", got.Rect, n, want)
			}
			if len(result.Warnings) > 0 {
				t.Errorf("%+v", result.Warnings)
			}
		})
	}
	t.Run("an even picture keeps its centre", func(t *testing.T) {
		source := scene(400, 200, image.Pt(-100, -100), false)
		source.SetNRGBA(200, 100, ball)
		o := params.Options{Width: 100, Height: 100, Fit: params.Crop, Gravity: params.Gravity{Kind: params.GravityAuto}}
		if _, result := transform(t, e, as(t, params.PNG, source), engine.Plan{Options: o, Media: params.PNG}); result.Size.W != 100 {
			t.Errorf("%v", result.Size)
		}
	})
	for _, size := range []image.Point{{1, 1}, {1, 900}, {900, 1}, {2, 3}} {
		t.Run(fmt.Sprintf("%v is cut without a fault", size), func(t *testing.T) {
			o := params.Options{Width: 5, Height: 7, Fit: params.Cover, Gravity: params.Gravity{Kind: params.GravityAuto}}
			got, _ := transform(t, e, as(t, params.PNG, scene(size.X, size.Y, image.Pt(-50, -50), false)), engine.Plan{Options: o, Media: params.PNG})
			if got.Rect.Dx() != 5 || got.Rect.Dy() != 7 {
				t.Errorf("%v", got.Rect)
			}
		})
	}
}

// seer finds a face where the ball is.
type seer struct{}

func (seer) Find(grey *pixel.Plane) []image.Rectangle {
	box := image.Rectangle{}
	for y := range grey.H {
		for x, v := range grey.Row(y) {
			if v > 110 || v < 95 { // the ground is 107
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if box.Empty() {
		return nil
	}
	return []image.Rectangle{box.Inset(-2)} // detectors are generous, and may reach over the edge
}

func TestGravityFace(t *testing.T) {
	with, err := engine.New(engine.Options{Codecs: codecs(t), Faces: seer{}, Mezzanines: 1 << 26})
	if err != nil {
		t.Fatal(err)
	}
	source := scene(1600, 400, image.Pt(1500, 200), false)
	for _, from := range []params.Media{params.PNG, params.JPEG} {
		body := as(t, from, source)
		face := params.Gravity{Kind: params.GravityFace}
		cut := params.Options{Width: 100, Height: 100, Fit: params.Cover, Gravity: face}
		near := cut
		near.Zoom = 1
		for _, tt := range []struct {
			name     string
			engine   *engine.Engine
			o        params.Options
			min, max int // pixels of the ball
		}{
			{"the face is kept", with, cut, 50, 90},
			{"the face fills the box", with, near, 4000, 8500},
			{"no detector keeps the centre", newEngine(t), cut, 0, 0},
		} {
			t.Run(fmt.Sprintf("%v: %s", from, tt.name), func(t *testing.T) {
				got, _ := transform(t, tt.engine, body, engine.Plan{Options: tt.o, Media: params.PNG, Source: from.String()})
				if n := found(got, false); n < tt.min || n > tt.max {
					t.Errorf("%d pixels of the face", n)
				}
			})
		}
		t.Run(fmt.Sprintf("%v: no face keeps the centre", from), func(t *testing.T) {
			plain := as(t, from, scene(400, 200, image.Pt(-100, -100), false))
			if _, result := transform(t, with, plain, engine.Plan{Options: near, Media: params.PNG}); result.Size != (params.Size{W: 100, H: 100}) {
				t.Errorf("%v", result.Size)
			}
		})
	}
}
