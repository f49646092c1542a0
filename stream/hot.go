package stream

import (
	"hash/maphash"
	"sync"
)

// hot keeps the values that a partition's handlers wrote last. An order is read and
// written a dozen times within moments, and asking the database each time is a tenth
// of what a record costs.
type hot struct {
	mu    sync.Mutex
	slots [hotSlots]struct {
		key   string
		value []byte
	}
}

// hotSlots and maxHot bound the values that are kept for each partition.
const (
	hotSlots = 1 << 12
	maxHot   = 4 << 10 // bytes; a larger value is left to the database
)

var hotSeed = maphash.MakeSeed()

func (h *hot) get(key string) ([]byte, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.slots[maphash.String(hotSeed, key)%hotSlots]
	return s.value, s.value != nil && s.key == key
}

// set keeps a value, or lets go of the one before; nil does, too.
func (h *hot) set(key string, value []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.slots[maphash.String(hotSeed, key)%hotSlots]
	if len(value) > maxHot {
		value = nil
	}
	if value != nil || s.key == key {
		s.key, s.value = key, value
	}
}
