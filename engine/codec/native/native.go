// Package native calls the image libraries that the system has, without cgo: the
// encoders for pixels that we made, and a JPEG decoder for those who opt in.
package native

import "errors"

// ErrAbsent is what the Open functions return, wrapped, where a library cannot be
// had: it is not installed, too old, or this build cannot load libraries.
var ErrAbsent = errors.New("no native library")

// Planes are a picture of 8 bits a sample, chroma halved both ways (4:2:0). The
// bytes belong to the caller and are only read.
type Planes struct {
	W, H int
	Y    []byte // H rows, YStride apart
	U, V []byte // ⌈H/2⌉ rows of ⌈W/2⌉ samples, UVStride apart
	A    []byte // H rows, AStride apart; nil = opaque

	YStride, UVStride, AStride int
}
