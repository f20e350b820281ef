// Package demo holds the pictures that an empty store starts with.
package demo

import _ "embed"

//go:generate go run ./generate

// The pictures are made by ./generate: nothing in them was photographed.
var (
	//go:embed landscape.jpg
	landscape []byte
	//go:embed still-life.jpg
	stillLife []byte
	//go:embed ornament.png
	ornament []byte
)

// Picture is one demo picture. Data is shared: read only.
type Picture struct {
	ID, Filename string
	Data         []byte
}

// Pictures returns the demo pictures in the order of their ids.
func Pictures() []Picture {
	return []Picture{
		{"landscape", "landscape.jpg", landscape},
		{"ornament", "ornament.png", ornament},
		{"still-life", "still-life.jpg", stillLife},
	}
}
