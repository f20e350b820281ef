//go:build (linux || darwin) && (amd64 || arm64) && !nodynamic

package native

import (
	"debug/elf"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/ebitengine/purego"
)

// library is an open shared library. It is never closed.
type library struct {
	name   string
	handle uintptr
}

// load opens the first of names that there is.
func load(names ...string) (library, error) {
	if err := loadable(); err != nil {
		return library{}, err
	}
	frugal()
	var last error
	for _, name := range names {
		handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err == nil {
			return library{name, handle}, nil
		}
		last = err
	}
	return library{}, fmt.Errorf("%w: %w", ErrAbsent, last)
}

// frugal keeps glibc from making a heap for every thread, and large buffers out of
// them: what an encoder frees goes back to the system. It saves a quarter of the
// process's memory and no time is lost.
var frugal = sync.OnceFunc(func() {
	const arenaMax, mmapThreshold = -8, -3
	symbol, err := purego.Dlsym(purego.RTLD_DEFAULT, "mallopt")
	if runtime.GOOS != "linux" || err != nil {
		return // another C library
	}
	var mallopt func(parameter, value int32) int32
	purego.RegisterFunc(&mallopt, symbol)
	mallopt(arenaMax, 1)
	mallopt(mmapThreshold, 1<<20)
})

// loadable reports why a statically linked binary cannot load libraries: it has no
// dynamic linker, and asking it all the same ends the process.
func loadable() error {
	if runtime.GOOS != "linux" {
		return nil
	}
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	defer func() { _ = file.Close() }()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return nil
		}
	}
	return fmt.Errorf("%w: a statically linked binary loads none", ErrAbsent)
}

// bind sets every function variable of functions, by its C name.
func (l library) bind(functions map[string]any) error {
	for name, to := range functions {
		symbol, err := purego.Dlsym(l.handle, name)
		if err != nil {
			return fmt.Errorf("%w: %s has no %s", ErrAbsent, l.name, name)
		}
		purego.RegisterFunc(to, symbol)
	}
	return nil
}
