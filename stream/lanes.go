package stream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lovoo/goka"
	"github.com/prometheus/client_golang/prometheus"
)

// Emission is a record to be written.
type Emission struct {
	Topic   goka.Stream
	Key     string
	Value   []byte
	Headers goka.Headers
}

// Emit writes it as a handler does.
func (e Emission) Emit(ctx goka.Context) {
	ctx.Emit(e.Topic, e.Key, e.Value, goka.WithCtxEmitHeaders(e.Headers))
}

// Later has the work of a record done beside that of records with other keys, and after
// that of earlier ones with its own. The record is finished once the brokers have what
// the work gives. A handler that has called Later is through, and returns.
//
// A generation does not wait for work: a record whose work is under way when it ends
// comes again, for whoever has the partition next, and the work is done once more. What
// was begun goes on to its end all the same, and is written. The work's context ends
// with neither; at the end of the processor it is waited for, for 10 s at most, before
// its context does.
//
// Of a context that is not a processor's with lanes, such as that of goka's tester, the
// work is done at once.
func Later(ctx goka.Context, work func(context.Context) []Emission) {
	if c, ok := ctx.(failing); ok && c.lanes != nil {
		c.lanes.take(c, work)
		return
	}
	for _, e := range work(TraceOf(context.WithoutCancel(ctx.Context()), ctx)) {
		e.Emit(ctx)
	}
}

// lanes are what the records of one life of a processor are worked on in.
type lanes struct {
	free    chan struct{} // holds an entry for each work that is taken on
	write   func(topic, key string, value []byte, headers goka.Headers) *goka.Promise
	life    context.Context // of all work
	busy    prometheus.Gauge
	running sync.WaitGroup

	mu        sync.Mutex
	last      map[string]chan struct{} // by key: closed when its latest work is done
	abandoned map[offset]bool          // records that goka is to let go of unfinished
}

type offset struct {
	place
	at int64
}

// lanes gives a life's; nil if its processor has none. What it gives to end them waits
// for the work that is under way, and after a while has it given up, with what the brokers
// have not acknowledged.
func (c *Client) lanes(ctx context.Context, r *role, p Processor, writes producer, giveUp func()) (l *lanes, end func()) {
	if p.Lanes == 0 {
		return nil, func() {}
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l = &lanes{
		free: make(chan struct{}, p.Lanes), write: writes.EmitWithHeaders, life: life,
		busy: r.figures.busy.WithLabelValues(r.name), last: map[string]chan struct{}{}, abandoned: map[offset]bool{},
	}
	return l, func() {
		enough := time.AfterFunc(c.drain, func() { cancel(); giveUp() }) // also of a life that ends by itself
		l.running.Wait()
		enough.Stop()
		cancel()
	}
}

// take takes on the work of a record, once there is room.
func (l *lanes) take(ctx failing, work func(context.Context) []Emission) {
	generation := ctx.Context()
	t := &taken{
		lanes: l, work: work, key: ctx.Key(), release: ctx.DeferCommit(), generation: generation, part: ctx.part,
		record: offset{place{string(ctx.Topic()), ctx.Partition()}, ctx.Offset()}, done: make(chan struct{}),
	}
	select {
	case l.free <- struct{}{}:
	case <-generation.Done():
		t.abandon()
		return
	}
	t.part.goesOn()
	l.mu.Lock()
	before := l.last[t.key]
	l.last[t.key] = t.done
	l.mu.Unlock()
	l.running.Go(func() { t.run(before) })
}

// letGo reports whether a record that goka holds for finished is not. It is asked once
// for each.
func (l *lanes) letGo(record offset) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.abandoned[record]
	delete(l.abandoned, record)
	return found
}

// taken is a work that was taken on.
type taken struct {
	lanes      *lanes
	work       func(context.Context) []Emission
	key        string
	record     offset
	release    func(error) // of the record, towards goka
	generation context.Context
	part       *part
	done       chan struct{} // closed when the work is done, or dropped
}

var errAbandoned = errors.New("left to whoever has the partition next")

// abandon has goka let go of the record as if it were finished, and it is not.
func (t *taken) abandon() {
	t.lanes.mu.Lock()
	t.lanes.abandoned[t.record] = true
	t.lanes.mu.Unlock()
	t.release(nil)
}

// run does the work once that before it under the same key is done.
func (t *taken) run(before <-chan struct{}) {
	defer t.leave()
	if before != nil {
		select {
		case <-before:
		case <-t.generation.Done():
		}
	}
	if t.generation.Err() != nil { // also where a lane was free, or before is done, just then
		t.abandon()
		t.part.end(errAbandoned)
		if before != nil {
			<-before // what comes after us is not to overtake it
		}
		return
	}
	stop := context.AfterFunc(t.generation, t.abandon)
	t.lanes.busy.Inc()
	emissions, err := t.do()
	for _, e := range emissions {
		promised := t.lanes.write(string(e.Topic), e.Key, e.Value, t.part.onwards(e.Headers))
		if failed := Await(context.Background(), promised); failed != nil { // it is broken at the life's end at the latest
			err = fmt.Errorf("emitting to %s: %w", e.Topic, failed)
			break
		}
	}
	t.lanes.busy.Dec()
	t.part.end(err)
	if stop() {
		t.release(err)
	}
}

func (t *taken) do() (emissions []Emission, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the work of %s: %v\n%s", t.key, p, debug.Stack())
		}
	}()
	return t.work(t.part.in(t.lanes.life)), nil
}

func (t *taken) leave() {
	t.lanes.mu.Lock()
	if t.lanes.last[t.key] == t.done {
		delete(t.lanes.last, t.key)
	}
	t.lanes.mu.Unlock()
	close(t.done)
	<-t.lanes.free
}
