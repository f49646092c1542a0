package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"simplecqrs/deadline"
)

// alarm is the value of the tests' tables: "<arming> <due in Unix microseconds>", after
// which may come anything.
func alarm(arming int64, due time.Time) string { return fmt.Sprint(arming, " ", due.UnixMicro()) }

// off is a value without a deadline.
const off = "off"

// alarms sends "<key> <arming>".
var alarms = Timers{
	Of: func(value []byte) (time.Time, int64, bool) {
		parts := strings.Fields(string(value))
		if len(parts) < 2 {
			return time.Time{}, 0, false
		}
		arming, err := strconv.ParseInt(parts[0], 10, 64)
		due, err2 := strconv.ParseInt(parts[1], 10, 64)
		return time.UnixMicro(due), arming, errors.Join(err, err2) == nil
	},
	Record: func(key string, arming int64) []byte { return fmt.Append(nil, key, " ", arming) },
}

// clock is a wall clock that can be set.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// clockmakers store in their table what comes in, and tell what fired.
type clockmakers struct {
	*world
	in    goka.Stream
	group goka.Group
	loop  string

	fired     list
	handled   list
	recovered atomic.Int64

	mu      sync.Mutex
	arrived map[string]time.Time
	before  func(value string) // what is stored, of a handler
}

func newClockmakers(t *testing.T, partitions int32) *clockmakers {
	t.Helper()
	oursOnly(t)
	w := newWorld(t)
	c := &clockmakers{
		world: w, in: w.stream("in", partitions), group: w.group("clocks", partitions),
		arrived: map[string]time.Time{}, before: func(string) {},
	}
	c.loop = w.topic("clocks-loop", partitions, "delete")
	return c
}

// start runs one on a clock of its own.
func (c *clockmakers) start(dir string) (*process, *clock) {
	c.t.Helper()
	p, wall := c.process(dir), &clock{}
	p.client.now = wall.now
	p.processor(Processor{
		Role: "clocks", Timers: &alarms,
		Filter: func(r Record) bool { // it never sees the loop topic's, which have no headers
			if r.m.Topic == c.loop {
				c.t.Error("the filter was asked about a timer")
			}
			return true
		},
		Graph: goka.DefineGroup(c.group,
			goka.Input(c.in, new(codec.String), func(ctx goka.Context, msg any) {
				c.before(msg.(string))
				ctx.SetValue(msg)
				c.handled.add(msg.(string))
			}),
			goka.Loop(new(codec.String), func(ctx goka.Context, msg any) {
				c.mu.Lock()
				c.arrived[msg.(string)] = wall.now()
				c.mu.Unlock()
				if !strings.HasPrefix(msg.(string), ctx.Key()+" ") {
					c.t.Errorf("the timer %q has key %q", msg, ctx.Key())
				}
				c.fired.add(msg.(string))
			}),
			goka.Persist(new(codec.String))),
		Options: []goka.ProcessorOption{goka.WithUpdateCallback(
			func(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
				c.recovered.Add(1)
				return goka.DefaultUpdate(ctx, s, key, value)
			})},
	})
	return p, wall
}

// stored writes values and returns once they are stored.
func (c *clockmakers) stored(partition int32, key string, values ...string) {
	c.t.Helper()
	c.write(c.in, partition, key, values...)
	c.await("the last of "+key+" to be stored", func() bool { return c.handled.has(values[len(values)-1]) })
}

// fires returns once these have fired, and nothing else may have.
func (c *clockmakers) fires(want ...string) {
	c.t.Helper()
	c.await(fmt.Sprintf("%d timers", len(want)), func() bool { return len(c.fired.get()) >= len(want) })
	got := c.fired.get()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("fired (-want +got):\n%s", diff)
	}
}

