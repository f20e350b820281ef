package engine_test

import (
	"bytes"
	"context"
	"image"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

func newMezzanineEngine(t *testing.T, bytes int64) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Options{Codecs: codecs(t), Mezzanines: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// decibels is the likeness of two pictures on a scale where 0.3 cannot be seen.
func decibels(a, b *image.NRGBA) float64 { return -10 * math.Log10(1-pixel.SSIM(a, b)) }

func TestAMezzanineIsUsedWhereItLosesNothing(t *testing.T) {
	large, small := picturetest.Photo(2300, 900, true), picturetest.Photo(900, 700, false)
	jpeg, png, tiny := as(t, params.JPEG, large), as(t, params.PNG, large), as(t, params.JPEG, small)
	for _, tt := range []struct {
		name string
		body []byte
		plan engine.Plan
		want engine.Mezzanine
	}{
		{"a JPEG", jpeg, engine.Plan{Options: params.Options{Width: 800}}, engine.Made},
		{"with alpha", png, engine.Plan{Options: params.Options{Width: 800}, Media: params.WebP}, engine.Made},
		{"turned", jpeg, engine.Plan{Options: params.Options{Width: 300, Rotate: 90}}, engine.Made},
		{"nearly as large as it", jpeg, engine.Plan{Options: params.Options{Width: 1900}}, engine.Made},
		{"larger than it", jpeg, engine.Plan{Options: params.Options{Width: 2100}}, engine.NoMezzanine},
		{"a part that needs more pixels", jpeg, engine.Plan{Options: params.Options{Width: 900, Height: 900, Fit: params.Cover}}, engine.NoMezzanine},
		{"best quality", jpeg, engine.Plan{Options: params.Options{Width: 800, Quality: 100}}, engine.NoMezzanine},
		{"without loss", png, engine.Plan{Options: params.Options{Width: 800}, Media: params.WebP, Lossless: true}, engine.NoMezzanine},
		{"a border to be found", png, engine.Plan{Options: params.Options{Width: 800, Trim: params.Trim{Border: true}}}, engine.NoMezzanine},
		{"a small source", tiny, engine.Plan{Options: params.Options{Width: 800}}, engine.NoMezzanine},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newMezzanineEngine(t, 64<<20)
			if tt.plan.Media == params.MediaUnknown {
				tt.plan.Media = params.JPEG
			}
			direct, _ := transform(t, e, tt.body, tt.plan)
			tt.plan.Source = "a name"
			first, made := transform(t, e, tt.body, tt.plan)
			_, again := transform(t, e, tt.body, tt.plan)
			if made.Mezzanine != tt.want {
				t.Fatalf("%q, want %q", made.Mezzanine, tt.want)
			}
			if !bytes.Equal(made.Body, again.Body) {
				t.Error("the second answer has other bytes")
			}
			if tt.want == engine.Made && again.Mezzanine != engine.Kept {
				t.Errorf("the second time: %q", again.Mezzanine)
			}
			if got := decibels(direct, first); got < 20 {
				t.Errorf("%.1f dB from the direct way", got)
			}
		})
	}
}

func TestALargeSVGIsSanitisedAndNotDecoded(t *testing.T) {
	e := newMezzanineEngine(t, 64<<20)
	body := []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100000 100000"><script>x</script><g/></svg>`)
	info, err := e.Probe(body)
	if err != nil {
		t.Fatal(err)
	}
	result, err := e.Transform(t.Context(), body, info, engine.Plan{Options: params.Options{Width: 400}, Media: params.SVG, Source: "a name"})
	if err != nil || result.Media != params.SVG || bytes.Contains(result.Body, []byte("script")) || result.Mezzanine != engine.NoMezzanine {
		t.Errorf("%v %s, %v", result.Media, result.Body, err)
	}
}

func TestVariantsMissingTogetherDecodeOnce(t *testing.T) {
	e := newMezzanineEngine(t, 64<<20)
	body := as(t, params.JPEG, picturetest.Photo(2300, 900, false))
	info, err := e.Probe(body)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			o := params.Options{Width: 100 + 50*i}
			if _, err := e.Transform(t.Context(), body, info, engine.Plan{Options: o, Media: params.JPEG, Source: "s"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s := e.Stats()
	if s.Decodes != 1 || s.Mezzanines[engine.Made] != 1 || s.Mezzanines[engine.Kept]+s.Mezzanines[engine.Joined] != 11 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMezzaninesStayWithinTheirBudget(t *testing.T) {
	const budget = 5 << 20
	e := newMezzanineEngine(t, budget)
	body := as(t, params.JPEG, picturetest.Photo(2300, 900, false)) // 1840×720 or so: 2 MB each
	for _, name := range []string{"a", "b", "c", "d", "a"} {
		_, result := transform(t, e, body, engine.Plan{Options: params.Options{Width: 64}, Media: params.JPEG, Source: name})
		if result.Mezzanine != engine.Made {
			t.Errorf("%s: %q", name, result.Mezzanine)
		}
		if got := e.Stats().MezzanineBytes; got <= 0 || got > budget {
			t.Errorf("%d bytes kept", got)
		}
	}
	if _, result := transform(t, e, body, engine.Plan{Options: params.Options{Width: 65}, Media: params.JPEG, Source: "a"}); result.Mezzanine != engine.Kept {
		t.Errorf("the newest: %q", result.Mezzanine)
	}
}

// Sides that the scaled decoder cannot divide must not move the picture.
func TestScaledDecodingKeepsItsPlace(t *testing.T) {
	e := newEngine(t)
	source := picturetest.Photo(725, 609, false)
	o := params.Options{Width: 60, Quality: 95}
	got, _ := transform(t, e, as(t, params.JPEG, source), engine.Plan{Options: o, Media: params.PNG})
	if s := pixel.SSIM(reference(t, source, o), got); s < 0.99 {
		t.Errorf("SSIM %.4f", s)
	}
}

// stubborn is a codec that cannot be interrupted.
type stubborn struct {
	engine.Codec
	begun, open chan struct{}
}

func (s *stubborn) Decode(context.Context, []byte, engine.DecodeOptions) (*engine.Picture, error) {
	close(s.begun)
	<-s.open
	return &engine.Picture{Frames: []engine.Frame{{Image: pixel.New(pixel.RGB, 20, 10)}}}, nil
}

func TestADeadlineEndsTheWaitButNotTheCount(t *testing.T) {
	body := as(t, params.PNG, picturetest.Photo(20, 10, false))
	var png *stubborn
	for _, c := range codecs(t) {
		if c.Media() == params.PNG {
			png = &stubborn{c, make(chan struct{}), make(chan struct{})}
		}
	}
	e, err := engine.New(engine.Options{Codecs: []engine.Codec{png}, Workers: 1, QueueTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	info, err := e.Probe(body)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := e.Transform(ctx, body, info, engine.Plan{Media: params.PNG})
		ended <- err
	}()
	<-png.begun
	cancel()
	if err := <-ended; !fault.Is(err, fault.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if s := e.Stats(); s.Running != 1 || s.Held == 0 {
		t.Errorf("the worker is free while it works: %+v", s)
	}
	if _, err := e.Transform(t.Context(), body, info, engine.Plan{Media: params.PNG}); !fault.Is(err, fault.Overloaded) {
		t.Errorf("a second one: %v", err)
	}
	close(png.open)
	for e.Stats().Running > 0 {
		runtime.Gosched()
	}
}
