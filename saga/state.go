package saga

import (
	"slices"
	"time"

	"simplecqrs/order"
)

// State is what the saga knows of an order. The zero State is an order that it
// has not heard of.
type State struct {
	// Revision is raised at every change, so that of two copies of a state the newer is
	// known by it alone.
	Revision   int64
	OrderID    string
	Status     order.Status // empty until somebody begins the order
	Paused     bool
	Unsettled  bool       // see order.Type.Unsettles
	Foretold   bool       // a step was said to be done before it was requested, by a producer without headers
	Definition Definition // a snapshot, taken when the order was accepted
	Inputs     map[order.Step]order.JSON
	Began      string // id of the event that began the order, if it is not the usual one
	Work       []Work // of the steps that were begun, in the definition's order
	Open       Open   // what the order waits for; zero when for nothing
	Undoing    Undoing

	StartAt  time.Time     // when a scheduled order begins
	Deadline time.Time     // of the order; zero for none, and once it no longer counts
	Rest     time.Duration // what is left until Deadline, of a paused order that has one
	// Arming is raised whenever the next deadline changes, by which a timer that was
	// set for an earlier one is known.
	Arming int64

	Words []Word
	// Parked says why the saga no longer decides for this order, Waiting for what, and Past
	// what of that is discarded; see order.Meta.
	Parked  string
	Waiting order.Waiting
	Past    int64
}

// Effectiveness says what is known of a step's effect on the world.
type Effectiveness string

// A step has no effect before it is requested, and none if it was declined before
// anything else could have happened. From its request on it may have one.
const (
	NoEffect  Effectiveness = ""
	MayHave   Effectiveness = "maybe"
	HasEffect Effectiveness = "done"
	Undone    Effectiveness = "undone"
)

// Work is what has been done for a step.
type Work struct {
	Effect      Effectiveness
	Attempts    int // requests of the step
	Round       int // from 1: all attempts of a round are one piece of work to the participant
	Before      int // attempts in earlier rounds
	Undos       int // requests of its compensation
	UndosBefore int // of earlier rounds
	// Contested says that another client has requested it in the first round, so that no
	// answer to our own request tells that there is no effect.
	Contested bool
}

// Open is what an order waits for: the answer to an attempt, or the time of the next.
type Open struct {
	Step    order.Step
	Undo    bool   // it is the step's compensation
	First   int    // the attempt with which this series began, of which the policy counts
	Attempt int    // the latest; First-1 before the first
	Request string // id of its request's event
	Cause   string // id of the input that led to it; empty for what was heard in the log
	Waiting bool   // for the time of the next attempt
	// Due is when the attempt times out, or when the next one is made; zero while paused
	// or stuck. Rest is what is left until then, of a paused order.
	Due  time.Time
	Rest time.Duration
}

// Undoing is why and to what end an order is compensated; zero while it is not.
type Undoing struct {
	Outcome order.Status
	Reason  string
}

// Word is something that the saga has said and that nobody answers, so that its
// cause owes it for ever; or, without a type, the silent acceptance of a command.
type Word struct {
	Cause   string
	Type    order.Type
	Status  order.Status
	Reason  string
	Actor   string // who had it come to that, if no other event says so
	StartAt time.Time
}

// TimerID names the passing of an order's deadline, as a cause.
func TimerID(orderID string, arming int64) string { return order.TimerID(orderID, arming) }

// Timer gives the order's next deadline and its arming; false for none.
func (s State) Timer() (due time.Time, arming int64, open bool) {
	switch {
	case s.Paused || s.Parked != "" || s.Status.Ended():
		return time.Time{}, 0, false
	case s.Status == order.StatusScheduled:
		return s.StartAt, s.Arming, true
	}
	due = earlier(s.Open.Due, s.Deadline)
	return due, s.Arming, !due.IsZero()
}

// earlier is the earlier of two times that may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// moved is the state as it may be changed: a copy, with the next revision.
func (s State) moved() State {
	s.Revision++
	s.Work = slices.Clone(s.Work)
	s.Words = slices.Clone(s.Words)
	return s
}

// alive reports whether the order has begun and not ended.
func (s State) alive() bool { return s.Status != "" && !s.Status.Ended() }
