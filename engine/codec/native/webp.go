//go:build (linux || darwin) && (amd64 || arm64) && !nodynamic

package native

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// WebP is libwebp's encoder. It is safe for concurrent use.
type WebP struct {
	library
	version int

	configInit   func(config *webpConfig, preset int32, quality float32, abi int32) int32
	pictureInit  func(picture *webpPicture, abi int32) int32
	pictureFree  func(picture *webpPicture)
	importRGBA   func(picture *webpPicture, pix *byte, stride int32) int32
	encode       func(config *webpConfig, picture *webpPicture) int32
	writerInit   func(writer *webpWriter)
	writerClear  func(writer *webpWriter)
	getVersion   func() int32
	writeAddress uintptr
}

// webpConfig is WebPConfig of webp/encode.h, ABI 2. What is blank is left as the
// library sets it.
type webpConfig struct {
	lossless int32
	_        float32 // quality, set by the library
	method   int32
	_        [26]int32
	_        [64]byte // what a later minor version may add
}

// webpPicture is WebPPicture of webp/encode.h, ABI 2.
type webpPicture struct {
	useARGB, colorspace, width, height int32
	y, u, v                            *byte
	yStride, uvStride                  int32
	a                                  *byte
	aStride                            int32
	_                                  [2]uint32
	_                                  uintptr // ARGB, its stride and padding
	_                                  [4]int32
	writer                             uintptr
	custom                             *webpWriter
	_                                  int32 // extra information and statistics
	_                                  [2]uintptr
	errorCode                          int32
	_                                  [2]uintptr // progress
	_                                  [3]uint32
	_                                  [2]uintptr
	_                                  [8]uint32
	_                                  [4]uintptr // private
	_                                  [64]byte
}

// webpWriter is WebPMemoryWriter.
type webpWriter struct {
	data *byte
	size uintptr
	_    [2]uintptr
}

const (
	webpABI = 0x020f // major version 2: the layouts above
	yuv420A = 4
)

// OpenWebP finds libwebp 1.x.
func OpenWebP() (*WebP, error) {
	lib, err := load("libwebp.so.7", "libwebp.7.dylib", "/opt/homebrew/lib/libwebp.7.dylib", "/usr/local/lib/libwebp.7.dylib")
	if err != nil {
		return nil, err
	}
	w := &WebP{library: lib}
	err = lib.bind(map[string]any{
		"WebPConfigInitInternal": &w.configInit, "WebPPictureInitInternal": &w.pictureInit, "WebPPictureFree": &w.pictureFree,
		"WebPPictureImportRGBA": &w.importRGBA, "WebPEncode": &w.encode, "WebPMemoryWriterInit": &w.writerInit,
		"WebPMemoryWriterClear": &w.writerClear, "WebPGetEncoderVersion": &w.getVersion,
	})
	if err != nil {
		return nil, err
	}
	if w.writeAddress, err = purego.Dlsym(lib.handle, "WebPMemoryWrite"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	w.version = int(w.getVersion())
	if w.configInit(&webpConfig{}, 0, 75, webpABI) == 0 {
		return nil, fmt.Errorf("%w: %s has another ABI", ErrAbsent, lib.name)
	}
	return w, nil
}

// String names the library and its version.
func (w *WebP) String() string {
	return fmt.Sprintf("libwebp %d.%d.%d", w.version>>16, w.version>>8&0xff, w.version&0xff)
}

// WebPOptions tune an encode: quality 0..100, method 0 (fastest) to 6.
type WebPOptions struct{ Quality, Method int }

// Encode writes p, whose luma is 16..235 and chroma 16..240 (BT.601).
func (w *WebP) Encode(p *Planes, o WebPOptions) ([]byte, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	return w.run(p.W, p.H, o, false, func(picture *webpPicture) bool {
		picture.y, picture.u, picture.v = unsafe.SliceData(p.Y), unsafe.SliceData(p.U), unsafe.SliceData(p.V)
		picture.yStride, picture.uvStride = int32(p.YStride), int32(p.UVStride)
		pin.Pin(picture.y)
		pin.Pin(picture.u)
		pin.Pin(picture.v)
		if p.A != nil {
			picture.colorspace, picture.a, picture.aStride = yuv420A, unsafe.SliceData(p.A), int32(p.AStride)
			pin.Pin(picture.a)
		}
		return true
	})
}

// EncodeLossless writes the pixels of pix: R, G, B, A, not premultiplied.
func (w *WebP) EncodeLossless(pix []byte, stride, width, height int, o WebPOptions) ([]byte, error) {
	return w.run(width, height, o, true, func(picture *webpPicture) bool {
		picture.useARGB = 1
		return w.importRGBA(picture, unsafe.SliceData(pix), int32(stride)) != 0
	})
}

func (w *WebP) run(width, height int, o WebPOptions, lossless bool, fill func(*webpPicture) bool) ([]byte, error) {
	config, picture, writer := new(webpConfig), new(webpPicture), new(webpWriter)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(writer)
	if w.configInit(config, 0, float32(o.Quality), webpABI) == 0 || w.pictureInit(picture, webpABI) == 0 {
		return nil, fmt.Errorf("%s: another ABI", w)
	}
	config.method = int32(o.Method)
	if lossless {
		config.lossless = 1
	}
	picture.width, picture.height = int32(width), int32(height)
	defer w.pictureFree(picture)
	if !fill(picture) {
		return nil, fmt.Errorf("%s: out of memory", w)
	}
	w.writerInit(writer)
	defer w.writerClear(writer)
	picture.writer, picture.custom = w.writeAddress, writer
	if w.encode(config, picture) == 0 {
		return nil, fmt.Errorf("%s: encoding error %d", w, picture.errorCode)
	}
	return append([]byte(nil), unsafe.Slice(writer.data, writer.size)...), nil
}
