package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// wellFormed fails unless text is XML, and returns how many elements have the name.
func wellFormed(t *testing.T, text, name string) (n int) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == name {
			n++
		}
	}
}

func TestChartsAreWellFormedWhateverTheyShow(t *testing.T) {
	odd := `a <b> & "c"`
	for name, tt := range map[string]struct {
		svg, element string
		want         int
	}{
		"bars":           {Bars(odd, "µs", []Bar{{odd, 10, 8, 12}, {"b", 5, 5, 5}}), "rect", 3},
		"a spread":       {Bars(odd, "µs", []Bar{{odd, 10, 8, 12}, {"b", 5, 5, 5}}), "line", 1},
		"no bar":         {Bars(odd, "µs", nil), "rect", 1},
		"bars of 0":      {Bars(odd, "µs", []Bar{{"a", 0, 0, 0}}), "rect", 2},
		"stacks":         {Stacks(odd, "µs", []Stack{{odd, []Part{{odd, 1}, {"b", 3}}}}), "rect", 5},
		"a stack of 0":   {Stacks(odd, "µs", []Stack{{odd, []Part{{odd, 0}}}}), "rect", 3},
		"lines":          {Lines(odd, "5 min", []Series{{odd, []float64{1, 2, 3}}, {"b", []float64{4}}}), "polyline", 2},
		"a line of none": {Lines(odd, "5 min", []Series{{odd, nil}}), "polyline", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wellFormed(t, tt.svg, tt.element); got != tt.want {
				t.Errorf("expected %d %s, received %d:\n%s", tt.want, tt.element, got, tt.svg)
			}
			if strings.Contains(tt.svg, "NaN") || strings.Contains(tt.svg, "Inf") {
				t.Error(tt.svg)
			}
		})
	}
}

func TestBarsAreInProportion(t *testing.T) {
	svg := Bars("t", "µs", []Bar{{"a", 10, 10, 10}, {"b", 5, 5, 5}})
	for _, want := range []string{`width="460.0"`, `width="230.0"`, "10 µs", "5 µs"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}
