package negotiate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/params"
)

func vectors[Case any](t *testing.T, folder, name string) []Case {
	t.Helper()
	if named := os.Getenv("FOVEA_VECTORS"); named != "" {
		folder = named
	}
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []Case }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	t.Logf("%s: %d cases", name, len(file.Cases))
	return file.Cases
}

func TestVectorsAccept(t *testing.T) {
	type acceptCase struct {
		ID, Accept, Surface string
		Source              struct {
			Type            string
			Animated, Alpha bool
			Frames          int
		} `json:"source_image"`
		Options params.Options
		Output  params.Size
		Expect  struct {
			Type string `json:"content_type"`
			Vary *string
		}
	}
	for _, c := range vectors[acceptCase](t, filepath.Join("testdata", "vectors"), "accept.json") {
		t.Run(c.ID, func(t *testing.T) {
			pic := Picture{Media: params.ParseMedia(c.Source.Type), Animated: c.Source.Animated, Alpha: c.Source.Alpha, Frames: c.Source.Frames}
			got := DefaultPolicy().Choose(c.Options, c.Surface == "hosted", pic, c.Output, ParseAccept(c.Accept))
			if got.Media.String() != c.Expect.Type {
				t.Errorf("%s source, options %v, Accept %q: %v, want %s", c.Source.Type, c.Options, c.Accept, got.Media, c.Expect.Type)
			}
			if c.Expect.Vary != nil && got.VaryAccept != strings.Contains(strings.ToLower(*c.Expect.Vary), "accept") {
				t.Errorf("Vary: Accept is %v, want %s", got.VaryAccept, *c.Expect.Vary)
			}
		})
	}
}

// The widths of width=auto, through the headers themselves.
func TestVectorsFitWidthAuto(t *testing.T) {
	type fitCase struct {
		ID      string
		Group   string
		Input   struct{ W, H int }
		Options json.RawMessage
		Headers map[string]string `json:"request_headers"`
		Expect  struct{ Width, Height int }
	}
	n := 0
	for _, c := range vectors[fitCase](t, filepath.Join("..", "params", "testdata", "vectors"), "fit.json") {
		if c.Group != "width-auto" {
			continue
		}
		n++
		t.Run(c.ID, func(t *testing.T) {
			var o params.Options
			if err := json.Unmarshal(c.Options, &o); err != nil {
				t.Fatal(err)
			}
			o, vary := Resolve(o, Client{ViewportWidth: c.Headers["Sec-CH-Viewport-Width"], UserAgent: c.Headers["User-Agent"]})
			g, _, err := o.Geometry(params.Size{W: c.Input.W, H: c.Input.H}, 1, params.Seen{})
			if err != nil || g.Output != (params.Size{W: c.Expect.Width, H: c.Expect.Height}) {
				t.Errorf("%v, %v; want %v", g.Output, err, c.Expect)
			}
			if len(vary) == 0 {
				t.Error("no Vary")
			}
		})
	}
	if n == 0 {
		t.Error("no such case")
	}
}

func TestParseAccept(t *testing.T) {
	const both = AcceptsAVIF | AcceptsWebP
	for _, tt := range []struct {
		header string
		want   Accepts
	}{
		{"", 0}, {"*/*", 0}, {"image/*", 0}, {"image/avif", AcceptsAVIF}, {"IMAGE/WebP", AcceptsWebP},
		{"image/avif,image/webp", both}, {" image/avif ;q=0.1\t, image/webp ; q=1.0", both},
		{"image/avif;q=0", 0}, {"image/avif;q=0.000", 0}, {"image/avif;Q=0.0,image/webp", AcceptsWebP}, {"image/avif;q=0.001", AcceptsAVIF},
		{"image/avif;q=0,image/avif", 0}, {"image/avifs,ximage/avif,image/avif2", 0}, {"image/webp;v=1;q=0", 0},
		{`text/html;x="image/avif,",image/webp`, AcceptsWebP}, {`text/html;x="\",image/avif"`, 0}, {`image/avif;x=";q=0"`, AcceptsAVIF},
		{"image/avif;q=", AcceptsAVIF}, {"image/avif;q=.0", AcceptsAVIF}, {`"image/avif`, 0}, {",,;;image/webp,", 0}, {",;,image/webp,", AcceptsWebP},
		{strings.Repeat("image/png,", 10_000) + "image/avif", AcceptsAVIF},
	} {
		if got := ParseAccept(tt.header); got != tt.want {
			t.Errorf("ParseAccept(%.60q) = %b, want %b", tt.header, got, tt.want)
		}
	}
}

