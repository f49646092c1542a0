package saga

import (
	"time"

	"simplecqrs/order"
)

// Input is something that a saga hears: one of the types of this file.
type Input interface{ heard() Heard }

// Heard is what every input carries.
type Heard struct {
	OrderID string
	ID      string    // of the event, or of the timer; a duplicate has the same
	At      time.Time // of handling, not the record's timestamp
	// Unsettles says that the order's end is from now on the saga's to tell; see
	// order.Type.Unsettles.
	Unsettles bool
}

func (h Heard) heard() Heard { return h }

// OrderRequested begins an order. The request of its first step is this event
// itself, so nothing is owed for it.
type OrderRequested struct {
	Heard
	Definition Definition // the plan in force now
	Inputs     map[order.Step]order.JSON
}

// OrderScheduled begins an order later.
type OrderScheduled struct {
	Heard
	Definition Definition // the plan in force now
	Inputs     map[order.Step]order.JSON
	StartAt    time.Time
}

// Answer is what a worker says of a request.
type Answer struct {
	Heard
	Step    order.Step
	Attempt int
	Cause   string // id of the request that it answers; empty from a foreign producer
}

// StepCompleted says that a step's work is done.
type StepCompleted struct{ Answer }

// StepFailed says that an attempt at a step's work went wrong.
type StepFailed struct {
	Answer
	Failure
}

// StepCompensated says that a step's work is undone.
type StepCompensated struct{ Answer }

// CompensationFailed says that an attempt at undoing a step's work went wrong.
type CompensationFailed struct {
	Answer
	Failure
}

// Failure is how an attempt went wrong.
type Failure struct {
	Reason     string
	Retryable  bool          // another attempt may go better, and this one may have taken effect
	RetryAfter time.Duration // the least wait before it
}

// AttemptRequested says that the time of an attempt has come: the saga's own word, by which
// a worker is asked already, heard in the log's order.
type AttemptRequested struct {
	Heard
	Step    order.Step
	Undo    bool
	Attempt int
}

// AttemptTimedOut says that an attempt's deadline has passed: the saga's own word,
// heard in the log's order, so that what else was said by then counts first.
type AttemptTimedOut struct {
	Heard
	Timer string // id of the timer
}

// OrderExpired says that the order's deadline has passed; see AttemptTimedOut.
type OrderExpired struct {
	Heard
	Timer string // id of the timer
}

// DeadlinePassed says that the deadline which was armed under this number has passed.
type DeadlinePassed struct {
	Heard
	Arming int64
}

// Commanded says what an operator asks for.
type Commanded struct {
	Heard
	Command order.Command
	Reason  string     // why, for the record
	Output  order.JSON // of a step that is skipped
	StartAt time.Time  // of a scheduled order
}

// InputOf translates an event into the input that it is to a saga. It reports
// false for an event that the saga does not listen to, its own words among them.
func InputOf(e order.Event, current Definition, now time.Time) (Input, bool) {
	if e.Status != "" {
		return nil, false
	}
	heard := Heard{OrderID: e.OrderID, ID: e.ID, At: now, Unsettles: e.Type.Unsettles()}
	if command, ok := e.Type.Command(); ok {
		return Commanded{Heard: heard, Command: command, Reason: e.Reason, Output: e.Output, StartAt: e.StartAt}, true
	}
	if e.Type == order.OrderScheduled {
		return OrderScheduled{Heard: heard, Definition: current, Inputs: e.Inputs, StartAt: e.StartAt}, true
	}
	if e.Type == order.OrderExpired {
		return OrderExpired{Heard: heard, Timer: e.Causation}, true
	}
	step, phase, ok := e.Type.Split()
	if !ok {
		return nil, false
	}
	answer := Answer{Heard: heard, Step: step, Attempt: e.Attempt, Cause: e.Causation}
	failure := Failure{Reason: e.Reason, Retryable: e.Retryable, RetryAfter: e.RetryAfter}
	switch phase {
	case order.Requested:
		if e.Timed() {
			return AttemptRequested{Heard: heard, Step: step, Attempt: e.Attempt}, true
		}
		if step != order.Detail {
			return nil, false // its own word, or nobody's
		}
		if e.Outcome == order.StatusCompleted && len(current.Steps) > 1 {
			// Whoever placed it had a plan of one step, and so has whoever reads it.
			current.Steps = current.Steps[:1]
		}
		// That it is the last, too, the fold knows by the request alone.
		heard.Unsettles = len(current.Steps) == 1 && e.Outcome != order.StatusCompleted
		return OrderRequested{Heard: heard, Definition: current, Inputs: e.Inputs}, true
	case order.CompensationRequested:
		if !e.Timed() {
			return nil, false
		}
		return AttemptRequested{Heard: heard, Step: step, Undo: true, Attempt: e.Attempt}, true
	case order.Completed:
		return StepCompleted{answer}, true
	case order.Failed:
		return StepFailed{answer, failure}, true
	case order.TimedOut, order.CompensationTimedOut:
		return AttemptTimedOut{Heard: heard, Timer: e.Causation}, true
	case order.Compensated:
		return StepCompensated{answer}, true
	case order.CompensationFailed:
		return CompensationFailed{answer, failure}, true
	case order.Skipped, order.CompensationSkipped: // its own words, too
	}
	return nil, false
}

// Hears reports whether an event of the type can be an input.
func Hears(t order.Type) bool {
	_, ok := InputOf(order.Event{Type: t, Causation: TimerID("", 1)}, Definition{}, time.Time{})
	return ok
}
