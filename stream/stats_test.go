package stream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
)

// stats gives those of a role.
func (p *process) stats(w *world, role string) Stats {
	w.t.Helper()
	for _, s := range p.client.Stats(w.context()) {
		if s.Role == role {
			return s
		}
	}
	w.t.Fatalf("%s is not told of", role)
	return Stats{}
}

// keeper is a processor that keeps the last value of each key.
func keeper(group goka.Group, in goka.Stream, handle func()) Processor {
	return Processor{Role: "keeper", Graph: goka.DefineGroup(group,
		goka.Input(in, new(codec.String), func(ctx goka.Context, msg any) {
			handle()
			ctx.SetValue(msg)
		}),
		goka.Persist(new(codec.String)),
	)}
}

// changing are the parts of the stats that are different each time.
var changing = cmp.Options{
	cmpopts.IgnoreFields(InputStats{}, "DelayMillis"),
	cmpopts.IgnoreFields(Recovery{}, "Began", "Ended"),
}

func TestAProcessorTellsHowFarEachOfItsPartitionsIs(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	in, group, keys := w.stream("in", 2), w.group("table", 2), keysOf(2)
	table := string(group) + "-table"
	held := make(chan struct{})
	var handled atomic.Int64
	spec := keeper(group, in, func() {
		if handled.Add(1) > 2 {
			<-held
		}
	})
	spec.Filter = func(r Record) bool { return string(r.m.Value) != "unwanted" }
	w.write(in, 0, keys[0], "a", "unwanted", "b", "c", "d")
	p := w.process("")
	p.processor(spec)
	defer close(held)
	w.await("the third to be held", func() bool { return handled.Load() == 3 })
	w.await("the second to be finished", func() bool {
		s := p.stats(w, "keeper")
		return len(s.Partitions) == 2 && s.Partitions[0].Inputs[0].Handled == 3
	})
	want := Stats{
		Role: "keeper", Kind: "processor", State: Running, Table: table,
		Hot: []HotKey{{keys[0], 4}}, // those that the filter let by
		Partitions: []PartitionStats{
			{
				Partition: 0,
				Inputs:    []InputStats{{Topic: string(in), Handled: 3, End: 5, Lag: 2, Records: 2, Bytes: 2, Last: 2}},
				Outputs:   []OutputStats{{table, 2, 2}},
				Tables:    []TableStats{{Topic: table, State: "running", Recovery: &Recovery{}}},
			},
			{
				Partition: 1,
				Inputs:    []InputStats{{Topic: string(in)}},
				Outputs:   []OutputStats{{table, 0, 0}},
				Tables:    []TableStats{{Topic: table, State: "running", Recovery: &Recovery{}}},
			},
		},
	}
	got := p.stats(w, "keeper")
	if diff := cmp.Diff(want, got, changing); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if reach, known := got.Reach(); reach != (Reach{3, 5, 2}) || !known {
		t.Errorf("it is at %+v, %v", reach, known)
	}
}

func TestARoleThatDoesNotRunTellsWhyAndOfNoPartition(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	in := w.stream("in", 1)
	p := w.process("")
	p.processor(keeper(goka.Group(w.name+"no-table"), in, func() {}))
	w.await("it to fail", func() bool { return p.restarts("keeper") > 0 })
	s := p.stats(w, "keeper")
	if s.State != Rebuilding || s.Detail == "" || len(s.Partitions) > 0 || s.Table != "" {
		t.Errorf("%+v", s)
	}
	if reach, known := s.Reach(); known {
		t.Errorf("it is known to be at %+v", reach)
	}
	if _, err := p.client.Entry("keeper", "k"); !errors.Is(err, ErrStarting) {
		t.Errorf("a look into its table gives %v", err)
	}
}

func TestAViewTellsHowFarItHasCaughtUpAndWhatItHasStored(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	table := w.topic("table", 1, "compact")
	w.write(goka.Stream(table), 0, "k", "a", "b", "c")
	held := make(chan struct{})
	var finished []func() error
	var mu sync.Mutex
	p := w.process("")
	p.view(View{
		Role: "copy", Table: goka.Table(table), Codec: new(codec.String),
		Callback: func(ctx goka.UpdateContext, s storage.Storage, k string, v []byte) error {
			if string(v) == "c" {
				<-held
			}
			return goka.DefaultUpdate(ctx, s, k, v)
		},
	})
	p.view(View{
		Role: "sink", Table: goka.Table(table), Codec: new(codec.String),
		Deferred: func(_ goka.UpdateContext, _ string, _ []byte, done func() error) error {
			mu.Lock()
			defer mu.Unlock()
			finished = append(finished, done)
			return nil
		},
	})
	is := func(role string, want PartitionStats) {
		t.Helper()
		var got PartitionStats
		defer func() {
			t.Helper()
			if diff := cmp.Diff(want, got, changing); diff != "" {
				t.Errorf("%s (-want +got):\n%s", role, diff)
			}
		}()
		w.await(role+" to be where it is wanted", func() bool {
			s := p.stats(w, role)
			if len(s.Partitions) == 0 {
				return false
			}
			got = s.Partitions[0]
			return cmp.Equal(want, got, changing)
		})
	}
	want := func(stored, end int64, records uint, state string, recovered int64) PartitionStats {
		return PartitionStats{
			Inputs:  []InputStats{{Topic: table, Handled: stored, End: end, Lag: end - stored, Records: records, Bytes: int(records), Last: recovered}},
			Outputs: []OutputStats{},
			Tables:  []TableStats{{Topic: table, State: state, Recovery: &Recovery{Offset: recovered, End: 3}}},
		}
	}
	is("copy", want(2, 3, 2, "recovering", 1))
	if s := p.stats(w, "copy"); s.Partitions[0].Tables[0].Recovery.Ended != nil {
		t.Error("a recovery that has not ended has an end")
	}
	if e, err := p.client.Entry("copy", "k"); string(e.Value) != "b" || e.Recovered || err != nil {
		t.Errorf("while it recovers its value is %+v, %v", e, err)
	}
	close(held)
	is("copy", want(3, 3, 3, "running", 2))
	if s := p.stats(w, "copy"); s.Partitions[0].Tables[0].Recovery.Ended == nil {
		t.Error("a recovery that has ended has no end")
	}
	// It connects once more when it has caught up, and what is unfinished comes again.
	is("sink", want(0, 3, 6, "running", 2))
	mu.Lock()
	check(t, finished[0]())
	mu.Unlock()
	is("sink", want(1, 3, 6, "running", 2))
}

