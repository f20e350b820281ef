package engine

import (
	"bytes"
	"encoding/binary"

	"github.com/fovea-images/fovea/params"
)

// Sniff tells what src is by its content alone, never by name or Content-Type
// (R-inputs). It reads a bounded part of src. A known signature does not promise
// that the rest is well-formed.
func Sniff(src []byte) params.Media {
	switch {
	case bytes.HasPrefix(src, []byte("\xff\xd8\xff")):
		return params.JPEG
	case bytes.HasPrefix(src, []byte("\x89PNG\r\n\x1a\n")):
		return params.PNG
	case bytes.HasPrefix(src, []byte("GIF87a")), bytes.HasPrefix(src, []byte("GIF89a")):
		return params.GIF
	case len(src) >= 12 && string(src[:4]) == "RIFF" && string(src[8:12]) == "WEBP":
		return params.WebP
	case len(src) >= 16 && string(src[4:8]) == "ftyp":
		return sniffBrands(src)
	case looksLikeSVG(src):
		return params.SVG
	}
	return params.MediaUnknown
}

// sniffBrands reads the ftyp box of an ISO base media file (ISO 14496-12, 4.3).
// The major brand decides; a generic one (mif1, msf1) leaves it to the
// compatible brands.
func sniffBrands(src []byte) params.Media {
	const most = 512 // bytes of brands looked at
	size := binary.BigEndian.Uint32(src)
	if size < 16 {
		return params.MediaUnknown
	}
	box := src[:min(uint64(size), uint64(len(src)), most)]
	if m := brandMedia(box[8:12]); m != params.MediaUnknown {
		return m
	}
	for brands := box[16:]; len(brands) >= 4; brands = brands[4:] {
		if m := brandMedia(brands[:4]); m != params.MediaUnknown {
			return m
		}
	}
	return params.MediaUnknown
}

func brandMedia(brand []byte) params.Media {
	switch string(brand) {
	case "avif", "avis":
		return params.AVIF
	case "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs":
		return params.HEIC
	}
	return params.MediaUnknown
}
