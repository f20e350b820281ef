//go:build !((linux || darwin) && (amd64 || arm64) && !nodynamic)

package native

import (
	"errors"
	"image"
)

// This build loads no library: the types exist so that callers need no tags.

var errBuild = errors.Join(ErrAbsent, errors.New("this build loads none"))

// WebP is libwebp's encoder.
type WebP struct{}

// WebPOptions tune an encode.
type WebPOptions struct{ Quality, Method int }

// OpenWebP always fails.
func OpenWebP() (*WebP, error) { return nil, errBuild }

func (*WebP) String() string { return "" }

// Encode always fails.
func (*WebP) Encode(*Planes, WebPOptions) ([]byte, error) { return nil, errBuild }

// EncodeLossless always fails.
func (*WebP) EncodeLossless([]byte, int, int, int, WebPOptions) ([]byte, error) { return nil, errBuild }

// AV1 is the AV1 encoder behind libheif.
type AV1 struct{}

// AV1Options tune an encode.
type AV1Options struct{ Quality, Speed int }

// OpenAV1 always fails.
func OpenAV1() (*AV1, error) { return nil, errBuild }

func (*AV1) String() string { return "" }

// Encode always fails.
func (*AV1) Encode(*Planes, AV1Options) ([]byte, error) { return nil, errBuild }

// JPEG is libturbojpeg's decoder.
type JPEG struct{}

// ErrLayout is returned for files that another decoder must read.
var ErrLayout = errors.New("a JPEG of other colours than YCbCr")

// OpenJPEG always fails.
func OpenJPEG() (*JPEG, error) { return nil, errBuild }

func (*JPEG) String() string { return "" }

// Decode always fails.
func (*JPEG) Decode([]byte, image.Point, int) (image.Image, error) { return nil, errBuild }
