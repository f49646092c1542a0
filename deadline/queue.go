// Package deadline keeps the open deadlines of keys in the order in which they come. It is
// a value without a clock: who asks says what time it is.
package deadline

import "container/heap"

// Queue has the open deadlines of keys, at most one for each key. The zero Queue is empty.
// It takes time that grows with the logarithm of how many there are, and never looks at
// all of them.
type Queue[T any] struct {
	byKey map[string]*Armed[T]
	heap  byDue[T] // those that are yet to be taken
}

// Armed is an open deadline. It is kept small, as there may be a million.
type Armed[T any] struct {
	Key    string
	Due    int64 // Unix time in microseconds, of which the rest is cut off
	Arming int64 // another one whenever the deadline is
	With   T     // what goes with it
	at     int32 // its place in the heap
	back   bool  // Due is when it was put back to
}

// taken is the place of a deadline that is no longer in the heap.
const taken = -1

// Arm notes the open deadline of a key in place of any other. One that is known stays as it
// is, taken or not. It reports whether it is now the next of all.
func (q *Queue[T]) Arm(key string, due, arming int64, with T) bool {
	one, known := q.byKey[key]
	switch {
	case !known:
		if q.byKey == nil {
			q.byKey = map[string]*Armed[T]{}
		}
		one = &Armed[T]{Key: key, Due: due, Arming: arming, With: with}
		q.byKey[key] = one
		heap.Push(&q.heap, one)
	case one.Arming == arming && (one.Due == due || one.back):
		return false
	default:
		one.Due, one.Arming, one.With, one.back = due, arming, with, false
		q.put(one)
	}
	return one.at == 0
}

// put has the heap in order again after one of the deadlines changed.
func (q *Queue[T]) put(one *Armed[T]) {
	if one.at == taken {
		heap.Push(&q.heap, one)
		return
	}
	heap.Fix(&q.heap, int(one.at))
}

// Disarm forgets the deadline of a key. It reports whether there was one.
func (q *Queue[T]) Disarm(key string) bool {
	one, known := q.byKey[key]
	if !known {
		return false
	}
	delete(q.byKey, key)
	if one.at != taken {
		heap.Remove(&q.heap, int(one.at))
	}
	return true
}

// Of gives the open deadline of a key, taken or not; false for none.
func (q *Queue[T]) Of(key string) (Armed[T], bool) {
	one, known := q.byKey[key]
	if !known {
		return Armed[T]{}, false
	}
	return *one, true
}

// Len is how many are open, those included that are taken.
func (q *Queue[T]) Len() int { return len(q.byKey) }

// Next gives when the next is due of those that are not taken; false for none.
func (q *Queue[T]) Next() (due int64, found bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].Due, true
}

// Take appends to those given what has come by now, the earliest first and up to the slice's
// capacity. It does not give them again before they are armed anew or put back. None is
// taken within the microsecond in which it becomes due, so that none ever is too early.
func (q *Queue[T]) Take(now int64, into []Armed[T]) []Armed[T] {
	for len(into) < cap(into) && len(q.heap) > 0 && q.heap[0].Due < now {
		into = append(into, *heap.Pop(&q.heap).(*Armed[T]))
	}
	return into
}

// PutBack has one that was taken become due later, unless it is open no more.
func (q *Queue[T]) PutBack(one Armed[T], due int64) {
	if known, open := q.byKey[one.Key]; open && known.Arming == one.Arming {
		known.Due, known.back = due, true
		q.put(known)
	}
}

// byDue is a heap by what is due first.
type byDue[T any] []*Armed[T]

func (h byDue[T]) Len() int           { return len(h) }
func (h byDue[T]) Less(i, j int) bool { return h[i].Due < h[j].Due }
func (h byDue[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = int32(i), int32(j)
}

// Push implements heap.Interface.
func (h *byDue[T]) Push(one any) {
	d := one.(*Armed[T])
	d.at = int32(len(*h))
	*h = append(*h, d)
}

// Pop implements heap.Interface.
func (h *byDue[T]) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.at = taken
	return d
}
