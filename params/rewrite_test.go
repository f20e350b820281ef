package params

import (
	"strings"
	"testing"
)

func TestRewrites(t *testing.T) {
	for _, tt := range []struct{ from, to, target, want string }{
		{"/images/*", "/cdn-cgi/imagedelivery/h/$1", "/images/a/public", "/cdn-cgi/imagedelivery/h/a/public"},
		{"/images/*", "/cdn-cgi/imagedelivery/h/$1", "/images/a%20b/c/w=4?exp=1&sig=2", "/cdn-cgi/imagedelivery/h/a%20b/c/w=4?exp=1&sig=2"},
		{"/images/*", "/cdn-cgi/imagedelivery/h/$1", "/images/", ""},
		{"/images/*", "/cdn-cgi/imagedelivery/h/$1", "/imagesx/a", ""},
		{"/p/*/*.jpg", "/cdn-cgi/imagedelivery/h/$2/$1", "/p/thumb/shoe.jpg", "/cdn-cgi/imagedelivery/h/shoe/thumb"},
		{"/p/*/*.jpg", "/cdn-cgi/imagedelivery/h/$2/$1", "/p/thumb/more/shoe.jpg", ""},
		{"/logo.png", "/cdn-cgi/image/width=80/logo.png", "/logo.png", "/cdn-cgi/image/width=80/logo.png"},
		{"/logo.png", "/cdn-cgi/image/width=80/logo.png", "/logoxpng", ""},
		{"/$(x)*", "/cdn-cgi/image/w=1/$1", "/$(x)a", "/cdn-cgi/image/w=1/a"},
	} {
		w, err := ParseRewrite(tt.from, tt.to)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := w.Apply(tt.target); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s of %s: %s, %v; want %s", tt.from, tt.target, got, ok, tt.want)
		}
	}
	for _, tt := range [][2]string{
		{"images/*", "/cdn-cgi/image/w=1/$1"}, {"/cdn-cgi/x/*", "/cdn-cgi/image/w=1/$1"}, {"/a?b", "/cdn-cgi/image/w=1/a"},
		{"/a/*", "/b/$1"}, {"/a/*", "/cdn-cgi/image/w=1/$2"}, {"/a/*", "/cdn-cgi/image/w=1/$x"}, {"/a", "/cdn-cgi/image/w=1/$"}, {"/a/*", "/cdn-cgi/image/w=1/$0"},
	} {
		if _, err := ParseRewrite(tt[0], tt[1]); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%v: %v", tt, err)
		}
	}
}
