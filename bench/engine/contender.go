package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// starter starts a contender. An error that is errLeftOut only leaves it out.
type starter func(ctx context.Context) (*contender, error)

// contender is one engine under measurement.
type contender struct {
	maker
	about string // version, for the heading
	pid   int    // whose memory counts
}

// maker is what a contender can do. Its methods are called one at a time.
type maker interface {
	// load reads the file at path into memory, to be the source of that name.
	load(ctx context.Context, name, path string) error
	// make makes one picture and returns its bytes.
	make(ctx context.Context, t task) ([]byte, error)
	// run makes the pictures of b as fast as it can.
	run(ctx context.Context, b batch) (pace, error)
	// close ends it.
	close() error
}

// task is one picture to make.
type task struct {
	Source   string `json:"source"`
	Width    int    `json:"width"`  // asked for; pixels
	Height   int    `json:"height"` // asked for; 0 = in proportion
	Cover    bool   `json:"cover"`  // fill Width × Height and cut the rest
	OutW     int    `json:"outW"`   // of the result: what Width and Height come to
	OutH     int    `json:"outH"`
	Media    string `json:"media"`   // "image/webp"
	Quality  int    `json:"quality"` // 1..100 on the contender's own scale
	Animated bool   `json:"animated"`
}

// batch is a measured piece of work.
type batch struct {
	Tasks   []task  `json:"tasks"`
	Workers int     `json:"workers"` // transforms at once
	Seconds float64 `json:"seconds"` // tasks are begun, over and over, for so long; one for each worker at least
	Once    bool    `json:"once"`    // each task once, however long it takes
	// Later makes the first task once before the clock starts: what is measured
	// are later pictures of a source that the engine has just seen.
	Later bool `json:"later"`
}

// pace is how a batch went.
type pace struct {
	Rate   float64   `json:"rate"`   // pictures a second, all workers together
	Millis []float64 `json:"millis"` // of each picture
}

// median of the pictures' times, in milliseconds.
func (p pace) median() float64 { return median(p.Millis) }

// drive runs b, calling do from as many goroutines as b has workers. It stops at
// the first error and returns that.
func drive(ctx context.Context, b batch, do func(context.Context, task) error) (pace, error) {
	if b.Later {
		if err := do(ctx, b.Tasks[0]); err != nil {
			return pace{}, err
		}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		next  atomic.Int64
		lock  sync.Mutex
		total pace
		all   sync.WaitGroup
		start = time.Now()
	)
	for range b.Workers {
		all.Go(func() {
			var times []float64
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if !b.more(i, time.Since(start)) {
					break
				}
				begin := time.Now()
				if err := do(ctx, b.Tasks[i%len(b.Tasks)]); err != nil {
					stop(err)
					return
				}
				times = append(times, time.Since(begin).Seconds()*1000)
			}
			lock.Lock()
			defer lock.Unlock()
			total.Millis = append(total.Millis, times...)
			total.Rate += float64(len(times)) / time.Since(start).Seconds()
		})
	}
	all.Wait()
	if b.Once {
		total.Rate = float64(len(total.Millis)) / time.Since(start).Seconds()
	}
	return total, context.Cause(ctx)
}

// more reports whether picture i, from 0, is to be begun at that time.
func (b *batch) more(i int, since time.Duration) bool {
	if b.Once {
		return i < len(b.Tasks)
	}
	return i < b.Workers || since.Seconds() < b.Seconds
}

// median of values; 0 without any.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
