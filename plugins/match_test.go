package plugins

import (
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, host, target string
		want                  bool
	}{
		{"/p/*", "a.com", "/p/shoe", true},
		{"/p/*", "a.com", "/p/shoe?w=1", true},
		{"/p/*", "a.com", "/p/shoe/red", false},
		{"/p/*", "a.com", "/p/", false},
		{"/p/*", "a.com", "/q/shoe", false},
		{"/p/**", "a.com", "/p/", true},
		{"/p/**", "a.com", "/p/a/b/c", true},
		{"/**", "a.com", "/", true},
		{"/**/x.jpg", "a.com", "/a/b/x.jpg", true},
		{"/**/x.jpg", "a.com", "/a/b/x.png", false},
		{"/*/*.jpg", "a.com", "/a/b.jpg", true},
		{"/*/*.jpg", "a.com", "/a/b/c.jpg", false},
		{"/a*b*c", "a.com", "/axbxbxc", true},
		{"/a*b*c", "a.com", "/axc", false},
		{"/**a/*b", "a.com", "/a/a/xa/yb", true},
		{"/*a/**/b", "a.com", "/xa/y/z/b", true},
		{"shop.com/**", "shop.com", "/x", true},
		{"shop.com/**", "SHOP.com:8080", "/x", true},
		{"shop.com/**", "other.com", "/x", false},
		{"*.shop.com/**", "img.shop.com", "/x", true},
		{"*.shop.com/**", "a.b.shop.com", "/x", false},
		{"**.shop.com/**", "a.b.shop.com", "/x", true},
		{"shop.com/p/*", "", "http://shop.com:80/p/x", true},
		{"shop.com/p/*", "shop.com", "http://other.com/p/x", false},
		{"/x", "[::1]:80", "/x", true},
		{"/P", "a.com", "/p", false},
		{"/**", "a.com", "*", false},
		{"/paid/**", "a.com", "/p%61id/shoe", true}, // what the path says is decoded later
		{"/paid/**", "a.com", "/paid%2Fshoe", true},
		{"/%70aid/*", "a.com", "/%70aid/shoe", true},
		{"/paid/*", "a.com", "/paid/%zz%6", true},
		{"/paid/*", "a.com", "/p%2561id/shoe", false},
		{"shop.com/**", "shop.com.", "/x", true},
		{"shop.com/**", "shop.com.:80", "/x", true},
	} {
		p, err := ParsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		l := &link{match: []Pattern{p}}
		if got := isFor(l, addressOf([]byte(tt.host), []byte(tt.target))); got != tt.want {
			t.Errorf("%s is for %s %s: %v", tt.pattern, tt.host, tt.target, got)
		}
	}
	for _, text := range []string{"", "p", "shop.com", "/a?b", "/a b", "/***", "shop.com:80/x"} {
		if _, err := ParsePattern(text); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	p, err := ParsePattern("shop.com/paid/**")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{match: []Pattern{p}}
	host, target := []byte("shop.com"), []byte("/p%61id/"+strings.Repeat("shoe%20", 20))
	if n := testing.AllocsPerRun(100, func() { isFor(l, addressOf(host, target)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A hostile path costs no more than its length times the pattern's.
func FuzzPatterns(f *testing.F) {
	f.Add("/a*b/**c*", "/aaab/xxc")
	f.Add("/**/**/**a", strings.Repeat("/b", 50))
	f.Fuzz(func(t *testing.T, pattern, path string) {
		p, err := ParsePattern(pattern)
		if err != nil || len(pattern) > 40 || len(path) > 60 {
			return
		}
		path, _, _ = strings.Cut(path, "?")
		if !strings.HasPrefix(path, "/") || p.host != "" {
			return
		}
		if got, want := fits(p.path, []byte(path), '/'), plainly(p.path, path, map[[2]int]bool{}); got != want {
			t.Errorf("%q fits %q: %v, plainly %v", pattern, path, got, want)
		}
	})
}

// plainly is what a pattern means, tried in every way.
func plainly(pattern, s string, no map[[2]int]bool) bool {
	at := [2]int{len(pattern), len(s)}
	if no[at] {
		return false
	}
	ok := false
	switch {
	case pattern == "":
		ok = s == ""
	case strings.HasPrefix(pattern, "**"):
		ok = plainly(pattern[2:], s, no) || s != "" && plainly(pattern, s[1:], no)
	case pattern[0] == '*':
		for i := 1; i <= len(s) && s[i-1] != '/' && !ok; i++ {
			ok = plainly(pattern[1:], s[i:], no)
		}
	default:
		ok = s != "" && s[0] == pattern[0] && plainly(pattern[1:], s[1:], no)
	}
	no[at] = !ok
	return ok
}

func TestPrintable(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				b := []byte(strings.Repeat("~", n))
				b[at] = byte(c)
				if got, want := printable(b), c > ' ' && c != 0x7f; got != want {
					t.Fatalf("%q: %v", b, got)
				}
			}
		}
	}
}
