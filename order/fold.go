package order

import (
	"maps"
	"slices"
	"time"
)

// Row is an order as queries see it: the fold of its events.
type Row struct {
	ID      string
	Type    Type // of the last event
	Outputs map[Step]JSON
	Meta    Meta
}

// Meta is what a row holds beside the seed's shape.
type Meta struct {
	// Version is the row's revision: raised by one at every change, so that of
	// two copies of a row the newer is known by it alone.
	Version   int64
	Status    Status
	CreatedAt time.Time // of the first event
	UpdatedAt time.Time // of the latest event; never goes back
	// Final is the step whose completion gives the order the outcome Outcome.
	Final   Step
	Outcome Status
	// Parked says why the order's events no longer reach the fold: one of them
	// made it fail, and those behind it must not overtake. Empty: not parked.
	Parked  string
	History []Entry
}

// Entry is one event of a row's history.
type Entry struct {
	ID        string
	Type      Type
	Time      time.Time
	Attempt   int
	Causation string
	Reason    string
}

// Holds reports whether the event with this id is already part of the row.
func (r Row) Holds(id string) bool {
	return slices.ContainsFunc(r.Meta.History, func(e Entry) bool { return e.ID == id })
}

// Events lists the types of the row's events in their order.
func (r Row) Events() []Type {
	types := make([]Type, len(r.Meta.History))
	for i, e := range r.Meta.History {
		types[i] = e.Type
	}
	return types
}

// Fold adds an event to a row; the zero Row begins one. It leaves r as it was. An
// event that the row holds already gives r back, an unknown type is listed and
// otherwise ignored.
func Fold(r Row, e Event) Row {
	if r.Holds(e.ID) {
		return r
	}
	if len(r.Meta.History) == 0 { // the row may be there already: parked before its first event
		r.ID = e.OrderID
		r.Meta.Status = StatusRunning
		r.Meta.CreatedAt = e.Time
	}
	r.Type = e.Type
	r.Meta.Version++
	if e.Time.After(r.Meta.UpdatedAt) {
		r.Meta.UpdatedAt = e.Time
	}
	r.Meta.History = append(slices.Clip(r.Meta.History), Entry{
		ID: e.ID, Type: e.Type, Time: e.Time,
		Attempt: e.Attempt, Causation: e.Causation, Reason: e.Reason,
	})
	return r.advance(e)
}

// advance applies what the event means for the order as a whole.
func (r Row) advance(e Event) Row {
	step, phase, ok := e.Type.Split()
	if ok && phase == Completed {
		if out, sent := e.Outputs[step]; sent {
			r.Outputs = maps.Clone(r.Outputs)
			if r.Outputs == nil {
				r.Outputs = make(map[Step]JSON, 1)
			}
			r.Outputs[step] = out
		}
	}
	switch {
	case r.Meta.Status.Ended():
	case ok && phase == Requested && e.Outcome.Ended():
		r.Meta.Final, r.Meta.Outcome = step, e.Outcome
		if slices.Contains(r.Events(), TypeOf(step, Completed)) {
			// A foreign producer said so too early. The worker will say it again
			// under the same id, and that changes nothing any more.
			r.Meta.Status = e.Outcome
		}
	case ok && phase == Completed && step == r.Meta.Final:
		r.Meta.Status = r.Meta.Outcome
	case e.Outcome.Ended():
		r.Meta.Status = e.Outcome
	}
	return r
}

// Park marks the row as waiting for an operator and says why. It is a change
// like any other: the version rises.
func Park(r Row, orderID, reason string) Row {
	if r.Meta.Parked == reason {
		return r
	}
	r.ID = orderID
	if r.Meta.Status == "" {
		r.Meta.Status = StatusRunning
	}
	r.Meta.Parked = reason
	r.Meta.Version++
	return r
}
