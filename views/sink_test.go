package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"go.opentelemetry.io/otel/trace"

	"simplecqrs/order"
)

// desk is a Writer whose every write the test answers. It gives up when its
// context ends, as Writers do.
type desk struct {
	writes  chan []string // what is to be written
	answers chan error
}

func newDesk() *desk { return &desk{make(chan []string), make(chan error)} }

func (d *desk) Write(ctx context.Context, rows []order.Row) error {
	select {
	case d.writes <- labels(rows...):
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-d.answers:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// labels names rows by id and version: A3.
func labels(rows ...order.Row) []string {
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = fmt.Sprint(r.ID, r.Meta.Version)
	}
	return all
}

// writerFunc is a Writer that answers by itself.
type writerFunc func(rows []order.Row) error

func (f writerFunc) Write(_ context.Context, rows []order.Row) error { return f(rows) }

// notes is what several goroutines note down.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, s)
}

func (n *notes) get() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// putting hands rows to a sink and notes which are reported done, and stored.
type putting struct {
	*Sink
	t            *testing.T
	said         journal
	done, stored notes
}

func newPutting(t *testing.T, w Writer) *putting {
	p := &putting{t: t}
	p.Sink = NewSink(w, p.said.logger())
	p.Stored = func(r order.Row) { p.stored.add(labels(r)[0]) }
	return p
}

func (p *putting) put(id string, versions ...int) {
	p.t.Helper()
	for _, v := range versions {
		check(p.t, p.Put(context.Background(), shortRow(id, v), p.reported(id, v)))
	}
}

func (p *putting) reported(id string, version int) func() {
	return func() { p.done.add(fmt.Sprint(id, version)) }
}

func shortRow(id string, version int) order.Row {
	return order.Row{ID: id, Meta: order.Meta{Version: int64(version)}}
}

// run runs the sink; what it gives ends it and returns the time that took.
func (p *putting) run() (end func() time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	return func() time.Duration {
		began := time.Now()
		cancel()
		running.Wait()
		return time.Since(began)
	}
}

// want compares what was noted so far.
func (p *putting) want(what string, n *notes, want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, n.get()); diff != "" {
		p.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantWrite(t *testing.T, d *desk, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, <-d.writes); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestOnlyTheNewestRowOfAnOrderIsWrittenAndAllThatItStandsForAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		p := newPutting(t, d)
		p.put("A", 1, 3, 2)
		p.put("B", 7)
		end := p.run()
		wantWrite(t, d, "A3", "B7")
		synctest.Wait()
		p.want("done before the store has them", &p.done)
		p.want("stored before the store has them", &p.stored)
		d.answers <- nil
		synctest.Wait()
		p.want("done", &p.done, "A1", "A3", "A2", "B7")
		p.want("stored", &p.stored, "A3", "B7")
		end()
	})
}

func TestNothingIsDoneByAWriteThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		p := newPutting(t, d)
		p.put("A", 1)
		end := p.run()
		for range 3 {
			wantWrite(t, d, "A1")
			d.answers <- errors.New("away")
			synctest.Wait()
			p.want("done", &p.done)
		}
		p.put("A", 2) // too late for this batch, and its own done must wait for the next
		wantWrite(t, d, "A1")
		d.answers <- nil
		wantWrite(t, d, "A2")
		synctest.Wait()
		p.want("done", &p.done, "A1")
		d.answers <- nil
		synctest.Wait()
		p.want("done", &p.done, "A1", "A2")
		end()
	})
}

func TestWhileAWriteIsOnItsWayTheNextBatchCollectsAndNothingElseIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		p := newPutting(t, d)
		end := p.run()
		began := time.Now()
		p.put("A", 1)
		wantWrite(t, d, "A1")
		p.put("B", 1)
		p.put("A", 2)
		p.put("C", 1)
		synctest.Wait()
		select {
		case rows := <-d.writes:
			t.Errorf("%v are written beside the first", rows)
		default:
		}
		d.answers <- nil
		wantWrite(t, d, "B1", "A2", "C1")
		d.answers <- nil
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waited %v", waited)
		}
		end()
	})
}

