package stream

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/prometheus/client_golang/prometheus"
)

// slow is a processor whose works wait to be let go, each by its record's value.
type slow struct {
	began *list
	gate  map[string]chan struct{} // by value; a value that is not there does not wait
	most  atomic.Int32             // works that were under way at once
	now   atomic.Int32
}

func newSlow(values ...string) *slow {
	s := &slow{began: &list{}, gate: map[string]chan struct{}{}}
	for _, v := range values {
		s.gate[v] = make(chan struct{})
	}
	return s
}

func (s *slow) spec(group string, in, out goka.Stream, lanes int, member string) Processor {
	return Processor{
		Role: "slow", Lanes: lanes,
		Graph: goka.DefineGroup(goka.Group(group),
			goka.Input(in, new(codec.String), func(ctx goka.Context, msg any) {
				key, value := ctx.Key(), msg.(string)
				Later(ctx, func(context.Context) []Emission {
					s.began.add(member + value)
					n := s.now.Add(1)
					for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
					}
					if gate := s.gate[value]; gate != nil {
						<-gate
					}
					s.now.Add(-1)
					return []Emission{{Topic: out, Key: key, Value: []byte(value)}}
				})
			}),
			goka.Output(out, new(codec.String)),
		),
	}
}

func TestASlowRecordHoldsUpNoOtherKeyAndNothingIsCommittedOverIt(t *testing.T) {
	oursOnly(t)
	w := newWorld(t)
	in, out := w.stream("in", 1), w.stream("out", 1)
	s := newSlow("a1")
	p := w.process("")
	group := w.name + "slow"
	task := p.processor(s.spec(group, in, out, 4, ""))
	w.write(in, 0, "a", "a1", "a2")
	w.write(in, 0, "b", "b1", "b2")
	w.await("the other key to be through", func() bool { return len(w.values(out)) == 2 })
	if got := w.values(out); !slices.Equal(got, []string{"b1", "b2"}) {
		t.Errorf("written is %v", got)
	}
	if s.began.has("a2") {
		t.Error("a record overtook the one before it under its key")
	}
	if at := w.committed(goka.Group(group), in, 0); at > 0 {
		t.Errorf("committed is %d, over a record that is not finished", at)
	}
	close(s.gate["a1"])
	w.await("all to be committed", func() bool { return w.committed(goka.Group(group), in, 0) == 4 })
	if got := w.values(out); !slices.Equal(got, []string{"b1", "b2", "a1", "a2"}) {
		t.Errorf("written is %v", got)
	}
	task.stop()
}

func TestNoMoreIsWorkedOnAtOnceThanThereAreLanes(t *testing.T) {
	oursOnly(t)
	w := newWorld(t)
	in, out := w.stream("in", 1), w.stream("out", 1)
	s := newSlow("1", "2")
	p := w.process("")
	p.processor(s.spec(w.name+"slow", in, out, 2, ""))
	for _, key := range []string{"1", "2", "3", "4", "5"} {
		w.write(in, 0, key, key)
	}
	w.await("two to be under way", func() bool { return s.now.Load() == 2 })
	close(s.gate["1"])
	w.await("the others to be through by the one lane that is free", func() bool { return len(w.values(out)) == 4 })
	close(s.gate["2"])
	w.await("all to be through", func() bool { return len(w.values(out)) == 5 })
	if most := s.most.Load(); most != 2 {
		t.Errorf("at most %d were worked on at once, want 2", most)
	}
}

// handover is how long a rebalance may take beside work that takes longer.
const handover = time.Second

func TestARebalanceDoesNotWaitForWork(t *testing.T) {
	oursOnly(t)
	var join, leave time.Duration
	for range 3 { // a machine that is busy may be late once, the code is each time
		if join, leave = rebalanceAtWork(t); max(join, leave) <= handover || testing.Short() {
			return
		}
	}
	t.Errorf("each time a rebalance took more than %v, the last %v to join and %v to leave", handover, join, leave)
}

