package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// Version changes whenever the same plan may give other bytes. It is part of
// every ETag and cache key.
const Version = "1"

// GCPercent is what programs that run an Engine do well to give debug.SetGCPercent,
// unless their operator set GOGC: most of their memory is pixels, in which the
// collector has nothing to look for, so it is cheap to run often.
const GCPercent = 40

// Options configure an Engine.
type Options struct {
	Codecs       []Codec
	Faces        FaceFinder // nil: gravity=face keeps the centre
	Limits       Limits
	Workers      int           // transforms at once; 0 = GOMAXPROCS
	Queue        int           // transforms that may wait, a quarter of them under lasting overload; 0 = 16 for each worker
	QueueTimeout time.Duration // how long they wait; 0 = 5 s
	// Memory is how many bytes all running work may hold, by estimate from the
	// headers; 0 = 1 GiB. Work that needs more by itself runs alone.
	Memory int64
	// Mezzanines is how many bytes of decoded sources are kept for their next
	// results; 0 = none.
	Mezzanines int64
}

// Engine makes pictures. It is safe for use by many goroutines.
type Engine struct {
	codecs  [params.JSON + 1]Codec // by media; nil = none
	faces   FaceFinder
	limits  Limits
	workers *budget
	// mezzanines is nil if none are kept.
	mezzanines *mezzanines
	decodes    atomic.Int64
	spent      [4]atomic.Int64 // nanoseconds, by step
	done       [params.JSON + 1]atomic.Int64
}

// validate complains of every bound that is none, by its name in lower case.
func (o Options) validate() error {
	var errs []error
	for _, n := range []struct {
		name string
		n    int64
	}{{"workers", int64(o.Workers)}, {"queue", int64(o.Queue)}, {"memory", o.Memory}, {"mezzanines", o.Mezzanines}} {
		if n.n < 0 {
			errs = append(errs, fmt.Errorf("%s: expected 0 or more, received %d", n.name, n.n))
		}
	}
	if o.QueueTimeout < 0 {
		errs = append(errs, fmt.Errorf("queue_timeout: expected a duration of 0 or more, received %v", o.QueueTimeout))
	}
	return errors.Join(append(errs, o.Limits.withDefaults().validate())...)
}

// New returns an Engine, or an error that names the option that is wrong.
func New(o Options) (*Engine, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Queue == 0 {
		o.Queue = 16 * o.Workers
	}
	if o.QueueTimeout == 0 {
		o.QueueTimeout = 5 * time.Second
	}
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	e := &Engine{faces: o.Faces, limits: o.Limits.withDefaults(), workers: newBudget(o.Workers, o.Queue, o.Memory, o.QueueTimeout)}
	if o.Mezzanines > 0 {
		e.mezzanines = newMezzanines(o.Mezzanines)
	}
	for _, c := range o.Codecs {
		m := c.Media()
		if m == params.MediaUnknown || m >= params.JSON || m == params.SVG {
			return nil, fmt.Errorf("there can be no codec for %s", m)
		}
		if e.codecs[m] != nil {
			return nil, fmt.Errorf("there are two codecs for %s", m)
		}
		e.codecs[m] = c
	}
	return e, nil
}

// Probe says what src is, by content and header alone, and judges it by the
// limits: the only way in for bytes from outside. Errors are *fault.Error:
// SourceTooLong, Unsupported, DecodeFailed, TooLarge.
func (e *Engine) Probe(src []byte) (Info, error) {
	if err := e.limits.bytes(len(src)); err != nil {
		return Info{}, err
	}
	media := Sniff(src)
	if media == params.SVG {
		size, err := probeSVG(src)
		return Info{Media: media, Size: size, Orientation: 1, Frames: 1, Alpha: true, Bytes: len(src)}, err
	}
	codec := e.codecs[media]
	if codec == nil {
		return Info{}, fault.New(fault.Unsupported, "Expected an image of a supported format")
	}
	var info Info
	err := guard(fault.DecodeFailed, func() (err error) {
		info, err = codec.Probe(src)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	info.Media, info.Bytes, info.Frames = media, len(src), max(info.Frames, 1)
	if info.Orientation < 1 || info.Orientation > 8 {
		info.Orientation = 1
	}
	return info, e.limits.judge(info)
}

// guard calls what may fail in ways of its own. A panic becomes a fault of the
// given kind, and so does an error that is neither a fault nor a context's.
func guard(kind fault.Kind, call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.Wrap(kind, fmt.Errorf("panic: %v", r), "The image could not be read or written")
		}
	}()
	if err = call(); err == nil {
		return nil
	}
	if known := fault.Of(err); known.Kind != fault.Internal {
		return known
	}
	return fault.Wrap(kind, err, "The image could not be read or written")
}

