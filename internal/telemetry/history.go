package telemetry

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// totals count finished requests for images since the start.
type totals struct {
	requests, hits, failures, bytes, saved atomic.Uint64
	took                                   [slots]atomic.Uint64
}

// Durations are counted in half octaves of microseconds.
const slots = 2*40 + 2

func slotOf(d time.Duration) int {
	n := uint64(max(d.Microseconds(), 1))
	length := bits.Len64(n)
	if length == 1 {
		return 2
	}
	return min(2*length+int(n>>(length-2)&1), slots-1)
}

// middle is a duration, in milliseconds, that stands for all of a slot.
func middle(slot int) float64 {
	low := float64(uint64(1) << (slot/2 - 1))
	if slot%2 == 1 {
		low *= 1.5
	}
	return low * 1.2 / 1000
}

// add counts o if it is of a request for an image.
func (t *totals) add(o *observation) {
	if o.of.kind != "hosted" && o.of.kind != "remote" {
		return
	}
	t.requests.Add(1)
	switch o.of.outcome {
	case "hit", "stale", "revalidated", "negative":
		t.hits.Add(1)
	}
	if o.of.status >= 500 {
		t.failures.Add(1)
	}
	t.bytes.Add(uint64(max(o.size, 0)))
	if o.of.status == 200 && o.size > 0 && o.source > int64(o.size) {
		t.saved.Add(uint64(o.source) - uint64(o.size))
	}
	t.took[slotOf(o.took)].Add(1)
}

// counts are totals at one moment.
type counts struct {
	requests, hits, failures, bytes, saved uint64
	took                                   [slots]uint64
}

func (t *totals) read() counts {
	c := counts{
		requests: t.requests.Load(), hits: t.hits.Load(), failures: t.failures.Load(), bytes: t.bytes.Load(), saved: t.saved.Load(),
	}
	for i := range c.took {
		c.took[i] = t.took[i].Load()
	}
	return c
}

// Gauges are what is so at one moment.
type Gauges struct {
	Queued     int64 `json:"queued"`  // transforms that wait
	Running    int64 `json:"running"` // transforms under way
	CacheBytes int64 `json:"cache_bytes"`
	HeapBytes  int64 `json:"heap_bytes"`
}

// Sample is what happened since the one before it.
type Sample struct {
	At       int64   `json:"at"`      // milliseconds since 1970
	Seconds  float64 `json:"seconds"` // since the one before
	Requests uint64  `json:"requests"`
	Hits     uint64  `json:"hits"`     // answered from what was there
	Failures uint64  `json:"failures"` // answered with 500 or more
	Bytes    uint64  `json:"bytes"`
	Saved    uint64  `json:"saved"` // bytes that the originals are larger, of those whose size is on record
	P50      float64 `json:"p50"`   // milliseconds; 0 when there was no request
	P95      float64 `json:"p95"`
	Gauges
}

// History keeps the latest samples. It is safe for concurrent use.
type History struct {
	from *Telemetry

	mu     sync.Mutex
	last   counts
	at     time.Time
	ring   []Sample
	oldest int
}

// NewHistory returns a History of the latest n samples of t.
func (t *Telemetry) NewHistory(n int, now time.Time) *History {
	return &History{from: t, at: now, ring: make([]Sample, 0, n)}
}

// Take adds a sample.
func (h *History) Take(now time.Time, g Gauges) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from.tally()
	next := h.from.totals.read()
	s := Sample{
		At: now.UnixMilli(), Seconds: now.Sub(h.at).Seconds(), Gauges: g,
		Requests: next.requests - h.last.requests, Hits: next.hits - h.last.hits, Failures: next.failures - h.last.failures,
		Bytes: next.bytes - h.last.bytes, Saved: next.saved - h.last.saved,
	}
	s.P50, s.P95 = quantile(&h.last, &next, 0.5), quantile(&h.last, &next, 0.95)
	h.last, h.at = next, now
	if len(h.ring) < cap(h.ring) {
		h.ring = append(h.ring, s)
		return
	}
	h.ring[h.oldest] = s
	h.oldest = (h.oldest + 1) % len(h.ring)
}

func quantile(from, to *counts, q float64) float64 {
	var all, seen uint64
	for i := range to.took {
		all += to.took[i] - from.took[i]
	}
	for i := range to.took {
		if seen += to.took[i] - from.took[i]; all > 0 && float64(seen) >= q*float64(all) {
			return middle(i)
		}
	}
	return 0
}

// Since returns the samples later than so many milliseconds since 1970, oldest first.
func (h *History) Since(millis int64) []Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := []Sample{}
	for i := range h.ring {
		if s := h.ring[(h.oldest+i)%len(h.ring)]; s.At > millis {
			out = append(out, s)
		}
	}
	return out
}
