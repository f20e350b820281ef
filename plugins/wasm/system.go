package wasm

import (
	"context"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"
	wasi "github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
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
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		c := &instanceOf(ctx).asking
		c.function = f.name
		c.entered(f.name)
		f.call(c, stack)
	}
}

// notPermitted is the number of that error in WASI.
const notPermitted = 63

// linkWASI gives runtimes of languages what they expect, and nothing that leads outside:
// paths and sockets are not permitted, there are no arguments and no environment.
func (v *version) linkWASI(ctx context.Context, system map[string]signature) error {
	plain, err := wasi.NewBuilder(v.runtime).Compile(ctx)
	if err != nil {
		return fmt.Errorf("WASI: %w", err)
	}
	b := v.runtime.NewHostModuleBuilder(wasi.ModuleName)
	wasi.NewFunctionExporter().ExportFunctions(b)
	for name, f := range plain.ExportedFunctions() {
		system[wasi.ModuleName+"."+name] = sign(f.ParamTypes(), f.ResultTypes())
		if !strings.HasPrefix(name, "path_") && !strings.HasPrefix(name, "sock_") {
			continue
		}
		refuse := api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = notPermitted })
		b.NewFunctionBuilder().WithGoModuleFunction(refuse, f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("WASI: %w", err)
	}
	return plain.Close(ctx)
}

// refuse ends the guest's call.
func (c *call) refuse(format string, args ...any) {
	panic(&refusal{c.function, "refused", fmt.Errorf(format, args...)})
}
