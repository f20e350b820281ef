package engine_test

import (
	"context"
	"math"
	"testing"

	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

func TestLikeness(t *testing.T) {
	e := newEngine(t)
	photo, other := picturetest.Photo(90, 70, false), picturetest.Photo(90, 70, true)
	exact := as(t, params.PNG, photo)
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="90" height="70"/>`)
	for _, tt := range []struct {
		name string
		body []byte
		good func(float64) bool
	}{
		{"itself", exact, func(s float64) bool { return s == 1 }},
		{"a good copy in another format", as(t, params.JPEG, photo), func(s float64) bool { return s > 0.97 && s < 1 }},
		{"another picture", as(t, params.PNG, other), func(s float64) bool { return s < 0.9 }},
		{"another size", as(t, params.PNG, picturetest.Photo(91, 70, false)), math.IsNaN},
		{"a drawing", svg, math.IsNaN},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, pair := range [][2][]byte{{exact, tt.body}, {tt.body, exact}} {
				if got, err := e.Likeness(t.Context(), pair[0], pair[1]); err != nil || !tt.good(got) {
					t.Errorf("%v, %v", got, err)
				}
			}
		})
	}
	if _, err := e.Likeness(t.Context(), exact, []byte("no picture")); !fault.Is(err, fault.Unsupported) {
		t.Errorf("no picture: %v", err)
	}
	if _, err := e.Likeness(t.Context(), exact, exact[:len(exact)/2]); !fault.Is(err, fault.DecodeFailed) {
		t.Errorf("half a picture: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Likeness(ctx, exact, exact); err == nil {
		t.Error("an ended context is not heeded")
	}
	if s := e.Stats(); s.Running != 0 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
}
