//go:build !unix

package wasm

import "github.com/tetratelabs/wazero/experimental"

// reserve gives an instance its memory from the heap.
type reserve struct{}

// Allocate returns memory that grows by copying.
func (reserve) Allocate(_, _ uint64) experimental.LinearMemory { return &memory{} }

type memory struct{ b []byte }

// Reallocate returns the memory with size bytes.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.b)) {
		m.b = append(m.b, make([]byte, size-uint64(len(m.b)))...)
	}
	return m.b[:size]
}

// Free leaves it to the collector.
func (m *memory) Free() { m.b = nil }
