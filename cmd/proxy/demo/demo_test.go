package demo

import (
	"bytes"
	"image"
	_ "image/jpeg"
	"image/png"
	"testing"
)

func TestPictures(t *testing.T) {
	last := ""
	for _, p := range Pictures() {
		m, format, err := image.Decode(bytes.NewReader(p.Data))
		if err != nil {
			t.Fatalf("%s: %v", p.ID, err)
		}
		if p.ID <= last {
			t.Errorf("%s is out of order", p.ID)
		}
		last = p.ID
		if format == "png" {
			if _, _, _, a := m.At(0, 0).RGBA(); a != 0 {
				t.Errorf("%s is not transparent at its corner", p.ID)
			}
			continue
		}
		if size := m.Bounds().Size(); size.X < 1600 || size.Y < 1200 {
			t.Errorf("%s is %v", p.ID, size)
		}
		// A photograph does not pack well without loss; a flat drawing does.
		var packed bytes.Buffer
		if err := png.Encode(&packed, m); err != nil {
			t.Fatal(err)
		}
		if bits := float64(8*packed.Len()) / float64(m.Bounds().Dx()*m.Bounds().Dy()); bits < 4 {
			t.Errorf("%s has the detail of a drawing: %.1f bits a pixel", p.ID, bits)
		}
	}
}
