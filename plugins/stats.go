package plugins

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of the histogram of a rule's time, in seconds.
var Bounds = [...]float64{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 1}

// Stats is what has been counted of one rule since the start.
type Stats struct {
	Rule                         string
	Next, Answer, Error, Skipped uint64 // outcomes of the request phase
	Responses, ResponseErrors    uint64 // calls on the way back, and those of them that failed
	ResponsesSkipped             uint64 // the instance was gone, or the rule kept away
	Misled                       uint64 // requests that did not parse after the rule had written their URI
	Units                        uint64 // metered instructions, both phases
	Seconds                      float64
	Buckets                      [len(Bounds) + 1]uint64 // calls of both phases by Bounds, not summed up; the last is beyond them
	Resting                      bool
	Load
}

// counters are what is counted of one rule.
type counters struct {
	nexts, answers, failed, skipped atomic.Uint64
	responses, failedLate, passed   atomic.Uint64
	misled, units, nanos            atomic.Uint64
	buckets                         [len(Bounds) + 1]atomic.Uint64
}

// called counts one call of either phase.
func (s *counters) called(took time.Duration, units int64) {
	s.units.Add(uint64(max(units, 0)))
	s.nanos.Add(uint64(max(took, 0)))
	i := 0
	for i < len(Bounds) && took.Seconds() > Bounds[i] {
		i++
	}
	s.buckets[i].Add(1)
}

// Stats returns what has been counted, rule by rule.
func (c *Chain) Stats() []Stats {
	all := make([]Stats, len(c.links))
	for i, l := range c.links {
		s := &l.stats
		all[i] = Stats{
			Rule: l.name, Next: s.nexts.Load(), Answer: s.answers.Load(), Error: s.failed.Load(), Skipped: s.skipped.Load(),
			Responses: s.responses.Load(), ResponseErrors: s.failedLate.Load(), ResponsesSkipped: s.passed.Load(),
			Misled: s.misled.Load(), Units: s.units.Load(), Seconds: time.Duration(s.nanos.Load()).Seconds(),
			Resting: l.breaker.resting(), Load: l.rule.Load(),
		}
		for b := range s.buckets {
			all[i].Buckets[b] = s.buckets[b].Load()
		}
	}
	return all
}

// Misled counts, for the rule that wrote the URI of x last, that it does not parse.
func (c *Chain) Misled(x *Exchange) {
	if x.writer != nil {
		x.writer.stats.misled.Add(1)
	}
}
