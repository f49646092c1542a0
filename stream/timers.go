package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"simplecqrs/deadline"
	"simplecqrs/telemetry"
)

// Timers has a record sent to the processor's loop topic when the deadline of a value
// in its table has come, under the value's key. The deadline is as durable as the
// value, and goes where its partition goes.
//
// A deadline that has come is sent once in a generation of the group, and again in the
// next if the value still has it. Nor is a record that is under way called back when
// the deadline is replaced. So the loop's handler compares arming numbers, and gives
// the value it handled a new one or none.
//
// A timer goes on with the trace of the write that armed it, if that was a handler's or
// is seen in the table's recovery.
//
// What came to a deadline while the process was down, or stood still, waits until the
// inputs are handled up to where they ended when it was back. A value that was stored
// locally when Of did not yet give its deadline has to be stored again to be noticed.
type Timers struct {
	// Of gives the open deadline in an encoded value, and its arming number, which is
	// another whenever the deadline is; false for none. It must be cheap: it sees every
	// write.
	Of func(value []byte) (due time.Time, arming int64, open bool)
	// Record makes the value of the loop topic's record.
	Record func(key string, arming int64) []byte
}

const (
	// timersAtOnce bounds the records under way to a partition of the loop topic, so
	// that the handlers' own need not queue behind what has become due in a downtime.
	timersAtOnce = 1000
	// timerRetry is the wait before what the brokers have refused is sent again.
	timerRetry = time.Second
	// clockCheck is the longest sleep, after which a clock that was set is noticed.
	clockCheck = time.Second
	// standstill is the time without a look at the clock after which it is as after a
	// downtime: the process was suspended, or the brokers were away.
	standstill = 5 * time.Second
	// backlogCheck is how often it is looked whether the backlog is handled.
	backlogCheck = 20 * time.Millisecond
	// backlogStall is how long it may stand still before that is looked into.
	backlogStall = 3 * time.Second
)

// timers are those of one life of a processor.
type timers struct {
	Timers
	role     string
	log      *slog.Logger
	now      func() time.Time
	topic    string   // the loop's
	inputs   []string // the other topics that are consumed
	own      string   // the table's
	send     func(topic, key string, value []byte, headers goka.Headers) *goka.Promise
	open     prometheus.Gauge
	lateness prometheus.Observer
	bounds   func(ctx context.Context, topics []string) (starts, ends kadm.ListedOffsets, err error)
	blank    func(ctx context.Context, at place, from, end int64) bool

	mu      sync.Mutex
	session *session // the present generation
	parts   map[int32]*timed
}

var errNoTimers = errors.New("stream: timers take a group table and a loop topic")

// timers gives nil if the processor has none.
func (c *Client) timers(r *role, p Processor, writes producer) (*timers, error) {
	if p.Timers == nil {
		return nil, nil
	}
	if p.Graph.GroupTable() == nil || p.Graph.LoopStream() == nil {
		return nil, errNoTimers
	}
	t := &timers{
		Timers: *p.Timers, role: r.name, log: c.log, now: c.now,
		topic: p.Graph.LoopStream().Topic(), own: p.Graph.GroupTable().Topic(), send: writes.EmitWithHeaders,
		open:     r.figures.timersOpen.WithLabelValues(r.name),
		lateness: r.figures.timerLateness.WithLabelValues(r.name),
		bounds:   c.bounds, blank: c.blank, parts: map[int32]*timed{},
	}
	for _, input := range p.Graph.InputStreams() {
		t.inputs = append(t.inputs, input.Topic())
	}
	return t, nil
}

