package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/gif"
	"math"
	"time"

	"github.com/fovea-images/fovea/engine"
	"github.com/fovea-images/fovea/params"
)

// gifCodec reads GIF frames as full canvases and writes them with a palette each.
type gifCodec struct{}

func (gifCodec) form() string        { return "image/gif (Go)" }
func (gifCodec) Media() params.Media { return params.GIF }
func (gifCodec) Pace() time.Duration { return 200 * time.Millisecond }
func (gifCodec) Shrinks() bool       { return false }

// Probe walks the blocks of the file without unpacking any (GIF89a).
func (gifCodec) Probe(src []byte) (engine.Info, error) {
	info := engine.Info{Media: params.GIF, Orientation: 1, Bytes: len(src)}
	if len(src) < 13 {
		return info, broken(params.GIF, "no screen")
	}
	info.Size = params.Size{W: int(binary.LittleEndian.Uint16(src[6:])), H: int(binary.LittleEndian.Uint16(src[8:]))}
	at := 13 + colourTable(src[10])
	for at < len(src) {
		switch src[at] {
		case 0x3b: // the end
			at = len(src)
			continue
		case 0x21: // extension: label, then blocks
			if at+4 < len(src) && src[at+1] == 0xf9 && src[at+3]&1 != 0 {
				info.Alpha = true
			}
			// image/gif takes the first block of these two for longer than it says, and
			// what follows for another: frames could hide there.
			if at+2 < len(src) && (src[at+1] == 0x01 && src[at+2] != 12 || src[at+1] == 0xff && src[at+2] == 0) {
				return info, broken(params.GIF, "extension at %d", at)
			}
			at = skipBlocks(src, at+2)
		case 0x2c: // a frame: position, size, flags, table, code size, then blocks
			if at+10 > len(src) {
				return info, broken(params.GIF, "frame at %d", at)
			}
			if info.Frames == 0 && (binary.LittleEndian.Uint16(src[at+5:]) < uint16(info.Size.W) ||
				binary.LittleEndian.Uint16(src[at+7:]) < uint16(info.Size.H)) {
				info.Alpha = true // the canvas shows beside it
			}
			info.Frames++
			at = skipBlocks(src, at+10+colourTable(src[at+9])+1)
		default:
			return info, broken(params.GIF, "block %x at %d", src[at], at)
		}
	}
	if info.Frames == 0 {
		return info, broken(params.GIF, "no frame")
	}
	return info, nil
}

// colourTable is how many bytes of colours follow these flags.
func colourTable(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// skipBlocks returns the offset behind the data blocks at at.
func skipBlocks(src []byte, at int) int {
	for at < len(src) && src[at] != 0 {
		at += 1 + int(src[at])
	}
	return at + 1
}

func (gifCodec) Decode(ctx context.Context, src []byte, want engine.DecodeOptions) (*engine.Picture, error) {
	config, err := gif.DecodeConfig(bytes.NewReader(src))
	if err != nil {
		return nil, broken(params.GIF, "%w", err)
	}
	var all *gif.GIF
	if want.FirstFrame {
		first, err := gif.Decode(interruptible(ctx, src))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, broken(params.GIF, "%w", err)
		}
		paletted, ok := first.(*image.Paletted)
		if !ok {
			return nil, broken(params.GIF, "a frame without palette")
		}
		all = &gif.GIF{Image: []*image.Paletted{paletted}, Delay: []int{0}, Disposal: []byte{0}, LoopCount: -1}
	} else if all, err = gif.DecodeAll(interruptible(ctx, src)); ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil {
		return nil, broken(params.GIF, "%w", err)
	}
	p := &engine.Picture{Loop: plays(all.LoopCount)}
	c := newCanvas(config.Width, config.Height)
	for i, frame := range all.Image {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m := c.paletted(frame, disposal(all.Disposal[i]))
		p.Frames = append(p.Frames, engine.Frame{Image: m, Delay: time.Duration(all.Delay[i]) * 10 * time.Millisecond})
	}
	return p, nil
}

// plays is how often an animation plays, 0 = forever, from how often the file
// says to repeat it: 0 = forever, -1 = it does not say.
func plays(repeats int) int {
	switch repeats {
	case 0:
		return 0
	case -1:
		return 1
	}
	return repeats + 1
}

// repeats undoes plays, as far as 16 bits can.
func repeats(plays int) int {
	switch plays {
	case 0:
		return 0
	case 1:
		return -1
	}
	return min(plays-1, math.MaxUint16)
}

func disposal(method byte) after {
	switch method {
	case gif.DisposalBackground:
		return clearArea
	case gif.DisposalPrevious:
		return restore
	}
	return leave
}

func (gifCodec) Encode(ctx context.Context, p *engine.Picture, _ engine.EncodeOptions) ([]byte, error) {
	all := &gif.GIF{LoopCount: repeats(p.Loop)}
	for _, frame := range p.Frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pixels := frame.Image.NRGBA()
		palette := newPalette(pixels, 256)
		all.Image = append(all.Image, palette.paint(pixels, true))
		all.Delay = append(all.Delay, int(min(frame.Delay/(10*time.Millisecond), math.MaxUint16)))
		dispose := byte(gif.DisposalNone)
		if palette.hidden >= 0 { // else what was there before shows through
			dispose = gif.DisposalBackground
		}
		all.Disposal = append(all.Disposal, dispose)
	}
	// Every frame covers the canvas, so the one before a transparent one must go.
	for i := range all.Disposal[:len(all.Disposal)-1] {
		if all.Disposal[i+1] == gif.DisposalBackground {
			all.Disposal[i] = gif.DisposalBackground
		}
	}
	var out bytes.Buffer
	err := gif.EncodeAll(writer{ctx, &out}, all)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, encodeFailed(params.GIF, err)
	}
	return out.Bytes(), nil
}
