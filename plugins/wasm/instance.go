package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/fovea-images/fovea/plugins"
)

// instance is one instance of a module. Who holds its slot may use it.
type instance struct {
	version *version
	slot    *slot
	ctx     *callContext
	module  api.Module
	fuel    api.MutableGlobal
	ask     api.Function // handle_request
	tell    api.Function // handle_response; nil = it has none
	stack   [2]uint64
	calls   uint64
	memory  atomic.Int64 // bytes

	exchange *plugins.Exchange // of the running call; nil = it is starting
	caller   context.Context   // of the running call
	deadline time.Time         // of its calls to us
	hosted   uint32            // its calls to us
	asking   call

	waiting atomic.Int32 // how many wait for this very instance
	freed   chan struct{}
	gone    chan struct{} // closed when it is thrown away
}

// callContext is the context of all calls of one instance: our functions find it there
// without a look-up or an allocation.
type callContext struct {
	context.Context
	instance *instance
}

type instanceKey struct{}

// Value finds the instance under wrapped contexts, too.
func (c *callContext) Value(key any) any {
	if key == (instanceKey{}) {
		return c.instance
	}
	return c.Context.Value(key)
}

func instanceOf(ctx context.Context) *instance {
	if c, ok := ctx.(*callContext); ok {
		return c.instance
	}
	return ctx.Value(instanceKey{}).(*instance)
}

// start instantiates the module and has its runtime set itself up.
func (in *instance) start(ctx context.Context) error {
	o := &in.version.rule.options
	in.deadline = time.Now().Add(startPatience)
	out := &lines{in: in, level: slog.LevelInfo}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithStdout(out).WithStderr(&lines{in: in, level: slog.LevelWarn}).
		WithWalltime(in.walltime, 1).WithSysNanotime().
		WithNanosleep(func(int64) {}).WithOsyield(func() {}).
		WithRandSource(dice{in})
	var err error
	if in.module, err = in.version.runtime.InstantiateModule(ctx, in.version.compiled, config); err != nil {
		return in.failure(plugins.Start, err)
	}
	fuel, ok := in.module.ExportedGlobal(fuelName).(api.MutableGlobal)
	if !ok {
		return errors.New("the counter of instructions is missing")
	}
	in.fuel = fuel
	in.ask, in.tell = in.module.ExportedFunction("handle_request"), in.module.ExportedFunction("handle_response")
	for _, name := range []string{"_initialize", "_start"} {
		begin := in.module.ExportedFunction(name)
		if begin == nil {
			continue
		}
		_, err := begin.Call(in.ctx)
		if in.module.IsClosed() {
			return fmt.Errorf("this is a command: it ended in %s. Build it with -buildmode=c-shared, or as a reactor", name)
		}
		if err != nil {
			return in.failure(plugins.Start, err)
		}
		break
	}
	if o.Budget > 0 {
		in.memory.Store(in.size())
	}
	return nil
}

func (in *instance) size() int64 {
	if in.module == nil || in.module.Memory() == nil {
		return 0
	}
	return int64(in.module.Memory().Size())
}

func (in *instance) close() {
	if in.module != nil {
		_ = in.module.Close(context.Background()) // it holds no file
	}
}

// request calls handle_request.
func (in *instance) request(ctx context.Context, x *plugins.Exchange, v *plugins.Visit) error {
	if err := in.run(ctx, x, v, in.ask); err != nil {
		return err
	}
	v.Next = in.stack[0]&1 == 1
	v.Token = uint32(in.stack[0] >> 32)
	v.Respond = in.tell != nil
	v.Holder = in
	return nil
}

// response calls handle_response.
func (in *instance) response(ctx context.Context, x *plugins.Exchange, v *plugins.Visit, failed bool) error {
	in.stack = [2]uint64{uint64(v.Token), 0}
	if failed {
		in.stack[1] = 1
	}
	return in.run(ctx, x, v, in.tell)
}

