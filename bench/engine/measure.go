package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// measurement is one run of the program.
type measurement struct {
	options
	sources []source
	start   map[string]starter
	log     io.Writer
	judge   *judge

	began  time.Time
	load   string // load average when it began
	field  []entrant
	absent []string // peers that were left out, and why
	rows   []row
	peaks  []peak
}

// entrant is a contender that was started; ours is the first.
type entrant struct {
	name string
	*contender
}

// row is what was measured of one workload.
type row struct {
	workload
	results []result // one for each entrant; without tasks for a peer that cannot do it
}

// result is what one entrant made of a workload.
type result struct {
	tasks  []task
	bytes  int       // of all pictures
	ssim   float64   // dB, mean of all pictures
	rates  []float64 // pictures a second, one for each round
	millis []float64 // median time of a picture in each round
}

// peak is the most memory that one entrant had during the mixture.
type peak struct {
	name  string
	bytes int64 // 0 = not known on this system
	rate  float64
}

// all measures everything.
func (m *measurement) all(ctx context.Context) (err error) {
	m.began, m.load = time.Now(), firstWords("/proc/loadavg", 3)
	defer func() {
		for _, e := range m.field {
			err = errors.Join(err, e.close())
		}
	}()
	for _, name := range append([]string{"ours"}, m.peers...) {
		c, err := m.enter(ctx, name)
		switch {
		case errors.Is(err, errLeftOut):
			m.leaveOut(name, err)
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
		m.field = append(m.field, entrant{name, c})
	}
	list, err := workloads(m.sources)
	if err != nil {
		return err
	}
	for _, w := range list {
		fmt.Fprintln(m.log, w.id, w.title)
		r, err := m.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.id, err)
		}
		m.rows = append(m.rows, r)
	}
	return m.memory(ctx)
}

// leaveOut notes that a peer is missing somewhere, and why; the rest goes on.
func (m *measurement) leaveOut(what string, why error) {
	if !errors.Is(why, errLeftOut) {
		why = fmt.Errorf("%w: %w", errLeftOut, why)
	}
	m.absent = append(m.absent, fmt.Sprintf("%s: %v", what, why))
	fmt.Fprintln(m.log, m.absent[len(m.absent)-1])
}

// enter starts a contender and has it load the sources.
func (m *measurement) enter(ctx context.Context, name string) (*contender, error) {
	c, err := m.start[name](ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range m.sources {
		if err := c.load(ctx, s.name, s.path); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// measure judges a workload and then times it, all entrants in every round.
func (m *measurement) measure(ctx context.Context, w workload) (row, error) {
	r := row{workload: w, results: make([]result, len(m.field))}
	var ours []float64
	for i, e := range m.field {
		one, each, err := m.assess(ctx, e, w.batch.Tasks, ours)
		switch {
		case i == 0 && err == nil:
			ours = each
		case err != nil && (i == 0 || ctx.Err() != nil):
			return r, fmt.Errorf("%s: %w", e.name, err)
		case err != nil:
			m.leaveOut(e.name+" in "+w.id, err)
			continue
		}
		r.results[i] = one
	}
	for range m.rounds {
		for i, e := range m.field {
			if r.results[i].tasks == nil {
				continue
			}
			b := w.batch
			b.Tasks, b.Seconds = r.results[i].tasks, m.seconds
			p, err := e.run(ctx, b)
			if err != nil {
				return r, fmt.Errorf("%s: %w", e.name, err)
			}
			r.results[i].rates = append(r.results[i].rates, p.Rate)
			r.results[i].millis = append(r.results[i].millis, p.median())
		}
	}
	return r, nil
}

// matchAll changes the qualities of tasks so that e's pictures are like ours. What
// one task came to is where the search for the next of its format begins.
func (m *measurement) matchAll(ctx context.Context, e entrant, tasks []task, ours []float64) error {
	begin := map[string]int{}
	for i := range tasks {
		if known := begin[tasks[i].Media]; known > 0 {
			tasks[i].Quality = known
		}
		var err error
		if tasks[i], err = m.judge.match(ctx, e, tasks[i], ours[i]); err != nil {
			return err
		}
		begin[tasks[i].Media] = tasks[i].Quality
	}
	return nil
}

// assess makes each picture once, for its bytes and likeness. each is the latter one
// by one; a peer, whose ours is not nil, is matched to that if it was asked for.
func (m *measurement) assess(ctx context.Context, e entrant, tasks []task, ours []float64) (r result, each []float64, err error) {
	if ours != nil {
		tasks = forPeers(tasks)
		if m.match {
			if err := m.matchAll(ctx, e, tasks, ours); err != nil {
				return r, nil, err
			}
		}
	}
	r.tasks = tasks
	for _, t := range tasks {
		body, err := e.make(ctx, t)
		if err != nil {
			return r, nil, err
		}
		db, err := m.judge.likeness(ctx, t, body)
		if err != nil {
			return r, nil, err
		}
		r.bytes += len(body)
		r.ssim += db / float64(len(tasks))
		each = append(each, db)
	}
	return r, each, nil
}

// memory runs the mixture in new processes, so that nothing else counts, and one
// after the other.
func (m *measurement) memory(ctx context.Context) error {
	if m.mixed == 0 {
		return nil
	}
	b, err := mixture(m.sources, m.mixed)
	if err != nil {
		return err
	}
	for i, e := range m.field {
		fmt.Fprintf(m.log, "memory over %d transforms: %s\n", m.mixed, e.name)
		if i > 0 {
			b.Tasks = forPeers(b.Tasks)
		}
		p, err := m.peakOf(ctx, e.name, b)
		switch {
		case err != nil && (i == 0 || ctx.Err() != nil):
			return fmt.Errorf("%s: %w", e.name, err)
		case err != nil:
			m.leaveOut(e.name+" in the mixture", err)
			continue
		}
		m.peaks = append(m.peaks, p)
	}
	return nil
}

// peakOf runs b in a new process of that contender.
func (m *measurement) peakOf(ctx context.Context, name string, b batch) (peak, error) {
	c, err := m.enter(ctx, name)
	if err != nil {
		return peak{}, err
	}
	p, err := c.run(ctx, b)
	most := highWater(c.pid)
	return peak{name, most, p.Rate}, errors.Join(err, c.close())
}

// highWater is the most resident memory that the process has had, in bytes; 0
// where the system does not say.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}

// firstWords are the first n words of a file; "" if it cannot be read.
func firstWords(path string, n int) string {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the system, named above
	if err != nil {
		return ""
	}
	words := strings.Fields(string(text))
	return strings.Join(words[:min(n, len(words))], " ")
}
