package engine

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
)

// attacks are ways to run code, reach another host or read a file from an SVG, one
// of each kind.
var attacks = []string{
	`<script>alert(1)</script>`, `<script xlink:href="//e.example/x.js"/>`, `<script href="data:text/javascript,alert(1)"/>`,
	`<SCRIPT>alert(1)</SCRIPT>`, `<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>`,
	`<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>`,
	`<g onload="alert(1)"/>`, `<g ONLOAD="alert(1)"/>`, `<g onbegin="alert(1)"/>`, `<animate onbegin="alert(1)" attributeName="x" dur="1s"/>`,
	`<set attributeName="onmouseover" to="alert(1)"/>`, `<animate attributeName="href" values="javascript:alert(1)"/>`,
	`<set attributeName="xlink:href" to="javascript:alert(1)"/>`, `<animate attributeName="style" to="x:url(//e.example)"/>`,
	`<a href="javascript:alert(1)"><text>x</text></a>`, `<a xlink:href="java&#x0A;script:alert(1)"><text>x</text></a>`,
	`<a xlink:href="data:text/html,x"><text>x</text></a>`, `<use href="data:image/svg+xml,x#y"/>`, `<use xlink:href="https://e.example/x.svg#y"/>`,
	`<use href="//e.example/x.svg#y"/>`, `<use href="\\e.example\x"/>`, `<use href=" javascript:alert(1)"/>`, `<use href="JaVaScRiPt:alert(1)"/>`,
	`<use href="&#106;avascript:alert(1)"/>`, `<use href="vbscript:x"/>`, `<use href="file:///etc/passwd"/>`,
	`<image href="https://e.example/track.gif"/>`, `<image href="data:image/svg+xml;base64,PHN2Zy8+"/>`, `<image href="data:text/html,x"/>`,
	`<image xlink:href="//e.example/x.png" onerror="alert(1)"/>`, `<feImage href="https://e.example/x"/>`,
	`<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></body></foreignObject>`,
	`<foreignObject><iframe src="javascript:alert(1)"/></foreignObject>`, `<iframe xmlns="http://www.w3.org/1999/xhtml" src="//e.example"/>`,
	`<embed xmlns="http://www.w3.org/1999/xhtml" src="x"/>`, `<object xmlns="http://www.w3.org/1999/xhtml" data="x"/>`,
	`<img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="alert(1)"/>`, `<handler xmlns:ev="http://www.w3.org/2001/xml-events" ev:event="load">alert(1)</handler>`,
	`<listener event="load" handler="#x"/>`, `<style>@import "//e.example/x.css";</style>`, `<style>@\69mport url(//e.example/x)</style>`,
	`<style>*{background:url("https://e.example/x")}</style>`, `<style>*{background:u\72l(https://e.example/x)}</style>`,
	`<style>@font-face{font-family:x;src:url(//e.example/f)}</style>`, `<g style="background:url(https://e.example/x)"/>`,
	`<g style="behavior:url(#default)"/>`, `<g fill="url(https://e.example/x#y)"/>`, `<g filter="url(//e.example/x#y)"/>`, `<g mask='url("//e.example/x#y")'/>`,
	`<style><![CDATA[@import url(//e.example/x);]]></style>`, `<title><![CDATA[</title><script>alert(1)</script>]]></title>`,
	`<desc>&lt;script&gt;alert(1)&lt;/script&gt;</desc>`, `<!-- <script>alert(1)</script> -->`, `<?xml-stylesheet href="//e.example/x.xsl"?>`,
	`<metadata><script>alert(1)</script></metadata>`, `<text>]]&gt;<script>alert(1)</script></text>`, `<g xml:base="https://e.example/"><use href="x#y"/></g>`,
	`<audio xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="alert(1)"/>`, `<discard onend="alert(1)"/>`, `<g formaction="javascript:alert(1)"/>`,
	`<cursor xlink:href="//e.example/x"/>`, `<color-profile xlink:href="//e.example/x"/>`, `<font-face-uri xlink:href="//e.example/x"/>`,
	`<tref xlink:href="//e.example/x"/>`, `<mpath href="//e.example/x#y"/>`, `<textPath href="//e.example/x#y"/>`, `<g class="x" id="y" data-x="javascript:1"/>`,
}

// neutralised is a rule that no browser knows, up to its end.
var neutralised = regexp.MustCompile(`@-import[^;]*;?`)

// harmless reads what was made as a browser would and complains of all that could
// act.
func harmless(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		switch token := token.(type) {
		case xml.Comment, xml.Directive:
			t.Errorf("%s keeps %T", text, token)
		case xml.ProcInst:
			if token.Target != "xml" {
				t.Errorf("%s keeps %s", text, token.Target)
			}
		case xml.StartElement:
			if token.Name.Space != "http://www.w3.org/2000/svg" || !svgElement(token.Name.Local) {
				t.Errorf("%s keeps element %v", text, token.Name)
			}
			for _, a := range token.Attr {
				judge(t, text, a)
			}
		case xml.CharData:
			low := neutralised.ReplaceAllString(strings.ToLower(string(token)), "")
			if strings.Contains(low, "@import") || strings.Contains(low, "e.example") {
				t.Errorf("%s keeps %q", text, token)
			}
		}
	}
}

func judge(t *testing.T, text string, a xml.Attr) {
	t.Helper()
	low := strings.ToLower(strings.Join(strings.Fields(a.Value), ""))
	switch {
	case a.Name.Space == "xmlns" || a.Name.Local == "xmlns":
	case strings.HasPrefix(strings.ToLower(a.Name.Local), "on"), a.Name.Local == "base", a.Name.Local == "formaction",
		strings.Contains(low, "script:"), strings.Contains(low, "e.example"), strings.Contains(low, "file:"), strings.Contains(low, "data:"):
		t.Errorf("%s keeps %v", text, a)
	case a.Name.Local == "attributeName" && (strings.Contains(low, "href") || strings.HasPrefix(low, "on") || low == "style"):
		t.Errorf("%s animates %s", text, a.Value)
	case strings.Contains(low, "url(") && !strings.Contains(low, "url(#"):
		t.Errorf("%s keeps %v", text, a)
	}
}

func TestSVGAttacksLoseTheirTeeth(t *testing.T) {
	for _, attack := range attacks {
		for _, text := range []string{
			`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">` + attack + `</svg>`,
			`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><g>` + attack + attack + `</g></svg>`,
		} {
			got, err := sanitizeSVG(t.Context(), []byte(text))
			if err != nil {
				if !fault.Is(err, fault.Unsupported) && !fault.Is(err, fault.DecodeFailed) {
					t.Errorf("%s: %v", attack, err)
				}
				continue // refused as a whole
			}
			harmless(t, string(got))
		}
	}
}

func TestSVGEntitiesAreRefused(t *testing.T) {
	laughs := `<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>`
	for name, text := range map[string]string{
		"entities of entities": laughs + `<svg xmlns="http://www.w3.org/2000/svg"><text>&c;</text></svg>`,
		"a file":               `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>`,
		"an unknown entity":    `<svg xmlns="http://www.w3.org/2000/svg"><text>&nbsp;&x;</text></svg>`,
		"not well-formed":      `<svg xmlns="http://www.w3.org/2000/svg"><g></svg>`,
	} {
		if got, err := sanitizeSVG(t.Context(), []byte(text)); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}