// rebalanceAtWork has a member join and the other one leave that is still at work. The
// one that joins has the partition meanwhile; what the other had in hand comes to it, too.
func rebalanceAtWork(t *testing.T) (join, leave time.Duration) {
	w := newWorld(t)
	in, out := w.stream("in", 1), w.stream("out", 1)
	s := newSlow("held")
	group := w.name + "slow"
	first, second := w.process(""), w.process("")
	task := first.processor(s.spec(group, in, out, 1, "first:"))
	w.write(in, 0, "a", "held")
	w.write(in, 0, "b", "queued")
	w.await("the first to be at work", func() bool { return s.began.has("first:held") })
	began := time.Now()
	second.processor(s.spec(group, in, out, 1, "second:"))
	check(t, second.running(w.context()))
	join = time.Since(began)
	began = time.Now()
	stopped := make(chan struct{})
	go func() { task.stop(); close(stopped) }()
	w.await("the other to have the record", func() bool { return s.began.has("second:held") })
	leave = time.Since(began)
	select {
	case <-stopped:
		t.Error("the first ended without waiting for its work")
	default:
	}
	close(s.gate["held"])
	<-stopped
	w.await("all to be committed", func() bool { return w.committed(goka.Group(group), in, 0) == 2 })
	held := 0
	for _, v := range w.values(out) {
		if v == "held" {
			held++
		}
	}
	if held != 2 {
		t.Errorf("what was done twice is written %d times, want 2", held)
	}
	if s.began.has("first:queued") {
		t.Error("the first began what it had only queued, after it had lost the partition")
	}
	return join, leave
}

// queued is the context of a record that is worked on in lanes.
type queued struct {
	handled
	generation context.Context
	offset     int64
	released   chan error
}

func (q queued) Context() context.Context { return q.generation }
func (q queued) Offset() int64            { return q.offset }
func (q queued) DeferCommit() func(error) { return func(err error) { q.released <- err } }

// The one who has the partition next begins it. That a lane is free is no reason to.
func TestNothingIsBegunOnceTheGenerationIsOver(t *testing.T) {
	l := &lanes{
		free: make(chan struct{}, 2), life: t.Context(), busy: prometheus.NewGauge(prometheus.GaugeOpts{}),
		last: map[string]chan struct{}{}, abandoned: map[offset]bool{},
	}
	over, end := context.WithCancel(t.Context())
	end()
	var begun atomic.Int32
	for i := range int64(100) { // as among several things that can be done it is chance which is
		q := queued{generation: over, offset: i, released: make(chan error, 1)}
		Later(failing{gokaContext: q, lanes: l}, func(context.Context) []Emission { begun.Add(1); return nil })
		check(t, <-q.released)
		if !l.letGo(offset{place{string(q.Topic()), q.Partition()}, i}) {
			t.Errorf("record %d counts as finished", i)
		}
	}
	l.running.Wait()
	if n := begun.Load(); n > 0 {
		t.Errorf("%d of 100 were begun", n)
	}
}

func TestAPanicInTheWorkHasTheRecordComeAgain(t *testing.T) {
	oursOnly(t)
	w := newWorld(t)
	in, out := w.stream("in", 1), w.stream("out", 1)
	var tries atomic.Int32
	p := w.process("")
	p.processor(Processor{
		Role: "slow", Lanes: 1,
		Graph: goka.DefineGroup(goka.Group(w.name+"slow"),
			goka.Input(in, new(codec.String), func(ctx goka.Context, _ any) {
				Later(ctx, func(context.Context) []Emission {
					if tries.Add(1) == 1 {
						panic("the first time")
					}
					return []Emission{{Topic: out, Key: "a", Value: []byte("done")}}
				})
			}),
			goka.Output(out, new(codec.String)),
		),
	})
	w.write(in, 0, "a", "x")
	w.await("the second try", func() bool { return len(w.values(out)) == 1 })
	if p.restarts("slow") != 1 {
		t.Errorf("it was built anew %d times, want once", p.restarts("slow"))
	}
}