func TestAWriteHasFiftyRowsAtMostTheOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		p := newPutting(t, d)
		var want []string
		for i := range 120 {
			id := fmt.Sprintf("%03d-", i)
			p.put(id, 1)
			want = append(want, id+"1")
		}
		p.put("000-", 2) // which does not lose its turn
		want[0] = "000-2"
		end := p.run()
		for batch := range slices.Chunk(want, 50) {
			wantWrite(t, d, batch...)
			d.answers <- nil
		}
		end()
	})
}

// Many short rounds, as it takes a row that comes between the signal and Run's
// following it.
func TestEveryWriteHasARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPutting(t, writerFunc(func(rows []order.Row) error {
			if len(rows) == 0 {
				t.Error("a write without a row")
			}
			return nil
		}))
		end := p.run()
		for range 3000 {
			var all sync.WaitGroup
			for _, id := range []string{"A", "B", "C"} {
				all.Go(func() { p.put(id, 1) })
			}
			all.Wait()
			synctest.Wait()
			if t.Failed() {
				break
			}
		}
		end()
		if n := len(p.done.get()); n != 9000 && !t.Failed() {
			t.Errorf("%d rows are done", n)
		}
	})
}

// The same, step by step: Run has followed a signal, and before it takes the rows
// another comes.
func TestNoSignalOutlivesTheRowsThatItTellsOf(t *testing.T) {
	s := NewSink(nil, slog.New(slog.DiscardHandler))
	check(t, s.Put(t.Context(), shortRow("A", 1), func() {}))
	<-s.filled
	check(t, s.Put(t.Context(), shortRow("B", 1), func() {}))
	if n := len(s.take()); n != 2 {
		t.Errorf("%d rows were taken", n)
	}
	if len(s.filled) > 0 {
		t.Error("Run would write a batch of no rows")
	}
}

func TestTheSinkTriesForAsLongAsTheStoreIsAwayAndTellsOfItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage = 2 * time.Hour
		cause := errors.New("connection refused")
		began := time.Now()
		var tries []time.Duration
		p := newPutting(t, writerFunc(func([]order.Row) error {
			at := time.Since(began)
			tries = append(tries, at)
			if at < outage {
				return cause
			}
			return nil
		}))
		if err := p.Err(); err != nil {
			t.Errorf("before anything was written: %v", err)
		}
		end := p.run()
		p.put("A", 1)
		<-time.After(outage / 2)
		if err := p.Err(); !errors.Is(err, cause) {
			t.Errorf("while it is away: %v", err)
		}
		<-time.After(outage)
		p.want("done", &p.done, "A1")
		if err := p.Err(); err != nil {
			t.Errorf("when it is back: %v", err)
		}
		if first := tries[1] - tries[0]; first > 200*time.Millisecond {
			t.Errorf("the second try came after %v", first)
		}
		for i := range tries[1:] {
			if wait := tries[i+1] - tries[i]; wait > 8*time.Second {
				t.Errorf("a try came after %v", wait)
			}
		}
		if n := len(tries); n > int(outage/(2*time.Second)) {
			t.Errorf("%d tries: the waits do not grow", n)
		}
		for _, words := range []string{"cannot be written", "are written to the read store again"} {
			if lines := p.said.lines("level=WARN", words); len(lines) != 1 {
				t.Errorf("%s: %q", words, lines)
			}
		}
		if n := len(p.said.lines()); n != 2 {
			t.Errorf("it said %q", p.said.lines())
		}
		end()
	})
}

