package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/engine/picturetest"
)

// source is one picture that is transformed.
type source struct {
	name      string // of its file
	path      string
	body      []byte
	info      engine.Info
	generated bool
}

// The sources of the workloads, by the name of their file.
const (
	large       = "photo12.jpg"
	middle      = "photo_1600x1200.jpg"
	transparent = "alpha.png"
	animation   = "anim.gif"
)

// more photographs make the mixture more mixed where there are any.
var morePhotographs = []string{"photo12b.jpg", "photo6.jpg", "photo4.jpg", "photo1.jpg", "screenshot.png"}

// gather puts the sources into folder: the photographs in images, and generated
// pictures, with sides divided by shrink, for those that are not there.
func gather(ctx context.Context, images, folder string, shrink int) ([]source, error) {
	codecs, err := codec.Table(codec.Options{})
	if err != nil {
		return nil, err
	}
	judge, err := engine.New(engine.Options{Codecs: codecs})
	if err != nil {
		return nil, err
	}
	var all []source
	for _, name := range append([]string{large, middle, transparent, animation}, morePhotographs...) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := source{name: name, path: filepath.Join(folder, name)}
		s.body, err = os.ReadFile(filepath.Join(images, name)) //nolint:gosec // the folder that the user named
		if images == "" || errors.Is(err, fs.ErrNotExist) {
			s.generated = true
			s.body, err = generate(name, shrink)
		}
		if err != nil {
			return nil, err
		}
		if s.body == nil {
			continue
		}
		if s.info, err = judge.Probe(s.body); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(s.path, s.body, 0o600); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// generate renders what stands in for a photograph; nil for those that can be
// done without.
func generate(name string, shrink int) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch name {
	case large:
		err = jpeg.Encode(&b, picturetest.Photo(4032/shrink, 3024/shrink, false), &jpeg.Options{Quality: 92})
	case middle:
		err = jpeg.Encode(&b, picturetest.Photo(1600/shrink, 1200/shrink, false), &jpeg.Options{Quality: 88})
	case transparent:
		err = png.Encode(&b, picturetest.Photo(2048/shrink, 1536/shrink, true))
	case animation:
		err = gif.EncodeAll(&b, pan(480/shrink, 270/shrink, 24))
	}
	return b.Bytes(), err
}

// pan is an animation in which a view of w × h pixels moves over a picture.
func pan(w, h, frames int) *gif.GIF {
	const step = 6 // pixels
	wide := picturetest.Photo(w+frames*step, h, false)
	g := &gif.GIF{}
	for i := range frames {
		frame := image.NewPaletted(image.Rect(0, 0, w, h), palette.Plan9)
		draw.Draw(frame, frame.Rect, wide, image.Pt(i*step, 0), draw.Src)
		g.Image = append(g.Image, frame)
		g.Delay = append(g.Delay, 8)
	}
	return g
}
