package web

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
)

// Stats counts what an Origin has asked for, visitors' own requests aside.
type Stats struct {
	Kept     int64            // fetches for which nobody was asked: what was kept is fresh
	Answered int64            // requests that brought a body
	Same     int64            // requests whose answer was that what was kept is still right
	Failed   map[string]int64 // requests by the kind of their failure
	Bytes    int64            // read
	Took     time.Duration    // all requests together

	KeptBytes int64 // held in memory now
	Resting   int64 // hosts that are left alone now, because they failed several times in a row
}

// tallies are those of an Origin.
type tallies struct {
	kept, answered, same, bytes, took atomic.Int64
	failed                            [kinds]atomic.Int64
}

// kinds is more than there are kinds of failure.
const kinds = 64

// add counts a request.
func (c *tallies) add(err error, status int, took time.Duration) {
	c.took.Add(int64(took))
	switch {
	case err != nil:
		if kind := int(fault.Of(err).Kind); kind >= 0 && kind < kinds {
			c.failed[kind].Add(1)
		}
	case status == http.StatusNotModified:
		c.same.Add(1)
	default:
		c.answered.Add(1)
	}
}

// Stats returns the counts; they are read one by one, not at one instant.
func (o *Origin) Stats() Stats {
	c := &o.counts
	s := Stats{
		Kept: c.kept.Load(), Answered: c.answered.Load(), Same: c.same.Load(), Failed: map[string]int64{},
		Bytes: c.bytes.Load(), Took: time.Duration(c.took.Load()), Resting: o.hosts.resting(),
	}
	for _, kind := range fault.Kinds() {
		if n := c.failed[kind].Load(); n > 0 {
			s.Failed[kind.String()] = n
		}
	}
	o.kept.mu.Lock()
	defer o.kept.mu.Unlock()
	s.KeptBytes = o.kept.bytes
	return s
}

// resting counts the hosts that are left alone.
func (h *hosts) resting() (n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, at := range h.all {
		if h.now().Before(at.until) {
			n++
		}
	}
	return n
}
