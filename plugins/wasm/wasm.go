// Package wasm runs rules in wazero: it compiles them once, pools their instances and bounds their time and memory.
//
// A module gives the functions of the http-wasm handler interface, and may use those of
// it and of the module image_rule. It is rewritten when it is loaded, so that its work
// is paid for from a budget of instructions: compiled guest code cannot be interrupted,
// and a loop without an end would stop the whole process at the next garbage collection.
package wasm

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/plugins"
)

// Options are what a Rule is made from. File and Journal are required; zero fields take
// the defaults named.
type Options struct {
	File      string
	Config    string // handed over to the module as it is
	Budget    int64  // metered instructions a call; 10 million
	Memory    int64  // bytes of memory of an instance; 64 MiB. Above a quarter of it, it is replaced after its call
	Instances int    // most of them at once; 2 × CPUs
	Requests  uint64 // after which an instance is replaced; 100,000
	Patience  time.Duration
	Cache     string // folder of compiled code; "" = none is kept
	Journal   *plugins.Journal
	Log       *slog.Logger // told of reloads; nil = nobody
	Now       func() time.Time
	Random    io.Reader
}

// Bounds and defaults.
const (
	DefaultBudget   = 10_000_000
	maxBudget       = 1_000_000_000
	startBudget     = 200_000_000 // for runtimes to set themselves up; Go's takes a million
	startPatience   = time.Second
	defaultMemory   = 64 << 20
	pageSize        = 64 << 10
	defaultRequests = 100_000
	defaultPatience = time.Second
	maxInstances    = 1024
)

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.File == "":
		return o, errors.New("module: expected a file, received none")
	case o.Budget < 0 || o.Budget > maxBudget:
		return o, fmt.Errorf("budget: expected instructions up to %d, received %d", int64(maxBudget), o.Budget)
	case o.Memory < 0 || o.Memory > 1<<31:
		return o, fmt.Errorf("memory: expected up to 2GiB, received %d bytes", o.Memory)
	case o.Memory != 0 && o.Memory < pageSize:
		return o, fmt.Errorf("memory: expected at least 64KiB, received %d bytes", o.Memory)
	case o.Instances < 0 || o.Instances > maxInstances:
		return o, fmt.Errorf("instances: expected up to %d, received %d", maxInstances, o.Instances)
	}
	for _, d := range []struct{ field, value *int64 }{{&o.Budget, ptr(int64(DefaultBudget))}, {&o.Memory, ptr(int64(defaultMemory))}} {
		if *d.field == 0 {
			*d.field = *d.value
		}
	}
	if o.Instances == 0 {
		o.Instances = 2 * runtime.GOMAXPROCS(0)
	}
	if o.Requests == 0 {
		o.Requests = defaultRequests
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func ptr[T any](v T) *T { return &v }

// Rule is a module in a file, loaded. It implements plugins.Rule.
type Rule struct {
	options Options
	current atomic.Pointer[version]

	reloading sync.Mutex // one reload at a time
	sum       [sha256.Size]byte
	seen      stamp
	closed    bool

	reloads, refused   atomic.Uint64
	started, discarded atomic.Uint64
}

// stamp tells whether a file may have changed.
type stamp struct {
	file  os.FileInfo
	fresh bool // it was read so soon after it was written that more may have come in the same tick
}

// tick is how coarse the times of files may be.
const tick = time.Second

// of reports whether the file is still the one that was read.
func (s stamp) of(file os.FileInfo) bool {
	return !s.fresh && s.file != nil && os.SameFile(s.file, file) && s.file.Size() == file.Size() && s.file.ModTime().Equal(file.ModTime())
}

var _ plugins.Rule = (*Rule)(nil)

// New loads the module and makes its first instances. An error says what is wrong with
// the module, and where there is one, the remedy.
func New(ctx context.Context, o Options) (*Rule, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Rule{options: o}
	body, seen, err := r.read()
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	r.sum, r.seen = sha256.Sum256(body), seen
	v, err := r.load(ctx, body, 1)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", o.File, err)
	}
	r.current.Store(v)
	return r, nil
}

// read returns the module's bytes, at most as many as one may have.
func (r *Rule) read() ([]byte, stamp, error) {
	f, err := os.Open(r.options.File)
	if err != nil {
		return nil, stamp{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, stamp{}, err
	}
	if info.IsDir() {
		return nil, stamp{}, fmt.Errorf("expected a file, received the folder %s", r.options.File)
	}
	body, err := io.ReadAll(io.LimitReader(f, maxModule+1))
	if err == nil && len(body) > maxModule {
		err = fmt.Errorf("expected a module of at most %d MiB", maxModule>>20)
	}
	return body, stamp{info, time.Since(info.ModTime()) < tick}, err
}

// Reload loads the file again if it has changed, and swaps the module once the new one
// has shown that it starts. Running calls finish on the old one.
func (r *Rule) Reload(ctx context.Context) error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if r.closed {
		return errClosed
	}
	body, seen, err := r.read()
	if err == nil {
		r.seen = seen
		sum := sha256.Sum256(body)
		if sum == r.sum {
			return nil
		}
		old := r.current.Load()
		var v *version
		if v, err = r.load(ctx, body, max(1, old.pool.live())); err == nil {
			r.sum = sum
			r.current.Store(v)
			old.close()
			r.reloads.Add(1)
			r.options.Log.Info("rule loaded anew", "module", r.options.File)
			return nil
		}
	}
	r.refused.Add(1)
	return fmt.Errorf("module %s: %w; the old one stays", r.options.File, err)
}

// Changed reports whether the file is another than the one that was read, or may have
// become so. A file that is not there is on its way.
func (r *Rule) Changed() bool {
	info, err := os.Stat(r.options.File)
	if err != nil {
		return false
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	return !r.seen.of(info)
}

// Close ends the rule: running calls finish, later ones fail.
func (r *Rule) Close() error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.current.Load().close()
	return nil
}

// Load says what the rule holds.
func (r *Rule) Load() plugins.Load {
	v := r.current.Load()
	return plugins.Load{
		Instances: v.pool.live(), Memory: v.pool.memory(), Started: r.started.Load(), Discarded: r.discarded.Load(),
		Reloads: r.reloads.Load(), Refused: r.refused.Load(),
	}
}

// Request calls the module's handle_request.
func (r *Rule) Request(ctx context.Context, x *plugins.Exchange, v *plugins.Visit) error {
	in, err := r.take(ctx)
	if err != nil {
		return err
	}
	err = in.request(ctx, x, v)
	in.version.done(in, err)
	return err
}

// take returns an instance of the current version for this call alone.
func (r *Rule) take(ctx context.Context) (*instance, error) {
	for {
		version := r.current.Load()
		in, err := version.take(ctx)
		if !errors.Is(err, errClosed) {
			return in, err
		}
		if version == r.current.Load() { // not swapped, but closed for good
			return nil, &plugins.Failure{Reason: plugins.Start, Err: errClosed}
		}
	}
}

// Response calls handle_response of the instance that saw the request.
func (r *Rule) Response(ctx context.Context, x *plugins.Exchange, v *plugins.Visit, failed bool) error {
	in := v.Holder.(*instance)
	if err := in.version.retake(ctx, in); err != nil {
		return err
	}
	err := in.response(ctx, x, v, failed)
	in.version.done(in, err)
	return err
}
