package pixel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/kovidgoyal/imaging/prism/meta/icc"
)

const (
	maxProfile = 4 << 20 // bytes
	maxTags    = 256
)

// ToSRGB converts img, whose colours profile describes, to sRGB, and CMYK to RGB
// in any case. A profile that is absent, broken, or of another number of channels
// counts as sRGB: a picture never fails for it. Alpha must not be premultiplied.
// It uses img up.
func (img *Image) ToSRGB(profile []byte) *Image {
	if img.Model != CMYK && (len(profile) == 0 || img.Model == Gray) {
		return img
	}
	if img.Model == YCbCr {
		table, err := newColourTable(profile, 3)
		if err != nil || table == nil {
			return img
		}
		return table.apply(img.ToRGB())
	}
	table, err := newColourTable(profile, len(img.Planes))
	if err != nil || table == nil {
		return img.ToRGB()
	}
	return table.apply(img)
}

// colourTable samples a profile's way to sRGB on a grid: a profile costs a fixed
// time, whatever it holds, and a pixel a few multiplications.
type colourTable struct {
	channels, side int
	grid           []float32 // side^channels times R, G, B of 0..255
}

// newColourTable returns nil without an error for a profile that is sRGB.
func newColourTable(profile []byte, channels int) (table *colourTable, err error) {
	defer func() { // the library's tag parsers may index beyond a broken tag
		if r := recover(); r != nil {
			table, err = nil, fmt.Errorf("profile: %v", r)
		}
	}()
	if err := checkProfile(profile); err != nil {
		return nil, err
	}
	p, err := icc.DecodeProfile(bytes.NewReader(profile))
	if err != nil {
		return nil, err
	}
	if channels == 3 && p.IsSRGB() {
		return nil, nil
	}
	way, err := p.CreateTransformerToSRGB(p.Header.RenderingIntent, channels == 4, channels, true, false, true)
	if err != nil {
		return nil, err
	}
	t := &colourTable{channels: channels, side: 33}
	if channels == 4 {
		t.side = 17
	}
	nodes := t.side * t.side * t.side
	if channels == 4 {
		nodes *= t.side
	}
	t.grid = make([]float32, 3*nodes)
	in, out := make([]float64, 4), make([]float64, 4)
	for n := range nodes {
		for i, rest := channels-1, n; i >= 0; i, rest = i-1, rest/t.side {
			in[i] = float64(rest%t.side) / float64(t.side-1)
		}
		way.TransformGeneral(out, in)
		for i := range 3 {
			if math.IsNaN(out[i]) {
				return nil, errors.New("profile: not a number")
			}
			t.grid[3*n+i] = float32(255 * min(max(out[i], 0), 1))
		}
	}
	return t, nil
}

// checkProfile makes sure that each tag lies inside the profile, and each curve
// inside its tag: the library allocates what they say.
func checkProfile(profile []byte) error {
	if len(profile) < 132 || len(profile) > maxProfile {
		return fmt.Errorf("profile: %d bytes", len(profile))
	}
	n := binary.BigEndian.Uint32(profile[128:])
	if n > maxTags || 132+12*int(n) > len(profile) {
		return fmt.Errorf("profile: %d tags", n)
	}
	for i := range int(n) {
		tag := profile[132+12*i:]
		at, size := uint64(binary.BigEndian.Uint32(tag[4:])), uint64(binary.BigEndian.Uint32(tag[8:]))
		if at < 132+12*uint64(n) || at+size > uint64(len(profile)) {
			return errors.New("profile: a tag lies outside")
		}
		if !curvesFit(profile[at : at+size]) {
			return errors.New("profile: a curve longer than its tag")
		}
	}
	return nil
}

// curvesFit reports whether the curves of a tag, alone or in a table (ICC.1:2022,
// sections 10.6, 10.12 and 10.13), are as long as they say.
func curvesFit(tag []byte) bool {
	if len(tag) < 12 {
		return true
	}
	switch string(tag[:4]) {
	case "curv":
		_, ok := afterCurve(tag)
		return ok
	case "mAB ", "mBA ":
		if len(tag) < 32 {
			return true
		}
	default:
		return true
	}
	for _, field := range [...]int{12, 20, 28} { // where each set of curves begins
		at := uint64(binary.BigEndian.Uint32(tag[field:]))
		rest := tag[min(at, uint64(len(tag))):]
		for range tag[8] {
			var ok bool
			if rest, ok = afterCurve(rest); !ok {
				return false
			}
		}
	}
	return true
}

// afterCurve returns what follows the curve at the start of b, nothing if there
// is none; not ok if it is longer than b.
func afterCurve(b []byte) (rest []byte, ok bool) {
	if len(b) < 12 {
		return nil, true
	}
	size := uint64(12)
	switch string(b[:4]) {
	case "curv":
		size += 2 * uint64(binary.BigEndian.Uint32(b[8:]))
		if size > uint64(len(b)) {
			return nil, false
		}
	case "para":
		if kind := binary.BigEndian.Uint16(b[8:]); kind < 5 {
			size += 4 * [...]uint64{1, 3, 4, 5, 7}[kind]
		}
	default:
		return nil, true
	}
	return b[min((size+3)&^3, uint64(len(b))):], true
}

// apply converts by linear interpolation between the corners of the grid's cell.
func (t *colourTable) apply(img *Image) *Image {
	out := img
	if img.Model != RGB {
		out = New(RGB, img.W, img.H)
		out.Alpha = img.Alpha
	}
	var in, last [4]byte
	r, g, b := t.at(last)
	for y := range img.H {
		for x := range img.W {
			for i := range img.Planes {
				in[i] = img.Planes[i].Pix[y*img.Planes[i].Stride+x]
			}
			if in != last {
				last = in
				r, g, b = t.at(in)
			}
			for i, value := range [3]byte{r, g, b} {
				out.Planes[i].Pix[y*out.Planes[i].Stride+x] = value
			}
		}
	}
	return out
}

func (t *colourTable) at(in [4]byte) (r, g, b byte) {
	var part [4]float32
	base, stride := 0, 1
	var strides [4]int
	for i := t.channels - 1; i >= 0; i-- {
		at := float32(in[i]) * float32(t.side-1) / 255
		cell := min(int(at), t.side-2)
		part[i], strides[i] = at-float32(cell), stride
		base += cell * stride
		stride *= t.side
	}
	var sum [3]float32
	for corner := range 1 << t.channels {
		weight, at := float32(1), base
		for i := range t.channels {
			if corner>>i&1 == 1 {
				weight *= part[i]
				at += strides[i]
			} else {
				weight *= 1 - part[i]
			}
		}
		if weight != 0 {
			for i := range sum {
				sum[i] += weight * t.grid[3*at+i]
			}
		}
	}
	return byte(sum[0] + 0.5), byte(sum[1] + 0.5), byte(sum[2] + 0.5)
}
