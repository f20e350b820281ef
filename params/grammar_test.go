package params

import (
	"strconv"
	"testing"
)

// What is told of an option is what its reader does.
func TestTheGrammarIsDescribedAsItReads(t *testing.T) {
	all := Grammar()
	if len(all) != len(grammar) {
		t.Fatalf("%d options are described, of %d", len(all), len(grammar))
	}
	accepted := func(name, value string) bool {
		_, warnings, err := ParseOptions(name+"="+value, false)
		return err == nil && len(warnings) == 0
	}
	spell := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	shaped := map[string]string{"XxY": "0.25x1", "top;right;bottom;left": "1;2;0.5;4", "320;768;1200": "320;768;1200"}
	for _, o := range all {
		if o.Words == nil && o.Number == nil && o.Form == "" && !o.Color {
			t.Errorf("%s: nothing is told of its values", o.Name)
		}
		for _, w := range o.Words {
			if !accepted(o.Name, w) || o.Alias != "" && !accepted(o.Alias, w) {
				t.Errorf("%s=%s is told and not taken", o.Name, w)
			}
		}
		if accepted(o.Name, "somethingelse") {
			t.Errorf("%s takes any word", o.Name)
		}
		if n := o.Number; n != nil {
			for _, value := range []float64{n.Least, (n.Least + n.Most) / 2, n.Most} {
				if value == 0 && (o.Name == "dpr" || o.Name == "trim.width" || o.Name == "trim.height") {
					continue // above 0
				}
				if !accepted(o.Name, spell(value)) {
					t.Errorf("%s=%s is told and not taken", o.Name, spell(value))
				}
			}
			if accepted(o.Name, spell(n.Least-1)) && n.Least == 0 {
				t.Errorf("%s takes %v", o.Name, n.Least-1)
			}
		} else if o.Form == "" && accepted(o.Name, "2") {
			t.Errorf("%s takes numbers", o.Name)
		}
		if o.Form != "" && (shaped[o.Form] == "" || !accepted(o.Name, shaped[o.Form])) {
			t.Errorf("%s: the form %s is told and not taken", o.Name, o.Form)
		}
		if o.Color != accepted(o.Name, "rebeccapurple") {
			t.Errorf("%s: colours %v", o.Name, o.Color)
		}
	}
	// What is above the end is refused, or counts as the end.
	for name, ended := range map[string]bool{"blur": false, "sharpen": false, "zoom": false, "dpr": true, "quality": true} {
		for _, o := range all {
			if o.Name == name && accepted(name, spell(o.Number.Most+1)) && !ended {
				t.Errorf("%s takes more than %v", name, o.Number.Most)
			}
		}
	}
}

func TestValuesAreWhatTheListSays(t *testing.T) {
	for _, list := range []string{"width=800,height=600,fit=cover,gravity=0.25x1", "trim=1;2;3;4,background=gold", "width=auto,wbreakpoints=100;200,dpr=2", "trim=border,trim.border.keep=3", "fit=scale-down"} {
		o, _, err := ParseOptions(list, true)
		if err != nil {
			t.Fatal(err)
		}
		again := ""
		for name, value := range o.Values() {
			again += name + "=" + value + ","
		}
		if again == "" {
			again = noEffect
		}
		if back, _, err := ParseOptions(again, true); err != nil || back.String() != o.String() {
			t.Errorf("%s became %s: %v", list, again, err)
		}
	}
}
