package main

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/engine/picturetest"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// judge says how like a result is to what it should be: the source decoded whole
// and scaled by a plain Lanczos in floating point, with nothing encoded.
type judge struct {
	sources []source
	codecs  map[params.Media]engine.Codec
	whole   map[string][]*image.NRGBA // decoded sources, by name
	ideals  map[ideal][]*image.NRGBA
}

// ideal names a picture that a result is compared with.
type ideal struct {
	source          string
	w, h            int
	cover, animated bool
}

func newJudge(sources []source) (*judge, error) {
	table, err := codec.Table(codec.Options{})
	if err != nil {
		return nil, err
	}
	j := &judge{sources: sources, codecs: map[params.Media]engine.Codec{}, whole: map[string][]*image.NRGBA{}, ideals: map[ideal][]*image.NRGBA{}}
	for _, c := range table {
		j.codecs[c.Media()] = c
	}
	return j, nil
}

// likeness is the structural similarity of body, made as t asks, in dB:
// -10·log10(1 - SSIM), the mean of all frames, at most 100. It is not a number
// where this machine's codecs do not read the format.
func (j *judge) likeness(ctx context.Context, t task, body []byte) (float64, error) {
	got, err := j.decode(ctx, body, t.Animated)
	if err != nil {
		if fault.Of(err).Kind == fault.Unsupported {
			return math.NaN(), nil
		}
		return 0, err
	}
	want, err := j.ideal(ctx, t)
	if err != nil {
		return 0, err
	}
	if len(got) != len(want) {
		return 0, fmt.Errorf("%s as %s: expected %d frames, received %d", t.Source, t.Media, len(want), len(got))
	}
	total := 0.0
	for i := range got {
		if got[i].Rect != want[i].Rect {
			return 0, fmt.Errorf("%s as %s: expected %v, received %v", t.Source, t.Media, want[i].Rect, got[i].Rect)
		}
		total += min(-10*math.Log10(1-pixel.SSIM(got[i], want[i])), 100)
	}
	return total / float64(len(got)), nil
}

// ideal is what t should come to. The window is cut as the engine's geometry
// says, which every contender was told the size of.
func (j *judge) ideal(ctx context.Context, t task) ([]*image.NRGBA, error) {
	key := ideal{t.Source, t.OutW, t.OutH, t.Cover, t.Animated}
	if known := j.ideals[key]; known != nil {
		return known, nil
	}
	s := find(j.sources, t.Source)
	if s.info.Orientation != 1 {
		return nil, fmt.Errorf("%s: expected an upright picture to judge by", s.name)
	}
	whole := j.whole[s.name]
	if whole == nil {
		var err error
		if whole, err = j.decode(ctx, s.body, true); err != nil {
			return nil, err
		}
		j.whole[s.name] = whole
	}
	if !t.Animated {
		whole = whole[:1]
	}
	g, _, err := t.options().Geometry(s.info.Size, s.info.Orientation, params.Seen{})
	if err != nil {
		return nil, err
	}
	var all []*image.NRGBA
	for _, frame := range whole {
		w := g.Window
		all = append(all, picturetest.Resize(frame, w.X, w.Y, w.W, w.H, t.OutW, t.OutH))
	}
	j.ideals[key] = all
	return all, nil
}

// decode reads all pixels of the first frame or of all, in sRGB.
func (j *judge) decode(ctx context.Context, body []byte, frames bool) ([]*image.NRGBA, error) {
	c := j.codecs[engine.Sniff(body)]
	if c == nil {
		return nil, fmt.Errorf("expected a picture, received %d bytes of something else", len(body))
	}
	p, err := c.Decode(ctx, body, engine.DecodeOptions{FirstFrame: !frames})
	if err != nil {
		return nil, err
	}
	var all []*image.NRGBA
	for _, frame := range p.Frames {
		all = append(all, frame.Image.ToSRGB(p.ICC).NRGBA())
	}
	return all, nil
}

// near is how far matched pictures may be apart, in dB.
const near = 0.3

// match returns t with the quality, 1..100, at which m's picture is most like the
// ideal as ours is: within near, if m has such a quality. It tries at most eight,
// t's own first.
func (j *judge) match(ctx context.Context, m maker, t task, ours float64) (task, error) {
	low, high, best, apart := 1, 100, t, math.Inf(1)
	for low <= high && apart > near/6 {
		body, err := m.make(ctx, t)
		if err != nil {
			return t, err
		}
		db, err := j.likeness(ctx, t, body)
		if err != nil {
			return t, err
		}
		if d := math.Abs(db - ours); d < apart {
			best, apart = t, d
		}
		if db < ours {
			low = t.Quality + 1
		} else {
			high = t.Quality - 1
		}
		t.Quality = (low + high) / 2
	}
	return best, nil
}
