package engine

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// forbidden reads a sanitised SVG anew and lists what could run or fetch. It
// shares no code with the sanitiser.
func forbidden(svg []byte) (found []string) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	in := ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			return append(found, err.Error())
		}
		switch token := token.(type) {
		case xml.StartElement:
			in = token.Name.Local
			switch strings.ToLower(in) {
			case "script", "foreignobject", "iframe", "object", "embed", "img", "video", "audio", "body", "html", "handler", "listener", "link", "meta", "base", "form", "input", "discard", "metadata", "math":
				found = append(found, "element "+in)
			}
			if token.Name.Space != "http://www.w3.org/2000/svg" {
				found = append(found, "namespace "+token.Name.Space)
			}
			for _, a := range token.Attr {
				found = append(found, badAttribute(a)...)
			}
		case xml.CharData:
			if in == "style" {
				found = append(found, badCSS(string(token))...)
			}
		case xml.Comment, xml.ProcInst, xml.Directive:
			found = append(found, fmt.Sprintf("%T", token))
		}
	}
}

func badAttribute(a xml.Attr) (found []string) {
	name, value := strings.ToLower(a.Name.Local), a.Value
	switch {
	case strings.HasPrefix(name, "on"), name == "src", name == "base", name == "target", name == "action", name == "data":
		found = append(found, "attribute "+name)
	case name == "attributename" && (strings.Contains(strings.ToLower(value), "href") || strings.HasPrefix(strings.ToLower(value), "on") || value == "style"):
		found = append(found, "an animation of "+value)
	case name == "href":
		u, err := url.Parse(value)
		raster := strings.HasPrefix(value, "data:image/png;base64,") || strings.HasPrefix(value, "data:image/jpeg;base64,") || strings.HasPrefix(value, "data:image/gif;base64,")
		if err != nil || !raster && (u.Scheme != "" || u.Host != "" || u.Opaque != "") || strings.HasPrefix(value, "//") || strings.ContainsAny(value, "\\\n\t\x00") {
			found = append(found, "link "+value)
		}
	case a.Name.Space == "xmlns" || name == "xmlns":
		if value != "http://www.w3.org/2000/svg" && value != "http://www.w3.org/1999/xlink" {
			found = append(found, "namespace "+value)
		}
	default:
		found = append(found, badCSS(value)...)
	}
	return found
}

func badCSS(text string) (found []string) {
	text = strings.ToLower(text)
	for _, word := range []string{"@import", "javascript", "vbscript", "expression(", "behavior", "-moz-binding", "image-set(", "src(", "\\", "</", "data:", "http:", "https:"} {
		if strings.Contains(text, word) {
			found = append(found, "style "+word)
		}
	}
	for _, part := range strings.Split(text, "url(")[1:] {
		if !strings.HasPrefix(strings.TrimLeft(part, " \t\r\n\"'"), "#") {
			found = append(found, "style url("+part)
		}
	}
	return found
}

