// Package pixel holds planar pictures and what can be done to their pixels.
package pixel

// Model says what the planes of an Image are.
type Model uint8

const (
	// Gray has one plane: luma, full range 0..255.
	Gray Model = iota
	// YCbCr has three planes: JFIF (BT.601, full range). The chroma planes may be smaller.
	YCbCr
	// RGB has three planes of sRGB.
	RGB
	// CMYK has four planes, 0 = no ink. It only exists between a decoder and
	// the conversion to sRGB.
	CMYK
)

// Plane is one channel: H rows of W bytes, Stride bytes apart.
type Plane struct {
	W, H, Stride int
	Pix          []byte // at least (H-1)*Stride+W bytes
}

// Image is one planar picture of 8 bits a sample. It is owned by one goroutine
// at a time; whoever is handed one may change it.
type Image struct {
	W, H  int // full size; Planes[0] has it
	Model Model
	// Planes are Y | Y Cb Cr | R G B | C M Y K. Chroma planes have
	// ceil(W/SubX) × ceil(H/SubY) samples, sited in the centre of their block (JFIF).
	Planes     []Plane
	SubX, SubY int // chroma subsampling: 1, 2 or 4; 1 for all but YCbCr
	// Alpha is nil for an opaque picture, else a plane of W × H.
	// Colour is premultiplied by it iff Premultiplied.
	Alpha         *Plane
	Premultiplied bool
}
