//go:build unix

package wasm

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// reserve gives an instance its memory: address space for all that it may ever have,
// which costs nothing until it is touched, so that growing copies nothing and what was
// freed goes back at once.
type reserve struct{}

// Allocate reserves most bytes.
func (reserve) Allocate(_, most uint64) experimental.LinearMemory {
	b, err := syscall.Mmap(-1, 0, int(max(most, pageSize)), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &memory{}
	}
	return &memory{b}
}

type memory struct{ reserved []byte }

// Reallocate returns the first size bytes; nil if there are not as many.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		return nil
	}
	return m.reserved[:size]
}

// Free gives everything back.
func (m *memory) Free() {
	if m.reserved != nil {
		_ = syscall.Munmap(m.reserved) // it is what was mapped
		m.reserved = nil
	}
}
