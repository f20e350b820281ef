package engine

import (
	"bytes"
	"testing"

	"github.com/fovea-images/fovea/params"
)

func TestUntouchedAnimationsLoseTheirMetadata(t *testing.T) {
	webp := []byte("RIFF\x00\x00\x00\x00WEBP" +
		"VP8X\x0a\x00\x00\x00\x0e\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"EXIF\x05\x00\x00\x00where\x00" + "ANMF\x03\x00\x00\x00pix\x00" + "XMP \x05\x00\x00\x00where\x00")
	gif := []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" +
		"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" + "!\xfe\x05where\x00" + "!\xff\x0bXMP DataXMP\x05where\x00" +
		"!\xf9\x04\x00\x05\x00\x00\x00" + ",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
	for _, tt := range []struct {
		media params.Media
		src   []byte
		keeps []string
	}{{params.WebP, webp, []string{"VP8X\x0a\x00\x00\x00\x02", "ANIM", "ANMF"}}, {params.GIF, gif, []string{"NETSCAPE2.0", "!\xf9\x04", "\x02D\x01\x00;"}}} {
		got := withoutMetadata(tt.media, tt.src)
		if bytes.Contains(got, []byte("where")) {
			t.Errorf("%v tells where: %q", tt.media, got)
		}
		for _, part := range tt.keeps {
			if !bytes.Contains(got, []byte(part)) {
				t.Errorf("%v lost %q: %q", tt.media, part, got)
			}
		}
		for cut := range tt.src { // whatever is cut off, nothing breaks
			withoutMetadata(tt.media, tt.src[:cut])
		}
	}
	if got := withoutMetadata(params.WebP, webp); int(got[4])|int(got[5])<<8 != len(got)-8 {
		t.Errorf("the file says %d bytes and has %d", int(got[4])+8, len(got))
	}
}
