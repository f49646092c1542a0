package saga

import (
	"time"

	"simplecqrs/order"
)

// Input is something that a saga hears: one of [OrderRequested],
// [StepCompleted] and [StepFailed].
type Input interface{ input() }

// Heard is what every input carries.
type Heard struct {
	OrderID string
	ID      string    // of the event; a duplicate has the same
	At      time.Time // of handling, not the record's timestamp
}

// OrderRequested begins an order. The request of its first step is this event
// itself, so nothing is owed for it.
type OrderRequested struct {
	Heard
	Definition Definition // the plan in force now
	Inputs     map[order.Step]order.JSON
}

// StepCompleted says that a step's work is done.
type StepCompleted struct {
	Heard
	Step  order.Step
	Cause string // id of the request that it answers; empty from a foreign producer
}

// StepFailed says that a step's work was declined for good.
type StepFailed struct {
	Heard
	Step   order.Step
	Cause  string // id of the request that it answers; empty from a foreign producer
	Reason string
}

func (OrderRequested) input() {}
func (StepCompleted) input()  {}
func (StepFailed) input()     {}

// InputOf translates an event into the input that it is to a saga. It reports
// false for an event that the saga does not listen to.
func InputOf(e order.Event, current Definition, now time.Time) (Input, bool) {
	step, phase, ok := e.Type.Split()
	if !ok {
		return nil, false
	}
	heard := Heard{OrderID: e.OrderID, ID: e.ID, At: now}
	switch phase {
	case order.Requested:
		if step != order.Detail {
			return nil, false // the saga's own word
		}
		return OrderRequested{Heard: heard, Definition: current, Inputs: e.Inputs}, true
	case order.Completed:
		return StepCompleted{Heard: heard, Step: step, Cause: e.Causation}, true
	case order.Failed:
		if e.Outcome != "" {
			return nil, false // ORDER_FAILED as the order's end, the saga's own word
		}
		return StepFailed{Heard: heard, Step: step, Cause: e.Causation, Reason: e.Reason}, true
	}
	return nil, false
}
