package stream

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

// read is a record of a view as goka reads it.
type read struct {
	partition int32
	offset    int64
}

func (r read) Topic() goka.Stream    { return "table" }
func (r read) Partition() int32      { return r.partition }
func (r read) Offset() int64         { return r.offset }
func (r read) Headers() goka.Headers { return nil }
func (r read) Timestamp() time.Time  { return time.Time{} }

func TestAViewsOffsetMovesOnlyOverWhatWasFinished(t *testing.T) {
	oursOnly(t)
	g := &gates{all: map[int32]*gate{}}
	built := map[int32]storage.Storage{}
	for p := range int32(2) {
		var err error
		built[p], err = g.builder(storage.MemoryBuilder())("table", p)
		check(t, err)
	}
	finish := map[read][]func() error{}
	callback := g.callback(func(ctx goka.UpdateContext, _ string, _ []byte, finished func() error) error {
		finish[ctx.(read)] = append(finish[ctx.(read)], finished)
		return nil
	})
	arrive := func(partition int32, offsets ...int64) {
		for _, o := range offsets {
			check(t, callback(read{partition, o}, nil, "k", nil))
			check(t, built[partition].SetOffset(o)) // as goka does
		}
	}
	finished := func(partition int32, offset int64, want int64) {
		t.Helper()
		for _, f := range finish[read{partition, offset}] {
			check(t, f())
		}
		if got, err := built[partition].GetOffset(-3); got != want || err != nil {
			t.Errorf("with %d of partition %d finished the offset is %d, %v, want %d", offset, partition, got, err, want)
		}
	}
	arrive(0, 0, 1, 2, 5)
	arrive(1, 0)
	finished(0, 1, -3)
	finished(0, 5, -3)
	finished(1, 0, 0)
	finished(0, 0, 1)
	arrive(0, 2, 5, 6) // a reconnect: read again from the stored offset on
	finished(0, 6, 1)
	finished(0, 2, 6) // both copies
	finished(0, 5, 6)
}

// feed reads a table in batches: rows go to the sink, which is what the process
// says, ten at a time.
func feed(p *process, c child) error {
	p.view(feeder(c, 10, func(key string) { fmt.Println(key) }))
	return nil
}

func feeder(c child, batch int, sink func(key string)) View {
	var keys []string
	var done []func() error
	return View{
		Role: "feed", Table: goka.Table(c.Args[0]), Codec: new(codec.String),
		Deferred: func(_ goka.UpdateContext, key string, _ []byte, finished func() error) error {
			keys, done = append(keys, key), append(done, finished)
			if len(keys) < batch {
				return nil
			}
			for i, key := range keys {
				sink(key)
				if err := done[i](); err != nil {
					return err
				}
			}
			keys, done = nil, nil
			return nil
		},
	}
}

func TestRowsThatDidNotReachTheSinkComeAgain(t *testing.T) {
	const rows = 37
	for _, c := range []struct {
		name  string
		end   func(*spawned)
		again bool // others may come again, too
	}{
		{"after a kill", func(s *spawned) { s.kill() }, true},
		{"after a stop", (*spawned).stop, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			table := w.topic("table", 1, "compact")
			var want []string
			for i := range rows {
				key := fmt.Sprintf("row%02d", i)
				want = append(want, key)
				w.write(goka.Stream(table), 0, key, "v")
			}
			feed := child{Does: "feed", Dir: t.TempDir(), Args: []string{table}}
			first := w.spawn(feed)
			w.await("the view to have caught up", func() bool { return first.said.has("running") })
			c.end(first)
			reached := slices.DeleteFunc(first.said.get(), func(s string) bool { return s == "running" })
			if len(reached) != rows/10*10 {
				t.Fatalf("%d rows reached the sink", len(reached))
			}
			var second list
			w.process(feed.Dir).view(feeder(feed, 1, second.add))
			w.await("the last row", func() bool { return second.has(want[rows-1]) })
			got := append(reached, second.get()...)
			if c.again {
				slices.Sort(got)
				got = slices.Compact(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows at the sink from both runs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAReconnectReadsAgainWhatIsUnfinishedAndTheOffsetStaysBehindIt(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := fakeWorld(t)
	table, dir := w.topic("table", 1, "compact"), t.TempDir()
	type handed struct {
		offset   int64
		finished func() error
	}
	var mu sync.Mutex
	var all []handed
	copies := func(offset int64) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, h := range all {
			if h.offset == offset {
				n++
			}
		}
		return n
	}
	view := View{
		Role: "view", Table: goka.Table(table), Codec: new(codec.String),
		Deferred: func(ctx goka.UpdateContext, _ string, _ []byte, finished func() error) error {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, handed{ctx.Offset(), finished})
			return nil
		},
	}
	handedOver := func() []handed {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
	run := func() *process {
		mu.Lock()
		defer mu.Unlock()
		all = nil
		p := w.process(dir)
		p.view(view)
		return p
	}
	p := run()
	check(t, p.running(w.context())) // goka connects once more then, and what is unfinished would come again
	w.write(goka.Stream(table), 0, "k", "0", "1", "2", "3")
	w.await("all rows", func() bool { return copies(3) == 1 })
	for _, h := range handedOver() {
		if h.offset != 1 {
			check(t, h.finished()) // 1 is kept waiting
		}
	}
	w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: table, Err: kerr.UnknownServerError})
	w.await("the rows to come again", func() bool { return copies(3) == 2 })
	w.write(goka.Stream(table), 0, "k", "4")
	w.await("a further row", func() bool { return copies(4) == 1 })
	if n := copies(0); n != 1 {
		t.Errorf("the first row, which was finished, came %d times", n)
	}
	p.stop()

	late := handedOver()
	p = run()
	w.await("what was unfinished to come in the next run", func() bool { return copies(4) > 0 })
	for _, h := range late {
		check(t, h.finished()) // late, and of no account to the new run
	}
	if copies(0) != 0 || copies(1) == 0 {
		t.Errorf("in the next run row 0 came %d times, row 1 %d times", copies(0), copies(1))
	}
	p.stop()
	p = run()
	check(t, p.running(w.context()))
	w.await("them to come in the run after it", func() bool { return copies(4) > 0 })
	for _, h := range handedOver() {
		check(t, h.finished())
	}
	p.stop()
	p = run()
	check(t, p.running(w.context()))
	w.write(goka.Stream(table), 0, "k", "5")
	w.await("the next row", func() bool { return copies(5) == 1 })
	if n := len(handedOver()); n != 1 {
		t.Errorf("all were finished, and %d rows came", n)
	}
}

// Not parallel, as goroutines of other tests would be counted.
func TestViewsAndProcessorsThatAreBuiltAnewLeaveNothingBehind(t *testing.T) {
	w := newWorld(t)
	in, group := w.stream("in", 3), w.group("table", 3)
	cycle := func() {
		t.Helper()
		p := w.process("")
		p.view(View{Role: "view", Table: goka.GroupTable(group), Codec: new(codec.String), Callback: goka.DefaultUpdate})
		p.processor(Processor{Role: "processor", Graph: goka.DefineGroup(group,
			goka.Input(in, new(codec.String), func(goka.Context, any) {}), goka.Persist(new(codec.String)))})
		check(t, p.running(w.context()))
		p.stop()
	}
	cycle()
	before := goleak.IgnoreCurrent()
	for range 4 {
		cycle()
	}
	var left error
	for range 10 { // each look waits a little
		if left = goleak.Find(before); left == nil {
			return
		}
	}
	t.Errorf("%.3000s", left.Error())
}