// After it has come, a deadline takes a moment: 100 ms at most, where the machine has
// nothing else to do. A test's may have, so that is asked of half of them.
func TestADeadlineFiresWhenItHasComeAndNotBefore(t *testing.T) {
	t.Parallel()
	const partitions, each = 4, 50
	c := newClockmakers(t, partitions)
	p, wall := c.start("")
	first := time.Now().Add(time.Hour)
	due := map[string]time.Time{}
	for i := partitions * each; i > 0; i-- { // the last comes first
		key := fmt.Sprint("key", i)
		due[key+" 1"] = first.Add(time.Duration(i) * 15 * time.Millisecond)
		c.write(c.in, Partition(key, partitions), key, alarm(1, due[key+" 1"]))
	}
	c.await("all to be stored", func() bool { return len(c.handled.get()) == len(due) })
	if n := testGauge(t, p, "simplecqrs_timers_open"); n != float64(len(due)) {
		t.Errorf("%v timers are counted as open, want %d", n, len(due))
	}
	wall.advance(time.Until(first) - 2*clockCheck) // it is noticed by then
	c.await("all to fire", func() bool { return len(c.fired.get()) == len(due) })
	var late []time.Duration
	for timer, due := range due {
		c.mu.Lock()
		by := c.arrived[timer].Sub(due)
		c.mu.Unlock()
		if by < 0 || by > 5*time.Second {
			t.Errorf("%s is late by %v", timer, by)
		}
		late = append(late, by)
	}
	slices.Sort(late)
	if half := late[len(late)/2]; half > 100*time.Millisecond && !testing.Short() {
		t.Errorf("half of the timers are late by %v or more", half)
	}
	t.Logf("late until the handler had them, of %d: half %v, 99 of 100 %v, all %v",
		len(late), late[len(late)/2], late[len(late)*99/100], late[len(late)-1])
}

func testGauge(t *testing.T, p *process, name string) (value float64) {
	t.Helper()
	families, err := p.figures.Gather()
	check(t, err)
	for _, f := range families {
		if f.GetName() == name {
			value = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return value
}

func TestAReplacedDeadlineFiresOnceUnderItsNewNumber(t *testing.T) {
	t.Parallel()
	c := newClockmakers(t, 1)
	_, wall := c.start("")
	now := time.Now()
	c.stored(0, "later", alarm(1, now.Add(time.Hour)), alarm(2, now.Add(3*time.Hour)))
	c.stored(0, "sooner", alarm(3, now.Add(5*time.Hour)), alarm(4, now.Add(time.Hour)))
	c.stored(0, "same", alarm(5, now.Add(time.Hour)), alarm(5, now.Add(time.Hour))+" and more")
	wall.advance(2 * time.Hour)
	c.fires("sooner 4", "same 5")
	c.stored(0, "same", alarm(5, now.Add(time.Hour))+" and yet more")
	c.stored(0, "fresh", alarm(6, now.Add(time.Hour)))
	c.fires("sooner 4", "same 5", "fresh 6")
	wall.advance(2 * time.Hour)
	c.fires("sooner 4", "same 5", "fresh 6", "later 2")
	wall.advance(2 * time.Hour)
	c.stored(0, "last", alarm(7, now))
	c.fires("sooner 4", "same 5", "fresh 6", "later 2", "last 7")
}

func TestADeadlineThatIsGoneDoesNotFire(t *testing.T) {
	t.Parallel()
	c := newClockmakers(t, 1)
	p, wall := c.start("")
	soon := time.Now().Add(time.Hour)
	c.stored(0, "gone", alarm(1, soon), off)
	c.stored(0, "there", alarm(2, soon))
	wall.advance(2 * time.Hour)
	c.fires("there 2")
	c.stored(0, "there", off+"2")
	if n := testGauge(t, p, "simplecqrs_timers_open"); n != 0 {
		t.Errorf("%v timers are counted as open", n)
	}
}

func TestDeadlinesSurviveARestart(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"local tables": t.TempDir(), "tables in memory": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClockmakers(t, 1)
			soon := time.Now().Add(time.Hour)
			p, _ := c.start(dir)
			c.stored(0, "long stored", alarm(1, soon))
			c.stored(0, "gone", alarm(2, soon), off)
			c.stored(0, "replaced", alarm(3, soon.Add(100*time.Hour)), alarm(4, soon))
			c.stored(0, "not yet", alarm(5, soon.Add(100*time.Hour)))
			p.stop()
			// The tail is another's, who had the partition meanwhile.
			other, _ := c.start("")
			c.stored(0, "not yet", alarm(6, soon.Add(101*time.Hour)))
			c.stored(0, "tail", alarm(7, soon))
			other.stop()
			c.recovered.Store(0)

			again, wall := c.start(dir)
			wall.advance(2 * time.Hour)
			c.fires("long stored 1", "replaced 4", "tail 7")
			if n := c.recovered.Load(); dir != "" && n != 2 {
				t.Errorf("%d records were recovered, so that is not the case meant", n)
			}
			if n := testGauge(t, again, "simplecqrs_timers_open"); n != 4 {
				t.Errorf("%v timers are counted as open, want 4", n)
			}
			c.stored(0, "long stored", off+" for good")
		})
	}
}

