package params

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/internal/fault"
)

// The examples of the package's doc are run, so that the grammar stays true.
func TestExamplesOfTheGrammar(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	site := &Site{Zone: "example.com", Origins: Origins{any: true}}
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		fields := strings.Fields(strings.TrimPrefix(line, "//"))
		if len(fields) != 2 || !strings.HasPrefix(fields[0], "/cdn-cgi/") || !strings.HasPrefix(fields[1], "/cdn-cgi/") {
			continue
		}
		n++
		target, _, err := site.Parse("example.com", fields[0])
		if err != nil || target.String() != fields[1] {
			t.Errorf("%s is spelt %s (%v), the doc says %s", fields[0], target, err, fields[1])
		}
	}
	if n < 5 {
		t.Errorf("found %d examples", n)
	}
}

func TestEveryOptionIsInTheGrammarOnce(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range grammar {
		if i > 0 && grammar[i-1].name >= row.name {
			t.Errorf("%s is not after %s", row.name, grammar[i-1].name)
		}
		name := strings.TrimPrefix(row.name, "trim.border")
		if !strings.Contains(string(text), name) && !strings.HasPrefix(row.name, "trim.") {
			t.Errorf("the grammar does not tell of %s", row.name)
		}
		if row.alias != "" && !strings.Contains(string(text), row.name+" "+row.alias) {
			t.Errorf("the grammar does not tell of %s as %s", row.name, row.alias)
		}
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for _, tt := range []struct{ name, list, want string }{
		{"nothing", "", "at least one"},
		{"only commas", ",,", "at least one"},
		{"no equals sign", "width", "Expected options such as"},
		{"an unknown name alone", "foo=1", "at least one"},
		{"a keyword that is none", "format=jpg", "'jpg' is not a supported value of format. Use 'auto', 'avif'"},
		{"upper case", "fit=Cover", "'Cover' is not a supported value of fit"},
		{"a number with an exponent", "blur=1e2", "a number from 0 to 250"},
		{"a number that is none", "gamma=nan", "a number from 0 to 255"},
		{"a hexadecimal number", "sharpen=0x1", "from 0 to 10"},
		{"a number of 40 digits", "blur=" + strings.Repeat("0", 40), "from 0 to 250"},
		{"an underscore", "sharpen=1_0", "from 0 to 10"},
		{"two points", "sharpen=1.0.1", "from 0 to 10"},
		{"negative", "brightness=-1", "from 0 to 255"},
		{"a broken escape", "background=%2", "hexadecimal"},
		{"a colour that is none", "background=reddish", "CSS colour"},
		{"three sides of a trim", "trim=1;2;3", "top;right;bottom;left"},
		{"five sides of a trim", "trim=1;2;3;4;5", "top;right;bottom;left"},
		{"a trim of no width", "trim.width=0", "a positive number"},
		{"gravity with a capital x", "gravity=0.5X0.5", "XxY"},
		{"gravity outside", "gravity=0.5x1.01", "XxY"},
		{"svg, which is no URL's", "format=svg", "'svg' is not"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseOptions(tt.list, false)
			if !fault.Is(err, fault.BadOptions) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseOptions(%q) = %v, want it to say %q", tt.list, err, tt.want)
			}
		})
	}
}

func TestStrictRefusesWhatWouldBeIgnored(t *testing.T) {
	for _, list := range []string{"width=abc,h=1", "width=0,h=1", "h=1,foo=2", "dpr=-1,h=1", "h=1,draw=x", "wbreakpoints=3;2,w=auto"} {
		if _, warnings, err := ParseOptions(list, false); err != nil || len(warnings) != 1 {
			t.Errorf("lenient %q: %v, %v; want one warning", list, warnings, err)
		}
		if _, _, err := ParseOptions(list, true); !fault.Is(err, fault.BadOptions) {
			t.Errorf("strict %q: %v", list, err)
		}
	}
}

