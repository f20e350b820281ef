// Package codec decodes and encodes pictures, one codec a media type.
package codec

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/engine/codec/native"
	"github.com/fovea-images/fovea/engine/pixel"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// Options choose between the forms of the codecs.
type Options struct {
	// Portable leaves the libraries of the system alone.
	Portable bool
	// NativeDecoders lets a library of the system read JPEGs from outside: faster,
	// and not memory safe.
	NativeDecoders bool
}

// Table returns every codec, ready for concurrent use. Libraries of the system
// that are asked for and absent are done without; but a native decoder was asked
// for by name, so its absence is an error.
func Table(o Options) ([]engine.Codec, error) {
	var (
		jpeg jpegCodec
		webp webpCodec
		avif avifCodec
	)
	if o.NativeDecoders {
		var err error
		if jpeg.native, err = native.OpenJPEG(); err != nil {
			return nil, err
		}
	}
	if !o.Portable {
		if w, err := native.OpenWebP(); err == nil {
			webp.native = w
		}
		if a, err := native.OpenAV1(); err == nil {
			avif.native = a
		}
	}
	return []engine.Codec{jpeg, pngCodec{}, gifCodec{}, webp, avif, heicCodec{}}, nil
}

// Form says which library serves a format.
type Form struct {
	Format string // "jpeg"
	Name   string
}

// Names lists the forms of table's codecs, for people.
func Names(table []engine.Codec) []Form {
	var forms []Form
	for _, c := range table {
		_, format, _ := strings.Cut(c.Media().String(), "/")
		forms = append(forms, Form{format, c.(interface{ form() string }).form()})
	}
	return forms
}

// Warm makes ready what compiles itself at its first use and what every site needs: the
// AVIF encoder of table, unless it is native, so that no visitor waits for it. The
// decoders of AVIF and HEIC, which few sources are, take a second when the first one comes.
func Warm(ctx context.Context, table []engine.Codec) {
	for _, c := range table {
		if c, ok := c.(avifCodec); ok && c.native == nil {
			_, _ = c.Encode(ctx, still(pixel.New(pixel.RGB, 16, 16), nil, nil), engine.EncodeOptions{}) // the first visitor is told
		}
	}
}

// broken says that a file of a known format cannot be read.
func broken(media params.Media, format string, args ...any) error {
	return fault.Wrap(fault.DecodeFailed, fmt.Errorf(format, args...), "The %v is broken or truncated", media)
}

func unsupported(media params.Media, what string) error {
	return fault.New(fault.Unsupported, "The %v is of a kind that is not read: %s", media, what)
}

func encodeFailed(media params.Media, err error) error {
	return fault.Wrap(fault.EncodeFailed, err, "The %v could not be written", media)
}

// still is a picture of one frame.
func still(m *pixel.Image, icc, exif []byte) *engine.Picture {
	return &engine.Picture{Frames: []engine.Frame{{Image: m}}, ICC: icc, EXIF: exif}
}

// fromImage takes what the libraries decode to.
func fromImage(src image.Image) *pixel.Image {
	switch src := src.(type) {
	case *image.YCbCr:
		return pixel.FromYCbCr(src)
	case *image.Gray:
		return pixel.FromGray(src)
	case *image.NRGBA:
		return pixel.FromNRGBA(src)
	case *image.CMYK:
		return fromCMYK(src)
	case *image.Paletted:
		return fromPaletted(src)
	}
	bounds := src.Bounds()
	straight := image.NewNRGBA(image.Rect(0, 0, bounds.Dx(), bounds.Dy()))
	draw.Draw(straight, straight.Rect, src, bounds.Min, draw.Src)
	return pixel.FromNRGBA(straight)
}

// fromPaletted looks colours up: draw.Draw converts each pixel anew.
func fromPaletted(src *image.Paletted) *pixel.Image {
	var table [256]color.NRGBA
	for i, c := range src.Palette {
		table[i] = color.NRGBAModel.Convert(c).(color.NRGBA)
	}
	straight := image.NewNRGBA(image.Rect(0, 0, src.Rect.Dx(), src.Rect.Dy()))
	for y := range straight.Rect.Dy() {
		row := straight.Pix[y*straight.Stride:]
		for x, i := range src.Pix[y*src.Stride:][:src.Rect.Dx()] {
			c := table[i]
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = c.R, c.G, c.B, c.A
		}
	}
	return pixel.FromNRGBA(straight)
}

func fromCMYK(src *image.CMYK) *pixel.Image {
	m := pixel.New(pixel.CMYK, src.Rect.Dx(), src.Rect.Dy())
	for y := range m.H {
		in := src.Pix[y*src.Stride:][:4*m.W]
		for i := range m.Planes {
			row := m.Planes[i].Row(y)
			for x := range row {
				row[x] = in[4*x+i]
			}
		}
	}
	return m
}