func TestADeadlineMovesWithItsPartition(t *testing.T) {
	t.Parallel()
	const partitions = 4
	c := newClockmakers(t, partitions)
	first, wallOfFirst := c.start("")
	var all []string
	for at, key := range keysOf(partitions) {
		c.stored(int32(at), key, alarm(int64(at), time.Now().Add(time.Hour)))
		all = append(all, fmt.Sprint(key, " ", at))
	}
	second, wallOfSecond := c.start("")
	open := func(p *process, want float64) func() bool {
		return func() bool { return testGauge(t, p, "simplecqrs_timers_open") == want }
	}
	c.await("the second to have its part", open(second, 2))
	c.await("the first to have but the rest", open(first, 2))
	wallOfSecond.advance(2 * time.Hour)
	c.await("the second's part to fire", func() bool { return len(c.fired.get()) == 2 })
	wallOfFirst.advance(2 * time.Hour)
	c.fires(all...)
	first.stop()
	second.stop()
	if sent := len(c.records(c.loop)); sent != partitions {
		t.Errorf("%d timers were sent, want %d", sent, partitions)
	}
}

// What was done in time, but is handled only after a downtime, has to come before the
// deadline that has passed meanwhile.
func TestNothingFiresBeforeTheBacklogIsHandled(t *testing.T) {
	t.Parallel()
	c := newClockmakers(t, 3)
	keys, dir := keysOf(3), t.TempDir()
	soon := time.Now().Add(time.Hour)
	p, _ := c.start(dir)
	c.stored(0, keys[0], alarm(1, soon))
	c.stored(1, keys[1], alarm(2, soon))
	p.stop()
	const backlog = 100
	for i := range backlog {
		c.write(c.in, 0, keys[0], fmt.Sprint(alarm(1, soon), " change ", i))
	}
	c.write(c.in, 0, keys[0], off)
	c.write(c.in, 0, keys[0], alarm(3, soon))

	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.before = func(value string) {
		if value == off {
			once.Do(func() { close(held) })
			<-release
		}
	}
	_, wall := c.start(dir)
	wall.advance(2 * time.Hour)
	<-held
	c.fires(keys[1] + " 2") // it has no backlog, and the third not even a first record
	c.stored(2, keys[2], alarm(4, soon))
	c.fires(keys[1]+" 2", keys[2]+" 4")
	close(release)
	c.fires(keys[1]+" 2", keys[2]+" 4", keys[0]+" 3")
}

// A process that was suspended knows neither what came meanwhile nor whether it still
// has its partitions.
func TestNothingFiresAfterAStandstillBeforeTheBacklogIsHandled(t *testing.T) {
	t.Parallel()
	c := newClockmakers(t, 2)
	keys, soon := keysOf(2), time.Now().Add(time.Hour)
	held, release := make(chan struct{}), make(chan struct{})
	c.before = func(value string) {
		if value == off {
			close(held)
			<-release
		}
	}
	_, wall := c.start("")
	c.stored(0, keys[0], alarm(1, soon))
	c.stored(1, keys[1], alarm(2, soon))
	c.write(c.in, 0, keys[0], off)
	<-held
	wall.advance(2 * time.Hour)
	c.fires(keys[1] + " 2")
	c.stored(1, keys[1], alarm(3, soon))
	c.fires(keys[1]+" 2", keys[1]+" 3")
	close(release)
	c.stored(0, keys[0], alarm(4, soon))
	c.fires(keys[1]+" 2", keys[1]+" 3", keys[0]+" 4")
}