func TestOneSpelling(t *testing.T) {
	for _, tt := range []struct{ list, want string }{
		{"q=high", "quality=90"}, {"quality=90.4", "quality=90"}, {"q=0", "quality=1"}, {"q=-3", "quality=1"}, {"q=1000", "quality=100"},
		{"g=left", "gravity=0x0.5"}, {"g=0.50x.5", "fit=scale-down"}, {"g=center", "fit=scale-down"},
		{"brightness=1,contrast=0,gamma=1.0,saturation=1", "fit=scale-down"}, {"saturation=0", "saturation=0"},
		{"rotate=360", "fit=scale-down"}, {"dpr=1", "fit=scale-down"}, {"dpr=9", "dpr=3"},
		{"width=080.0", "width=80"}, {"width=79.5", "width=80"}, {"w=99999999999999", "width=1073741824"},
		{"background=RED", "background=%23ff0000"}, {"background=rgb%28100%25 0 0/50%25%29", "background=%23ff000080"},
		{"background=hsl%28120 100%25 25%25%29", "background=%23008000"}, {"background=rebeccapurple", "background=%23663399"},
		{"trim=0;0;0;0", "fit=scale-down"}, {"trim=1;2;3;4,trim.top=0.5", "trim.bottom=3,trim.left=4,trim.right=2,trim.top=0.5"},
		{"trim.right=5,trim.width=7", "trim.width=7"}, {"trim=border,trim.top=5", "trim=border"},
		{"trim.border.tolerance=10", "trim=border"}, {"trim=1.5;0;0;0", "trim.top=2"},
		{"w=auto,wbreakpoints=320;768;960;1200,wmobile=768", "width=auto"}, {"wmobile=9", "fit=scale-down"},
		{" w = 5 , ,h=6", "height=6,width=5"}, {"anim=true,metadata=copyright,upscale=interpolate", "fit=scale-down"},
	} {
		o, _, err := ParseOptions(tt.list, false)
		if err != nil || o.String() != tt.want {
			t.Errorf("%q is spelt %q (%v), want %q", tt.list, o, err, tt.want)
		}
	}
}

func TestUnmarshalJSON(t *testing.T) {
	tolerance := Trim{Border: true, TrimBorder: TrimBorder{Color: Color{A: 255, Set: true}, Tolerance: 5, HasTolerance: true}}
	for _, tt := range []struct {
		name, text string
		want       Options
	}{
		{"a hosted variant", `{"fit":"scale-down","width":1366,"height":768,"metadata":"none"}`, Options{Width: 1366, Height: 768, Metadata: MetadataNone}},
		{"a point with its mode", `{"gravity":{"x":0.2,"y":1,"mode":"box-center"}}`, Options{Gravity: Gravity{Kind: GravityPoint, X: 0.2, Y: 1, BoxCenter: true}}},
		{"numbers with exponents", `{"width":1e2,"blur":2.5}`, Options{Width: 100, Blur: 2.5}},
		{"an even border", `{"border":{"color":"#000","width":2}}`, Options{Border: Border{Color{A: 255, Set: true}, 2, 2, 2, 2}}},
		{"border detection", `{"trim":{"border":{"color":"black","tolerance":5}}}`, Options{Trim: tolerance}},
		{"border detection switched off", `{"trim":{"border":false},"width":null}`, Options{}},
		{"svg", `{"format":"svg"}`, Options{Format: FormatSVG}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got Options
			if err := json.Unmarshal([]byte(tt.text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var back Options
			if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(got, back) {
				t.Errorf("%s gives %v %v", text, back, err)
			}
		})
	}
	for _, text := range []string{
		`[]`, `"x"`, `{"w":5}`, `{"width":0}`, `{"width":"abc"}`, `{"width":{}}`, `{"origin-auth":"share-publicly"}`,
		`{"gravity":{"x":2,"y":0}}`, `{"gravity":{"x":0.5}}`, `{"gravity":{"x":0,"y":0,"z":1}}`, `{"trim":{"depth":1}}`, `{"trim":{"top":null}}`,
		`{"border":{"width":-1}}`, `{"border":{"colour":"red"}}`, `{"border":5}`, `{"fit":["cover"],"x":1}`, `{"quality":[[1]]}`,
	} {
		var o Options
		if err := json.Unmarshal([]byte(text), &o); !fault.Is(err, fault.BadOptions) {
			t.Errorf("%s gives %v, %v", text, o, err)
		}
	}
}

func TestOrigins(t *testing.T) {
	origins, err := ParseOrigins([]string{"B.com", "*.c.com", "d.com/themes", "bücher.example", "e.com:8443"})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]bool{
		"https://b.com/a": true, "http://b.com/a": true, "https://media.b.com/a": false, "https://b.com:8080/a": false,
		"https://c.com/": true, "https://x.y.c.com/": true, "https://evilc.com/": false, "https://c.com.evil/": false,
		"https://d.com/themes/a": true, "https://d.com/themes2": true, "https://d.com/a/themes": false,
		"https://xn--bcher-kva.example/": true, "https://e.com:8443/": true, "https://e.com/": false, "nonsense": false,
	} {
		if got := origins.Allow(url); got != want {
			t.Errorf("Allow(%s) = %v", url, got)
		}
	}
	for _, item := range []string{"", "*", "a b", "user@b.com", "https://b.com", "b.com:0", "*.*.com", "b?.com"} {
		if _, err := ParseOrigins([]string{item}); err == nil {
			t.Errorf("%q was taken", item)
		}
	}
}

