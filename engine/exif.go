package engine

import (
	"encoding/binary"

	"github.com/fovea-images/fovea/params"
)

const (
	tagOrientation = 0x0112
	tagCopyright   = 0x8298
	entryBytes     = 12
	typeASCII      = 2
)

// keepEXIF is what of a TIFF block a JPEG keeps: all of it with the orientation
// set to upright, the copyright alone, or nothing (contract 2, metadata). A
// broken block is dropped. The result shares nothing with block.
func keepEXIF(block []byte, keep params.Metadata) []byte {
	order, entries := firstIFD(block)
	if order == nil || len(block) > maxEXIF || keep == params.MetadataNone {
		return nil
	}
	for at := range entries {
		entry := entries[at]
		switch tag := order.Uint16(entry); {
		case keep == params.MetadataKeep && tag == tagOrientation:
			block = append([]byte(nil), block...)
			_, copied := firstIFD(block)
			order.PutUint16(copied[at][8:], 1)
			return block
		case keep == params.MetadataCopyright && tag == tagCopyright && order.Uint16(entry[2:]) == typeASCII:
			return copyrightOnly(order, block, entry)
		}
	}
	if keep == params.MetadataKeep {
		return append([]byte(nil), block...)
	}
	return nil
}

// EXIFOrientation reads the orientation from a raw TIFF block, which may be
// anything; 1 if it has none that is valid.
func EXIFOrientation(block []byte) params.Orientation {
	const typeShort = 3
	order, entries := firstIFD(block)
	for _, entry := range entries {
		if order.Uint16(entry) != tagOrientation || order.Uint16(entry[2:]) != typeShort {
			continue
		}
		if o := order.Uint16(entry[8:]); o >= 1 && o <= 8 {
			return params.Orientation(o)
		}
	}
	return 1
}

// firstIFD cuts the first directory of a TIFF block (TIFF 6.0, section 2) into its
// entries; nil for anything malformed.
func firstIFD(block []byte) (binary.ByteOrder, [][]byte) {
	if len(block) < 10 {
		return nil, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(block[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return nil, nil
	}
	at := int64(order.Uint32(block[4:]))
	if at > int64(len(block)-2) {
		return nil, nil
	}
	n := int(order.Uint16(block[at:]))
	rest := block[at+2:]
	if n*entryBytes > len(rest) {
		return nil, nil
	}
	entries := make([][]byte, n)
	for i := range entries {
		entries[i] = rest[i*entryBytes:][:entryBytes]
	}
	return order, entries
}

// copyrightOnly builds a TIFF block with that one entry.
func copyrightOnly(order binary.ByteOrder, block, entry []byte) []byte {
	n := int64(order.Uint32(entry[4:]))
	text := entry[8:12]
	if n > 4 {
		at := int64(order.Uint32(entry[8:]))
		if at+n > int64(len(block)) {
			return nil
		}
		text = block[at:][:n]
	} else {
		text = text[:n]
	}
	const head = 8 + 2 + entryBytes + 4 // header, one entry, no next directory
	out := make([]byte, head, head+len(text))
	copy(out, block[:4])
	order.PutUint32(out[4:], 8)
	order.PutUint16(out[8:], 1)
	copy(out[10:], entry[:8])
	if n <= 4 {
		copy(out[18:], text)
		return out
	}
	order.PutUint32(out[18:], head)
	return append(out, text...)
}