// run calls a function of the guest with what is in the stack, within the bounds of a call.
func (in *instance) run(ctx context.Context, x *plugins.Exchange, v *plugins.Visit, f api.Function) error {
	budget := in.version.rule.options.Budget
	in.exchange, in.caller, in.deadline, in.hosted = x, ctx, time.Time{}, 0
	in.fuel.Set(uint64(budget))
	err := f.CallWithStack(in.ctx, in.stack[:])
	left := int64(in.fuel.Get())
	in.exchange, in.caller = nil, nil
	in.memory.Store(in.size())
	v.Units = budget - left
	if err == nil {
		return nil
	}
	if left < 0 {
		v.Units = budget
		return &plugins.Failure{Reason: plugins.Budget, Err: fmt.Errorf("it used up its budget of %d instructions", budget)}
	}
	return in.failure(plugins.Trap, err)
}

// failure sorts what wazero says, without the guest's stack.
func (in *instance) failure(reason plugins.Reason, err error) error {
	var own *refusal
	if errors.As(err, &own) {
		if reason != plugins.Start {
			reason = own.reason
		}
		return &plugins.Failure{Reason: reason, Err: own}
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return &plugins.Failure{Reason: reason, Err: fmt.Errorf("it exited with status %d", exit.ExitCode())}
	}
	text, _, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
	if in.fuel != nil && int64(in.fuel.Get()) < 0 {
		text = "it used up its budget of instructions: " + text
	}
	return &plugins.Failure{Reason: reason, Err: errors.New(text)}
}

// refusal is what one of our functions throws at a guest that asked for what it may not:
// it ends the call.
type refusal struct {
	function string
	reason   plugins.Reason
	err      error
}

func (r *refusal) Error() string { return r.function + ": " + r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// lookEvery is after how many calls of a guest to us the clock is looked at.
const lookEvery = 64

// entered bounds the calls to us by the deadline of the request, or of the start.
func (in *instance) entered(function string) {
	in.hosted++
	if in.hosted%lookEvery != 0 {
		return
	}
	now := time.Now()
	if in.deadline.IsZero() {
		in.deadline = now.Add(in.version.rule.options.Patience)
		if by, ok := in.caller.Deadline(); ok && by.Before(in.deadline) {
			in.deadline = by
		}
	}
	if now.After(in.deadline) || in.caller != nil && in.caller.Err() != nil {
		panic(&refusal{function, plugins.Timeout, errors.New("the request's deadline has passed")})
	}
}

// walltime is the guest's clock.
func (in *instance) walltime() (sec int64, nsec int32) {
	now := in.now()
	return now.Unix(), int32(now.Nanosecond())
}

func (in *instance) now() time.Time {
	if in.exchange != nil && in.exchange.Now != nil {
		return in.exchange.Now()
	}
	return in.version.rule.options.Now()
}

// dice is the guest's random numbers.
type dice struct{ in *instance }

func (d dice) Read(p []byte) (int, error) {
	if x := d.in.exchange; x != nil && x.Random != nil {
		return io.ReadFull(x.Random, p)
	}
	return io.ReadFull(d.in.version.rule.options.Random, p)
}

// lines makes lines of the log of what a guest writes to a stream.
type lines struct {
	in    *instance
	level slog.Level
	rest  []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.in.entered("fd_write")
	l.in.asking.charge(uint64(len(p)))
	for _, c := range p {
		switch {
		case c == '\n':
			l.in.log(l.level, l.rest)
			l.rest = l.rest[:0]
		case len(l.rest) < plugins.MaxLogged:
			l.rest = append(l.rest, c)
		}
	}
	return len(p), nil
}

// log writes a line of the guest's.
func (in *instance) log(level slog.Level, text []byte) {
	if in.exchange != nil {
		in.exchange.Log(level, text)
		return
	}
	in.version.rule.options.Journal.Line(level, text, nil)
}
