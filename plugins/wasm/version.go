package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/fovea-images/fovea/plugins"
)

// version is one loaded module: a runtime of its own, since the bound on memory is the
// runtime's, and the instances. Closing it frees them and the code.
type version struct {
	rule     *Rule
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil = none
	compiled wazero.CompiledModule
	pool     *pool
	soft     int64 // memory above which an instance is replaced

	wanted chan struct{} // somebody needs an instance
	stop   context.CancelFunc
	making sync.WaitGroup
	broken error // why the last instance could not be made; guarded by mu
	mu     sync.Mutex
}

// load compiles body and makes its first instances.
func (r *Rule) load(ctx context.Context, body []byte, warm int) (_ *version, err error) {
	ctx = context.WithoutCancel(ctx)
	v := &version{rule: r, pool: newPool(r.options.Instances), wanted: make(chan struct{}, 1)}
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(r.options.Memory / pageSize)).WithDebugInfoEnabled(false)
	if r.options.Cache != "" {
		if v.cache, err = wazero.NewCompilationCacheWithDir(r.options.Cache); err != nil {
			return nil, fmt.Errorf("folder of compiled rules: %w", err)
		}
		config = config.WithCompilationCache(v.cache)
	}
	v.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	defer func() {
		if err != nil {
			err = errors.Join(err, v.free())
		}
	}()
	system, err := v.link(ctx)
	if err != nil {
		return nil, err
	}
	if err = judge(body, system, r.options.Memory); err != nil {
		return nil, err
	}
	metered, err := meter(body, startBudget) // which bounds what compiling takes, so it comes first
	if err != nil {
		return nil, fmt.Errorf("it cannot be metered: %w", err)
	}
	if err = validate(ctx, body, r.options.Memory); err != nil {
		return nil, err
	}
	if v.compiled, err = v.runtime.CompileModule(ctx, metered); err != nil {
		return nil, fmt.Errorf("metered, it does not compile: %w", err)
	}
	for i := range min(warm, len(v.pool.slots)) {
		in, err := v.instantiate()
		if err != nil {
			return nil, err
		}
		in.slot = &v.pool.slots[i]
		in.slot.instance.Store(in)
	}
	if v.soft = r.options.Memory / 4; v.soft < 2*v.pool.slots[0].instance.Load().memory.Load() {
		v.soft = min(2*v.pool.slots[0].instance.Load().memory.Load(), r.options.Memory-1)
	}
	making, stop := context.WithCancel(ctx)
	v.stop = stop
	v.making.Go(func() { v.make(making) })
	return v, nil
}

// validate has wazero judge the module as it was written, before anything is added to it.
func validate(ctx context.Context, body []byte, memory int64) error {
	config := wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(uint32(memory / pageSize)).WithDebugInfoEnabled(false)
	judge := wazero.NewRuntimeWithConfig(ctx, config)
	_, err := judge.CompileModule(ctx, body)
	if err = errors.Join(err, judge.Close(ctx)); err != nil {
		return fmt.Errorf("it is not valid: %s", strings.TrimPrefix(err.Error(), "invalid "))
	}
	return nil
}

// pauses between making instances, so that a rule that kills them takes no processor.
const (
	makePause   = 5 * time.Millisecond
	brokenPause = 200 * time.Millisecond
)

// make makes instances off the requests' way until ctx ends: when somebody waits, and in
// place of those that were thrown away.
func (v *version) make(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.wanted:
		}
		for ctx.Err() == nil && (v.pool.waiting.Load() > 0 || v.pool.live() == 0) {
			s := v.pool.empty()
			if s == nil {
				break
			}
			in, err := v.instantiate()
			v.setBroken(err)
			pause := makePause
			if err == nil {
				in.slot = s
				s.instance.Store(in)
			} else {
				pause = brokenPause
				v.rule.options.Log.Error("rule has no instance", "module", v.rule.options.File, "error", err)
			}
			v.pool.free(s)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

func (v *version) setBroken(err error) {
	v.mu.Lock()
	v.broken = err
	v.mu.Unlock()
}

func (v *version) want() {
	select {
	case v.wanted <- struct{}{}:
	default:
	}
}

func (v *version) take(ctx context.Context) (*instance, error) {
	in, err := v.pool.take(ctx, v.rule.options.Patience, v.want)
	if err != nil && !errors.Is(err, errClosed) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.broken != nil {
			err = &plugins.Failure{Reason: plugins.Start, Err: v.broken}
		}
	}
	return in, err
}

