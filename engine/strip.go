package engine

import (
	"encoding/binary"
	"slices"

	"github.com/fovea-images/fovea/params"
)

// withoutMetadata returns src, an animation that is delivered untouched, without
// what may say where it was made. A file that cannot be read to its end is
// returned as far as it could be.
func withoutMetadata(media params.Media, src []byte) []byte {
	switch media {
	case params.WebP:
		return plainWebP(src)
	case params.GIF:
		return plainGIF(src)
	}
	return src
}

// plainWebP drops the EXIF and XMP chunks and their flags (RFC 9649 section 2.7).
func plainWebP(src []byte) []byte {
	const flagEXIF, flagXMP = 1 << 3, 1 << 2
	if len(src) < 12 {
		return src
	}
	out := slices.Clone(src[:12])
	for rest := src[12:]; len(rest) >= 8; {
		size := 8 + uint64(binary.LittleEndian.Uint32(rest[4:]))
		size = min(size+size&1, uint64(len(rest)))
		switch string(rest[:4]) {
		case "EXIF", "XMP ":
		case "VP8X":
			at := len(out)
			if out = append(out, rest[:size]...); size > 8 {
				out[at+8] &^= flagEXIF | flagXMP
			}
		default:
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// plainGIF drops comments and every application's data but the loop count (GIF89a).
func plainGIF(src []byte) []byte {
	if len(src) < 13 {
		return src
	}
	table := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	blocks := func(at int) int {
		for at < len(src) && src[at] != 0 {
			at += 1 + int(src[at])
		}
		return min(at+1, len(src))
	}
	at := min(13+table(src[10]), len(src))
	out := slices.Clone(src[:at])
	for at < len(src) {
		end := len(src)
		keep := true
		switch {
		case src[at] == 0x21 && at+2 < len(src):
			end = blocks(at + 2)
			loops := at+14 <= len(src) && (string(src[at+3:at+14]) == "NETSCAPE2.0" || string(src[at+3:at+14]) == "ANIMEXTS1.0")
			keep = src[at+1] != 0xfe && (src[at+1] != 0xff || loops)
		case src[at] == 0x2c && at+10 <= len(src):
			end = blocks(at + 10 + table(src[at+9]) + 1)
		}
		if keep {
			out = append(out, src[at:end]...)
		}
		at = end
	}
	return out
}
