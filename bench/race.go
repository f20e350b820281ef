package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// entrant is one side of a race: a server and what it is asked.
type entrant struct {
	name   string
	server *rig.Process // nil = not ours to look into
	plan   load.Plan    // Duration and Rate are the race's
}

// race is one question that several contenders answer in turns.
type race struct {
	name     string
	note     string // what a reader has to know, for the report
	entrants []entrant
	duration time.Duration // of each, all rounds together
	rate     float64       // requests a second of an open loop; 0 = closed
}

// lap is one contender's part of one round.
type lap struct {
	Requests int64         `json:"requests"`
	Wrong    int64         `json:"wrong"`
	Seconds  float64       `json:"seconds"`
	Rate     float64       `json:"requests_per_second"`
	CPU      float64       `json:"cpu_us_per_request"` // of the server; 0 = unknown
	P50      float64       `json:"p50_us"`
	P90      float64       `json:"p90_us"`
	P99      float64       `json:"p99_us"`
	P999     float64       `json:"p999_us"`
	Reopened int64         `json:"connections_reopened,omitempty"`
	Statuses map[int]int64 `json:"statuses"`
}

// standing is how one contender did in a race.
type standing struct {
	Name string `json:"name"`
	Laps []lap  `json:"laps"`
	Peak int64  `json:"peak_rss_bytes"` // 0 = unknown
}

// contest is a race that was run.
type contest struct {
	Scenario  string     `json:"scenario"`
	Name      string     `json:"name"`
	Note      string     `json:"note,omitempty"`
	OpenRate  float64    `json:"open_loop_requests_per_second,omitempty"`
	Standings []standing `json:"standings"`
}

// race runs r and keeps the result. Each contender is warmed for a moment before the
// first round.
func (b *bench) race(ctx context.Context, r race) (*contest, error) {
	if b.short {
		r.duration = shortLap
	} else if b.duration > 0 {
		r.duration = b.duration
	}
	c := &contest{Scenario: b.now, Name: r.name, Note: r.note, OpenRate: r.rate, Standings: make([]standing, len(r.entrants))}
	each := r.duration / time.Duration(b.rounds)
	for round := -1; round < b.rounds; round++ {
		length := each
		if round < 0 {
			length = min(each, time.Second)
		}
		for i := range r.entrants {
			at := (i + max(round, 0)) % len(r.entrants) // nobody is always first
			e := &r.entrants[at]
			l, err := b.lap(ctx, e, length, r.rate)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", r.name, e.name, err)
			}
			if round < 0 {
				continue
			}
			c.Standings[at].Name = e.name
			c.Standings[at].Laps = append(c.Standings[at].Laps, l)
		}
	}
	for i, e := range r.entrants {
		if e.server == nil {
			continue
		}
		peak, err := e.server.Peak()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		c.Standings[i].Peak = peak
	}
	b.result.Contests = append(b.result.Contests, c)
	c.print(b.out)
	return c, nil
}

// lap puts one contender under load for so long.
func (b *bench) lap(ctx context.Context, e *entrant, length time.Duration, rate float64) (lap, error) {
	plan := e.plan
	plan.Duration, plan.Rate = length, rate
	if plan.Sample == 0 {
		plan.Sample = 64
	}
	var before, after time.Duration
	var err error
	if e.server != nil {
		if before, err = e.server.CPU(); err != nil {
			return lap{}, err
		}
	}
	got, err := load.Run(ctx, plan)
	if err != nil {
		return lap{}, err
	}
	if e.server != nil {
		if after, err = e.server.CPU(); err != nil {
			return lap{}, err
		}
	}
	b.complain(e.name, got)
	return lapOf(got, after-before), nil
}

func lapOf(got *load.Outcome, cpu time.Duration) lap {
	micros := func(q float64) float64 { return float64(got.Quantile(q)) / 1000 }
	return lap{
		Requests: got.Answers, Wrong: got.Wrong, Seconds: got.Elapsed.Seconds(), Rate: got.Throughput(),
		CPU: float64(cpu) / 1000 / float64(max(got.Answers+got.Wrong, 1)),
		P50: micros(.5), P90: micros(.9), P99: micros(.99), P999: micros(.999),
		Reopened: got.Reopened, Statuses: got.Statuses,
	}
}

// complain keeps what was wrong with a contender's answers. Ours make the command
// fail; a peer's say that the comparison is none.
func (b *bench) complain(name string, got *load.Outcome) {
	if got.Wrong == 0 {
		return
	}
	for _, text := range got.Complaints {
		fmt.Fprintf(b.log, "  wrong: %s: %s\n", name, text)
	}
	b.wrong(fmt.Sprintf("%s: %d wrong answers of %s, such as: %v", b.now, got.Wrong, name, got.Complaints))
}
