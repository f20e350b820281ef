package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/fovea-images/fovea/bench/chart"
	"github.com/fovea-images/fovea/bench/rig"
)

// result is all that a run found, as it is written to raw.json.
type result struct {
	Began      time.Time   `json:"began"`
	Ended      time.Time   `json:"ended"`
	Command    string      `json:"command"`
	Tree       string      `json:"tree"` // commit
	Machine    string      `json:"machine"`
	Kernel     string      `json:"kernel"`
	Go         string      `json:"go"`
	Load       string      `json:"load_average_at_the_start"`
	Contenders []contender `json:"contenders"`
	Notes      []string    `json:"notes"`
	Contests   []*contest  `json:"contests"`
	Findings   []*finding  `json:"findings"`
	Soak       []moment    `json:"soak,omitempty"`

	Hit    *chart.Stack  `json:"anatomy_of_a_hit_cpu_us,omitempty"`
	Misses []chart.Stack `json:"anatomy_of_misses_ms,omitempty"`
	Faults []string      `json:"wrong_answers"`
}

// contender is who took part, and how it was set up.
type contender struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// finding is one number that a scenario is about.
type finding struct {
	Scenario string  `json:"scenario"`
	Name     string  `json:"name"`
	Value    figure  `json:"value"`
	Unit     string  `json:"unit,omitempty"`
	Bound    string  `json:"bound,omitempty"` // as text; "" = none
	Kept     bool    `json:"kept"`            // the bound, if there is one
	Limit    float64 `json:"limit,omitempty"`
}

func (r *result) begin(ctx context.Context, o options) {
	r.Began, r.Command, r.Go = time.Now().UTC(), o.command, runtime.Version()
	r.Machine = fmt.Sprintf("%s, %d processors, %s", processor(), runtime.NumCPU(), memory())
	r.Kernel = firstWords("/proc/sys/kernel/osrelease", 1)
	r.Load = firstWords("/proc/loadavg", 3)
	var last float64
	if _, err := fmt.Sscan(r.Load, &last); err == nil && last >= 1 {
		r.note("**The machine was busy with other work when this began**: throughput, latencies and times say little, ratios of processor time a little more")
	}
	if said, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		r.Tree = strings.TrimSpace(string(said))
	}
}

// contender notes who took part, once.
func (r *result) contender(p *rig.Process) {
	c := contender{p.Name, p.About}
	if !slices.Contains(r.Contenders, c) {
		r.Contenders = append(r.Contenders, c)
	}
}

// note is a line for the heading, once.
func (r *result) note(text string) {
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// bound notes a number that is to be at most limit.
func (b *bench) bound(name string, value figure, text string, limit float64) {
	if value.N == 0 { // who it is compared with took no part
		return
	}
	b.hold(finding{Name: name, Value: value, Bound: text, Kept: value.Median <= limit, Limit: limit})
}

// atLeast is bound for what is to be large.
func (b *bench) atLeast(name string, value figure, text string, limit float64) {
	b.hold(finding{Name: name, Value: value, Bound: text, Kept: value.Median >= limit, Limit: limit})
}

// hold notes a number with its bound; without in a short run, whose numbers say
// nothing.
func (b *bench) hold(f finding) {
	if b.short {
		f.Bound, f.Limit = "", 0
	}
	b.find(f)
}

// exactly notes a count that is right or wrong: another one makes the command fail.
func (b *bench) exactly(name string, value, want float64) {
	b.find(finding{Name: name, Value: figureOf([]float64{value}), Bound: "exactly " + number(want), Kept: value == want, Limit: want})
	if value != want {
		b.wrong(fmt.Sprintf("%s: %s: expected %s, counted %s", b.now, name, number(want), number(value)))
	}
}

func (b *bench) find(f finding) {
	f.Scenario = b.now
	b.result.Findings = append(b.result.Findings, &f)
	fmt.Fprintf(b.out, "%s\n", f.line())
}

// line tells a finding as a row of a table.
func (f *finding) line() string {
	verdict := ""
	switch {
	case f.Bound != "" && f.Kept:
		verdict = "kept"
	case f.Bound != "":
		verdict = "**behind**"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", f.Scenario, f.Name, strings.TrimSpace(f.Value.String()+" "+f.Unit), f.Bound, verdict)
}

// slug names the files of a run: its day and its machine.
func (r *result) slug() string {
	machine := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(processor()), "-")
	return fmt.Sprintf("%s-%s-%dcpu", r.Began.Format("2006-01-02"), strings.Trim(machine, "-"), runtime.NumCPU())
}

// write writes the report, its charts and the raw numbers into folder.
func (r *result) write(folder string, settings map[string]string) error {
	raw := filepath.Join(folder, r.slug())
	if err := os.MkdirAll(raw, 0o755); err != nil { //nolint:gosec // for all to read
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	put := func(name string, text []byte) error { return os.WriteFile(name, text, 0o644) } //nolint:gosec // for all to read
	err = put(filepath.Join(raw, "raw.json"), append(text, '\n'))
	for name, text := range settings {
		err = errors.Join(err, put(filepath.Join(raw, name), []byte(text)))
	}
	for name, svg := range r.charts() {
		err = errors.Join(err, put(filepath.Join(raw, name), []byte(svg)))
	}
	return errors.Join(err, put(filepath.Join(folder, r.slug()+".md"), []byte(r.markdown())))
}

// processor is the model's name where the system tells.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	if found := regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`).FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return "unknown"
}

func memory() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "memory unknown"
	}
	var kilobytes float64
	if _, err := fmt.Sscanf(string(text), "MemTotal: %f kB", &kilobytes); err != nil {
		return "memory unknown"
	}
	return fmt.Sprintf("%.0f GB", kilobytes/1e6)
}

func firstWords(file string, n int) string {
	text, err := os.ReadFile(file) //nolint:gosec // names in this file
	if err != nil {
		return ""
	}
	words := strings.Fields(string(text))
	return strings.Join(words[:min(n, len(words))], " ")
}
