package codecs

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

// recent remembers the latest values of the orders that were written last, by their
// bytes. An order's row and state are read back a dozen times within moments of being
// written, and reading them is the larger part of what an event costs. The values are
// shared, so nobody may change what one refers to; the fold and the saga do not.
type recent[T any] struct {
	seed  maphash.Seed
	slots [recentSlots]atomic.Pointer[remembered[T]]
}

// recentSlots and maxRemembered bound what is remembered. Of ordinary orders it is some
// 100 MB when all slots are taken, with rows and states, and at most five times that.
const (
	recentSlots   = 1 << 15
	maxRemembered = 4 << 10 // bytes; a larger value is read anew each time
)

type remembered[T any] struct {
	encoded []byte
	value   T
}

func newRecent[T any]() *recent[T] { return &recent[T]{seed: maphash.MakeSeed()} }

// slot is the one of the order whose id stands near the beginning of the bytes, so that
// of each order the latest alone is remembered.
func (r *recent[T]) slot(encoded []byte) *atomic.Pointer[remembered[T]] {
	const before = `"id":"`
	key := encoded[:min(len(encoded), 160)]
	if i := bytes.Index(key, []byte(before)); i >= 0 {
		key = key[i+len(before):]
	}
	if i := bytes.IndexByte(key, '"'); i >= 0 {
		key = key[:i]
	}
	return &r.slots[maphash.Bytes(r.seed, key)%recentSlots]
}

func (r *recent[T]) add(encoded []byte, value T) {
	if len(encoded) > maxRemembered {
		return // one before it that is still there has other bytes
	}
	r.slot(encoded).Store(&remembered[T]{encoded, value})
}

func (r *recent[T]) find(encoded []byte) (value T, found bool) {
	if m := r.slot(encoded).Load(); m != nil && bytes.Equal(m.encoded, encoded) {
		return m.value, true
	}
	return value, false
}