// builder gives the storages of the processor's table. The receiver may be nil.
func (t *timers) builder(tables *tables, role string) storage.Builder {
	build := tables.builder(role)
	if t == nil {
		return build
	}
	return func(topic string, partition int32) (storage.Storage, error) {
		s, err := build(topic, partition)
		if err != nil || topic != t.own { // one that is joined has no deadlines of ours
			return s, err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.parts[partition] = newTimed(s.(*table), t, t.session, partition)
		return t.parts[partition], nil
	}
}

// within has what is stored next of a key of the table be part of the trace of ctx, if
// it has one. The receiver may be nil.
func (t *timers) within(ctx context.Context, partition int32, key string) {
	one := spanOf(ctx)
	if t == nil || one == nil {
		return
	}
	t.mu.Lock()
	part := t.parts[partition]
	t.mu.Unlock()
	if part != nil {
		part.mu.Lock()
		part.storing = storing{key, one}
		part.mu.Unlock()
	}
}

// update is that of the recovery, which stores what others wrote.
func (t *timers) update(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
	if t != nil && string(ctx.Topic()) == t.own {
		t.within(telemetry.From(context.Background(), ctx.Headers()), ctx.Partition(), key)
	}
	return goka.DefaultUpdate(ctx, s, key, value)
}

// assigned notes a generation whose tables are about to be opened. The receiver may
// be nil.
func (t *timers) assigned(s *session) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = s
}

