package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"simplecqrs/order"
)

// clock measures the time from an order's beginning to its end being seen.
type clock struct {
	mu      sync.Mutex
	open    map[string]time.Time     // when the orders that are yet to be seen began
	took    map[string]time.Duration // how long the others took
	odd     map[string]bool          // those of the others that are not as they must be
	latest  time.Time
	changed chan struct{} // holds a signal once an order was seen since the last was taken
}

func newClock(n int) *clock {
	return &clock{
		open: make(map[string]time.Time, n), took: make(map[string]time.Duration, n),
		odd: map[string]bool{}, changed: make(chan struct{}, 1),
	}
}

func (k *clock) start(id string, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[id] = at
}

// forget leaves an order out, though it may have been seen: whoever placed it was
// told that it was not accepted.
func (k *clock) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, id)
	delete(k.took, id)
	delete(k.odd, id)
}

// happy is what happens to an order that goes well.
var happy = []order.Type{
	"ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED",
	"PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED",
}

// see takes note of a row. One that changes after its end is odd, too.
func (k *clock) see(r order.Row) {
	if !r.Meta.Status.Ended() {
		return
	}
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	began, first := k.open[r.ID]
	if _, again := k.took[r.ID]; !first && !again {
		return // not ours
	}
	if !slices.Equal(r.Events(), happy) {
		k.odd[r.ID] = true
	}
	if !first {
		return
	}
	delete(k.open, r.ID)
	k.took[r.ID] = now.Sub(began)
	k.latest = now
	select {
	case k.changed <- struct{}{}:
	default: // a signal is waiting there already
	}
}

// wait returns once all orders were seen, or when none was for as long as patience
// lasts.
func (k *clock) wait(ctx context.Context, patience time.Duration) error {
	for {
		seen, open := k.count()
		if open == 0 {
			return nil
		}
		select {
		case <-k.changed:
		case <-time.After(patience):
			return nil
		case <-ctx.Done():
			return fmt.Errorf("bench: %d of %d orders seen: %w", seen, seen+open, ctx.Err())
		}
	}
}

func (k *clock) count() (seen, open int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.took), len(k.open)
}

// faults adds the orders that went wrong.
func (k *clock) faults(odd, unseen map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.odd {
		odd[id] = true
	}
	for id := range k.open {
		unseen[id] = true
	}
}

func (k *clock) last() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.latest
}

// sorted gives the times of the orders seen, ascending.
func (k *clock) sorted() []time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]time.Duration, 0, len(k.took))
	for _, d := range k.took {
		all = append(all, d)
	}
	slices.Sort(all)
	return all
}
