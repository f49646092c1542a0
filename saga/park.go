package saga

import (
	"time"

	"simplecqrs/order"
)

// Park has an order wait for an operator, and a letter in its turn: it is not decided for
// until all letters that wait are redriven or discarded, and its clocks stand still.
func (s State) Park(orderID, letter, reason string, at time.Time) State {
	waiting := s.Waiting.With(letter)
	if s.Parked == reason && len(waiting) == len(s.Waiting) {
		return s
	}
	before := s.timer()
	s = s.moved()
	s.OrderID, s.Parked, s.Waiting = orderID, reason, waiting
	return s.unsettled().stopped(at).armed(before)
}

// unsettled is the state of an order whose end is the saga's to tell. That of a parked one
// is, as the row may have heard what is never decided on.
func (s State) unsettled() State {
	s.Unsettled = s.Unsettled || s.Status != order.StatusCompleted
	return s
}

// Ending is how a letter came to wait no more, for the order's history.
type Ending struct {
	How    string // what became of it, such as "discarded"
	Actor  string // who asked for that; empty for nobody who is known
	Reason string // and why
}

func (e Ending) String() string {
	if e.Reason == "" {
		return clip(e.How)
	}
	return clip(e.How + ": " + e.Reason)
}

// Unpark has a letter wait no more. With the last one the order is decided for again, and
// its clocks go on with what was left on them.
func (s State) Unpark(letter string, at time.Time) State {
	before := s.timer()
	s = s.moved().unsettled() // a version that did not know of it may have parked it
	s.Waiting = s.Waiting.Without(letter)
	s.Parked = ""
	if len(s.Waiting) > 0 {
		s.Parked = order.YetToBeRedriven
		return s
	}
	if !s.Paused {
		s = s.running(at)
	}
	return s.armed(before)
}

// Discard is Unpark for a letter that is never to be decided on, see [order.Discard].
func (s State) Discard(letter string, past int64, at time.Time) State {
	s = s.Unpark(letter, at)
	s.Past = max(s.Past, past)
	return s
}

// TellUnparked has the saga say where an order stands that was said to be stuck because
// it was parked, and how that ended. The cause owes it for ever, see [State.Owed].
func (s State) TellUnparked(cause string, as Ending) State {
	s = s.moved()
	s.Words = append(s.Words, Word{
		Cause: cause, Type: order.OrderUnparked, Status: s.known(), Reason: as.String(), Actor: clip(as.Actor),
	})
	return s
}

// Owed lists the words that are owed to a cause which is no input.
func (s State) Owed(cause string, at time.Time) []Effect {
	return s.owedTo(Heard{OrderID: s.OrderID, ID: cause, At: at}, nil)
}
