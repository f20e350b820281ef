package main

import (
	"fmt"
	"io"
	"strings"
)

// print writes the table of a contest.
func (c *contest) print(to io.Writer) {
	fmt.Fprintf(to, "\n**%s, %s**", c.Scenario, c.Name)
	if c.OpenRate > 0 {
		fmt.Fprintf(to, ", open loop of %s requests a second", number(c.OpenRate))
	}
	if c.Note != "" {
		fmt.Fprintf(to, " (%s)", c.Note)
	}
	fmt.Fprint(to, "\n\n| contender | CPU µs a request | ours / it | requests a second | p50 µs | p90 | p99 | p99.9 | peak RSS, MB | wrong |\n|---|---|---|---|---|---|---|---|---|---|\n")
	ours := c.Standings[0].Name
	for i := range c.Standings {
		s := &c.Standings[i]
		share := "–"
		if i > 0 {
			share = c.ratio(ours, s.Name, cpu).String()
		}
		wrong := int64(0)
		for _, l := range s.Laps {
			wrong += l.Wrong
		}
		fmt.Fprintf(to, "| %s | %v | %s | %v | %s | %s | %s | %s | %s | %d |\n", s.Name, s.figure(cpu), share, s.figure(rate),
			number(s.median(p50)), number(s.median(p90)), number(s.median(p99)), number(s.median(p999)), number(float64(s.Peak>>20)), wrong)
	}
	fmt.Fprintln(to)
}

// markdown is the whole report.
func (r *result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Load tests, %s\n\n- Machine: %s, Linux %s, %s; load average at the start %s\n- Command: `%s`; tree %s\n",
		r.Began.Format("2006-01-02"), r.Machine, r.Kernel, r.Go, r.Load, r.Command, r.Tree)
	for _, c := range r.Contenders {
		fmt.Fprintf(&b, "- %s: %s\n", c.Name, c.About)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	b.WriteString("- The load generator and the origin share the processors with the contender. Medians of the rounds (least–most); ratios are taken round by round\n\n")
	b.WriteString("| scenario | what | value | aim | |\n|---|---|---|---|---|\n")
	for _, f := range r.Findings {
		b.WriteString(f.line() + "\n")
	}
	for _, c := range r.Contests {
		c.print(&b)
	}
	for _, text := range r.Faults {
		fmt.Fprintf(&b, "- **Wrong:** %s\n", text)
	}
	return b.String()
}

func (r *result) charts() map[string]string { return nil }