func TestImageIDsAndVariantNames(t *testing.T) {
	for id, want := range map[string]bool{
		"083eb7b2-5392-4565-b69e-aff66acddd00": true, "083EB7B2-5392-4565-B69E-AFF66ACDDD00": true,
		"083eb7b2-5392-4565-b69e-aff66acddd0": false, "083eb7b2x5392-4565-b69e-aff66acddd00": false, "083eb7b2-5392-4565-b69e-aff66acddd0g": false,
	} {
		if got := IsUUID(id); got != want {
			t.Errorf("IsUUID(%q) = %v", id, got)
		}
	}
	for id, want := range map[string]bool{
		"a": true, "a/b.jpg": true, "ä%": true, "": false, "/a": false, "a/": false, "a//b": false, "a/../b": false, ".": false, "a\x00": false,
		"\xff": false, strings.Repeat("ä", 1024): true, strings.Repeat("a", 1025): false, "083eb7b2-5392-4565-b69e-aff66acddd00": true,
	} {
		if got := ValidImageID(id); got != want {
			t.Errorf("ValidImageID(%.20q) = %v", id, got)
		}
	}
	for name, want := range map[string]bool{"public": true, "A_b-9": true, "": false, "a.b": false, "a=b": false, strings.Repeat("a", 100): false} {
		if got := ValidVariantName(name); got != want {
			t.Errorf("ValidVariantName(%.20q) = %v", name, got)
		}
	}
}

func TestParseAllocates(t *testing.T) {
	site := &Site{Zone: "example.com", Origins: Origins{any: true}}
	room := make([]byte, 0, 512)
	var target Target
	var err error
	for _, tt := range []struct {
		target string
		most   float64
	}{
		{"/cdn-cgi/imagedelivery/Vi7wi5KSItxGFsWRG2Us6Q/083eb7b2-5392-4565-b69e-aff66acddd00/public", 0},
		{"/cdn-cgi/imagedelivery/Vi7wi5KSItxGFsWRG2Us6Q/shoes/red.jpg/width=800,height=600,fit=cover", 1},
		{"/cdn-cgi/image/width=80,quality=75/uploads/avatar1.jpg", 6},
		{"/cdn-cgi/image/width=80,quality=75/https://b.com/uploads/avatar1.jpg", 6},
	} {
		got := testing.AllocsPerRun(100, func() {
			if target, _, err = site.Parse("example.com", tt.target); err != nil {
				t.Fatal(err)
			}
			room = target.AppendString(room[:0])
		})
		if got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.target, got, tt.most)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	site := &Site{Zone: "example.com"}
	room := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		target, _, err := site.Parse("example.com", "/cdn-cgi/imagedelivery/Vi7wi5KSItxGFsWRG2Us6Q/shoes/red.jpg/width=800,height=600,fit=cover")
		if err != nil {
			b.Fatal(err)
		}
		room = target.AppendString(room[:0])
	}
}

func TestABackslashEndsTheHost(t *testing.T) {
	site := &Site{Origins: Origins{any: true}}
	for source, want := range map[string]string{
		`https://a.com\.b.com/x`: "https://a.com/.b.com/x",
		`https://a.com\`:         "https://a.com/",
		`https://a.com/\x`:       "https://a.com/%5Cx",
	} {
		target, _, err := site.Parse("example.com", "/cdn-cgi/image/w=9/"+source)
		if err != nil || target.Source.Value != want {
			t.Errorf("%s is %s (%v), expected %s", source, target.Source.Value, err, want)
		}
	}
}
