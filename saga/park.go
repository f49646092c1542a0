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
	return s.stopped(at).armed(before)
}

// Ending is how a letter came to wait no more, for the order's history.
type Ending struct {
	How    string // what became of it, such as "discarded"
	Actor  string // who asked for that; empty for nobody who is known
	Reason string // and why
}

func (e Ending) by() string {
	if e.Actor == "" {
		return e.How
	}
	return e.How + " by " + e.Actor
}

func because(done, reason string) string {
	if reason == "" {
		return clip(done)
	}
	return clip(done + ": " + reason)
}

// Unpark has a letter wait no more. With the last one the order is decided for again, and
// its clocks go on with what was left on them.
func (s State) Unpark(letter string, as Ending, at time.Time) State {
	before := s.timer()
	s = s.moved()
	s.Waiting = s.Waiting.Without(letter)
	s.Parked = ""
	if len(s.Waiting) > 0 {
		s.Parked = order.YetToBeRedriven + "; the one before was " + because(as.by(), as.Reason)
		return s
	}
	if !s.Paused {
		s = s.running(at)
	}
	return s.armed(before)
}

// Discard is Unpark for a letter that is never to be decided on, see [order.Discard].
func (s State) Discard(letter string, as Ending, past int64, at time.Time) State {
	s = s.Unpark(letter, as, at)
	s.Past = max(s.Past, past)
	return s
}

// TellUnparked has the saga say where an order stands that was said to be stuck because
// it was parked, and how that ended. The cause owes it for ever, see [State.Owed].
func (s State) TellUnparked(cause string, as Ending) State {
	s = s.moved()
	s.Words = append(s.Words, Word{
		Cause: cause, Type: order.OrderUnparked, Status: s.known(), Reason: because(as.How, as.Reason), Actor: clip(as.Actor),
	})
	return s
}

// Owed lists the words that are owed to a cause which is no input.
func (s State) Owed(cause string, at time.Time) []Effect {
	return s.owedTo(Heard{OrderID: s.OrderID, ID: cause, At: at}, nil)
}
