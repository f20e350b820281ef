package engine_test

import (
	"encoding/json"
	"image"
	"image/color"
	"testing"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// even is a picture of one colour.
func even(w, h int, c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func TestDraw(t *testing.T) {
	e := newEngine(t)
	white, red := color.NRGBA{255, 255, 255, 255}, color.NRGBA{255, 0, 0, 255}
	base := as(t, params.PNG, even(100, 60, white))
	top := as(t, params.PNG, even(20, 10, red))
	faint := as(t, params.PNG, even(20, 10, color.NRGBA{255, 0, 0, 128}))
	for _, tt := range []struct {
		name, json string
		tops       [][]byte
		red        []image.Point // where it is drawn
		plain      []image.Point // and where it is not
	}{
		{"in the centre", `[{"url":"https://a.com/x"}]`, [][]byte{top}, []image.Point{{40, 25}, {59, 34}}, []image.Point{{39, 25}, {60, 34}, {0, 0}}},
		{"in a corner", `[{"url":"https://a.com/x","right":0,"bottom":0}]`, [][]byte{top}, []image.Point{{80, 50}, {99, 59}}, []image.Point{{79, 50}, {80, 49}}},
		{"across an edge", `[{"url":"https://a.com/x","left":-10,"top":-5}]`, [][]byte{top}, []image.Point{{0, 0}, {9, 4}}, []image.Point{{10, 0}, {0, 5}}},
		{"outside", `[{"url":"https://a.com/x","left":500}]`, [][]byte{top}, nil, []image.Point{{99, 30}}},
		{"as a fraction of the base", `[{"url":"https://a.com/x","left":0,"top":0,"width":0.1,"fit":"contain"}]`, [][]byte{top}, []image.Point{{9, 4}}, []image.Point{{10, 0}, {0, 5}}},
		{"turned", `[{"url":"https://a.com/x","left":0,"top":0,"rotate":90}]`, [][]byte{top}, []image.Point{{9, 19}}, []image.Point{{10, 0}, {0, 20}}},
		{"repeated", `[{"url":"https://a.com/x","repeat":true}]`, [][]byte{top}, []image.Point{{0, 0}, {99, 59}, {50, 7}}, nil},
		{"repeated in a row", `[{"url":"https://a.com/x","repeat":"x","top":0}]`, [][]byte{top}, []image.Point{{0, 0}, {99, 9}}, []image.Point{{0, 10}}},
		{"a speck repeated", `[{"url":"https://a.com/x","repeat":true,"width":1,"height":1,"fit":"squeeze"}]`, [][]byte{top}, []image.Point{{0, 0}, {99, 59}, {50, 7}}, nil},
		{"invisible", `[{"url":"https://a.com/x","opacity":0}]`, [][]byte{top}, nil, []image.Point{{50, 30}}},
		{"the last on top", `[{"url":"https://a.com/x"},{"url":"https://a.com/y","width":4,"height":4,"fit":"cover"}]`,
			[][]byte{top, as(t, params.PNG, even(9, 9, white))}, []image.Point{{40, 25}}, []image.Point{{50, 30}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o params.Options
			if err := json.Unmarshal([]byte(`{"draw":`+tt.json+`}`), &o); err != nil {
				t.Fatal(err)
			}
			got, _ := transform(t, e, base, engine.Plan{Options: o, Media: params.PNG, Overlays: tt.tops})
			if got.Rect.Dx() != 100 || got.Rect.Dy() != 60 {
				t.Fatalf("%v", got.Rect)
			}
			for _, at := range tt.red {
				if got.NRGBAAt(at.X, at.Y) != red {
					t.Errorf("%v is %v", at, got.NRGBAAt(at.X, at.Y))
				}
			}
			for _, at := range tt.plain {
				if got.NRGBAAt(at.X, at.Y) != white {
					t.Errorf("%v is %v", at, got.NRGBAAt(at.X, at.Y))
				}
			}
		})
	}
	draw := func(text string) params.Options {
		var o params.Options
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	t.Run("half of it shows through, in a JPEG too", func(t *testing.T) {
		got, _ := transform(t, e, base, engine.Plan{Options: draw(`{"quality":95,"draw":[{"url":"https://a.com/x"}]}`), Media: params.JPEG, Overlays: [][]byte{faint}})
		if c := got.NRGBAAt(50, 30); c.R < 250 || c.G < 115 || c.G > 140 || c.A != 255 {
			t.Errorf("%v", c)
		}
	})
	t.Run("over the border", func(t *testing.T) {
		got, _ := transform(t, e, base, engine.Plan{Options: draw(`{"border":{"color":"blue","width":10},"draw":[{"url":"https://a.com/x","left":0,"top":0}]}`), Media: params.PNG, Overlays: [][]byte{top}})
		if got.Rect.Dx() != 120 || got.NRGBAAt(0, 0) != red || got.NRGBAAt(0, 10) == red {
			t.Errorf("%v %v", got.Rect, got.NRGBAAt(0, 0))
		}
	})
	info, err := e.Probe(base)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		body []byte
		want fault.Kind
	}{
		"one that is no picture": {[]byte("<html>"), fault.Unsupported},
		"one that is broken":     {top[:len(top)-20], fault.DecodeFailed},
		"an SVG":                 {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), fault.Unsupported},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			_, err := e.Transform(t.Context(), base, info, engine.Plan{Options: draw(`{"draw":[{"url":"https://a.com/secret"}]}`), Media: params.PNG, Overlays: [][]byte{tt.body}})
			if !fault.Is(err, tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
