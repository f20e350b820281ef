package telemetry

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// shard gathers what some requests have to tell until it is worth telling: numbers
// for the metrics, and lines for the log. Requests share no lock but one of these.
type shard struct {
	mu      sync.Mutex
	series  map[labels]*series
	latest  *series // that of the next request, too, most likely
	seen    []observation
	lines   []byte
	stamp   stamp        // of lines
	spare   []byte       // takes the place of lines while those are written; Flush's
	handler slog.Handler // writes to lines
	_       [64]byte     // a cache line of its own
}

// labels tell series apart. They come from closed sets of words.
type labels struct {
	kind, outcome, failure, media, verdict string
	status                                 int
}

// series are the metrics that a request with the same labels counts in.
type series struct {
	labels
	requests, bytes, proofs prometheus.Counter // proofs is nil without a verdict
	seconds                 prometheus.Observer
}

// observation is what a request adds to its series.
type observation struct {
	of     *series
	took   time.Duration
	size   int   // of the body, in bytes
	source int64 // bytes of the original; 0 = not on record
}

const (
	maxShards = 64
	maxSeen   = 256       // observations that wait to be added, at most
	enough    = 32 << 10  // bytes of lines that are not kept waiting
	maxLines  = 256 << 10 // bytes of a shard's lines that wait for a slow writer
	patience  = 100 * time.Millisecond
)

// Write takes a line in.
func (s *shard) Write(p []byte) (int, error) {
	s.lines = append(s.lines, p...)
	return len(p), nil
}

// enter locks a shard, one that is free if there is one.
func (t *Telemetry) enter() *shard {
	n := uint32(len(t.shards))
	at := rand.Uint32N(n)
	for i := range n {
		if s := &t.shards[(at+i)%n]; s.mu.TryLock() {
			return s
		}
	}
	s := &t.shards[at]
	s.mu.Lock()
	return s
}

// media is a type as metrics tell it: a rule's own answer may have any.
func media(kind string) string {
	switch kind {
	case "image/avif", "image/webp", "image/jpeg", "image/png", "image/gif", "image/svg+xml", "application/json", "text/plain; charset=utf-8", "":
		return kind
	}
	return "other"
}

// count notes r for the metrics.
func (s *shard) count(t *Telemetry, r *Request) {
	l := labels{r.Kind, r.Outcome, r.Failure, media(r.Type), r.Verdict, r.Status}
	if s.latest == nil || s.latest.labels != l {
		known := s.series[l]
		if known == nil {
			known = t.metrics.series(l)
			s.series[l] = known
		}
		s.latest = known
	}
	if s.seen = append(s.seen, observation{s.latest, r.Took, r.Bytes, r.Source}); len(s.seen) == maxSeen {
		s.tally(&t.totals)
	}
}

// tally adds what was noted to the metrics and to all.
func (s *shard) tally(all *totals) {
	for i := range s.seen {
		o := &s.seen[i]
		all.add(o)
		o.of.requests.Inc()
		o.of.bytes.Add(float64(o.size))
		o.of.seconds.Observe(o.took.Seconds())
		if o.of.proofs != nil {
			o.of.proofs.Inc()
		}
	}
	s.seen = s.seen[:0]
}

// tally adds what all shards have noted to the metrics.
func (t *Telemetry) tally() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.tally(&t.totals)
		s.mu.Unlock()
	}
}

// note adds the line of r to those that wait, and sees to it that they are written.
func (t *Telemetry) note(s *shard, r *Request) {
	before := len(s.lines)
	if before >= maxLines {
		t.dropped.Inc()
		return
	}
	s.appendLine(r, t.log.json.Load())
	switch {
	case before == 0:
		signal(t.begun)
	case before < enough && len(s.lines) >= enough:
		signal(t.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run writes the lines of requests, a moment after they have finished, until ctx
// ends. What is noted later is for Flush.
func (t *Telemetry) Run(ctx context.Context) {
	pause := time.NewTimer(patience)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.begun:
		}
		pause.Reset(patience)
		select {
		case <-ctx.Done():
			return
		case <-t.full:
		case <-pause.C:
		}
		t.Flush()
	}
}

// Flush writes the lines that wait.
func (t *Telemetry) Flush() {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		lines := s.lines
		s.lines, s.spare = s.spare[:0], nil
		s.mu.Unlock()
		if len(lines) > 0 {
			_, _ = t.log.out.Write(lines) // nobody is left to tell
		}
		s.mu.Lock()
		s.spare = lines
		s.mu.Unlock()
	}
}
