package stream

import (
	"container/heap"

	"go.opentelemetry.io/otel/trace"
)

// deadlines are the open ones of a partition: at most one a key.
type deadlines struct {
	byKey map[string]*deadline
	queue queue // those that are yet to be sent
}

// deadline is kept small, as there may be a million.
type deadline struct {
	key    string
	due    int64 // Unix time in microseconds, of which the rest is cut off
	arming int64
	at     int                // its place in the queue
	trace  *trace.SpanContext // that it is part of; nil for none. As large is what is allocated without it.
}

// sent is the place of a deadline that is no longer in the queue.
const sent = -1

// arm notes the open deadline of a key in place of any other. One that is known by
// its arming number stays as it is, sent or not. It reports whether it is now the
// next of all.
func (d *deadlines) arm(key string, due, arming int64, within *trace.SpanContext) bool {
	one, known := d.byKey[key]
	switch {
	case !known:
		if d.byKey == nil {
			d.byKey = map[string]*deadline{}
		}
		one = &deadline{key: key, due: due, arming: arming, trace: within}
		d.byKey[key] = one
		heap.Push(&d.queue, one)
	case one.arming == arming:
		return false
	default:
		one.due, one.arming, one.trace = due, arming, within
		d.put(one)
	}
	return one.at == 0
}

// put has the queue in order again after one of the deadlines changed.
func (d *deadlines) put(one *deadline) {
	if one.at == sent {
		heap.Push(&d.queue, one)
		return
	}
	heap.Fix(&d.queue, one.at)
}

func (d *deadlines) disarm(key string) {
	one, known := d.byKey[key]
	if !known {
		return
	}
	delete(d.byKey, key)
	if one.at != sent {
		heap.Remove(&d.queue, one.at)
	}
}

// has reports whether the key has an open deadline.
func (d *deadlines) has(key string) bool { return d.byKey[key] != nil }

// next gives when the next is due.
func (d *deadlines) next() (due int64, found bool) {
	if len(d.queue) == 0 {
		return 0, false
	}
	return d.queue[0].due, true
}

// take appends to those given what is to be sent by now, up to the slice's
// capacity, and counts it as sent. Nothing is taken within the microsecond in which
// it becomes due, so nothing ever is too early.
func (d *deadlines) take(now int64, into []deadline) []deadline {
	for len(into) < cap(into) && len(d.queue) > 0 && d.queue[0].due < now {
		one := heap.Pop(&d.queue).(*deadline)
		into = append(into, *one)
	}
	return into
}

// again has one that could not be sent become due later, unless it is open no more.
func (d *deadlines) again(failed deadline, due int64) {
	if one, known := d.byKey[failed.key]; known && one.arming == failed.arming {
		one.due = due
		d.put(one)
	}
}

// queue is a heap by what is due first.
type queue []*deadline

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(one any) {
	d := one.(*deadline)
	d.at = len(*q)
	*q = append(*q, d)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	d.at = sent
	return d
}
