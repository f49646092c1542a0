package saga

import (
	"time"

	"simplecqrs/order"
)

// Effect is something that the saga owes the world: one of [Request] and [Tell].
type Effect interface {
	// Event is the effect as the event to emit. The same effect always gives
	// the same id.
	Event(source string) order.Event
}

// Request asks a step's worker to begin, or to undo what it has done.
type Request struct {
	OrderID  string
	Step     order.Step
	Undo     bool
	Attempt  int
	Round    int
	Cause    string
	Status   order.Status
	Reason   string     // why it is undone
	Input    order.JSON // what the client sent along for the step; nil for nothing
	Last     bool       // the order is complete once this step is
	Deadline time.Time  // nobody begins on it afterwards; zero for none
	At       time.Time
}

// Tell says something that nobody answers.
type Tell struct {
	OrderID string
	Type    order.Type
	Cause   string
	Status  order.Status // empty on what the saga itself listens to
	Reason  string
	Actor   string // who had it come to that, if no other event says so
	StartAt time.Time
	Step    order.Step // whose Output it is
	Output  order.JSON
	Attempt int
	At      time.Time
}

// Begin is the event by which a command starts an order: the request of its first
// step, or the order to do so at a time, with all that the client sent along.
func Begin(d Definition, orderID string, inputs map[order.Step]order.JSON, startAt, at time.Time, source string) order.Event {
	if !startAt.IsZero() {
		return order.Event{
			OrderID: orderID, Type: order.OrderScheduled, Inputs: inputs, StartAt: startAt, Reason: begins(startAt),
			ID: order.EventID(orderID, order.OrderScheduled, 1), Time: at, Source: source, Attempt: 1, Round: 1,
		}
	}
	first := Request{
		OrderID: orderID, Step: order.Detail, Attempt: 1, Round: 1, Last: d.last(0),
		Deadline: at.Add(d.Steps[0].Timeout), At: at,
	}
	e := first.Event(source)
	e.Inputs = inputs
	return e
}

// begins tells of a start time, for the history.
func begins(at time.Time) string { return "begins at " + at.UTC().Format(time.RFC3339) }

func (r Request) phase() order.Phase {
	if r.Undo {
		return order.CompensationRequested
	}
	return order.Requested
}

// Event implements Effect.
func (r Request) Event(source string) order.Event {
	t := order.TypeOf(r.Step, r.phase())
	e := order.Event{
		OrderID: r.OrderID, Type: t,
		ID:   order.EventID(r.OrderID, t, r.Attempt),
		Time: r.At, Source: source, Attempt: r.Attempt, Round: r.Round, Causation: r.Cause,
		Status: r.Status, Reason: r.Reason, Deadline: r.Deadline,
	}
	if r.Input != nil {
		e.Inputs = map[order.Step]order.JSON{r.Step: r.Input}
	}
	if r.Last {
		e.Outcome = order.StatusCompleted
	}
	return e
}

// Event implements Effect. The id is derived from the cause, which leads to each
// word but once.
func (t Tell) Event(source string) order.Event {
	e := order.Event{
		OrderID: t.OrderID, Type: t.Type,
		ID:   t.Cause + "/" + string(t.Type),
		Time: t.At, Source: source, Attempt: max(t.Attempt, 1), Round: 1, Causation: t.Cause,
		Status: t.Status, Reason: t.Reason, Actor: t.Actor, StartAt: t.StartAt,
	}
	if t.Output != nil {
		e.Outputs = map[order.Step]order.JSON{t.Step: t.Output}
	}
	return e
}