// ends gives where the partition of each input ends; not if ctx does before.
func (t *timers) ends(ctx context.Context, partition int32) (map[place]int64, bool) {
	for told := false; ; told = true {
		found, err := t.endsNow(ctx, partition)
		if err == nil {
			return found, true
		}
		if !told {
			t.log.Warn("the timers of a partition wait until its inputs tell where they end",
				slog.String("role", t.role), slog.Int("partition", int(partition)), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(rejoinDelay):
		}
	}
}

func (t *timers) endsNow(ctx context.Context, partition int32) (map[place]int64, error) {
	starts, ends, err := t.bounds(ctx, t.inputs)
	if err != nil {
		return nil, err
	}
	found := map[place]int64{}
	for _, topic := range t.inputs {
		start, startKnown := starts.Lookup(topic, partition)
		end, endKnown := ends.Lookup(topic, partition)
		err := errors.Join(start.Err, end.Err)
		if !startKnown || !endKnown {
			err = errors.Join(err, kerr.UnknownTopicOrPartition)
		}
		if err != nil {
			return nil, fmt.Errorf("stream: listing the offsets of %s: %w", topic, err)
		}
		// From one that is empty nothing will be read, wherever it ends.
		if start.Offset < end.Offset {
			found[place{topic, partition}] = end.Offset
		}
	}
	return found, nil
}

// timed is a partition of a table whose values have deadlines. It sees what is truly
// stored, by recovery or by handlers. An index beside the values, of the keys with an
// open deadline, tells what an earlier life stored: it has each of them, and for a
// while, if a crash came between, some that are open no more.
type timed struct {
	storage.Storage
	table     *table
	timers    *timers
	session   *session
	partition int32
	ctx       context.Context // ends when the partition is given up
	cancel    context.CancelFunc
	task      sync.WaitGroup
	earlier   chan struct{} // something is due before what was next

	mu        sync.Mutex
	closed    bool
	deadlines deadline.Queue[*trace.SpanContext]
	newer     map[string]bool // keys that were changed since the walk began; nil without one
	storing   storing
}

// armed is a deadline with the trace that it is part of; nil for none.
type armed = deadline.Armed[*trace.SpanContext]

// storing is what trace the next value of a key is part of, see [timers.within].
type storing struct {
	key   string
	trace *trace.SpanContext
}

func newTimed(t *table, all *timers, s *session, partition int32) *timed {
	ctx, cancel := context.WithCancel(context.Background())
	return &timed{
		Storage: t, table: t, timers: all, session: s, partition: partition,
		ctx: ctx, cancel: cancel, earlier: make(chan struct{}, 1),
	}
}

// Set implements storage.Storage.
func (t *timed) Set(key string, value []byte) error {
	due, arming, open := t.timers.Of(value)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.overtake(key)
	if !open {
		return t.shut(key, t.Storage.Set(key, value))
	}
	var within *trace.SpanContext
	if t.storing.key == key {
		within = t.storing.trace
	}
	t.storing = storing{}
	was, known := t.deadlines.Of(key)
	// Before the value, lest a crash between leaves it out.
	if !known || was.Arming != arming && (was.With != nil || within != nil) {
		if err := t.table.noteOpen(key, traceparentOf(within)); err != nil {
			return err
		}
	}
	if err := t.Storage.Set(key, value); err != nil {
		return err
	}
	t.arm(key, due, arming, within)
	return nil
}

// Delete implements storage.Storage.
func (t *timed) Delete(key string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.overtake(key)
	return t.shut(key, t.Storage.Delete(key))
}

// overtake notes that the walk is not to believe what it reads of a key.
func (t *timed) overtake(key string) {
	if t.newer != nil {
		t.newer[key] = true
	}
}

// shut disarms a key, once its value is stored. What only the index knows is the
// walk's to drop, unless that has to pass over the key.
func (t *timed) shut(key string, err error) error {
	if _, known := t.deadlines.Of(key); err != nil || !known && t.newer == nil {
		return err
	}
	if t.deadlines.Disarm(key) {
		t.timers.open.Dec()
	}
	return t.table.noteShut(key)
}

func (t *timed) arm(key string, due time.Time, arming int64, within *trace.SpanContext) {
	if t.closed { // a late write: whoever has the partition next finds it in the index
		return
	}
	if _, known := t.deadlines.Of(key); !known {
		t.timers.open.Inc()
	}
	if t.deadlines.Arm(key, due.UnixMicro(), arming, within) {
		select {
		case t.earlier <- struct{}{}:
		default:
		}
	}
}

// MarkRecovered implements storage.Storage: from here on deadlines fire. goka may
// close the storage without waiting for it to return.
func (t *timed) MarkRecovered() error {
	if err := t.Storage.MarkRecovered(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.task.Go(t.run)
	}
	return nil
}

// Close implements storage.Storage.
func (t *timed) Close() error {
	t.cancel()
	t.mu.Lock()
	t.timers.open.Sub(float64(t.deadlines.Len()))
	t.closed, t.deadlines = true, deadline.Queue[*trace.SpanContext]{}
	t.mu.Unlock()
	t.task.Wait()
	return t.Storage.Close()
}

// run fires the partition's deadlines until it is given up. Reading the index is part
// of it, and not of the recovery, during which all members of the group are idle.
func (t *timed) run() {
	log := t.timers.log.With(slog.String("role", t.timers.role), slog.Int("partition", int(t.partition)))
	for {
		err := t.walk()
		if err == nil {
			break
		}
		log.Error("the open timers could not be read from the local table", slog.Any("error", err))
		select {
		case <-time.After(timerRetry):
		case <-t.ctx.Done():
			return
		}
	}
	t.fire(log)
}

// catchUp returns once what lies in the inputs now is handled; false if the partition
// is given up before. After a downtime that is, among others, what was done in time.
func (t *timed) catchUp(log *slog.Logger) bool {
	ends, found := t.timers.ends(t.ctx, t.partition)
	if !found {
		return false
	}
	tick, stall := time.NewTicker(backlogCheck), time.NewTicker(backlogStall)
	defer tick.Stop()
	defer stall.Stop()
	for at, end := range ends {
		last := int64(-1)
		for next := t.session.handled(at); next < end; next = t.session.handled(at) {
			select {
			case <-tick.C:
				continue
			case <-t.ctx.Done():
				return false
			case <-stall.C:
			}
			if next == last {
				if t.timers.blank(t.ctx, at, next, end) {
					break
				}
				log.Warn("no timer fires before the input is handled up to where it ended",
					slog.String("topic", at.topic), slog.Int64("next", next), slog.Int64("end", end))
			}
			last = next
		}
	}
	return true
}

// walk arms what the index knows and did not go by, and drops from the index what is
// open no more. Handlers change values meanwhile.
func (t *timed) walk() error {
	index, values, err := t.beginWalk()
	if err != nil {
		return err
	}
	defer func() {
		index.Release()
		values.Release()
		t.mu.Lock()
		t.newer = nil
		t.mu.Unlock()
	}()
	for index.Next() && t.ctx.Err() == nil {
		// Both are in the order of the keys, in which an iterator is ten times as fast as
		// Get is.
		var value []byte
		if key := index.Key(); values.Seek(key) && bytes.Equal(values.Key(), key) {
			if value, err = values.Value(); err != nil {
				return err
			}
		}
		noted, err := index.Value()
		if err != nil {
			return err
		}
		if err := t.rearm(string(index.Key()), value, spanNamed(noted)); err != nil {
			return err
		}
	}
	return errors.Join(index.Err(), values.Err())
}

// beginWalk gives index and values as they are at one moment.
func (t *timed) beginWalk() (index, values storage.Iterator, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if index, err = t.table.opened(); err != nil {
		return nil, nil, err
	}
	if values, err = t.table.Iterator(); err != nil {
		index.Release()
		return nil, nil, err
	}
	t.newer = map[string]bool{}
	return index, values, nil
}

// rearm arms a key by the value that it had when the walk began; nil for none.
func (t *timed) rearm(key string, value []byte, within *trace.SpanContext) error {
	var due time.Time
	var arming int64
	var open bool
	if value != nil {
		due, arming, open = t.timers.Of(value)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.newer[key]:
		return nil
	case open:
		t.arm(key, due, arming, within)
		return nil
	default:
		return t.table.noteShut(key)
	}
}

// fire sends each deadline when it has come. What had come at the first look at the
// clock, or after a standstill, waits for what lay in the inputs by then.
func (t *timed) fire(log *slog.Logger) {
	batch := make([]armed, 0, timersAtOnce)
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for looked := int64(0); t.ctx.Err() == nil; {
		now := t.timers.now().UnixMicro() // what is monotonic rests with a suspended machine
		if now-looked > standstill.Microseconds() && !t.catchUp(log) {
			return
		}
		looked = now
		var sleep time.Duration
		batch, sleep = t.due(batch[:0], now)
		if len(batch) > 0 {
			t.sendAll(batch, log)
			continue
		}
		alarm.Reset(sleep)
		select {
		case <-alarm.C:
		case <-t.earlier:
		case <-t.ctx.Done():
		}
	}
}

// due takes what has come; if nothing has, it says for how long to sleep.
func (t *timed) due(into []armed, now int64) ([]armed, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	into = t.deadlines.Take(now, into)
	next, found := t.deadlines.Next()
	if !found || next-now > clockCheck.Microseconds() {
		return into, clockCheck
	}
	return into, time.Duration(next-now+1) * time.Microsecond
}

// sendAll returns once all are acknowledged or refused.
func (t *timed) sendAll(batch []armed, log *slog.Logger) {
	results := make(chan struct{}, len(batch))
	for _, d := range batch {
		t.timers.send(t.timers.topic, d.Key, t.timers.Record(d.Key, d.Arming), headersOf(d.With)).Then(func(err error) {
			if err != nil {
				log.Warn("a timer could not be sent", slog.String("key", d.Key), slog.Any("error", err))
				t.again(d)
			} else {
				t.timers.lateness.Observe(t.timers.now().Sub(time.UnixMicro(d.Due)).Seconds())
			}
			results <- struct{}{}
		})
	}
	for range batch {
		select {
		case <-results:
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *timed) again(d armed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deadlines.PutBack(d, t.timers.now().Add(timerRetry).UnixMicro())
}

// blank reports whether there is nothing in a part of a partition that is ever
// delivered, but the markers of transactions.
func (c *Client) blank(ctx context.Context, at place, from, end int64) bool {
	client, err := kgo.NewClient(append(c.config.Security.kgo(),
		kgo.SeedBrokers(c.config.Brokers...), kgo.ClientID(c.config.ClientID), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{at.topic: {at.partition: kgo.NewOffset().At(from)}}),
	)...)
	if err != nil {
		return false
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, backlogStall)
	defer cancel()
	for from < end {
		fetched := client.PollFetches(ctx)
		if fetched.Err() != nil {
			return false
		}
		for _, r := range fetched.Records() {
			if !r.Attrs.IsControl() && r.Offset < end {
				return false
			}
			from = r.Offset + 1
		}
	}
	return true
}