// What lay in a topic may be gone before the group ever committed.
func TestAnEmptiedTopicHoldsUpNoTimer(t *testing.T) {
	t.Parallel()
	c := newClockmakers(t, 1)
	c.write(goka.Stream(goka.GroupTable(c.group)), 0, "k", alarm(1, time.Now()))
	c.write(c.in, 0, "k", off)
	_, err := c.admin.DeleteRecords(c.context(), kadm.Offsets{
		string(c.in): {0: {Topic: string(c.in), Partition: 0, At: 1}},
	})
	check(t, err)
	c.start("")
	c.fires("k 1")
}

// A marker ends the transactions of a worker that uses them. It has an offset, and
// reaches no handler.
func TestATransactionsMarkerHoldsUpNoTimer(t *testing.T) {
	t.Parallel()
	c := newClockmakers(t, 1)
	before, _ := c.start("")
	c.stored(0, "k", alarm(1, time.Now().Add(time.Hour)))
	before.stop()
	worker, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.DefaultProduceTopic(string(c.in)),
		kgo.TransactionalID(c.name+"worker"))
	check(t, err)
	defer worker.Close()
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		check(t, worker.BeginTransaction())
		check(t, worker.ProduceSync(c.context(), kgo.KeySliceRecord([]byte("worker"), []byte(off))).FirstErr())
		check(t, worker.EndTransaction(c.context(), commit))
	}
	p, wall := c.start("")
	wall.advance(2 * time.Hour)
	c.fires("k 1")
	at := place{string(c.in), 0}
	for part, want := range map[[2]int64]bool{
		{4, 5}: true, {2, 3}: true, {3, 5}: false, {1, 3}: false, {0, 5}: false,
	} {
		if got := p.client.blank(c.context(), at, part[0], part[1]); got != want {
			t.Errorf("from %d to before %d there is nothing: %v, want %v", part[0], part[1], got, want)
		}
	}
}

func TestADeadlineThatIsStoredLateIsTheNextOwners(t *testing.T) {
	oursOnly(t)
	tables, err := openTables("")
	check(t, err)
	before := openShelf(t, tables, never)
	check(t, before.Close())
	check(t, before.Set("late", []byte(alarm(1, time.Now()))))
	if n := before.deadlines.Len(); n > 0 {
		t.Errorf("%d deadlines are armed of a partition that is given up", n)
	}
	after := openShelf(t, tables, never)
	check(t, after.MarkRecovered())
	w := &world{t: t}
	w.await("it to be sent", func() bool { return len(after.sent.get()) == 1 })
	check(t, after.Close())
	check(t, tables.close())
}

// A sleep until something far off, or the next look at the clock, must not be waited for.
func TestAnEarlierDeadlineIsNotSleptThrough(t *testing.T) {
	oursOnly(t)
	tables, err := openTables("")
	check(t, err)
	s := openShelf(t, tables, never)
	check(t, s.Set("far", []byte(alarm(1, time.Now().Add(time.Hour)))))
	check(t, s.MarkRecovered())
	w := &world{t: t}
	const times = 20
	began := time.Now()
	for i := range times {
		check(t, s.Set("near", []byte(alarm(int64(i), time.Now().Add(time.Millisecond)))))
		w.await("it to be sent", func() bool { return len(s.sent.get()) == i+1 })
	}
	if took := time.Since(began); took > times*clockCheck/4 {
		t.Errorf("%d deadlines, each in a millisecond, took %v", times, took)
	}
	check(t, s.Close())
	check(t, tables.close())
}

