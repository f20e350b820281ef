// Package chart draws bars, stacked bars and lines as SVG.
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// Bar is one value with its spread; Least and Most are equal where there is none.
type Bar struct {
	Label              string
	Value, Least, Most float64
}

const (
	width   = 760
	left    = 190 // of labels
	right   = 110 // of values
	row     = 26
	heading = 40
	plot    = width - left - right
)

// colours of bars and lines, told apart by those who see no red or green, too.
func colour(i int) string {
	return []string{"#0b6e99", "#8a8f98", "#c9711f", "#5b4b9a", "#2f8f5b", "#b3446c", "#b8a21f", "#4d5157", "#7fc4dd", "#e0b089", "#a9d6b8", "#d3a9c0"}[i%12]
}

// drawing is an SVG that grows downwards.
type drawing struct {
	bytes.Buffer
	height int
}

// add formats onto the end; it is in memory and cannot fail.
func (d *drawing) add(format string, values ...any) {
	d.Write(fmt.Appendf(nil, format, values...))
}

func (d *drawing) text(x, y float64, anchor, size, text string) {
	d.add(`<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%s" fill="#222">`, x, y, anchor, size)
	_ = xml.EscapeText(d, []byte(text)) // into memory
	d.WriteString("</text>\n")
}

func (d *drawing) rect(x, y, w, h float64, fill string) {
	d.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, max(w, 0), h, fill)
}

func (d *drawing) line(x1, y1, x2, y2 float64, stroke string) {
	d.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, stroke)
}

func (d *drawing) svg() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif">`+"\n"+`<rect width="100%%" height="100%%" fill="#fff"/>`+"\n%s</svg>\n",
		width, d.height, d.String())
}

// Bars draws one bar a line, from 0. unit is of all values.
func Bars(title, unit string, bars []Bar) string {
	d := &drawing{height: heading + row*len(bars) + 10}
	d.text(10, 24, "start", "15", title)
	most := 0.0
	for _, b := range bars {
		most = max(most, b.Value, b.Most)
	}
	for i, b := range bars {
		y := float64(heading + row*i)
		d.text(left-8, y+16, "end", "13", b.Label)
		d.rect(left, y+3, plot*b.Value/max(most, math.SmallestNonzeroFloat64), row-8, colour(i))
		if b.Most > b.Least {
			d.line(left+plot*b.Least/most, y+row/2-1, left+plot*b.Most/most, y+row/2-1, "#222")
		}
		d.text(left+plot+8, y+16, "start", "12", number(b.Value)+" "+unit)
	}
	return d.svg()
}

// Stack is a bar of several parts.
type Stack struct {
	Label string
	Parts []Part
}

// Part of a stack.
type Part struct {
	Label string
	Value float64
}

// Stacks draws each stack over the whole width, its parts as shares of their sum and
// named below.
func Stacks(title, unit string, stacks []Stack) string {
	d := &drawing{}
	d.text(10, 24, "start", "15", title)
	y := float64(heading)
	for _, s := range stacks {
		sum := 0.0
		for _, p := range s.Parts {
			sum += p.Value
		}
		d.text(10, y+14, "start", "13", fmt.Sprintf("%s: %s %s", s.Label, number(sum), unit))
		y += 22
		x := 10.0
		for i, p := range s.Parts {
			w := (width - 20) * p.Value / max(sum, math.SmallestNonzeroFloat64)
			d.rect(x, y, w, 24, colour(i))
			x += w
		}
		y += 34
		for i, p := range s.Parts {
			column, line := float64(i%3), float64(i/3)
			d.rect(10+column*250, y+line*18, 10, 10, colour(i))
			d.text(26+column*250, y+line*18+10, "start", "12", fmt.Sprintf("%s %.0f %%", p.Label, 100*p.Value/max(sum, math.SmallestNonzeroFloat64)))
		}
		y += float64((len(s.Parts)+2)/3)*18 + 16
	}
	d.height = int(y)
	return d.svg()
}

// Series is a line through points of equal distance.
type Series struct {
	Label  string
	Values []float64
}

// Lines draws each series in a panel of its own, from 0; end names the right end of
// the axis that all share.
func Lines(title, end string, all []Series) string {
	const panel = 110
	d := &drawing{height: heading + panel*len(all) + 20}
	d.text(10, 24, "start", "15", title)
	for i, s := range all {
		top := float64(heading + panel*i)
		most := 0.0
		for _, v := range s.Values {
			most = max(most, v)
		}
		d.text(left-8, top+20, "end", "13", s.Label)
		d.text(left-8, top+38, "end", "12", "most "+number(most))
		d.line(left, top+panel-20, left+plot, top+panel-20, "#999")
		d.WriteString(`<polyline fill="none" stroke-width="1.5" stroke="` + colour(i) + `" points="`)
		for j, v := range s.Values {
			d.add("%.1f,%.1f ", left+plot*float64(j)/float64(max(len(s.Values)-1, 1)), top+panel-20-(panel-30)*v/max(most, math.SmallestNonzeroFloat64))
		}
		d.WriteString("\"/>\n")
	}
	d.text(left+plot, float64(d.height-8), "end", "12", end)
	return d.svg()
}

// number has three digits that count.
func number(v float64) string {
	switch size := math.Abs(v); {
	case size >= 100 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