func TestATablesValueIsFoundWhereItsPartitionIs(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	in, group, keys := w.stream("in", 2), w.group("table", 2), keysOf(2)
	for partition, key := range keys {
		w.write(in, int32(partition), key, "value of "+key)
	}
	one, other := w.process(""), w.process("")
	first := one.processor(keeper(group, in, func() {}))
	// find gives where the key's value is found, of the two.
	find := func(key string) (here []bool) {
		for _, p := range []*process{one, other} {
			e, err := p.client.Entry("keeper", key)
			if errors.Is(err, ErrNoTable) || errors.Is(err, ErrStarting) {
				here = append(here, false)
				continue
			}
			check(t, err)
			here = append(here, e.Here)
			if want := "value of " + key; e.Here && e.Recovered && string(e.Value) != want && e.Value != nil {
				t.Errorf("%s has %q, want %q", key, e.Value, want)
			}
		}
		return here
	}
	w.await("the values to be stored", func() bool {
		for _, key := range keys {
			e, err := one.client.Entry("keeper", key)
			if err != nil || string(e.Value) != "value of "+key {
				return false
			}
		}
		return true
	})
	e, err := one.client.Entry("keeper", keys[1])
	check(t, err)
	want := Entry{Topic: string(group) + "-table", Partition: 1, Here: true, Recovered: true, Value: []byte("value of " + keys[1])}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	for _, role := range []string{"nobody", ""} {
		if _, err := one.client.Entry(role, "k"); !errors.Is(err, ErrNoTable) {
			t.Errorf("the table of %q gives %v", role, err)
		}
	}
	other.processor(keeper(group, in, func() {}))
	w.await("each to have one", func() bool {
		a, b := find(keys[0]), find(keys[1])
		return a[0] != a[1] && b[0] != b[1] && a[0] != b[0]
	})
	first.stop()
	w.await("the other to have both", func() bool {
		a, b := find(keys[0]), find(keys[1])
		return !a[0] && a[1] && !b[0] && b[1]
	})
	for _, key := range keys {
		w.await("the value to have moved", func() bool {
			e, err := other.client.Entry("keeper", key)
			check(t, err)
			return string(e.Value) == "value of "+key
		})
	}
}

// It is for the race detector.
func TestARoleMayBeAskedAtAnyTime(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	in, group, keys := w.stream("in", 3), w.group("table", 3), keysOf(3)
	p := w.process("")
	asked, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	ask := func() {
		asking.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond) // others run beside this test
			defer tick.Stop()
			for range tick.C {
				if asked.Err() != nil {
					return
				}
				p.client.Stats(asked)
				for _, key := range keys {
					for _, role := range []string{"keeper", "copy"} {
						if e, err := p.client.Entry(role, key); err == nil && e.Here && e.Recovered && e.Value != nil && string(e.Value) != "v" {
							t.Errorf("%s has %q", key, e.Value)
						}
					}
				}
			}
		})
	}
	ask()
	for i := range 3 {
		processor := p.processor(keeper(group, in, func() {}))
		view := p.view(View{Role: "copy", Table: goka.GroupTable(group), Codec: new(codec.String), Callback: goka.DefaultUpdate})
		check(t, p.running(w.context()))
		second := w.process("")
		second.processor(keeper(group, in, func() {}))
		for partition, key := range keys {
			w.write(in, int32(partition), key, "v")
		}
		w.await("the records to be handled", func() bool {
			var n int64
			for _, end := range w.ends(string(group) + "-table") {
				n += end
			}
			return n >= int64(3*(i+1))
		})
		second.stop()
		view.stop()
		processor.stop()
	}
	stop()
	asking.Wait()
}

func TestATableThatIsClosedIsNotRead(t *testing.T) {
	oursOnly(t)
	tables, err := openTables("")
	check(t, err)
	id := tableOf{"role", place{"topic", 3}}
	reads := func() (found bool) {
		check(t, tables.look(id, func(*table) error { found = true; return nil }))
		return found
	}
	build := tables.builder("role")
	first, err := build("topic", 3)
	check(t, err)
	second, err := build("topic", 3) // of the next generation
	check(t, err)
	check(t, first.Close())
	if !reads() {
		t.Error("the first took the second away")
	}
	check(t, second.Close())
	if reads() {
		t.Error("it is read although it is closed")
	}
	_, err = build("topic", 3)
	check(t, err)
	check(t, tables.close())
	if reads() {
		t.Error("it is read although all are closed")
	}
	if next, err := tables.next(id); next != 0 || err != nil {
		t.Errorf("it is stored up to %d, %v", next, err)
	}
}
