// Command generate renders the demo pictures from nothing but arithmetic.
package main

import (
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

func main() {
	folder := flag.String("o", ".", "folder to write to")
	scale := flag.Float64("scale", 1, "share of the full size")
	flag.Parse()
	if err := run(*folder, *scale); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(folder string, scale float64) error {
	w, h := int(1600*scale), int(1200*scale)
	for name, m := range map[string]image.Image{
		"landscape.jpg":  render(w, h, landscape(w, h)),
		"still-life.jpg": render(w, h, stillLife(w, h, 256)),
	} {
		file, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if err := jpeg.Encode(file, m, &jpeg.Options{Quality: 88}); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(folder, "ornament.png"))
	if err != nil {
		return err
	}
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(file, ornament(int(480*scale))); err != nil {
		return err
	}
	return file.Close()
}

// render calls pixel for every pixel, on all processors.
func render(w, h int, pixel func(x, y int) vec) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	rows := make(chan int)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for y := range rows {
				for x := range w {
					c := pixel(x, y)
					i := m.PixOffset(x, y)
					m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = display(c.x), display(c.y), display(c.z), 255
				}
			}
		})
	}
	for y := range h {
		rows <- y
	}
	close(rows)
	all.Wait()
	return m
}
