//go:build (linux || darwin) && (amd64 || arm64) && !nodynamic

package native

import (
	"errors"
	"fmt"
	"image"
	"runtime"
	"unsafe"
)

// JPEG is libturbojpeg's decoder. It is safe for concurrent use. It reads bytes
// from outside in code that is not memory safe: it is for those who opt in.
type JPEG struct {
	library

	initDecompress func() uintptr
	destroy        func(handle uintptr) int32
	header         func(handle uintptr, src *byte, size uintptr, w, h, subsampling, colours *int32) int32
	planeWidth     func(plane, width, subsampling int32) int32
	planeHeight    func(plane, height, subsampling int32) int32
	toPlanes       func(handle uintptr, src *byte, size uintptr, planes **byte, w int32, strides *int32, h, flags int32) int32
	errorCode      func(handle uintptr) int32
}

// ErrLayout is returned for files that another decoder must read: other colours
// than YCbCr or grey.
var ErrLayout = errors.New("a JPEG of other colours than YCbCr")

// OpenJPEG finds libturbojpeg 2 or later.
func OpenJPEG() (*JPEG, error) {
	lib, err := load("libturbojpeg.so.0", "libturbojpeg.0.dylib", "/opt/homebrew/lib/libturbojpeg.0.dylib", "/usr/local/lib/libturbojpeg.0.dylib")
	if err != nil {
		return nil, err
	}
	j := &JPEG{library: lib}
	return j, lib.bind(map[string]any{
		"tjInitDecompress": &j.initDecompress, "tjDestroy": &j.destroy, "tjDecompressHeader3": &j.header,
		"tjPlaneWidth": &j.planeWidth, "tjPlaneHeight": &j.planeHeight, "tjDecompressToYUVPlanes": &j.toPlanes,
		"tjGetErrorCode": &j.errorCode,
	})
}

// String names the library.
func (*JPEG) String() string { return "libturbojpeg" }

const (
	grey      = 3 // TJSAMP_GRAY
	stopScans = 1 << 15
)

// subsampling is TJSAMP as the standard library has it.
var subsampling = map[int32]image.YCbCrSubsampleRatio{
	0: image.YCbCrSubsampleRatio444, 1: image.YCbCrSubsampleRatio422, 2: image.YCbCrSubsampleRatio420,
	4: image.YCbCrSubsampleRatio440, 5: image.YCbCrSubsampleRatio411,
}

// Decode reads src, of the size that its header was found to say, each side
// divided by scale (1, 2, 4 or 8) and rounded up. Damage inside the file is passed
// over. The result is an *image.YCbCr or *image.Gray.
func (j *JPEG) Decode(src []byte, size image.Point, scale int) (image.Image, error) {
	handle := j.initDecompress()
	if handle == 0 {
		return nil, errors.New("libturbojpeg: out of memory")
	}
	defer j.destroy(handle)
	var w, h, sampling, colours int32
	if len(src) == 0 || j.header(handle, &src[0], uintptr(len(src)), &w, &h, &sampling, &colours) != 0 {
		return nil, ErrLayout
	}
	ratio, known := subsampling[sampling]
	if int(w) != size.X || int(h) != size.Y || colours != 1 && colours != 2 || !known && sampling != grey {
		return nil, ErrLayout
	}
	w, h = (w+int32(scale)-1)/int32(scale), (h+int32(scale)-1)/int32(scale)
	var planes [3][]byte
	var strides [3]int32
	var addresses [3]*byte
	var pin runtime.Pinner
	defer pin.Unpin()
	for i := range planes {
		if i > 0 && sampling == grey {
			break
		}
		strides[i] = j.planeWidth(int32(i), w, sampling)
		planes[i] = make([]byte, int(strides[i])*int(j.planeHeight(int32(i), h, sampling)))
		addresses[i] = unsafe.SliceData(planes[i])
		pin.Pin(addresses[i])
	}
	if j.toPlanes(handle, &src[0], uintptr(len(src)), &addresses[0], w, &strides[0], h, stopScans) != 0 && j.errorCode(handle) != 0 {
		return nil, fmt.Errorf("libturbojpeg: error %d", j.errorCode(handle))
	}
	bounds := image.Rect(0, 0, int(w), int(h))
	if sampling == grey {
		return &image.Gray{Pix: planes[0], Stride: int(strides[0]), Rect: bounds}, nil
	}
	return &image.YCbCr{
		Y: planes[0], Cb: planes[1], Cr: planes[2], YStride: int(strides[0]), CStride: int(strides[1]),
		SubsampleRatio: ratio, Rect: bounds,
	}, nil
}
