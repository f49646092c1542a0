package bench

import (
	"context"
	"sync"
	"time"

	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// inFlight bounds the commands that wait for their acknowledgement in a burst. At
// a rate there is no bound: an order is placed when it is due.
const inFlight = 1024

// emit writes an event to the log and returns once it is acknowledged.
type emit func(ctx context.Context, e order.Event) error

// place emits the orders and gives the number of those that were not acknowledged.
func (m measurement) place(ctx context.Context, write emit) (refused int, err error) {
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
	)
	one := func(began time.Time) {
		if m.placeOne(ctx, write, began) != nil {
			mu.Lock()
			defer mu.Unlock()
			refused++
		}
	}
	if m.Rate > 0 {
		m.atRate(ctx, func(due time.Time) { wait.Go(func() { one(due) }) })
	} else {
		slots := make(chan struct{}, inFlight)
		for range m.Orders {
			slots <- struct{}{}
			wait.Go(func() {
				defer func() { <-slots }()
				one(time.Now())
			})
		}
	}
	wait.Wait()
	return refused, ctx.Err()
}

// atRate begins each order when it is due. A wait that took too long is made up
// for, and shows in the time of the orders that it made late.
func (m measurement) atRate(ctx context.Context, begin func(due time.Time)) {
	first := time.Now()
	for i := range m.Orders {
		due := first.Add(time.Duration(float64(i) / m.Rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
			begin(due)
		case <-ctx.Done():
			return
		}
	}
}

// placeOne emits an order whose time runs from began.
func (m measurement) placeOne(ctx context.Context, write emit, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, m.Patience)
	defer cancel()
	id := edge.NewID()
	for _, k := range m.clocks() {
		k.start(id, began)
	}
	err := write(ctx, saga.Begin(saga.Default(), id, nil, time.Time{}, time.Now(), "bench"))
	if err != nil {
		for _, k := range m.clocks() {
			k.forget(id)
		}
	}
	return err
}
