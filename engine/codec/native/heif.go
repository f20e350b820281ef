//go:build (linux || darwin) && (amd64 || arm64) && !nodynamic

package native

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// AV1 is the AV1 encoder behind libheif. It is safe for concurrent use.
type AV1 struct {
	library
	version string

	initialise                           func(parameters uintptr) uint64 // of a heif_error, its code and subcode
	getVersion                           func() string
	haveEncoder                          func(format int32) int32
	contextAlloc                         func() uintptr
	contextFree, encoderFree, handleFree func(object uintptr)
	imageFree                            func(image uintptr)
	getEncoder                           func(context uintptr, format int32, encoder *uintptr) uint64
	setQuality                           func(encoder uintptr, quality int32) uint64
	setInteger                           func(encoder uintptr, name string, value int32) uint64
	imageCreate                          func(w, h, colorspace, chroma int32, image *uintptr) uint64
	addPlane                             func(image uintptr, channel, w, h, depth int32) uint64
	getPlane                             func(image uintptr, channel int32, stride *int32) *byte
	nclxAlloc                            func() uintptr
	nclxFree                             func(nclx uintptr)
	setNCLX                              func(image, nclx uintptr) uint64
	encodeImage                          func(context, image, encoder, options uintptr, handle *uintptr) uint64
	write                                func(context uintptr, writer *heifWriter, to *sink) uint64
}

// heifWriter is heif_writer, version 1.
type heifWriter struct {
	version int32
	write   uintptr
}

// sink collects what libheif writes.
type sink struct{ bytes []byte }

// collect is called by libheif. A heif_error of zeros means success; the pointer
// to its message, which is not set, is then not looked at.
var collect = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(_ uintptr, data *byte, size uintptr, to *sink) uintptr {
		to.bytes = append(to.bytes, unsafe.Slice(data, size)...)
		return 0
	})
})

const (
	formatAV1       = 4
	colorspaceYCbCr = 0
	chroma420       = 1
	channelAlpha    = 6 // Y, Cb and Cr are 0, 1 and 2
)

// OpenAV1 finds libheif 1.13 or later with an AV1 encoder.
func OpenAV1() (*AV1, error) {
	lib, err := load("libheif.so.1", "libheif.1.dylib", "/opt/homebrew/lib/libheif.1.dylib", "/usr/local/lib/libheif.1.dylib")
	if err != nil {
		return nil, err
	}
	h := &AV1{library: lib}
	err = lib.bind(map[string]any{
		"heif_init": &h.initialise, "heif_get_version": &h.getVersion, "heif_have_encoder_for_format": &h.haveEncoder,
		"heif_context_alloc": &h.contextAlloc, "heif_context_free": &h.contextFree, "heif_encoder_release": &h.encoderFree,
		"heif_image_handle_release": &h.handleFree, "heif_image_release": &h.imageFree,
		"heif_context_get_encoder_for_format": &h.getEncoder, "heif_encoder_set_lossy_quality": &h.setQuality,
		"heif_encoder_set_parameter_integer": &h.setInteger, "heif_image_create": &h.imageCreate,
		"heif_image_add_plane": &h.addPlane, "heif_image_get_plane": &h.getPlane, "heif_nclx_color_profile_alloc": &h.nclxAlloc,
		"heif_nclx_color_profile_free": &h.nclxFree, "heif_image_set_nclx_color_profile": &h.setNCLX,
		"heif_context_encode_image": &h.encodeImage, "heif_context_write": &h.write,
	})
	if err != nil {
		return nil, err
	}
	h.version = h.getVersion()
	if code := h.initialise(0); int32(code) != 0 || h.haveEncoder(formatAV1) == 0 {
		return nil, fmt.Errorf("%w: libheif %s has no AV1 encoder", ErrAbsent, h.version)
	}
	return h, nil
}

// String names the library and its version.
func (h *AV1) String() string { return "libheif " + h.version }

// AV1Options tune an encode: quality 0..100, speed 0 to 9 (fastest).
type AV1Options struct{ Quality, Speed int }

// Encode writes p, full range (JFIF's BT.601) in sRGB, as an AVIF file.
func (h *AV1) Encode(p *Planes, o AV1Options) ([]byte, error) {
	var failed error
	check := func(what string, code uint64) {
		if int32(code) != 0 && failed == nil {
			failed = fmt.Errorf("%s: %s: error %d.%d", h, what, int32(code), int32(code>>32))
		}
	}
	context := h.contextAlloc()
	if context == 0 {
		return nil, errors.New("libheif: out of memory")
	}
	defer h.contextFree(context)
	var encoder, image, handle uintptr
	check("encoder", h.getEncoder(context, formatAV1, &encoder))
	if failed != nil {
		return nil, failed
	}
	defer h.encoderFree(encoder)
	check("quality", h.setQuality(encoder, int32(o.Quality)))
	check("speed", h.setInteger(encoder, "speed", int32(o.Speed)))
	check("threads", h.setInteger(encoder, "threads", 1))
	check("image", h.imageCreate(int32(p.W), int32(p.H), colorspaceYCbCr, chroma420, &image))
	if failed != nil {
		return nil, failed
	}
	defer h.imageFree(image)
	if err := h.fill(image, p); err != nil {
		return nil, err
	}
	nclx := h.nclxAlloc() // sRGB with BT.601, full range
	defer h.nclxFree(nclx)
	check("colours", h.setNCLX(image, nclx))
	if failed != nil {
		return nil, failed
	}
	check("encode", h.encodeImage(context, image, encoder, 0, &handle))
	if failed != nil {
		return nil, failed
	}
	defer h.handleFree(handle)
	return h.file(context, len(p.Y)/8)
}

func (h *AV1) file(context uintptr, hint int) ([]byte, error) {
	to := &sink{bytes: make([]byte, 0, hint)}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(to)
	if code := h.write(context, &heifWriter{1, collect()}, to); int32(code) != 0 {
		return nil, fmt.Errorf("%s: write: error %d.%d", h, int32(code), int32(code>>32))
	}
	return to.bytes, nil
}

// fill copies p into planes of libheif's own.
func (h *AV1) fill(image uintptr, p *Planes) error {
	halfW, halfH := (p.W+1)/2, (p.H+1)/2
	for _, plane := range []struct {
		channel      int32
		pix          []byte
		stride, w, h int
	}{
		{0, p.Y, p.YStride, p.W, p.H}, {1, p.U, p.UVStride, halfW, halfH}, {2, p.V, p.UVStride, halfW, halfH},
		{channelAlpha, p.A, p.AStride, p.W, p.H},
	} {
		if plane.pix == nil {
			continue
		}
		if code := h.addPlane(image, plane.channel, int32(plane.w), int32(plane.h), 8); int32(code) != 0 {
			return fmt.Errorf("%s: plane: error %d.%d", h, int32(code), int32(code>>32))
		}
		var stride int32
		to := unsafe.Slice(h.getPlane(image, plane.channel, &stride), int(stride)*plane.h)
		for y := range plane.h {
			copy(to[y*int(stride):][:plane.w], plane.pix[y*plane.stride:])
		}
	}
	return nil
}
