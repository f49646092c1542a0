package stream

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
)

// HotKey is a key that came by often.
type HotKey struct {
	Key string `json:"key"`
	// Records with the key in the last minutes: so many at least, and more by one in
	// hotCounters of all records at most.
	Records int64 `json:"records"`
}

// hotKeys tells which keys come by most often, in bounded memory. Time is cut into
// slices, of which the last few count. Each slice is a summary by Misra and Gries:
// as many counters as it has, and whenever a key comes that has none and none is free,
// all go down by one. So a record costs a look into a map, and now and then a round: about
// 0.1 µs.
type hotKeys struct {
	began time.Time

	mu     sync.Mutex
	slices [hotSlices]hotSlice
	latest int64 // number of the slice that counts now
}

type hotSlice struct {
	number int64
	places map[string]int // in keys and counts
	keys   []string
	counts []int64
}

const (
	hotCounters = 256 // of a slice
	hotSlices   = 5
	hotSpan     = time.Minute // of a slice
	maxHotKey   = 256         // bytes; a longer key, which is none of ours, is not counted
	// HotKeys is how many keys are told of a role.
	HotKeys = 10
)

func newHotKeys() *hotKeys { return &hotKeys{began: time.Now()} }

// note counts a record.
func (h *hotKeys) note(key []byte) {
	if len(key) > maxHotKey {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.turn()
	if at, found := s.places[string(key)]; found {
		s.counts[at]++
		return
	}
	if len(s.keys) < hotCounters {
		k := string(key)
		s.places[k] = len(s.keys)
		s.keys, s.counts = append(s.keys, k), append(s.counts, 1)
		return
	}
	for at := len(s.keys) - 1; at >= 0; at-- {
		if s.counts[at]--; s.counts[at] == 0 {
			s.remove(at)
		}
	}
}

// remove has the last key take another's place.
func (s *hotSlice) remove(at int) {
	last := len(s.keys) - 1
	s.places[s.keys[last]] = at
	delete(s.places, s.keys[at])
	s.keys[at], s.counts[at] = s.keys[last], s.counts[last]
	s.keys, s.counts = s.keys[:last], s.counts[:last]
}

// turn gives the slice that counts now.
func (h *hotKeys) turn() *hotSlice {
	h.latest = int64(time.Since(h.began) / hotSpan)
	s := &h.slices[h.latest%hotSlices]
	if s.number != h.latest || s.places == nil {
		*s = hotSlice{
			number: h.latest, places: make(map[string]int, hotCounters),
			keys: make([]string, 0, hotCounters), counts: make([]int64, 0, hotCounters),
		}
	}
	return s
}

// top gives the keys with the most records, the most first.
func (h *hotKeys) top() []HotKey {
	sums := map[string]int64{}
	h.mu.Lock()
	h.turn()
	for _, s := range h.slices {
		if s.number > h.latest-hotSlices {
			for i, k := range s.keys {
				sums[k] += s.counts[i]
			}
		}
	}
	h.mu.Unlock()
	all := make([]HotKey, 0, len(sums))
	for k, n := range sums {
		all = append(all, HotKey{k, n})
	}
	slices.SortFunc(all, func(a, b HotKey) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Key, b.Key))
	})
	return all[:min(len(all), HotKeys)]
}

// noting counts a view's records, too.
func (h *hotKeys) noting(callback goka.UpdateCallback) goka.UpdateCallback {
	return func(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
		h.note([]byte(key))
		return callback(ctx, s, key, value)
	}
}
