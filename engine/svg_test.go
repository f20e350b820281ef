package engine

import (
	"bytes"
	"strings"
	"testing"
)

func TestSVG(t *testing.T) {
	wrap := func(inside string) string { return `<svg xmlns="http://www.w3.org/2000/svg">` + inside + `</svg>` }
	tests := []struct{ name, in, want string }{
		{"a script is dropped", wrap(`<script>alert(1)</script><g/>`), `<g></g></svg>`},
		{"a handler is dropped", wrap(`<g onclick="x()" id="a"/>`), `<g id="a"></g></svg>`},
		{"a fragment is kept", wrap(`<use href="#a"/>`), `<use href="#a"></use></svg>`},
		{"a host is cut off", wrap(`<image href="https://evil.example/a.png"/>`), `<image href="/a.png"></image></svg>`},
		{"a script URL is dropped", wrap(`<use href="javascript:x"/>`), `<use></use></svg>`},
		{"an import is broken", wrap(`<style>@import url(//e.example/x);a{fill:url(#g)}</style>`), `<style>@-import url(#);a{fill:url(#g)}</style></svg>`},
		{"a link on a is dropped", wrap(`<a href="/x"><g/></a>`), `<a><g></g></a></svg>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := sanitizeSVG(t.Context(), []byte(test.in))
			if err != nil || !strings.HasSuffix(string(got), test.want) {
				t.Fatalf("got %s, %v; want …%s", got, err, test.want)
			}
		})
	}
}

func FuzzSVG(f *testing.F) {
	f.Add([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><style>@import 'x'; a{b:url(x)}</style><a href="javascript:1" onload="x"/></svg>`))
	f.Fuzz(func(t *testing.T, src []byte) {
		once, err := sanitizeSVG(t.Context(), src)
		if err != nil {
			return
		}
		twice, err := sanitizeSVG(t.Context(), once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q, %v", once, twice, err)
		}
		if bytes.Contains(bytes.ToLower(once), []byte("<script")) {
			t.Fatalf("a script in %q", once)
		}
	})
}
