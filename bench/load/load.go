// Package load asks a server for what it is told, as a closed or an open loop, and keeps how long each answer took.
//
// In a closed loop every connection asks again as soon as it has its answer. In an
// open loop requests are due at fixed times whatever the server does, and latency
// counts from the time a request was due, not from when a connection was free to
// send it: a server that stalls is charged for all who would have come meanwhile.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Plan is one measured stretch of load.
type Plan struct {
	Address     string // host:port
	TLS         bool
	Connections int // kept open, ≥ 1; each has one request under way
	// Next returns request i, from 0. It is called concurrently and must be quick.
	// What it returns is only read.
	Next func(i int) *Request
	// Duration is how long requests are begun; 0 = until Count are.
	Duration time.Duration
	// Count is how many requests are begun at most; 0 = any number.
	Count int
	// Rate makes it an open loop of so many requests a second; 0 = closed.
	Rate float64
	// Sample is how often an answer's body is looked at: one in so many; 0 = each.
	Sample int
	// Judge says what is wrong with an answer; nil = Plain. sampled tells that the
	// body is to be looked at. It is called concurrently; the answer is valid until
	// it returns.
	Judge func(r *Request, a *Answer, sampled bool) error
	// Timeout of one answer; 0 = 30 s.
	Timeout time.Duration
	// Ramp is how long at the start latencies are kept apart, in Outcome.Ramp.
	Ramp time.Duration
}

// Request is one request as it goes over the wire.
type Request struct {
	Raw    []byte
	Status int    // expected
	Body   []byte // expected; nil = any
	Head   bool   // its answer has no body
	Key    int    // the scenario's own
}

// Outcome is how a stretch of load went.
type Outcome struct {
	Latency    *hdrhistogram.Histogram // nanoseconds, of right answers
	Ramp       *hdrhistogram.Histogram // nanoseconds, of those that were begun within Plan.Ramp
	Refused    *hdrhistogram.Histogram // nanoseconds, of those that were ErrRefused
	Elapsed    time.Duration
	Answers    int64 // right ones
	Bytes      int64 // of their bodies
	Statuses   map[int]int64
	Wrong      int64    // answers that were judged wrong, and requests without one
	Complaints []string // the first few of them
	Reopened   int64    // connections that the server had closed while they were idle
}

// Throughput is right answers a second.
func (o *Outcome) Throughput() float64 { return float64(o.Answers) / o.Elapsed.Seconds() }

// Quantile is the latency that a share q of the answers did not exceed; q is 0 to 1.
func (o *Outcome) Quantile(q float64) time.Duration {
	return time.Duration(o.Latency.ValueAtQuantile(q * 100))
}

// ErrRefused is what a Judge returns of an answer that properly refuses: it is neither
// right nor wrong.
var ErrRefused = errors.New("refused")

const (
	shortest = 1_000          // ns
	longest  = 60_000_000_000 // ns; longer ones count as this
	digits   = 3
	shards   = 16 // of histograms: a thousand clients need no thousand of them
	shown    = 5  // complaints
)

// NewHistogram returns an empty one of the range that outcomes have.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(shortest, longest, digits) }

// shard is what a few workers count together.
type shard struct {
	lock       sync.Mutex
	latency    *hdrhistogram.Histogram
	ramp       *hdrhistogram.Histogram
	refused    *hdrhistogram.Histogram
	answers    int64
	bytes      int64
	statuses   map[int]int64
	wrong      int64
	complaints []string
}

// run is a Plan under way.
type run struct {
	Plan
	next   atomic.Int64
	began  time.Time
	shards [shards]shard
	due    <-chan due // open loop; nil = closed
}

// due is a request of an open loop.
type due struct {
	index int
	at    time.Time
}

