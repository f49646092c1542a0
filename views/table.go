package views

import (
	"context"
	"fmt"
	"sync"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// RoleTable is the name of the table's view in status and metrics.
const RoleTable = "table"

// Table is a local copy of view.order that answers queries by itself. It holds
// the rows of all partitions and goes on answering, with what it has, while the
// brokers are away.
type Table struct {
	Delay *Delay // may be set before its View runs

	ended     func(order.Row)
	maxLooked int // see there

	mu      sync.RWMutex
	view    *goka.View // nil while none has caught up
	changes changes
}

// NewTable makes a table, which answers once its View runs. ended, if not nil, is told
// each row that arrives of an order that has ended, from several goroutines.
func NewTable(ended func(order.Row)) *Table {
	return &Table{ended: ended, maxLooked: maxLooked}
}

// View is what keeps the table up to date; the caller runs it.
func (t *Table) View() stream.View {
	return stream.View{
		Role: RoleTable, Table: codecs.ViewOrder, Codec: codecs.Row{},
		Layout: layout, Callback: t.update, Serve: t.serve,
	}
}

func (t *Table) serve(v *goka.View) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.view = v
}

var newest = stream.Newest(codecs.VersionOf, index)

// update stores a record's value. A tombstone takes no order away: nothing of ours
// writes one, and the read store keeps its document, too.
func (t *Table) update(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
	if value == nil {
		return nil
	}
	if err := newest(ctx, s, key, value); err != nil {
		return err
	}
	t.changes.announce(key)
	told := t.Delay.since(ctx.Timestamp())
	if !told && t.ended == nil {
		return nil
	}
	ended := codecs.StatusOf(value).Ended()
	told = told && (ended || t.Delay.measures(value))
	if !told && (!ended || t.ended == nil) {
		return nil // reading the row is the larger part of storing it
	}
	decoded, err := codecs.Row{}.Decode(value)
	row, ok := decoded.(order.Row)
	if ok && told {
		within := stream.TraceOf(context.Background(), ctx)
		t.Delay.got(within, row)()
		t.Delay.shows(within, row)
	}
	if ok && ended && t.ended != nil {
		t.ended(row)
	}
	return err
}

// Get gives the row of an order; a NotFound error if there is none, Unavailable
// until the table has caught up with its topic.
func (t *Table) Get(_ context.Context, id string) (order.Row, error) {
	t.mu.RLock()
	defer t.mu.RUnlock() // held, as the view must not stop while it is read
	if t.view == nil {
		return order.Row{}, catchingUp()
	}
	value, err := t.view.Get(id)
	if err != nil {
		return order.Row{}, fmt.Errorf("views: reading the local table: %w", err)
	}
	switch v := value.(type) {
	case order.Row:
		return v, nil
	case codecs.Malformed:
		return order.Row{}, fmt.Errorf("views: the row of %s cannot be read: %w", id, v.Err)
	}
	return order.Row{}, order.NoSuchOrder(id)
}

func catchingUp() error {
	return &order.Error{Kind: order.Unavailable, Detail: "the local table is still catching up"}
}

// Await gives the first row of an order for which until holds. If ctx ends first
// it gives the latest row seen and the error of ctx.
func (t *Table) Await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
	changed, leave := t.changes.watch(id)
	defer leave()
	var latest order.Row
	for {
		row, err := t.Get(ctx, id)
		switch kind := order.KindOf(err); {
		case err == nil && until(row):
			return row, nil
		case err == nil:
			latest = row
		case kind != order.NotFound:
			return latest, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return latest, ctx.Err()
		}
	}
}

// changes tells watchers that a key's value has changed.
type changes struct {
	mu       sync.Mutex
	watchers map[string]map[chan struct{}]bool
}

// watch gives a channel that holds a signal once the key has changed since the
// signal was last taken, and the function to call when done.
func (c *changes) watch(key string) (changed <-chan struct{}, leave func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watchers == nil {
		c.watchers = map[string]map[chan struct{}]bool{}
	}
	if c.watchers[key] == nil {
		c.watchers[key] = map[chan struct{}]bool{}
	}
	c.watchers[key][ch] = true
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers[key], ch)
		if len(c.watchers[key]) == 0 {
			delete(c.watchers, key)
		}
	}
}

func (c *changes) announce(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ch := range c.watchers[key] {
		select {
		case ch <- struct{}{}:
		default: // a signal is waiting there already
		}
	}
}
