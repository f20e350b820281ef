package main

import (
	"fmt"
	"math"
	"slices"
)

// metric reads one number of a lap.
type metric func(lap) float64

func cpu(l lap) float64  { return l.CPU }
func rate(l lap) float64 { return l.Rate }
func p50(l lap) float64  { return l.P50 }
func p90(l lap) float64  { return l.P90 }
func p99(l lap) float64  { return l.P99 }
func p999(l lap) float64 { return l.P999 }

// figure is a median with the least and the most it was made of.
type figure struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
	N      int     `json:"n"` // 0 = there is none
}

// figureOf values; those that are no number are left out.
func figureOf(values []float64) figure {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	if len(values) == 0 {
		return figure{}
	}
	slices.Sort(values)
	n := len(values)
	return figure{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1], n}
}

// String is the median and, if it has any, the spread.
func (f figure) String() string {
	if f.N == 0 {
		return "–"
	}
	if f.N == 1 || f.Least == f.Most {
		return number(f.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(f.Median), number(f.Least), number(f.Most))
}

// number has three digits that count.
func number(v float64) string {
	switch size := math.Abs(v); {
	case v == math.Trunc(v) && size < 1e15:
		return fmt.Sprintf("%.0f", v)
	case size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	case size >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// median of a metric over the laps.
func (s *standing) median(m metric) float64 { return s.figure(m).Median }

func (s *standing) figure(m metric) figure {
	values := make([]float64, len(s.Laps))
	for i, l := range s.Laps {
		values[i] = m(l)
	}
	return figureOf(values)
}

// of is the standing of a contender; nil when it took no part.
func (c *contest) of(name string) *standing {
	for i := range c.Standings {
		if c.Standings[i].Name == name {
			return &c.Standings[i]
		}
	}
	return nil
}

// ratio is a metric of one contender by that of another, round by round.
func (c *contest) ratio(one, other string, m metric) figure {
	return c.compare(one, other, m, func(a, b float64) float64 { return a / b })
}

// difference is ratio with a minus.
func (c *contest) difference(one, other string, m metric) figure {
	return c.compare(one, other, m, func(a, b float64) float64 { return a - b })
}

func (c *contest) compare(one, other string, m metric, with func(a, b float64) float64) figure {
	a, b := c.of(one), c.of(other)
	if a == nil || b == nil {
		return figure{}
	}
	var values []float64
	for i := range min(len(a.Laps), len(b.Laps)) {
		values = append(values, with(m(a.Laps[i]), m(b.Laps[i])))
	}
	return figureOf(values)
}
