package views

import (
	"context"
	"sync"
	"time"

	"simplecqrs/order"
)

const (
	// lookFirst and lookMost bound the time between two looks at an order that is
	// waited for. Between them it is half the time for which the order has stood
	// still, so that an idle order costs next to nothing and a wait is at most half
	// as long again as it need be.
	lookFirst, lookMost = 10 * time.Millisecond, 5 * time.Second
	// maxLooks bounds how many orders are looked for at once, whoever waits.
	maxLooks = 4
)

// watches are the orders that somebody waits for in a store that has no way to
// tell of changes. Each is looked at by its id alone, once however many wait for it:
// that is the one filter for which FerretDB 1.24 uses an index (among 10,000 orders it
// finds one by its id in 0.6 ms, and ten by $in in 2.5 s). Who knows of a change tells
// of it, and the wait is over sooner.
type watches struct {
	look  func(ctx context.Context, id string) (order.Row, error)
	slots chan struct{} // holds a token for each look that is under way

	mu  sync.Mutex
	all map[string]*watch
	ran sync.WaitGroup
}

type watch struct {
	stop    context.CancelFunc
	moving  chan struct{} // holds a signal when the order is said to move
	waiters int

	row  order.Row // the newest that was seen; the zero Row for none
	err  error     // why the last look failed
	news chan struct{}
}

func newWatches(look func(context.Context, string) (order.Row, error)) *watches {
	return &watches{look: look, slots: make(chan struct{}, maxLooks), all: map[string]*watch{}}
}

// await gives the first row for which until holds; see [Mongo.Await].
func (w *watches) await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
	one := w.join(id)
	defer w.leave(id, one)
	var latest order.Row
	for {
		w.mu.Lock()
		row, err, news := one.row, one.err, one.news
		w.mu.Unlock()
		if row.Meta.Version > 0 {
			if until(row) {
				return row, nil
			}
			latest = row
		}
		if err != nil {
			return latest, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return latest, ctx.Err()
		}
	}
}

func (w *watches) join(id string) *watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.all[id]
	if one == nil {
		ctx, stop := context.WithCancel(context.Background())
		one = &watch{stop: stop, moving: make(chan struct{}, 1), news: make(chan struct{})}
		w.all[id] = one
		w.ran.Go(func() { w.run(ctx, id, one) })
	}
	one.waiters++
	return one
}

func (w *watches) leave(id string, one *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one.waiters--; one.waiters == 0 {
		one.stop()
		delete(w.all, id)
	}
}

// close returns once nothing is looked for any more.
func (w *watches) close() {
	w.mu.Lock()
	for _, one := range w.all {
		one.stop()
	}
	w.mu.Unlock()
	w.ran.Wait()
}

// run looks at an order again and again for as long as somebody waits for it.
func (w *watches) run(ctx context.Context, id string, one *watch) {
	moved := time.Now()
	next := moved
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-one.moving:
			moved = time.Now()
			if soon := moved.Add(lookFirst); soon.Before(next) {
				next = soon
				timer.Reset(lookFirst)
			}
			continue
		case <-ctx.Done():
			return
		}
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		row, err := w.look(ctx, id)
		<-w.slots
		if ctx.Err() != nil {
			return
		}
		if order.KindOf(err) == order.NotFound {
			err = nil
		}
		if w.note(one, row, err) {
			moved = time.Now()
		}
		wait := min(max(time.Since(moved)/2, lookFirst), lookMost)
		next = time.Now().Add(wait)
		timer.Reset(wait)
	}
}

// note keeps what was seen of an order and reports whether it is newer than what
// was seen before.
func (w *watches) note(one *watch, row order.Row, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	newer := row.Meta.Version > one.row.Meta.Version
	if newer {
		one.row = row
	}
	if one.err = err; newer || err != nil {
		close(one.news)
		one.news = make(chan struct{})
	}
	return newer
}

// stored tells of a row that the store has.
func (w *watches) stored(row order.Row) {
	w.mu.Lock()
	one := w.all[row.ID]
	w.mu.Unlock()
	if one != nil && w.note(one, row, nil) {
		signal(one.moving)
	}
}

// moves tells that an order's row is about to change.
func (w *watches) moves(id string) {
	w.mu.Lock()
	one := w.all[id]
	w.mu.Unlock()
	if one != nil {
		signal(one.moving)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is there already
	}
}