func TestPutWaitsWhileTooManyOrdersArePending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		p := newPutting(t, d)
		for i := range maxPending {
			p.put(fmt.Sprint(i, "-"), 1)
		}
		var waiting sync.WaitGroup
		in := notes{}
		for _, id := range []string{"A", "B"} {
			waiting.Go(func() {
				p.put(id, 1)
				in.add(id)
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiting.Go(func() {
			if err := p.Put(ctx, shortRow("C", 1), p.reported("C", 1)); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		p.put("0-", 2) // its order is pending, and that takes no room
		synctest.Wait()
		p.want("got in while it is full", &in)
		cancel()

		end := p.run()
		<-d.writes
		waiting.Wait()
		if n := len(p.pending); n != maxPending-maxBatch+2 {
			t.Errorf("%d orders are pending", n)
		}
		go func() {
			for range d.writes {
				d.answers <- nil
			}
		}()
		d.answers <- nil
		end()
		close(d.writes)
		done := p.done.get()
		if len(done) != maxPending+3 || slices.Contains(done, "C1") {
			t.Errorf("%d rows are done", len(done))
		}
	})
}

func TestPutWaitsWhileTheRowsThatArePendingAreTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		p := newPutting(t, d)
		sized := func(id string, version, bytes int) order.Row {
			r := shortRow(id, version)
			r.Outputs = map[order.Step]order.JSON{order.Payment: make(order.JSON, bytes)}
			return r
		}
		var waiting sync.WaitGroup
		in := notes{}
		put := func(row order.Row) {
			waiting.Go(func() {
				check(t, p.Put(t.Context(), row, func() {}))
				in.add(labels(row)[0])
			})
			synctest.Wait()
		}
		put(sized("A", 1, 2*maxPendingBytes)) // or it would wait for ever
		put(sized("B", 1, 1))
		put(sized("A", 2, maxPendingBytes-1))
		p.want("got in beside a row that is too large", &in, "A1", "A2")

		end := p.run()
		wantWrite(t, d, "A2")
		waiting.Wait()
		put(sized("C", 1, maxPendingBytes-2))
		put(sized("B", 2, 2))
		put(sized("D", 1, 1)) // for which there is no room
		put(sized("C", 3, maxPendingBytes-3))
		put(sized("C", 2, maxPendingBytes)) // an older row is not kept
		p.want("got in", &in, "A1", "A2", "B1", "C1", "B2", "C3", "C2")
		d.answers <- nil
		wantWrite(t, d, "B2", "C3")
		waiting.Wait()
		d.answers <- nil
		wantWrite(t, d, "D1")
		d.answers <- nil
		end()
		if p.bytes != 0 {
			t.Errorf("%d bytes are pending, of no row", p.bytes)
		}
	})
}

func TestAtTheEndWhatIsPendingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPutting(t, writerFunc(func([]order.Row) error {
			<-time.After(10 * time.Millisecond)
			return nil
		}))
		end := p.run()
		for i := range 10 * maxBatch {
			p.put(fmt.Sprint(i, "-"), 1)
		}
		if took := end(); took > time.Second {
			t.Errorf("it took %v to end", took)
		}
		if n := len(p.done.get()); n != 10*maxBatch {
			t.Errorf("%d rows are done", n)
		}
	})
}

func TestAStoreThatIsAwayAtTheEndIsGivenUpAndWhatItDidNotGetIsNotDone(t *testing.T) {
	for name, write := range map[string]writerFunc{
		"it refuses":      func([]order.Row) error { return errors.New("away") },
		"it says nothing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk()
				var w Writer = d
				if write != nil {
					w = write
				}
				p := newPutting(t, w)
				end := p.run()
				for i := range 3 * maxBatch {
					p.put(fmt.Sprint(i, "-"), 1)
				}
				synctest.Wait()
				if took := end(); took < 4*time.Second || took > 6*time.Second {
					t.Errorf("it took %v to end", took)
				}
				p.want("done", &p.done)
				p.want("stored", &p.stored)
				if lines := p.said.lines("level=WARN", "come again"); len(lines) != 1 {
					t.Errorf("it said %q", lines)
				}
			})
		})
	}
}

func TestTheTracesOfARowThatWaitsAreBounded(t *testing.T) {
	s := NewSink(nil, slog.New(slog.DiscardHandler))
	var last context.Context
	for i := range 3 * maxTraces {
		last = trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(i + 1)},
		}))
		check(t, s.Put(last, order.Row{ID: "one"}, func() {}))
	}
	w := s.pending["one"]
	if len(w.traces) != maxTraces || w.traces[maxTraces-1] != last {
		t.Errorf("it keeps %d traces, want the last %d", len(w.traces), maxTraces)
	}
	if len(w.done) != 3*maxTraces {
		t.Errorf("%d of %d records will be finished", len(w.done), 3*maxTraces)
	}
}
