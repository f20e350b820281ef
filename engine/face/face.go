// Package face finds faces in small grey pictures.
//
// The detector is pigo (Go, MIT licence), a cascade of pixel intensity comparisons
// (N. Markuš and others, "Object detection with pixel intensity comparisons
// organized in decision trees", 2013). The cascade, facefinder, is pigo's own.
package face

import (
	_ "embed" // the cascade
	"fmt"
	"image"

	pigo "github.com/esimov/pigo/core"

	"github.com/fovea-images/fovea/engine/pixel"
)

//go:embed facefinder
var cascade []byte

const (
	smallest  = 24   // pixels a side
	certain   = 10.0 // a cluster's score from which it counts: faces have 60 and more, leaves and bricks up to 6
	most      = 4096 // detections that are clustered: the time grows with their square
	overlap   = 0.2  // of two detections that are one face
	shift     = 0.1  // of a window's side, from one to the next
	growth    = 1.12 // from one size of window to the next
	mostSides = 1024 // pixels; larger pictures are not looked at
)

// Finder finds upright faces that look at the camera. It is safe for concurrent use.
type Finder struct{ classifier *pigo.Pigo }

// New reads the cascade.
func New() (*Finder, error) {
	c, err := pigo.NewPigo().Unpack(cascade)
	if err != nil {
		return nil, fmt.Errorf("face cascade: %w", err)
	}
	return &Finder{c}, nil
}

// Find returns boxes around the faces in grey, in its pixels; they may reach beyond
// its edges. Pictures larger than 1024 pixels a side have none. The time is bounded
// by the number of pixels, about 40 ms for 400 × 400.
func (f *Finder) Find(grey *pixel.Plane) []image.Rectangle {
	if least := min(grey.W, grey.H); least < smallest || max(grey.W, grey.H) > mostSides {
		return nil
	}
	pix := make([]byte, 0, grey.W*grey.H)
	for y := range grey.H {
		pix = append(pix, grey.Row(y)...)
	}
	found := f.classifier.RunCascade(pigo.CascadeParams{
		MinSize: smallest, MaxSize: min(grey.W, grey.H), ShiftFactor: shift, ScaleFactor: growth,
		ImageParams: pigo.ImageParams{Pixels: pix, Rows: grey.H, Cols: grey.W, Dim: grey.W},
	}, 0)
	var boxes []image.Rectangle
	found = found[:min(len(found), most)]
	for _, d := range f.classifier.ClusterDetections(found, overlap) {
		if d.Q >= certain {
			half := d.Scale / 2
			boxes = append(boxes, image.Rect(d.Col-half, d.Row-half, d.Col+half, d.Row+half))
		}
	}
	return boxes
}