// vectors are classic ways to run or fetch something from inside an svg element.
var vectors = []struct{ name, inside string }{
	{"a script", `<script>alert(1)</script>`},
	{"a script from elsewhere", `<script href="https://e.example/x.js"/><script xlink:href="//e.example/x.js"/>`},
	{"a script in capitals", `<SCRIPT>alert(1)</SCRIPT><Script>alert(1)</Script>`},
	{"a script in CDATA", `<script><![CDATA[alert(1)]]></script>`},
	{"a script under a prefix", `<s:script xmlns:s="http://www.w3.org/2000/svg">alert(1)</s:script>`},
	{"a script of XHTML", `<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>`},
	{"a script in a kept element", `<g><defs><script>alert(1)</script></defs></g>`},
	{"a script in a dropped one", `<x><script>alert(1)</script><g onload="x"/></x>`},
	{"a script inside style", `<style><script>alert(1)</script></style>`},
	{"a script that style ends", `<style>&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;</style>`},
	{"a script that CDATA in style ends", `<style><![CDATA[</style><script>alert(1)</script>]]></style>`},
	{"a script that a title ends", `<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title>`},
	{"a script in an attribute", `<g id="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"/>`},
	{"handlers", `<g onload="a()" onclick="a()" ONMOUSEOVER="a()" onfocusin="a()" onbegin="a()" onend="a()" onrepeat="a()" tabindex="1" autofocus=""/>`},
	{"a handler under a prefix", `<g s:onload="a()" xmlns:s="http://www.w3.org/2000/svg" xlink:onload="a()"/>`},
	{"a handler on an animation", `<animate onbegin="a()" attributeName="x" dur="1s"/><set onend="a()"/>`},
	{"a handler in XML Events", `<handler xmlns:ev="http://www.w3.org/2001/xml-events" ev:event="load">alert(1)</handler><listener event="click" handler="#h"/>`},
	{"a link to a script", `<a href="javascript:alert(1)"><text>x</text></a><a xlink:href="javascript:alert(1)"><text>x</text></a>`},
	{"a script URL with a tab", `<use href="java&#9;script:alert(1)"/>`},
	{"a script URL with a line feed", `<use href="java&#10;script:alert(1)"/>`},
	{"a script URL behind blanks", `<image href=" &#10;&#13;&#9; javascript:alert(1)"/>`},
	{"a script URL behind a control", `<image href="&#x1F;javascript:alert(1)"/>`},
	{"a script URL in capitals", `<use href="JaVaScRiPt:alert(1)"/>`},
	{"a script URL in references", `<use href="&#106;&#x61;vascript&#58;alert(1)"/>`},
	{"a script URL percent-encoded", `<use href="javascript%3Aalert(1)"/>`},
	{"a script URL behind a path", `<use href="./javascript:alert(1)"/>`},
	{"other schemes", `<use href="vbscript:x"/><use href="file:///etc/passwd"/><use href="feed:x"/><image href="blob:x"/><image href="ftp://e.example/x"/>`},
	{"another site", `<use href="https://e.example/x.svg#a"/><image xlink:href="http://e.example/x.png"/>`},
	{"another site without scheme", `<image href="//e.example/x.png"/><image href="///e.example/x.png"/><image href="////e.example"/>`},
	{"another site with backslashes", `<image href="\\e.example\x.png"/><image href="/\e.example/x.png"/><image href="https:\\e.example"/>`},
	{"another site, opaque", `<image href="https:e.example/x.png"/><image href="http:/e.example"/>`},
	{"data with a document", `<use href="data:image/svg+xml;base64,PHN2Zy8+#a"/><image href="data:image/svg+xml,%3Csvg onload=alert(1)%3E"/><image href="data:text/html,x"/>`},
	{"data that lies about its type", `<image href="data:image/png;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSkvPg=="/>`},
	{"data of two types", `<image href="data:image/png,text/html;base64,iVBORw0KGgo="/><image href="data:text/html;image/png;base64,iVBORw0KGgo="/>`},
	{"an animated link", `<a><animate attributeName="href" values="javascript:alert(1)"/><text>x</text></a>`},
	{"an animated xlink", `<set attributeName="xlink:href" to="javascript:alert(1)"/><animate attributeName=" href" from="javascript:alert(1)"/>`},
	{"an animated handler", `<set attributeName="onclick" to="alert(1)"/><animate attributeName="onmouseover" values="alert(1)"/>`},
	{"an animated style", `<set attributeName="style" to="background:url(//e.example)"/>`},
	{"an animation towards elsewhere", `<animate attributeName="fill" values="url(//e.example/a);javascript:x"/>`},
	{"a foreign object", `<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="alert(1)"/></body></foreignObject>`},
	{"a foreign object in a switch", `<switch><foreignObject requiredExtensions=""><iframe src="//e.example"/></foreignObject><g/></switch>`},
	{"HTML elements", `<img src="x" onerror="a()"/><iframe src="//e.example"/><object data="x"/><embed src="x"/><video src="x"/><link rel="stylesheet" href="//e.example"/><meta http-equiv="refresh" content="0"/><base href="//e.example"/>`},
	{"HTML by namespace", `<g xmlns="http://www.w3.org/1999/xhtml" onclick="a()"><style>x</style></g>`},
	{"MathML", `<math xmlns="http://www.w3.org/1998/Math/MathML"><maction actiontype="statusline" xlink:href="javascript:alert(1)">x</maction></math>`},
	{"a namespace switched off", `<g xmlns=""><script>alert(1)</script><g onload="a()"/></g>`},
	{"xml:base", `<g xml:base="https://e.example/"><use href="a.svg#b"/></g>`},
	{"an import", `<style>@import "//e.example/x.css";@IMPORT url(//e.example/x);@import'x'</style>`},
	{"an import in escapes", `<style>@\69mport "//e.example/x.css";@i\6d port url(x)</style>`},
	{"an import around a comment", `<style>@im/**/port "x";@/**/import "x";/*</style><style>*/@import "x"</style>`},
	{"an import in CDATA", `<style><![CDATA[@import url("//e.example/x.css");]]></style>`},
	{"an import cut by CDATA", `<style>@imp<![CDATA[ort "//e.example/x.css"]]></style>`},
	{"an import cut by a comment of XML", `<style>@imp<!-- -->ort "//e.example/x.css"</style>`},
	{"an import cut by an element", `<style>@imp<g/>ort "//e.example/x.css"</style>`},
	{"URLs in style", `<style>a{background:url(//e.example);b:URL( "https://e.example" );c:url('//e.example')}</style><g style="fill:url(//e.example#a)"/>`},
	{"URLs in presentation", `<g fill="url(https://e.example/a#b)" filter="url('//e.example')" mask="url(//e.example#m)" cursor="url(x),auto" clip-path="url(x.svg#y)"/>`},
	{"a URL without an end", `<g style="fill:url(//e.example"/><style>a{b:url(//e.example</style>`},
	{"a URL among a string and a bracket", `<style>a{b:url("#a)url(//e.example)")}</style>`},
	{"a fragment and more", `<g fill="url(#a) url(//e.example)" style="fill:url(#a&quot; //e.example)"/>`},
	{"URLs in escapes", `<g style="fill:u\72l(//e.example)"/><g fill="\75rl(//e.example)"/>`},
	{"URLs by other names", `<style>a{b:image-set("//e.example" 1x);c:-webkit-image-set("//e.example" 1x);d:image("//e.example");e:src("//e.example")}</style>`},
	{"a URL hidden by letters that change length", `<style>İİİİİİİİ a{b:calc(1)url(//e.example)}` + "ȺȺȺȺȺȺȺȺ" + `</style>`},
	{"an import hidden by letters that change length", `<style>İİİİİİİİİİİİ@import "//e.example";` + "ȺȺȺȺȺȺȺȺȺȺȺȺ" + `</style>`},
	{"expressions and bindings", `<g style="width:expression(alert(1));-moz-binding:url(//e.example);behavior:url(x.htc)"/>`},
	{"a script in style", `<g style="background:javascript:alert(1)"/><g style="background:java/**/script:alert(1)"/>`},
	{"a font from elsewhere", `<style>@font-face{font-family:x;src:url(//e.example/f.woff)}</style>`},
	{"processing instructions", `<?xml-stylesheet href="//e.example/x.css"?><?php echo 1 ?><g/>`},
	{"comments", `<!-- <script>alert(1)</script> --><g/><!--[if gte IE 4]><script>alert(1)</script><![endif]-->`},
	{"metadata", `<metadata><script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script></metadata>`},
	{"an attribute twice", `<use href="#a" xlink:href="javascript:alert(1)"/>`},
	{"a handler that is discarded into being", `<discard href="#a"/><g id="a" onload="x"/>`},
}

