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

// Unpark has a letter wait no more. With the last one the order is decided for again, and
// its clocks go on with what was left on them.
func (s State) Unpark(letter string, at time.Time) State {
	before := s.timer()
	s = s.moved()
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
// it was parked. The cause owes it for ever, see [State.Owed].
func (s State) TellUnparked(cause string) State {
	s = s.moved()
	s.Words = append(s.Words, Word{Cause: cause, Type: order.OrderUnparked, Status: s.known()})
	return s
}

// Owed lists the words that are owed to a cause which is no input.
func (s State) Owed(cause string, at time.Time) []Effect {
	return s.owedTo(Heard{OrderID: s.OrderID, ID: cause, At: at}, nil)
}
