package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
)

// markdown is the report: where and how it was measured, then the tables.
func (m *measurement) markdown() string {
	var b strings.Builder
	m.heading(&b)
	m.table(&b)
	m.memoryTable(&b)
	return b.String()
}

func (m *measurement) heading(b *strings.Builder) {
	fmt.Fprintf(b, "# Engine benchmark, %s\n\n", m.began.UTC().Format("2006-01-02"))
	fmt.Fprintf(b, "- Machine: %s, %d cores, %s/%s, %s", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if m.load != "" {
		fmt.Fprintf(b, "; load average at the start %s", m.load)
	}
	fmt.Fprintf(b, "\n- Command: `%s`\n", m.command)
	for _, e := range m.field {
		fmt.Fprintf(b, "- %s: %s\n", e.name, e.about)
	}
	for _, why := range m.absent {
		why, _, _ = strings.Cut(why, "\n")
		fmt.Fprintf(b, "- %s\n", why)
	}
	var sources []string
	for _, s := range m.sources {
		text := fmt.Sprintf("%s (%d×%d, %d KB", s.name, s.info.Size.W, s.info.Size.H, len(s.body)/1000)
		if s.generated {
			text += ", **generated, not a photograph**"
		}
		sources = append(sources, text+")")
	}
	fmt.Fprintf(b, "- Sources: %s\n", strings.Join(sources, ", "))
	fmt.Fprintf(b, "- %d rounds of %g s, contenders in turn, each one process with %d transforms under way; medians, the ratio taken round by round (least–most)\n",
		m.rounds, m.seconds, workers)
	b.WriteString("- SSIM is luma's against the whole source scaled by a plain Lanczos, in dB; quality is on each contender's own scale")
	if m.match {
		fmt.Fprintf(b, ", the peers' searched so that SSIM is ours ±%g dB (\\* = not reached)", near)
	}
	b.WriteString("\n\n")
}

// table has one line for each workload and peer, and one for each workload that no
// peer can do.
func (m *measurement) table(b *strings.Builder) {
	b.WriteString("| | work | peer | img/s ours | img/s peer | **speed ours/peer** | p50 ms ours / peer | KB ours / peer | bytes ours/peer | SSIM dB ours / peer | quality ours / peer |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range m.rows {
		ours := r.results[0]
		peers := slices.ContainsFunc(r.results[1:], func(peer result) bool { return peer.tasks != nil })
		if !peers {
			fmt.Fprintf(b, "| %s | %s | – | %.1f | – | – | %.1f | %s | – | %s | %s |\n", r.id, r.title,
				median(ours.rates), median(ours.millis), kilobytes(ours.bytes), decibels(ours.ssim), qualities(ours.tasks))
			continue
		}
		for i, peer := range r.results[1:] {
			if peer.tasks == nil {
				continue // the heading says why
			}
			missed := ""
			if m.match && math.Abs(ours.ssim-peer.ssim) > near {
				missed = "\\*"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %.1f | %.1f | %s | %.1f / %.1f | %s / %s | %.2f | %s / %s%s | %s / %s |\n", r.id, r.title, m.field[i+1].name,
				median(ours.rates), median(peer.rates), ratio(ours.rates, peer.rates), median(ours.millis), median(peer.millis),
				kilobytes(ours.bytes), kilobytes(peer.bytes), float64(ours.bytes)/float64(peer.bytes),
				decibels(ours.ssim), decibels(peer.ssim), missed, qualities(ours.tasks), qualities(peer.tasks))
		}
	}
}

func (m *measurement) memoryTable(b *strings.Builder) {
	if len(m.peaks) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| %d mixed transforms | peak RSS, MB | ours/peer | img/s |\n|---|---|---|---|\n", m.mixed)
	for i, p := range m.peaks {
		most, share := "–", "–"
		if p.bytes > 0 {
			most = fmt.Sprintf("%.0f", float64(p.bytes)/1e6)
		}
		if i > 0 && p.bytes > 0 {
			share = fmt.Sprintf("%.2f", float64(m.peaks[0].bytes)/float64(p.bytes))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %.1f |\n", p.name, most, share, p.rate)
	}
}

// ratio is the median of a/b round by round, with the least and the most.
func ratio(a, b []float64) string {
	var all []float64
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", median(all), slices.Min(all), slices.Max(all))
}

func kilobytes(n int) string { return fmt.Sprintf("%.1f", float64(n)/1000) }

func decibels(db float64) string {
	if math.IsNaN(db) {
		return "–"
	}
	return fmt.Sprintf("%.2f", db)
}

// processor is the model's name where the system tells.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "processor unknown"
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), ":"))
		}
	}
	return "processor unknown"
}