// Stats counts what an Engine does and did since it was made.
type Stats struct {
	Workers         int // how many may run
	Running, Queued int64
	Held            int64 // bytes, by estimate
	Shed            int64 // turned away for want of capacity
	Decodes         int64 // source pictures decoded
	Mezzanines      map[Mezzanine]int64
	MezzanineBytes  int64
	Done            map[params.Media]int64
	Spent           Spent
}

// Spent is the time that the steps of all finished transforms have taken together.
type Spent struct{ Queued, Decode, Resize, Encode time.Duration }

// Stats returns the counts; they are read one by one, not at one instant.
func (e *Engine) Stats() Stats {
	running, queued, shed, held := e.workers.counts()
	s := Stats{
		Workers: e.workers.workers, Running: int64(running), Queued: int64(queued), Held: held, Shed: shed,
		Decodes: e.decodes.Load(), Done: map[params.Media]int64{}, Mezzanines: map[Mezzanine]int64{},
	}
	for m := range e.done {
		if n := e.done[m].Load(); n > 0 {
			s.Done[params.Media(m)] = n
		}
	}
	for i, to := range []*time.Duration{&s.Spent.Queued, &s.Spent.Decode, &s.Spent.Resize, &s.Spent.Encode} {
		*to = time.Duration(e.spent[i].Load())
	}
	if e.mezzanines != nil {
		e.mezzanines.mu.Lock()
		defer e.mezzanines.mu.Unlock()
		s.MezzanineBytes = e.mezzanines.bytes
		for o := Made; o <= Kept; o++ {
			s.Mezzanines[o] = e.mezzanines.outcome[o]
		}
	}
	return s
}

// Transform makes plan's picture from src, which Probe described as info. It
// waits for a worker if it must. When ctx ends it returns at once; the work ends
// at its next step or row, or when the codec that cannot be interrupted is done,
// and keeps its worker until then. So src, which is not changed, may be read for a
// while longer. The result's Body may be src itself. Errors are *fault.Error.
func (e *Engine) Transform(ctx context.Context, src []byte, info Info, plan Plan) (Result, error) {
	w := &work{engine: e, src: src, info: info, plan: plan}
	settled, err := w.settle()
	if err == nil && !settled {
		err = w.perform(ctx)
	}
	if err != nil {
		return Result{}, err
	}
	e.done[w.result.Media].Add(1)
	for i, d := range [...]time.Duration{w.result.Queued, w.result.Decode, w.result.Resize, w.result.Encode} {
		e.spent[i].Add(int64(d))
	}
	return w.result, nil
}

// perform does what needs a worker.
func (w *work) perform(ctx context.Context) error {
	start := time.Now()
	if w.usesMezzanine() {
		var err error
		if w.shared, w.result.Mezzanine, err = w.engine.mezzanines.get(ctx, w.plan.Source, w.mezzanine); err != nil {
			return fault.Of(err)
		}
	}
	bytes, as := w.bytes(), usual
	if w.result.Mezzanine == Made {
		as = begun // else all that work would have been for nothing
	}
	if err := w.engine.workers.enter(ctx, bytes, as); err != nil {
		return err
	}
	w.result.Queued = max(time.Since(start)-w.result.Decode-w.result.Resize, 0)
	done := make(chan error, 1)
	go func() {
		err := guard(fault.Internal, func() error { return w.run(ctx) })
		w.engine.workers.leave(bytes) // first, so that who has the result finds the worker free
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	}
}

// Estimate is about how long the encoding of a picture of that size takes, those
// that wait for a worker included.
func (e *Engine) Estimate(media params.Media, size params.Size) time.Duration {
	if !e.writes(media) {
		return 0
	}
	once := time.Duration(area(size)) * e.codecs[media].Pace() / 1_000_000
	_, queued, _, _ := e.workers.counts()
	return once * time.Duration(1+queued/e.workers.workers)
}

// Shrinks reports whether Plan.Small makes a difference for a media type.
func (e *Engine) Shrinks(mediaType string) bool {
	for _, c := range e.codecs {
		if c != nil && c.Media().String() == mediaType {
			return c.Shrinks()
		}
	}
	return false
}

// Offer fails as Overloaded if there is no room for one more picture now, so that
// nobody waits to be told later. Every picture that is to be made is offered, once.
func (e *Engine) Offer() error { return e.workers.offer() }

// Expect fails as Overloaded if Transform would now, so that nothing is fetched for
// a picture that will not be made, or has waited for its turn to be fetched while others
// were too many. Else a source is on its way: call Arrived, once,
// when it is there or will not be.
func (e *Engine) Expect(waited time.Duration) error { return e.workers.expect(waited) }

// Arrived follows an Expect that did not fail, before Transform is called.
func (e *Engine) Arrived() { e.workers.arrived() }

// Idle returns when a worker has nothing to do and nobody waits for one, or with
// ctx's error.
func (e *Engine) Idle(ctx context.Context) error {
	if err := e.workers.enter(ctx, 0, idle); err != nil {
		return err
	}
	e.workers.leave(0)
	return nil
}