// The index is read while handlers change what it tells of.
func TestWhatAHandlerStoresOvertakesTheIndex(t *testing.T) {
	oursOnly(t)
	for name, c := range map[string]struct {
		change func(s shelf) error
		want   []string // of the index
		arming int64
	}{
		"closed":   {func(s shelf) error { return s.Set("k", []byte(off)) }, nil, 0},
		"deleted":  {func(s shelf) error { return s.Delete("k") }, nil, 0},
		"replaced": {func(s shelf) error { return s.Set("k", []byte(alarm(2, time.Now().Add(time.Hour)))) }, []string{"k"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			tables, err := openTables("")
			check(t, err)
			before := openShelf(t, tables, never)
			check(t, before.Set("k", []byte(alarm(1, time.Now().Add(time.Hour)))))
			check(t, before.Close())
			s := openShelf(t, tables, never)
			overtaken := false
			s.timers.Of = func(value []byte) (time.Time, int64, bool) {
				if !overtaken { // asked by the walk
					overtaken = true
					check(t, c.change(s))
				}
				return alarms.Of(value)
			}
			check(t, s.walk())
			if d, open := s.deadlines.Of("k"); open != (c.arming > 0) || d.Arming != c.arming {
				t.Errorf("it has %+v, want arming number %d", d, c.arming)
			}
			if diff := cmp.Diff(c.want, indexed(t, s.table)); diff != "" {
				t.Errorf("indexed (-want +got):\n%s", diff)
			}
			check(t, s.Close())
			check(t, tables.close())
		})
	}
}

func TestTheIndexIsWrittenBeforeTheValue(t *testing.T) {
	oursOnly(t)
	tables, err := openTables("")
	check(t, err)
	s := openShelf(t, tables, never)
	s.Storage = broken{s.table}
	if err := s.Set("k", []byte(alarm(1, time.Now()))); !errors.Is(err, errDisk) {
		t.Errorf("Set gives %v", err)
	}
	if diff := cmp.Diff([]string{"k"}, indexed(t, s.table)); diff != "" {
		t.Errorf("indexed (-want +got):\n%s", diff)
	}
	if n := s.deadlines.Len(); n > 0 {
		t.Errorf("%d deadlines are armed by what was not stored", n)
	}
	check(t, s.Close())
	check(t, tables.close())
}

