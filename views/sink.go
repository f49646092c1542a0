package views

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"simplecqrs/order"
	"simplecqrs/telemetry"
)

// Writer stores rows. An older row must never replace a newer one, and a row that
// is there already must do no harm.
type Writer interface {
	Write(ctx context.Context, rows []order.Row) error
}

const (
	// maxBatch bounds the rows of a write. FerretDB 1.24 keeps a connection for
	// each update of an existing document in one command, and has a hundred.
	maxBatch = 50
	// maxPending bounds the orders that wait to be written, and maxPendingBytes what their
	// rows take; Put blocks beyond either.
	maxPending      = 10_000
	maxPendingBytes = 64 << 20
	// maxTraces bounds the traces that a write of a row is told in, those of the latest
	// of the records that it stands for.
	maxTraces = 8
	// drainTime bounds the last writes when the sink is told to end.
	drainTime = 5 * time.Second
)

// Sink writes rows in batches, one batch at a time: while one is on its way the
// next collects, so that nothing waits for a batch to fill. It tries for as long
// as the store is away.
type Sink struct {
	// Stored, if set before Run, is told each row once the store has it.
	Stored  func(order.Row)
	Figures *Figures           // may be set before Run
	Delay   *Delay             // may be set before Run
	Tracing *telemetry.Tracing // may be set before Run

	writer Writer
	log    *slog.Logger

	mu      sync.Mutex
	pending map[string]*waiting
	bytes   int           // of the rows in pending
	queue   []string      // ids of pending, the oldest first
	filled  chan struct{} // holds a signal while rows are pending
	room    chan struct{} // closed when rows leave; nil while nobody waits
	err     error         // why the store is away; nil while it is not
}

// waiting is the newest row of an order, and who wants to know that it, or an
// older one that it stands for, is stored.
type waiting struct {
	row   order.Row
	bytes int
	// done has one for each record, as each holds up its partition's offset until it is
	// finished: while the store is away it grows by what a closure takes, and not by rows.
	done   []func()
	traces []context.Context // the latest, see maxTraces
}

// NewSink makes a sink; nothing is written until it runs.
func NewSink(w Writer, log *slog.Logger) *Sink {
	return &Sink{writer: w, log: log, pending: map[string]*waiting{}, filled: make(chan struct{}, 1)}
}

// Put hands a row over. done is called once the store has this row or a newer one
// of the same order, and never if the sink ends before that. Put waits while too
// much is pending, until ctx ends. What is written is a part of its trace.
func (s *Sink) Put(ctx context.Context, row order.Row, done func()) error {
	for {
		room := s.put(ctx, row, done)
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// put gives nil if the row was taken, else a channel that closes when there may be room.
func (s *Sink) put(ctx context.Context, row order.Row, done func()) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, found := s.pending[row.ID]
	others := len(s.pending)
	if found {
		others--
	} else {
		w = &waiting{}
	}
	bytes := w.bytes
	newest := !found || row.Meta.Version > w.row.Meta.Version
	if newest {
		bytes = sizeOf(row)
	}
	// A row that is too large by itself is taken alone.
	tooLarge := bytes > w.bytes && s.bytes+bytes-w.bytes > maxPendingBytes && others > 0
	if !found && others >= maxPending || tooLarge {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return s.room
	}
	if newest {
		s.bytes += bytes - w.bytes
		w.row, w.bytes = row, bytes
	}
	if !found {
		s.pending[row.ID] = w
		s.queue = append(s.queue, row.ID)
		s.signal()
	}
	w.done = append(w.done, done)
	if trace.SpanContextFromContext(ctx).IsValid() {
		if len(w.traces) == maxTraces {
			w.traces = slices.Delete(w.traces, 0, 1)
		}
		w.traces = append(w.traces, ctx)
	}
	return nil
}

func (s *Sink) signal() {
	select {
	case s.filled <- struct{}{}:
	default: // a signal is there already
	}
}

// calm takes back a signal that came after the one that Run is about to follow:
// the rows that it tells of are gone already.
func (s *Sink) calm() {
	select {
	case <-s.filled:
	default:
	}
}

// take gives the oldest pending rows.
func (s *Sink) take() []*waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.queue), maxBatch)
	batch := make([]*waiting, n)
	for i, id := range s.queue[:n] {
		batch[i] = s.pending[id]
		s.bytes -= batch[i].bytes
		delete(s.pending, id)
	}
	s.queue = s.queue[n:]
	if len(s.queue) > 0 {
		s.signal()
	} else {
		s.calm()
	}
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	return batch
}

// Run writes what is put until ctx ends, and then, for a bounded time, what is
// left. What could not be written was never reported as done.
func (s *Sink) Run(ctx context.Context) {
	writing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })()
	for ctx.Err() == nil {
		select {
		case <-s.filled:
			s.write(writing, s.take())
		case <-ctx.Done():
		}
	}
	for batch := s.take(); len(batch) > 0 && writing.Err() == nil; batch = s.take() {
		s.write(writing, batch)
	}
}

// write stores a batch, however long that takes, or gives up when ctx ends.
func (s *Sink) write(ctx context.Context, batch []*waiting) {
	rows := make([]order.Row, len(batch))
	for i, w := range batch {
		rows[i] = w.row
	}
	began := time.Now()
	end := s.traced(batch, began)
	err := untilItWorks(ctx, func() error {
		err := s.writer.Write(ctx, rows)
		if ctx.Err() == nil {
			s.note(err)
		}
		return err
	})
	end(err)
	if err != nil {
		s.log.Warn("rows were not written before the end; they will come again",
			slog.Int("rows", len(rows)), slog.Any("error", err))
		return
	}
	s.Figures.wrote(batch, time.Since(began))
	for _, w := range batch {
		ctx := context.Background()
		if len(w.traces) > 0 {
			ctx = w.traces[len(w.traces)-1]
		}
		s.Delay.shows(ctx, w.row)
		if s.Stored != nil {
			s.Stored(w.row)
		}
		for _, done := range w.done {
			done()
		}
	}
}

// note keeps the state of the store and tells of its changes.
func (s *Sink) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && s.err == nil:
		s.log.Warn("rows cannot be written to the read store, and wait", slog.Any("error", err))
	case err == nil && s.err != nil:
		s.log.Warn("rows are written to the read store again")
	}
	if err != nil {
		s.Figures.failed()
	}
	s.err = err
}

// Pending is the number of orders whose rows wait to be written.
func (s *Sink) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// Err says why the store is away; nil while it is not.
func (s *Sink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
