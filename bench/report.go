package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/fovea-images/fovea/bench/chart"
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
		for _, kind := range []string{"cpu", "p99"} {
			if kind == "cpu" || c.OpenRate > 0 {
				fmt.Fprintf(&b, "![%s of %s, %s](%s/%s)\n", kind, c.Scenario, c.Name, r.slug(), c.file(kind))
			}
		}
	}
	if r.Hit != nil {
		fmt.Fprintf(&b, "\n![where the time of a hit goes](%s/anatomy-hit.svg)\n", r.slug())
	}
	if len(r.Misses) > 0 {
		fmt.Fprintf(&b, "\n![where the time of a miss goes](%s/anatomy-miss.svg)\n", r.slug())
	}
	if len(r.Soak) > 0 {
		fmt.Fprintf(&b, "\n![soak](%s/soak.svg)\n", r.slug())
	}
	for _, text := range r.Faults {
		fmt.Fprintf(&b, "- **Wrong:** %s\n", text)
	}
	return b.String()
}

// charts are the pictures of the report, by file name.
func (r *result) charts() map[string]string {
	all := map[string]string{}
	for _, c := range r.Contests {
		var cpus, tails []chart.Bar
		for i := range c.Standings {
			s := &c.Standings[i]
			used, tail := s.figure(cpu), s.figure(p99)
			cpus = append(cpus, chart.Bar{Label: s.Name, Value: used.Median, Least: used.Least, Most: used.Most})
			tails = append(tails, chart.Bar{Label: s.Name, Value: tail.Median, Least: tail.Least, Most: tail.Most})
		}
		title := c.Scenario + ", " + c.Name
		all[c.file("cpu")] = chart.Bars(title+": processor time a request of the server", "µs", cpus)
		if c.OpenRate > 0 {
			all[c.file("p99")] = chart.Bars(title+": 99 of 100 answers came within", "µs", tails)
		}
	}
	if len(r.Soak) > 0 {
		all["soak.svg"] = r.soakChart()
	}
	if r.Hit != nil {
		all["anatomy-hit.svg"] = chart.Stacks("Where the processor time of a hit goes", "µs", []chart.Stack{*r.Hit})
	}
	if len(r.Misses) > 0 {
		all["anatomy-miss.svg"] = chart.Stacks("Where the time of a miss goes", "ms", r.Misses)
	}
	return all
}

// file names the chart of a contest.
func (c *contest) file(kind string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(c.Scenario+" "+c.Name+" "+kind), "-"), "-") + ".svg"
}

func (r *result) soakChart() string {
	lines := []chart.Series{{Label: "RSS, MB"}, {Label: "goroutines"}, {Label: "descriptors"}}
	for _, m := range r.Soak {
		for i, v := range []float64{m.Resident / 1e6, m.Goroutines, m.Descriptors} {
			lines[i].Values = append(lines[i].Values, v)
		}
	}
	return chart.Lines("soak: what the server holds", fmt.Sprintf("%.0f s", r.Soak[len(r.Soak)-1].Seconds), lines)
}