// Not parallel, as goroutines of other tests would be counted.
func TestTimersLeaveNothingBehind(t *testing.T) {
	c := newClockmakers(t, 3)
	cycle := func() {
		t.Helper()
		p, _ := c.start("")
		check(t, p.running(c.context()))
		p.stop()
	}
	for at, key := range keysOf(3) {
		c.write(c.in, int32(at), key, alarm(1, time.Now().Add(time.Hour)))
	}
	cycle()
	before := goleak.IgnoreCurrent()
	for range 3 {
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

func TestTimersTakeATableAndALoop(t *testing.T) {
	oursOnly(t)
	client, err := Open(Config{Brokers: []string{"127.0.0.1:1"}})
	check(t, err)
	defer func() { check(t, client.Close()) }()
	handle := func(goka.Context, any) {}
	table, loop := goka.Persist(new(codec.String)), goka.Loop(new(codec.String), handle)
	in := goka.Input("in", new(codec.String), handle)
	for name, c := range map[string]struct {
		edges []goka.Edge
		want  error
	}{
		"neither":  {[]goka.Edge{in}, errNoTimers},
		"no loop":  {[]goka.Edge{in, table}, errNoTimers},
		"no table": {[]goka.Edge{in, loop}, errNoTimers},
		"both":     {[]goka.Edge{in, table, loop}, nil},
	} {
		p := Processor{Role: "role", Timers: &alarms, Graph: goka.DefineGroup("group", c.edges...)}
		if _, err := client.timers(newRole("role", client.figures), p, producer{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// shelf is a partition of a table in a process of its own, whose timers are kept in
// sent.
type shelf struct {
	*timed
	sent *list
	wall *clock
}

// openShelf opens it without a broker. refuse says which attempts to send fail.
func openShelf(t testing.TB, tables *tables, refuse func(attempt int) error) shelf {
	t.Helper()
	sent, wall := &list{}, &clock{}
	all := &timers{
		Timers: alarms, role: "role", log: slog.New(slog.DiscardHandler), now: wall.now, topic: "loop", own: "group-table", parts: map[int32]*timed{},
		send: func(_, _ string, value []byte, _ goka.Headers) *goka.Promise {
			sent.add(string(value))
			p, finish := goka.NewPromiseWithFinisher()
			finish(nil, refuse(len(sent.get())))
			return p
		},
		open: prometheus.NewGauge(prometheus.GaugeOpts{}), lateness: prometheus.NewHistogram(prometheus.HistogramOpts{}),
		bounds: func(context.Context, []string) (_, _ kadm.ListedOffsets, _ error) { return nil, nil, nil },
	}
	s, err := all.builder(tables, "role")("group-table", 0)
	if err != nil {
		t.Fatal(err)
	}
	return shelf{s.(*timed), sent, wall}
}

func never(int) error { return nil }

func TestATimerThatIsRefusedIsSentAgain(t *testing.T) {
	oursOnly(t)
	tables, err := openTables("")
	check(t, err)
	s := openShelf(t, tables, func(attempt int) error {
		if attempt == 1 {
			return errors.New("refused")
		}
		return nil
	})
	check(t, s.Set("k", []byte(alarm(1, time.Now()))))
	check(t, s.MarkRecovered())
	w := &world{t: t}
	w.await("the second attempt", func() bool { return len(s.sent.get()) == 2 })
	check(t, s.Close())
	if diff := cmp.Diff([]string{"k 1", "k 1"}, s.sent.get()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}

	// One that was replaced meanwhile is not.
	var replaced shelf
	replaced = openShelf(t, tables, func(attempt int) error {
		if attempt > 1 {
			return nil
		}
		check(t, replaced.Set("k", []byte(alarm(2, time.Now().Add(-time.Hour)))))
		return errors.New("refused")
	})
	check(t, replaced.MarkRecovered())
	w.await("the next to be sent", func() bool { return len(replaced.sent.get()) == 2 })
	replaced.wall.advance(time.Hour)
	check(t, replaced.Set("last", []byte(alarm(3, time.Now()))))
	w.await("the last to be sent", func() bool { return len(replaced.sent.get()) == 3 })
	check(t, replaced.Close())
	if diff := cmp.Diff([]string{"k 1", "k 2", "last 3"}, replaced.sent.get()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	check(t, tables.close())
}

// A life may end at any point, without a word. Whatever it leaves, the next one knows
// each open deadline, and no other.
func TestTheIndexOfOpenDeadlinesHoldsThemAll(t *testing.T) {
	oursOnly(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	tables, err := openTables("")
	check(t, err)
	want := map[string]int64{}
	far := time.Now().Add(time.Hour)
	w := &world{t: t}
	for life := range 50 {
		s := openShelf(t, tables, never)
		change := func() {
			key := fmt.Sprint("k", r.IntN(20))
			switch n := int64(r.IntN(100)); {
			case n < 60:
				check(t, s.Set(key, []byte(alarm(n, far))))
				want[key] = n
			case n < 80:
				check(t, s.Set(key, []byte(off)))
				delete(want, key)
			default:
				check(t, s.Delete(key))
				delete(want, key)
			}
		}
		for range r.IntN(10) {
			change() // what it recovers
		}
		if r.IntN(4) == 0 {
			continue // died in the recovery
		}
		if r.IntN(2) == 0 { // what a crash leaves after the index was written
			check(t, s.table.noteOpen(fmt.Sprint("k", r.IntN(20)), nil))
		}
		check(t, s.MarkRecovered())
		for range r.IntN(10) {
			change() // beside the walk
		}
		w.await("the index to be read", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.deadlines.Len() == len(want)
		})
		s.mu.Lock()
		got := map[string]int64{}
		for key := range want {
			if d, open := s.deadlines.Of(key); open {
				got[key] = d.Arming
			}
		}
		s.mu.Unlock()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("life %d knows (-want +got):\n%s", life, diff)
		}
		w.await("the index to have no other", func() bool { return cmp.Equal(indexed(t, s.table), slices.Sorted(maps.Keys(want))) })
		s.cancel() // else its goroutine stays until the end
		s.task.Wait()
	}
	check(t, tables.close())
}

func indexed(t *testing.T, s *table) (keys []string) {
	t.Helper()
	it, err := s.opened()
	check(t, err)
	defer it.Release()
	for it.Next() {
		keys = append(keys, string(it.Key()))
	}
	check(t, it.Err())
	return keys
}

func TestTheIndexIsWipedWithItsTable(t *testing.T) {
	oursOnly(t)
	tables, err := openTables("")
	check(t, err)
	check(t, tables.bind("role", "group-table", []byte("one")))
	s := openShelf(t, tables, never)
	check(t, s.Set("k", []byte(alarm(1, time.Now()))))
	if diff := cmp.Diff([]string{"k"}, indexed(t, s.table)); diff != "" {
		t.Errorf("indexed (-want +got):\n%s", diff)
	}
	check(t, tables.bind("role", "group-table", []byte("two")))
	if keys := indexed(t, s.table); len(keys) > 0 {
		t.Errorf("indexed are %q", keys)
	}
	check(t, s.Close())
	check(t, tables.close())
}

// BenchmarkOpenTimers measures what n open timers cost: in memory, at each change of
// a deadline, with and without the writes to the table and its index, and to find them
// again after a restart. What it costs to change one does not depend on n.
func BenchmarkOpenTimers(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("heap-", n), func(b *testing.B) {
			for b.Loop() {
				benchmarkHeap(b, n)
			}
		})
	}
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("table-", n), func(b *testing.B) {
			for b.Loop() {
				benchmarkTable(b, n)
			}
		})
	}
}

const changes = 10_000

func orderID(i int) string { return fmt.Sprintf("ORD-%026d", i) }

func perOp(began time.Time, n int) float64 {
	return float64(time.Since(began).Nanoseconds()) / float64(n) / 1000
}

func heapInUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func benchmarkHeap(b *testing.B, n int) {
	r := rand.New(rand.NewPCG(1, 2))
	before := heapInUse()
	var d deadline.Queue[*trace.SpanContext]
	for i := range n {
		d.Arm(orderID(i), int64(r.IntN(3600_000_000)), 1, nil)
	}
	b.ReportMetric((heapInUse()-before)/float64(n), "bytes/timer")
	fresh := make([]string, changes)
	for i := range fresh {
		fresh[i] = orderID(n + i)
	}
	began := time.Now()
	for _, key := range fresh {
		d.Arm(key, int64(r.IntN(3600_000_000)), 1, nil)
	}
	b.ReportMetric(perOp(began, changes), "µs/arm")
	began = time.Now()
	for _, key := range fresh {
		d.Disarm(key)
	}
	b.ReportMetric(perOp(began, changes), "µs/disarm")
	began = time.Now()
	if got := len(d.Take(1<<62, make([]armed, 0, changes))); got != changes {
		b.Fatalf("took %d", got)
	}
	b.ReportMetric(perOp(began, changes), "µs/fire")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(&d)
}

func benchmarkTable(b *testing.B, n int) {
	tables, err := openTables(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	far := time.Now().Add(time.Hour)
	s := openShelf(b, tables, never)
	set := func(s storage.Storage, key, value string) {
		if err := s.Set(key, []byte(value)); err != nil {
			b.Fatal(err)
		}
	}
	for i := range n {
		set(s, orderID(i), alarm(1, far.Add(time.Duration(i*7919%n)*time.Millisecond)))
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	s = openShelf(b, tables, never)
	if err := s.walk(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(perOp(began, n), "µs/found-again")
	if got := s.deadlines.Len(); got != n {
		b.Fatalf("found %d", got)
	}
	began = time.Now()
	for i := range changes { // as it is without timers
		set(s.table, orderID(2*n+i), alarm(1, far))
	}
	b.ReportMetric(perOp(began, changes), "µs/plain-set")
	began = time.Now()
	for i := range changes {
		set(s, orderID(n+i), alarm(1, far))
	}
	b.ReportMetric(perOp(began, changes), "µs/open")
	began = time.Now()
	for i := range changes {
		set(s, orderID(n+i), alarm(2, far.Add(time.Minute)))
	}
	b.ReportMetric(perOp(began, changes), "µs/replace")
	began = time.Now()
	for i := range changes {
		set(s, orderID(n+i), off)
	}
	b.ReportMetric(perOp(began, changes), "µs/close")
	b.ReportMetric(0, "ns/op")
	if err := errors.Join(s.Close(), tables.close()); err != nil {
		b.Fatal(err)
	}
}
