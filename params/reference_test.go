package params

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of options into docs/urls.md")

// reference is the table of the options, as the parser reads them.
func reference() string {
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	var b strings.Builder
	b.WriteString("| option | short | values | meaning |\n|---|---|---|---|\n")
	for _, o := range Grammar() {
		var values []string
		for _, w := range o.Words {
			values = append(values, "`"+w+"`")
		}
		if n := o.Number; n != nil {
			switch {
			case n.Most < maxLength:
				values = append(values, number(n.Least)+" to "+number(n.Most))
			case n.Whole:
				values = append(values, "pixels")
			default:
				values = append(values, "pixels, or a part below 1")
			}
		}
		if o.Form != "" {
			values = append(values, "`"+o.Form+"`")
		}
		if o.Color {
			values = append(values, "a CSS colour")
		}
		short := ""
		if o.Alias != "" {
			short = "`" + o.Alias + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.Name, short, strings.Join(values, ", "), o.Doc)
	}
	return b.String()
}

// The page of reference has the options that the parser has, in its words.
func TestTheReferenceOfURLsIsFresh(t *testing.T) {
	const (
		page  = "../docs/urls.md"
		begin = "<!-- Made by \"make generate\" from params; change it there. -->\n\n"
		end   = "\n<!-- The end of what is made. -->\n"
	)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", page)
	}
	if old == reference() {
		return
	}
	if !*update {
		t.Fatalf("the options of %s are not the parser's; go test ./params -run Reference -update writes them", page)
	}
	if err := os.WriteFile(page, []byte(before+begin+reference()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEveryOptionIsDescribed(t *testing.T) {
	for _, o := range Grammar() {
		if o.Doc == "" || strings.HasSuffix(o.Doc, ".") || strings.Contains(o.Doc, "|") {
			t.Errorf("%s: expected a sentence without its dot, received %q", o.Name, o.Doc)
		}
	}
}

// The page's sizes by fit are those that a picture has.
func TestTheReferenceOfURLsHasTheRightSizes(t *testing.T) {
	text, err := os.ReadFile("../docs/urls.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Fit")
	rows := 0
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 4 || !strings.HasPrefix(line, "| `") {
			continue
		}
		rows++
		for i, side := range []string{"400", "2000"} {
			o, _, err := ParseOptions("width="+side+",height="+side+",fit="+strings.Trim(cells[0], "|` "), true)
			if err != nil {
				t.Fatal(err)
			}
			g, _, err := o.Geometry(Size{W: 1600, H: 1200}, 1, Seen{})
			if got := fmt.Sprintf("%d×%d", g.Output.W, g.Output.H); err != nil || got != cells[i+1] {
				t.Errorf("%s: %s, %v", line, got, err)
			}
		}
	}
	if rows != len(fitWords) {
		t.Errorf("%d of %d fits", rows, len(fitWords))
	}
}
