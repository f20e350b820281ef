package main

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif" // formats that answers are decoded from
	_ "image/jpeg"
	_ "image/png"

	_ "github.com/gen2brain/avif"
	_ "golang.org/x/image/webp"

	"github.com/fovea-images/fovea/bench/load"
)

// whole judges an answer plainly and, when sampled, by decoding all of it: it has to
// be a picture of that format and width. "" = any format, 0 = any width.
func whole(r *load.Request, a *load.Answer, sampled bool, format string, width int) error {
	if err := load.Plain(r, a, sampled); err != nil || !sampled {
		return err
	}
	picture, found, err := image.Decode(bytes.NewReader(a.Body))
	if err != nil {
		return fmt.Errorf("%s: %d bytes of %s do not decode: %w", r.Target(), len(a.Body), a.Header("Content-Type"), err)
	}
	if format != "" && found != format {
		return fmt.Errorf("%s: expected %s, received %s", r.Target(), format, found)
	}
	if w := picture.Bounds().Dx(); width > 0 && w != width {
		return fmt.Errorf("%s: expected a width of %d, received %d", r.Target(), width, w)
	}
	return nil
}
