package saga

import (
	"time"

	"simplecqrs/order"
)

// Effect is something that the saga owes the world: one of [Request] and [Finish].
type Effect interface {
	// Event is the effect as the event to emit. The same effect always gives
	// the same id.
	Event(source string) order.Event
}

// Request asks a step's worker to begin.
type Request struct {
	OrderID string
	Step    order.Step
	Attempt int
	Cause   string
	Input   order.JSON // what the client sent along for the step; nil for nothing
	Last    bool       // the order is complete once this step is
	At      time.Time
}

// Finish tells that the order ended otherwise than by its last step's completion.
type Finish struct {
	OrderID string
	Outcome order.Status
	Cause   string
	Reason  string
	At      time.Time
}

// Begin is the event by which a command starts an order: the request of its
// first step, with all that the client sent along.
func Begin(d Definition, orderID string, inputs map[order.Step]order.JSON, at time.Time, source string) order.Event {
	first := Request{OrderID: orderID, Step: order.Detail, Attempt: 1, Last: d.last(order.Detail), At: at}
	e := first.Event(source)
	e.Inputs = inputs
	return e
}

// Event implements Effect.
func (r Request) Event(source string) order.Event {
	t := order.TypeOf(r.Step, order.Requested)
	e := order.Event{
		OrderID: r.OrderID, Type: t,
		ID:   order.EventID(r.OrderID, t, r.Attempt),
		Time: r.At, Source: source, Attempt: r.Attempt, Causation: r.Cause,
	}
	if r.Input != nil {
		e.Inputs = map[order.Step]order.JSON{r.Step: r.Input}
	}
	if r.Last {
		e.Outcome = order.StatusCompleted
	}
	return e
}

// Event implements Effect. The id is derived from the cause, since an order may
// come to its end but once for each.
func (f Finish) Event(source string) order.Event {
	return order.Event{
		OrderID: f.OrderID, Type: order.TypeOf(order.Detail, order.Failed),
		ID:   f.Cause + "/" + string(f.Outcome),
		Time: f.At, Source: source, Attempt: 1, Causation: f.Cause,
		Reason: f.Reason, Outcome: f.Outcome,
	}
}
