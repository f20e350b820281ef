package token

import (
	"crypto/sha256"
	"sync"
)

// memory remembers tokens whose signature was good, by their hash. Whether they
// are still in force and whose key it was is asked every time.
type memory struct {
	mu   sync.RWMutex
	most int
	all  map[[sha256.Size]byte]*verified
}

func newMemory(most int) *memory {
	return &memory{most: most, all: make(map[[sha256.Size]byte]*verified, most)}
}

func (m *memory) get(name [sha256.Size]byte) *verified {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.all[name]
}

func (m *memory) put(name [sha256.Size]byte, v *verified) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for other := range m.all { // any one makes room: all are cheap to verify again
		if len(m.all) < m.most {
			break
		}
		delete(m.all, other)
	}
	m.all[name] = v
}
