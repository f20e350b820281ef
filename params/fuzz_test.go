package params

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var fuzzSite = &Site{Zone: "example.com", DeliveryHosts: []string{"img.example.com"}, Origins: Origins{any: true, buckets: []originRule{{host: "pictures", path: "/"}}}}

func FuzzParse(f *testing.F) {
	for _, target := range []string{
		"/cdn-cgi/image/w=80,q=high/uploads/a.png?x=1", "/cdn-cgi/image/fit=pad/https%3A%2F%2Fb.com%2F%20", "/h4sh/a%2Fb/public",
		"/cdn-cgi/imagedelivery/h4sh/%E3%81%82/width=auto,wbreakpoints=1;2", "http://img.example.com/h/i/v?sig=1", "/cdn-cgi/image/h=1/https:/[::1]:80/", "/cdn-cgi/image/h=1/s3://pictures/a%2Fb+c%20d", "/cdn-cgi/image/h=1/S3%3A%2F%2Fpictures%2F%C3%A4",
	} {
		f.Add("example.com", target)
		f.Add("img.example.com", target)
	}
	f.Fuzz(func(t *testing.T, host, target string) {
		got, _, err := fuzzSite.Parse(host, target)
		if err != nil || got.Kind == None {
			return
		}
		again, warnings, err := fuzzSite.Parse(host, got.String())
		if err != nil || len(warnings) > 0 {
			t.Fatalf("Parse(%q) = %v; its spelling %q gives %v %v", target, got, got.String(), warnings, err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("Parse(%q) and Parse(%q) differ\n%s", target, got.String(), diff)
		}
		if again.String() != got.String() {
			t.Fatalf("%q is respelt %q", got.String(), again.String())
		}
	})
}

func FuzzOptions(f *testing.F) {
	for _, list := range []string{
		"w=80,h=60,fit=cover,g=0.2x0.3,q=85", "trim=1;2;3;4,trim.top=0.5,trim.width=9", "trim=border,trim.border.color=%23fff,trim.border.keep=2",
		"width=auto,wbreakpoints=1;2;3,wmobile=4", "saturation=0,gamma=1,brightness=.5,blur=250", "background=hsl%280 50% 50%29,anim=false,f=json",
	} {
		f.Add(list, uint64(1))
	}
	f.Fuzz(func(t *testing.T, list string, seed uint64) {
		o, _, err := ParseOptions(list, false)
		if err != nil {
			return
		}
		again, warnings, err := ParseOptions(o.String(), true)
		if err != nil || len(warnings) > 0 || !cmp.Equal(o, again) {
			t.Fatalf("%q is spelt %q, which gives %v %v\n%s", list, o, warnings, err, cmp.Diff(o, again))
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var back Options
		if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(o, back) {
			t.Fatalf("%q is %s as JSON, which gives %v\n%s", list, text, err, cmp.Diff(o, back))
		}
		shuffled := shuffle(list, seed)
		other, _, err := ParseOptions(shuffled, false)
		if err != nil || other.String() != o.String() {
			t.Fatalf("%q gives %q, but %q gives %q (%v)", list, o, shuffled, other, err)
		}
	})
}

// shuffle changes the order of options that are not repeated.
func shuffle(list string, seed uint64) string {
	items := strings.Split(list, ",")
	seen := map[*option]bool{}
	for _, item := range items {
		name, _, _ := strings.Cut(strings.Trim(item, " "), "=")
		row := lookup(strings.TrimSpace(name), true)
		if row != nil && seen[row] {
			return list
		}
		seen[row] = row != nil
	}
	random := rand.New(rand.NewPCG(seed, 1))
	random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return strings.Join(items, ",")
}

func FuzzColor(f *testing.F) {
	for _, text := range []string{"red", "#fff", "rgb(1 2 3 / 50%)", "rgba(1,2,3,.5)", "hsl(120deg 50% 50%)", "transparent"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseColor(text)
		if !ok {
			return
		}
		spelt, _ := unescape(string(c.append(nil)))
		if again, ok := parseColor(spelt); !ok || again != c {
			t.Fatalf("%q = %v, spelt %q = %v %v", text, c, spelt, again, ok)
		}
	})
}

func FuzzGeometry(f *testing.F) {
	f.Add("w=300,h=200,fit=cover,g=face,zoom=0.5", 4000, 3000, uint8(6), 10, 20, 30, 40)
	f.Add("w=300,fit=aspect-crop,h=9999,trim=0.9;3;0;0,rotate=90,dpr=2", 1, 99999, uint8(0), 0, 0, 0, 0)
	f.Fuzz(func(t *testing.T, list string, w, h int, orient uint8, x, y, fw, fh int) {
		o, _, err := ParseOptions(list, false)
		if err != nil {
			return
		}
		var seen Seen
		if w > 0 && h > 0 && x >= 0 && y >= 0 && fw > 0 && fh > 0 && x < w && y < h && fw <= w-x && fh <= h-y {
			seen.Content = Rect{x, y, fw, fh}
			seen.Faces = []Rect{{x / 2, y / 2, 1 + fw/4, 1 + fh/4}}
			seen.Focus.X, seen.Focus.Y, seen.HasFocus = 0.25, 1, true
		}
		if orient >= 5 {
			seen.Content = Rect{}
		}
		g, _, err := o.Geometry(Size{w, h}, Orientation(orient), seen)
		if err != nil {
			return
		}
		checkGeometry(t, o, g)
	})
}

func checkGeometry(t *testing.T, o Options, g Geometry) {
	t.Helper()
	inside := func(name string, r Rect, s Size) {
		if r.X < 0 || r.Y < 0 || r.W < 1 || r.H < 1 || r.X+r.W > s.W || r.Y+r.H > s.H {
			t.Fatalf("%s: %s %v is not inside %v (%+v)", o, name, r, s, g)
		}
	}
	inside("trim", g.Trim, g.Upright)
	inside("crop", g.Crop, g.Resized)
	const slack = 1e-6
	W, H := float64(g.Oriented.W), float64(g.Oriented.H)
	if win := g.Window; !(win.X >= 0 && win.Y >= 0 && win.W > 0 && win.H > 0 && win.X+win.W <= W*(1+slack) && win.Y+win.H <= H*(1+slack)) {
		t.Fatalf("%s: window %v is not inside %v", o, win, g.Oriented)
	}
	out := Size{
		g.Crop.W + g.Pad.Left + g.Pad.Right + g.Border.Left + g.Border.Right,
		g.Crop.H + g.Pad.Top + g.Pad.Bottom + g.Border.Top + g.Border.Bottom,
	}
	if out != g.Output || out.W > MaxOutputSide || out.H > MaxOutputSide {
		t.Fatalf("%s: output %v is not what it is made of, %v (%+v)", o, g.Output, out, g)
	}
	w, h := o.Box()
	if w > 0 && h > 0 && o.Border == (Border{}) {
		switch o.Fit {
		case Cover, Pad, Squeeze:
			if g.Output != (Size{w, h}) {
				t.Fatalf("%s: output %v is not the box", o, g.Output)
			}
		case ScaleDown, Contain, Crop, AspectCrop:
			if g.Output.W > w || g.Output.H > h {
				t.Fatalf("%s: output %v is larger than the box", o, g.Output)
			}
		}
	}
}