// retake waits until in is free again.
func (v *version) retake(ctx context.Context, in *instance) error {
	if in.slot.held.CompareAndSwap(false, true) {
		return v.still(in)
	}
	in.waiting.Add(1)
	defer in.waiting.Add(-1)
	timer := time.NewTimer(v.rule.options.Patience)
	defer timer.Stop()
	for {
		if in.slot.held.CompareAndSwap(false, true) {
			return v.still(in)
		}
		select {
		case <-in.freed:
		case <-in.gone:
			return plugins.ErrGone
		case <-timer.C:
			return plugins.ErrGone
		case <-ctx.Done():
			return plugins.ErrGone
		}
	}
}

// still gives the slot back if in is not in it any more.
func (v *version) still(in *instance) error {
	if in.slot.instance.Load() == in && !v.pool.closed.Load() {
		return nil
	}
	v.pool.free(in.slot)
	return plugins.ErrGone
}

// done takes an instance back after a call, or throws it away.
func (v *version) done(in *instance, err error) {
	in.calls++
	if err != nil || in.calls >= v.rule.options.Requests || in.memory.Load() > v.soft {
		v.discard(in)
		v.want()
		return
	}
	v.pool.free(in.slot)
	if in.waiting.Load() > 0 { // told only now: who looks before the slot is free waits on
		select {
		case in.freed <- struct{}{}:
		default:
		}
	}
}

// discard closes an instance whose slot is held, and gives the slot back.
func (v *version) discard(in *instance) {
	s := in.slot
	s.instance.Store(nil)
	close(in.gone)
	in.close()
	v.rule.discarded.Add(1)
	v.pool.free(s)
}

// close frees everything, once running calls have returned. Nobody gets an instance any
// more from here on.
func (v *version) close() {
	v.pool.close()
	v.stop()
	v.making.Wait()
	for i := range v.pool.slots {
		s := &v.pool.slots[i]
		for !s.held.CompareAndSwap(false, true) {
			time.Sleep(50 * time.Microsecond) // a call is bounded by its budget
		}
		if in := s.instance.Load(); in != nil {
			v.discard(in)
		} else {
			s.held.Store(false)
		}
	}
	if err := v.free(); err != nil {
		v.rule.options.Log.Error("rule not freed", "module", v.rule.options.File, "error", err)
	}
}

func (v *version) free() error {
	ctx := context.Background()
	var err error
	if v.compiled != nil {
		err = v.compiled.Close(ctx)
	}
	err = errors.Join(err, v.runtime.Close(ctx))
	if v.cache != nil {
		err = errors.Join(err, v.cache.Close(ctx))
	}
	return err
}

// instantiate makes an instance and starts it, within the bounds of a start.
func (v *version) instantiate() (_ *instance, err error) {
	in := &instance{version: v, gone: make(chan struct{}), freed: make(chan struct{}, 1)}
	in.asking.instance = in
	in.ctx = &callContext{Context: context.Background(), instance: in}
	defer func() {
		if v := recover(); v != nil { // there was no memory for it
			err = fmt.Errorf("it could not be instantiated: %v", v)
		}
		if err != nil {
			in.close()
		}
	}()
	if err := in.start(experimental.WithMemoryAllocator(in.ctx, reserve{})); err != nil {
		return nil, err
	}
	v.rule.started.Add(1)
	return in, nil
}