// Run puts the load of p on its server. Wrong answers are counted, not returned; an
// error is that nothing could be measured. When ctx ends, so does the load.
func Run(ctx context.Context, p Plan) (*Outcome, error) {
	if p.Connections < 1 || p.Next == nil || p.Duration <= 0 && p.Count <= 0 || p.Rate < 0 {
		return nil, fmt.Errorf("load: expected connections, requests and an end, received %+v", p)
	}
	if p.Judge == nil {
		p.Judge = Plain
	}
	if p.Timeout == 0 {
		p.Timeout = 30 * time.Second
	}
	r := &run{Plan: p}
	for i := range r.shards {
		s := &r.shards[i]
		s.latency, s.ramp, s.refused, s.statuses = NewHistogram(), NewHistogram(), NewHistogram(), map[int]int64{}
	}
	conns, err := r.connect(ctx)
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	r.began = time.Now()
	if p.Rate > 0 {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		r.due = r.pace(ctx)
	}
	for i, c := range conns {
		all.Go(func() { r.work(ctx, &r.shards[i%shards], c) })
	}
	all.Wait()
	o := r.outcome()
	for _, c := range conns {
		o.Reopened += c.reopened
	}
	return o, ctx.Err()
}

// connect opens the connections before the clock starts.
func (r *run) connect(ctx context.Context) ([]*connection, error) {
	var conns []*connection
	for range r.Connections {
		c := newConnection(r.Address, r.TLS, r.Timeout)
		conns = append(conns, c)
		if err := c.dial(ctx); err != nil {
			return conns, fmt.Errorf("load: %w", err)
		}
	}
	return conns, nil
}

// work asks over one connection until the load ends.
func (r *run) work(ctx context.Context, s *shard, c *connection) {
	begin := r.began
	for ctx.Err() == nil {
		index := 0
		if r.due != nil {
			d, ok := <-r.due
			if !ok {
				return
			}
			index, begin = d.index, d.at
		} else {
			index = int(r.next.Add(1)) - 1
			if r.over(index, begin) {
				return
			}
		}
		request := r.Next(index)
		answer, err := c.ask(ctx, request)
		end := time.Now()
		if err == nil {
			err = r.Judge(request, answer, r.Sample <= 1 || index%r.Sample == 0)
		}
		if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
			return
		}
		s.add(answer, err, end.Sub(begin), begin.Sub(r.began) < r.Ramp)
		begin = end
		if err != nil { // what was wrong with it took time to say
			begin = time.Now()
		}
	}
}

// over reports whether request index is not to be begun at now.
func (r *run) over(index int, now time.Time) bool {
	return r.Count > 0 && index >= r.Count || r.Duration > 0 && now.Sub(r.began) >= r.Duration
}

func (s *shard) add(a *Answer, err error, took time.Duration, early bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if a != nil {
		s.statuses[a.Status]++
	}
	took = min(max(took, shortest), longest) // of the histograms' range: recording cannot fail
	if errors.Is(err, ErrRefused) {
		_ = s.refused.RecordValue(int64(took))
		return
	}
	if err != nil {
		s.wrong++
		if len(s.complaints) < shown {
			s.complaints = append(s.complaints, err.Error())
		}
		return
	}
	s.answers++
	s.bytes += int64(len(a.Body))
	if early {
		_ = s.ramp.RecordValue(int64(took))
		return
	}
	_ = s.latency.RecordValue(int64(took))
}

func (r *run) outcome() *Outcome {
	o := &Outcome{Latency: NewHistogram(), Ramp: NewHistogram(), Refused: NewHistogram(), Elapsed: time.Since(r.began), Statuses: map[int]int64{}}
	for i := range r.shards {
		s := &r.shards[i]
		o.Latency.Merge(s.latency)
		o.Ramp.Merge(s.ramp)
		o.Refused.Merge(s.refused)
		o.Answers += s.answers
		o.Bytes += s.bytes
		o.Wrong += s.wrong
		for status, n := range s.statuses {
			o.Statuses[status] += n
		}
		o.Complaints = append(o.Complaints, s.complaints...)
	}
	o.Complaints = o.Complaints[:min(len(o.Complaints), shown)]
	return o
}