func TestNothingOfAnSVGRunsOrFetches(t *testing.T) {
	const head = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" `
	check := func(t *testing.T, src []byte) {
		t.Helper()
		start := time.Now()
		got, err := sanitizeSVG(t.Context(), src)
		if took := time.Since(start); took > time.Second {
			t.Logf("took %v, which is too long on an idle machine", took)
		}
		if err != nil {
			if !fault.Is(err, fault.Unsupported) {
				t.Errorf("%v", err)
			}
			return
		}
		if found := forbidden(got); found != nil {
			t.Errorf("%q in %s", found, got)
		}
		again, err := sanitizeSVG(t.Context(), got)
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("sanitised again: %s, %v", again, err)
		}
	}
	for _, tt := range vectors {
		t.Run(tt.name, func(t *testing.T) {
			text := head + `viewBox="0 0 9 9">` + tt.inside + `</svg>`
			check(t, []byte(text))
			check(t, []byte(head+`onload="alert(1)">`+strings.Repeat("<g>", 9)+tt.inside+strings.Repeat("</g>", 9)+`</svg>`))
			wide := []byte{0xff, 0xfe}
			for _, unit := range utf16.Encode([]rune(text)) {
				wide = append(wide, byte(unit), byte(unit>>8))
			}
			check(t, wide)
		})
	}
}

