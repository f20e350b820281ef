package params

import (
	"strings"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
)

func TestLadder(t *testing.T) {
	snap := Ladder{Widths: []int{960, 320, 640}, Qualities: []int{60, 85}}
	listed := Ladder{Options: []string{"width", "fit"}}
	refuse := Ladder{Widths: []int{320, 640}, Refuse: true}
	for _, tt := range []struct {
		ladder            Ladder
		list, want, warns string
	}{
		{snap, "w=320", "width=320", ""},
		{snap, "w=321", "width=640", "width 321 was taken for 640"},
		{snap, "w=1", "width=320", "width 1 was taken for 320"},
		{snap, "w=9999", "width=960", "width 9999 was taken for 960"},
		{snap, "w=320,dpr=2", "width=640", ""},
		{snap, "w=300,dpr=2", "width=640", "width 600 was taken for 640"},
		{snap, "h=100,w=640", "height=320,width=640", "height 100 was taken for 320"},
		{snap, "w=640,q=70", "quality=85,width=640", "quality 70 was taken for 85"},
		{snap, "w=640,q=100", "quality=85,width=640", "quality 100 was taken for 85"},
		{snap, "w=160,dpr=2,trim=10;0;0;0", "trim.top=20,width=320", ""},
		{snap, "w=auto,wdesktop=1000,dpr=1.5", "wbreakpoints=320;960,wdesktop=960,width=auto,wmobile=960", "dpr was ignored"},
		{snap, "w=auto", "wbreakpoints=320;960,wdesktop=960,width=auto,wmobile=960", ""},
		{refuse, "w=auto", "wbreakpoints=320;640,wdesktop=640,width=auto,wmobile=640", ""},
		{refuse, "w=auto,wmobile=500", "", "'500' is not a wmobile of this server"},
		{snap, "blur=5", "blur=5", ""},
		{listed, "w=5,blur=3", "width=5", "blur was ignored"},
		{listed, "blur=3", "fit=scale-down", "blur was ignored"},
		{refuse, "w=640", "width=640", ""},
		{refuse, "w=160,dpr=2", "width=320", ""},
		{refuse, "w=500", "", "'500' is not a width of this server. Use 320, 640"},
		{Ladder{Options: []string{"width"}, Refuse: true}, "w=1,blur=3", "", "blur may not be used here. Use width"},
	} {
		ladder, err := NewLadder(tt.ladder)
		if err != nil {
			t.Fatal(err)
		}
		site := Site{Ladder: ladder}
		for _, target := range []string{"/cdn-cgi/imagedelivery/h/id/" + tt.list, "/cdn-cgi/image/" + tt.list + "/a.jpg"} {
			got, warnings, err := site.Parse("example.com", target)
			if tt.want == "" {
				if !fault.Is(err, fault.BadOptions) || !strings.Contains(err.Error(), tt.warns) {
					t.Errorf("%s: %v", target, err)
				}
				continue
			}
			text := warningsText(warnings)
			if err != nil || got.Options.String() != tt.want || !strings.Contains(text, tt.warns) || tt.warns == "" && text != "" {
				t.Errorf("%s: %s, %q, %v; want %s", target, got.Options, text, err, tt.want)
			}
		}
	}
	if l, err := NewLadder(Ladder{}); l != nil || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	for _, l := range []Ladder{{Widths: []int{0}}, {Qualities: []int{101}}, {Options: []string{"w"}}, {Options: []string{"nothing"}}} {
		if _, err := NewLadder(l); err == nil {
			t.Errorf("%+v was taken", l)
		}
	}
}

func warningsText(warnings []Warning) string {
	var all []string
	for _, w := range warnings {
		all = append(all, w.Text)
	}
	return strings.Join(all, "; ")
}

func TestDeliveryOf(t *testing.T) {
	site := Site{DeliveryHosts: []string{"img.example.com"}}
	for url, want := range map[string]string{
		"https://a.com/cdn-cgi/imagedelivery/h/x/y%20z/public?exp=1": "h x/y z public", "https://img.example.com/h/x/public": "h x public", "https://a.com/h/x/public": "",
		"https://a.com/cdn-cgi/imagedelivery/h/x": "", "https://a.com": "", "/cdn-cgi/imagedelivery/h/x/public": "h x public", "x": "",
	} {
		account, image, tail, ok := site.DeliveryOf(url)
		if got := strings.TrimSpace(account + " " + image + " " + tail); got != want || ok != (want != "") {
			t.Errorf("%s: %q", url, got)
		}
	}
}

// FuzzLadder: what the ladder gave is what it gives for it, and is on the rungs.
func FuzzLadder(f *testing.F) {
	ladder, err := NewLadder(Ladder{Widths: []int{320, 640, 1280}, Heights: []int{200, 400}, Qualities: []int{60, 85}})
	if err != nil {
		f.Fatal(err)
	}
	for _, list := range []string{"w=321,dpr=1.5", "h=9999,q=3", "w=auto,dpr=2.2,wbreakpoints=1;2", "trim=1;2;3;4,dpr=3,w=9", "w=1,h=1,scq=7"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		o, _, err := parseOptions(list, false, ladder)
		if err != nil {
			return
		}
		again, warnings, err := parseOptions(o.String(), false, ladder)
		if err != nil || again.String() != o.String() {
			t.Errorf("%q: %s, then %s, %v, %v", list, o, again, warnings, err)
		}
		if o.AutoWidth {
			o = o.ResolveWidth(len(list)*100, len(list)%2 == 0)
		}
		if w, h := o.Box(); w != 0 && w != 320 && w != 640 && w != 1280 || h != 0 && h != 200 && h != 400 {
			t.Errorf("%q: %d×%d", list, w, h)
		}
	})
}
