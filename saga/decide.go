package saga

import (
	"fmt"
	"time"

	"simplecqrs/order"
)

// Decide says what an input does to an order: its new state, and the effects
// that are owed for it. It leaves s as it was.
func Decide(s State, in Input) (State, []Effect) {
	switch in := in.(type) {
	case OrderRequested:
		return s.requested(in)
	case StepCompleted:
		return s.completed(in)
	case StepFailed:
		return s.failed(in)
	}
	panic(fmt.Sprintf("saga: unknown input %T", in)) // a bug: InputOf makes no other
}

// requested accepts the order. Another request for an order that is there
// already, be it a copy or a rival, moves nothing.
func (s State) requested(in OrderRequested) (State, []Effect) {
	if s.Status != "" {
		return s, nil
	}
	return State{
		Revision:   s.Revision + 1,
		OrderID:    in.OrderID,
		Status:     order.StatusRunning,
		Definition: in.Definition,
		Inputs:     in.Inputs,
		Open:       Open{Step: order.Detail, Attempt: 1, Request: in.ID},
	}, nil
}

func (s State) completed(in StepCompleted) (State, []Effect) {
	if !s.answers(in.Step, in.Cause) {
		return s, s.owedTo(in.ID, in.At)
	}
	s.Revision++
	next, more := s.Definition.after(in.Step)
	if !more {
		s.Status, s.Open = order.StatusCompleted, Open{}
		return s, nil
	}
	s.Open = Open{
		Step: next, Attempt: 1, Cause: in.ID,
		Request: order.EventID(s.OrderID, order.TypeOf(next, order.Requested), 1),
	}
	return s, s.owedTo(in.ID, in.At)
}

func (s State) failed(in StepFailed) (State, []Effect) {
	if s.answers(in.Step, in.Cause) {
		s.Revision++
		s.Status, s.Open = order.StatusFailed, Open{}
		s.End = End{Outcome: order.StatusFailed, Cause: in.ID, Reason: fmt.Sprintf("%s: %s", in.Step, in.Reason)}
	}
	return s, s.owedTo(in.ID, in.At)
}

// answers reports whether an answer is to the open request. One that names no
// cause, from a producer that sends no headers, is taken at its step's word.
func (s State) answers(step order.Step, cause string) bool {
	return s.Open.Step == step && step != "" && (cause == "" || cause == s.Open.Request)
}

// owedTo lists the effects that the input with this id caused and that nobody
// has answered: none, for an input that caused nothing or was answered since.
func (s State) owedTo(id string, at time.Time) []Effect {
	switch {
	case id == "":
		return nil
	case id == s.Open.Cause:
		return []Effect{Request{
			OrderID: s.OrderID, Step: s.Open.Step, Attempt: s.Open.Attempt, Cause: s.Open.Cause,
			Input: s.Inputs[s.Open.Step], Last: s.Definition.last(s.Open.Step), At: at,
		}}
	case id == s.End.Cause:
		return []Effect{Finish{
			OrderID: s.OrderID, Outcome: s.End.Outcome, Cause: s.End.Cause, Reason: s.End.Reason, At: at,
		}}
	}
	return nil
}