func TestSVGsThatAreNoneAreRefused(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	lol := `<!DOCTYPE svg [<!ENTITY a "lol">`
	for i := range 9 {
		lol += fmt.Sprintf(`<!ENTITY %c "%s">`, 'b'+i, strings.Repeat(fmt.Sprintf("&%c;", 'a'+i), 10))
	}
	const head = `<svg xmlns="http://www.w3.org/2000/svg">`
	for _, tt := range []struct{ name, src string }{
		{"entities that expand", lol + `]>` + head + `<text>&j;</text></svg>`},
		{"an entity of a file", `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + head + `<text>&x;</text></svg>`},
		{"an entity of HTML", head + `<text>&nbsp;</text></svg>`},
		{"an end that is missing", head + `<g>`},
		{"ends in another order", head + `<g><a></g></a></svg>`},
		{"a second root", head + `</svg>` + head + `</svg>`},
		{"another root", `<html><svg/></html>`},
		{"a root of another namespace", `<svg xmlns="http://www.w3.org/1999/xhtml"/>`},
		{"a root that is a script", `<script xmlns="http://www.w3.org/2000/svg">alert(1)</script>`},
		{"elements 1,000 deep", head + strings.Repeat("<g>", 1000) + strings.Repeat("</g>", 1000) + `</svg>`},
		{"elements 1,000 deep that are dropped", head + strings.Repeat("<x>", 1000) + strings.Repeat("</x>", 1000) + `</svg>`},
		{"an unknown character set", `<?xml version="1.0" encoding="UTF-7"?>` + head + `+ADw-script+AD4-</svg>`},
		{"attributes without quotes", `<svg onload=alert(1)>`},
		{"bytes that are no text", head + "\x00\xff\xfe</svg>"},
		{"a prolog without end", strings.Repeat("<!-- -->", 1<<16)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			info, err := e.Probe([]byte(tt.src))
			if err == nil {
				_, err = e.Transform(t.Context(), []byte(tt.src), info, Plan{Media: params.SVG})
			}
			if !fault.Is(err, fault.Unsupported) {
				t.Errorf("%v", err)
			}
			if took := time.Since(start); took > time.Second {
				t.Logf("took %v, which is too long on an idle machine", took)
			}
		})
	}
}

func TestLargeSVGsTakeLinearTime(t *testing.T) {
	for _, tt := range []struct{ name, src string }{
		{"comments in style", `<style>` + strings.Repeat("/**/", 1<<18) + `</style>`},
		{"URLs in style", `<style>` + strings.Repeat("url(x)", 1<<17) + `</style>`},
		{"URLs without end", `<style>` + strings.Repeat("url(", 1<<18) + `</style>`},
		{"imports", `<style>` + strings.Repeat("@import", 1<<17) + `</style>`},
		{"an attribute of a megabyte", `<g fill="` + strings.Repeat("url(#", 1<<18) + `"/>`},
		{"attributes", `<g ` + strings.Repeat(`x="1" `, 1<<17) + `/>`},
		{"elements", strings.Repeat(`<g/>`, 1<<17)},
		{"imports and a URL behind them", `<style>` + strings.Repeat("@import", 1<<17) + `url(x)</style>`},
		{"URLs and an import behind them", `<style>` + strings.Repeat("url(x)", 1<<17) + `@import</style>`},
		{"data", `<image href="data:image/png;base64,` + strings.Repeat("iVBO", 1<<18) + `"/>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := []byte(`<svg xmlns="http://www.w3.org/2000/svg">` + tt.src + `</svg>`)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			got, err := sanitizeSVG(t.Context(), src)
			if took := time.Since(start); took > time.Second {
				t.Logf("took %v, which is too long on an idle machine", took)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 400*uint64(len(src)) {
				t.Errorf("%d bytes took %d bytes of memory", len(src), n)
			}
			if err == nil {
				if found := forbidden(got); found != nil {
					t.Errorf("%.200q", found)
				}
			}
		})
	}
}
