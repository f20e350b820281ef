package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"
	wasi "github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/fovea-images/fovea/plugins"
)

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// function is one of ours that a guest may call. Its arguments are in s; so is its result.
type hostFunction struct {
	name            string
	params, results []api.ValueType
	call            func(c *call, s []uint64)
}

// call is the call of a guest to us that is running; each instance has one.
type call struct {
	*instance
	function string
}

// link puts our functions into v's runtime and returns the types of all that a guest may
// import, by module and name.
func (v *version) link(ctx context.Context) (map[string]signature, error) {
	system := map[string]signature{}
	for name, functions := range map[string][]hostFunction{"http_handler": handlerFunctions(), "image_rule": targetFunctions()} {
		b := v.runtime.NewHostModuleBuilder(name)
		for _, f := range functions {
			system[name+"."+f.name] = sign(f.params, f.results)
			b.NewFunctionBuilder().WithGoModuleFunction(f.entry(), f.params, f.results).Export(f.name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return system, v.linkWASI(ctx, system)
}

// entry is what the guest calls.
func (f hostFunction) entry() api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		c := &instanceOf(ctx).asking
		c.function = f.name
		c.bind(m)
		c.entered(f.name)
		f.call(c, stack)
	}
}

// bind says which module in is while its start section runs; later it is known.
func (in *instance) bind(m api.Module) {
	if in.module == nil {
		in.module = m
		in.fuel, _ = m.ExportedGlobal(fuelName).(api.MutableGlobal)
	}
}

// notPermitted is the number of that error in WASI.
const notPermitted = 63

// operands says of functions of WASI whose work grows with an argument which one that
// is, and how many instructions each of it costs besides the call.
var operands = map[string]struct {
	at   int
	cost uint64
}{
	"random_get": {1, 1},                                                                                         // bytes
	"fd_write":   {2, costHost}, "fd_pwrite": {2, costHost}, "fd_read": {2, costHost}, "fd_pread": {2, costHost}, // strings
	"poll_oneoff": {2, costHost}, // events
}

// linkWASI gives runtimes of languages what they expect, and nothing that leads outside:
// paths and sockets are not permitted, there are no arguments and no environment.
func (v *version) linkWASI(ctx context.Context, system map[string]signature) error {
	plain, err := wasi.NewBuilder(v.runtime).Compile(ctx)
	if err != nil {
		return fmt.Errorf("WASI: %w", err)
	}
	b := v.runtime.NewHostModuleBuilder(wasi.ModuleName)
	for name, f := range plain.ExportedFunctions() {
		system[wasi.ModuleName+"."+name] = sign(f.ParamTypes(), f.ResultTypes())
		does, ok := f.GoFunction().(api.GoModuleFunction)
		if !ok {
			return fmt.Errorf("WASI: %s has no function", name)
		}
		if strings.HasPrefix(name, "path_") || strings.HasPrefix(name, "sock_") {
			does = api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = notPermitted })
		}
		b.NewFunctionBuilder().WithGoModuleFunction(bounded(name, does), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("WASI: %w", err)
	}
	return plain.Close(ctx)
}

// bounded is a function of WASI within the bounds of ours.
func bounded(name string, does api.GoModuleFunction) api.GoModuleFunc {
	grows, ok := operands[name]
	return func(ctx context.Context, m api.Module, stack []uint64) {
		c := &instanceOf(ctx).asking
		c.function = name
		c.bind(m)
		c.entered(name)
		if ok {
			c.charge(uint64(uint32(stack[grows.at])) * grows.cost)
		}
		does.Call(ctx, m, stack)
	}
}

// charge takes instructions from what the guest has left, for work that we do for it.
func (c *call) charge(units uint64) {
	left := int64(c.fuel.Get()) - int64(units)
	c.fuel.Set(uint64(left))
	if left < 0 {
		panic(&refusal{c.function, plugins.Budget, errors.New("it used up its instructions")})
	}
}

// refuse ends the guest's call.
func (c *call) refuse(format string, args ...any) {
	panic(&refusal{c.function, "refused", fmt.Errorf(format, args...)})
}