func TestChooseTellsWhatItCouldNotDo(t *testing.T) {
	p := DefaultPolicy()
	jpeg := Picture{Media: params.JPEG}
	moving := Picture{Media: params.GIF, Animated: true, Frames: 9}
	both := AcceptsAVIF | AcceptsWebP
	for _, tt := range []struct {
		name   string
		o      params.Options
		hosted bool
		pic    Picture
		out    params.Size
		a      Accepts
		want   Choice
	}{
		{"too large for AVIF by negotiation", params.Options{}, true, jpeg, params.Size{W: 1201, H: 9}, both,
			Choice{Media: params.WebP, VaryAccept: true, Warnings: warn("image too large for AVIF")}},
		{"too large for AVIF by wish, client without WebP", params.Options{Format: params.FormatAVIF}, true, jpeg, params.Size{W: 1601, H: 900}, AcceptsAVIF,
			Choice{Media: params.JPEG, VaryAccept: true, Warnings: warn("image too large for AVIF")}},
		{"too large for WebP by wish", params.Options{Format: params.FormatWebP}, false, Picture{Media: params.AVIF, Alpha: true}, params.Size{W: 16384, H: 9}, both,
			Choice{Media: params.PNG, Warnings: warn("image too large for WebP")}},
		{"AVIF of an animation", params.Options{Format: params.FormatAVIF}, false, moving, params.Size{W: 90, H: 90}, AcceptsWebP,
			Choice{Media: params.WebP, Animated: true, VaryAccept: true, Warnings: warn("AVIF is not made of animations")}},
		{"an explicit format needs no Vary", params.Options{Format: params.FormatWebP, Quality: 100}, true, jpeg, params.Size{W: 90, H: 90}, 0,
			Choice{Media: params.WebP, Lossless: true}},
		{"a tiny JPEG is baseline", params.Options{Format: params.FormatJPEG}, true, jpeg, params.Size{W: 49, H: 49}, 0,
			Choice{Media: params.JPEG, Baseline: true}},
		{"an explicit quality lets PNG use a palette", params.Options{Format: params.FormatPNG, Quality: 60}, true, jpeg, params.Size{W: 90, H: 90}, 0,
			Choice{Media: params.PNG, Palette: true}},
		{"an animated WebP for a client without it", params.Options{}, false, Picture{Media: params.WebP, Animated: true}, params.Size{W: 90, H: 90}, 0,
			Choice{Media: params.GIF, Animated: true, VaryAccept: true}},
		{"the first frame on demand", params.Options{Still: true}, false, moving, params.Size{W: 90, H: 90}, both, Choice{Media: params.PNG}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := p.Choose(tt.o, tt.hosted, tt.pic, tt.out, tt.a)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Two clients that share a bucket get the same format, whatever the source.
func TestBucketDecides(t *testing.T) {
	p := DefaultPolicy()
	formats := []params.Format{params.FormatUnset, params.FormatAuto, params.FormatAVIF, params.FormatWebP, params.FormatJPEG,
		params.FormatBaselineJPEG, params.FormatJSON, params.FormatPNG, params.FormatPNGForce}
	for _, format := range formats {
		for _, fast := range []bool{false, true} {
			for _, hosted := range []bool{false, true} {
				for _, media := range []params.Media{params.JPEG, params.PNG, params.GIF, params.WebP, params.AVIF, params.SVG, params.HEIC} {
					for i := range 8 {
						o := params.Options{Format: format, Fast: fast, Still: i&1 != 0}
						pic := Picture{Media: media, Animated: i&2 != 0, Alpha: i&4 != 0}
						for _, side := range []int{100, 1300, 1700, 16384} {
							for a := range Accepts(4) {
								out := params.Size{W: side, H: 10}
								b := Bucket(o, hosted, a)
								if x, y := p.Choose(o, hosted, pic, out, a), p.Choose(o, hosted, pic, out, b); x.Media != y.Media || x.Animated != y.Animated {
									t.Fatalf("%v of %+v at %d: %v for accepts %b, %v for its bucket %b", o, pic, side, x.Media, a, y.Media, b)
								}
							}
						}
					}
				}
			}
		}
	}
}

func TestResolve(t *testing.T) {
	auto := params.Options{AutoWidth: true, SlowQuality: 30, Quality: 80}
	for _, tt := range []struct {
		name   string
		o      params.Options
		client Client
		want   params.Options
		vary   []string
	}{
		{"nothing asked for looks at nothing", params.Options{Width: 5}, Client{SaveData: "on", ViewportWidth: "9"}, params.Options{Width: 5}, nil},
		{"everything asked for", auto, Client{ViewportWidth: "500", SaveData: "on"}, params.Options{Width: 768, Quality: 30},
			[]string{"Sec-CH-Viewport-Width", "Save-Data", "RTT", "ECT", "Downlink"}},
		{"a hint that is no number is none", params.Options{AutoWidth: true}, Client{ViewportWidth: "5e9", UserAgent: "x iPhone y"}, params.Options{Width: 768}, varyAgent},
		{"a long round trip", params.Options{SlowQuality: 30}, Client{RTT: "150.5"}, params.Options{Quality: 30}, varySlow},
		{"a short one", params.Options{SlowQuality: 30}, Client{RTT: "150", Downlink: "5", ECT: "4g", SaveData: "off"}, params.Options{}, varySlow},
		{"a narrow link", params.Options{SlowQuality: 30}, Client{Downlink: "4.9"}, params.Options{Quality: 30}, varySlow},
		{"a slow kind of link", params.Options{SlowQuality: 30}, Client{ECT: "slow-2g"}, params.Options{Quality: 30}, varySlow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, vary := Resolve(tt.o, tt.client)
			if !cmp.Equal(got, tt.want) || !cmp.Equal(vary, tt.vary) {
				t.Errorf("Resolve = %v %v, want %v %v", got, vary, tt.want, tt.vary)
			}
		})
	}
	if len(varyAgent) != 2 || len(varyViewport) != 1 {
		t.Error("a shared list was changed")
	}
}

func TestPolicyValidate(t *testing.T) {
	if err := DefaultPolicy().Validate(); err != nil {
		t.Error(err)
	}
	for _, p := range []Policy{{AVIFAuto: -1}, {AVIFExplicit: 70_000}, {WebP: 16384}} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "expected 0 to") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	p := DefaultPolicy()
	client := Client{Accept: "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}
	got := testing.AllocsPerRun(100, func() {
		o, _ := Resolve(params.Options{Width: 800}, client)
		p.Choose(o, true, Picture{Media: params.JPEG}, params.Size{W: 800, H: 600}, ParseAccept(client.Accept))
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzAccept(f *testing.F) {
	f.Add("image/avif;q=0.5, image/webp")
	f.Add(`a;b="\",,image/avif`)
	f.Fuzz(func(t *testing.T, header string) {
		a := ParseAccept(header)
		lower := strings.ToLower(header)
		if a&AcceptsAVIF != 0 && !strings.Contains(lower, "image/avif") || a&AcceptsWebP != 0 && !strings.Contains(lower, "image/webp") {
			t.Errorf("ParseAccept(%q) = %b", header, a)
		}
		if ParseAccept("image/avif,"+header)&AcceptsAVIF == 0 && !strings.Contains(lower, "q") {
			t.Errorf("%q takes AVIF away without a weight", header)
		}
	})
}

func BenchmarkParseAccept(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ParseAccept("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
	}
}
