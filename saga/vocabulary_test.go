package saga_test

import (
	"maps"
	"slices"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

const id = "ORD-B384F"

var (
	now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	onlyOrder = saga.Definition{Version: 2, Steps: []order.Step{order.Detail}}
	shipping  = saga.Definition{Version: 3, Steps: []order.Step{order.Detail, "SHIPPING"}}
)

// trace is what a saga hears, one after the other. Each word of it is named once.
type trace []saga.Input

// requested is the order as the command requests it.
func requested() saga.OrderRequested {
	return saga.OrderRequested{Heard: heard(requestID(order.Detail)), Definition: saga.Default()}
}

// requestedFor is the order with another plan in force than the seed's.
func requestedFor(d saga.Definition) saga.OrderRequested {
	in := requested()
	in.Definition = d
	return in
}

// completed is the worker's answer to the step's request.
func completed(s order.Step) saga.StepCompleted {
	return saga.StepCompleted{Heard: heard(completionID(s)), Step: s, Cause: requestID(s)}
}

// declined is the worker's other answer to it.
func declined(s order.Step) saga.StepFailed {
	return saga.StepFailed{Heard: heard(failureID(s)), Step: s, Cause: requestID(s), Reason: "no money"}
}

func heard(event string) saga.Heard { return saga.Heard{OrderID: id, ID: event, At: now} }

func requestID(s order.Step) string { return order.EventID(id, order.TypeOf(s, order.Requested), 1) }

func completionID(s order.Step) string { return order.EventID(id, order.TypeOf(s, order.Completed), 1) }

func failureID(s order.Step) string { return order.EventID(id, order.TypeOf(s, order.Failed), 1) }

type effects []saga.Effect

// ask is the request of a step that the completion of the one before led to.
func ask(s, after order.Step) saga.Request {
	return saga.Request{OrderID: id, Step: s, Attempt: 1, Cause: completionID(after), At: now}
}

// askLast is that with whose completion the order is complete.
func askLast(s, after order.Step) saga.Request {
	r := ask(s, after)
	r.Last = true
	return r
}

// fail is the end of an order whose step was declined.
func fail(s order.Step) saga.Finish {
	return saga.Finish{
		OrderID: id, Outcome: order.StatusFailed, Cause: failureID(s), Reason: string(s) + ": no money", At: now,
	}
}

// decide hears a trace to its end, and gives the state and what is owed for the
// last input.
func decide(s saga.State, heard ...saga.Input) (saga.State, []saga.Effect) {
	var owed []saga.Effect
	for _, in := range heard {
		s, owed = saga.Decide(s, in)
	}
	return s, owed
}

// deepCopy shares nothing with s.
func deepCopy(s saga.State) saga.State {
	s.Inputs = maps.Clone(s.Inputs)
	for step, in := range s.Inputs {
		s.Inputs[step] = slices.Clone(in)
	}
	s.Definition.Steps = slices.Clone(s.Definition.Steps)
	return s
}
