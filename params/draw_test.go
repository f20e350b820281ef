package params

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fovea-images/fovea/internal/fault"
)

func TestDraw(t *testing.T) {
	zero, five, minus := 0, 5, -7
	for _, tt := range []struct {
		name, json string
		want       Overlay
	}{
		{"a picture in the centre", `{"url":"https://a.com/logo.png"}`, Overlay{}},
		{"its URL has one spelling", `{"url":"HTTPS:/A.com:443/logo.png#x"}`, Overlay{}},
		{"in a corner", `{"url":"https://a.com/logo.png","left":0,"bottom":5.4}`, Overlay{Left: &zero, Bottom: &five}},
		{"beyond an edge", `{"url":"https://a.com/logo.png","right":-7}`, Overlay{Right: &minus}},
		{"by pixels and fraction", `{"url":"https://a.com/logo.png","width":120,"height":0.25}`, Overlay{Width: Length{120, Pixels}, Height: Length{0.25, Fraction}}},
		{"see-through", `{"url":"https://a.com/logo.png","opacity":0.5}`, Overlay{Opacity: 0.5}},
		{"repeated", `{"url":"https://a.com/logo.png","repeat":true}`, Overlay{Repeat: RepeatBoth}},
		{"repeated in a row", `{"url":"https://a.com/logo.png","repeat":"x"}`, Overlay{Repeat: RepeatX}},
		{"by an operator", `{"url":"https://a.com/logo.png","composite":"xor"}`, Overlay{Composite: CompositeXor}},
		{"with options of its own", `{"url":"https://a.com/logo.png","rotate":90,"fit":"cover"}`, Overlay{Options: Options{Rotate: 90, Fit: Cover}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o, again Options
			if err := json.Unmarshal([]byte(`{"width":800,"draw":[`+tt.json+`]}`), &o); err != nil {
				t.Fatal(err)
			}
			tt.want.Source = Source{Absolute: true, Value: "https://a.com/logo.png"}
			if tt.want.Opacity == 0 {
				tt.want.Opacity = 1
			}
			if diff := cmp.Diff([]Overlay{tt.want}, o.Draw); diff != "" {
				t.Error(diff)
			}
			text, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &again); err != nil || cmp.Diff(o, again) != "" {
				t.Errorf("%s: %v %s", text, err, cmp.Diff(o, again))
			}
			if !strings.HasPrefix(o.String(), "width=800,draw=[{") {
				t.Errorf("the key has %s", o)
			}
		})
	}
	for _, bad := range []string{
		`{}`, `5`, `{"url":"/logo.png"}`, `{"url":"ftp://a.com/x"}`, `{"url":"https://u:p@a.com/x"}`, `{"url":"https://a.com/../x"}`,
		`{"url":5}`, `{"text":"hi"}`, `{"url":"https://a.com/x","left":1,"right":1}`, `{"url":"https://a.com/x","top":1,"bottom":1}`,
		`{"url":"https://a.com/x","opacity":1.1}`, `{"url":"https://a.com/x","opacity":"1"}`, `{"url":"https://a.com/x","repeat":"z"}`,
		`{"url":"https://a.com/x","composite":"under"}`, `{"url":"https://a.com/x","width":0}`, `{"url":"https://a.com/x","width":-1}`,
		`{"url":"https://a.com/x","width":1e9}`, `{"url":"https://a.com/x","draw":[]}`, `{"url":"https://a.com/x","what":1}`, `{"url":"https://a.com/x","left":"1"}`,
	} {
		var o Options
		if err := json.Unmarshal([]byte(`{"draw":[`+bad+`]}`), &o); !fault.Is(err, fault.BadOptions) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	var o Options
	nine := strings.TrimSuffix(strings.Repeat(`{"url":"https://a.com/x"},`, 9), ",")
	if err := json.Unmarshal([]byte(`{"draw":[`+nine+`]}`), &o); !fault.Is(err, fault.BadOptions) {
		t.Errorf("nine overlays: %v", err)
	}
}

func TestOverlayPlace(t *testing.T) {
	five := 5
	base, size := Size{100, 60}, Size{20, 10}
	for _, tt := range []struct {
		o    Overlay
		x, y int
	}{
		{Overlay{}, 40, 25}, {Overlay{Left: &five, Top: &five}, 5, 5}, {Overlay{Right: &five, Bottom: &five}, 75, 45}, {Overlay{Right: &five}, 75, 25},
	} {
		if x, y := tt.o.Place(base, size); x != tt.x || y != tt.y {
			t.Errorf("%+v lies at %d, %d", tt.o, x, y)
		}
	}
	o := Overlay{Width: Length{0.25, Fraction}, Height: Length{7, Pixels}}
	if w, h := o.Size(base); w != 25 || h != 7 {
		t.Errorf("%d×%d", w, h)
	}
}

func TestAllow(t *testing.T) {
	origins, err := ParseOrigins([]string{"a.com"})
	if err != nil {
		t.Fatal(err)
	}
	site := &Site{Zone: "example.com", Origins: origins}
	for url, want := range map[string]fault.Kind{
		"https://a.com/x": 0, "https://example.com/x": 0, "https://b.com/x": fault.NotAllowed, "https://example.com/cdn-cgi/image/w=1/x": fault.Loop,
	} {
		source, err := ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := site.Allow(source); want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
