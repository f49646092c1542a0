package order

import "slices"

// Waiting are the letters of a parked order, by their places in the log, in the order in
// which their records are to be handled once more.
type Waiting []string

// MaxWaiting bounds how many letters of an order keep their sequence, for ever if nobody
// sees to them: what waits must fit a record, beside the largest row. The letters of
// any further events are there, too, but wait for nobody: redriven, one takes its place
// at the end.
const MaxWaiting = 1000

// First is the letter that is next; empty for none.
func (w Waiting) First() string {
	if len(w) == 0 {
		return ""
	}
	return w[0]
}

// Holds reports whether the letter waits.
func (w Waiting) Holds(letter string) bool { return slices.Contains(w, letter) }

// With has a letter wait behind the others, if it does not already and if there is room.
func (w Waiting) With(letter string) Waiting {
	if w.Holds(letter) || len(w) >= MaxWaiting {
		return w
	}
	return append(slices.Clip(w), letter)
}

// Without has a letter wait no more; nil if it was the last.
func (w Waiting) Without(letter string) Waiting {
	rest := slices.DeleteFunc(slices.Clone(w), func(one string) bool { return one == letter })
	if len(rest) == 0 {
		return nil
	}
	return rest
}

// YetToBeRedriven is why an order is parked whose event that failed is seen to.
const YetToBeRedriven = "the events that came behind one that failed have yet to be redriven or discarded"

// Park marks the row as waiting for an operator and says why, and has a letter wait in
// its turn. It is a change like any other: the version rises.
func Park(r Row, orderID, letter, reason string) Row {
	waiting := r.Meta.Waiting.With(letter)
	if r.Meta.Parked == reason && len(waiting) == len(r.Meta.Waiting) {
		return r
	}
	r.ID = orderID
	if r.Meta.Status == "" {
		r.Meta.Status = StatusUnknown
	}
	r.Meta.Parked, r.Meta.Waiting = reason, waiting
	r.Meta.Version++
	return r
}

// Discard is Unpark for a letter whose record lay before an offset of the log, and is never
// to be handled; 0 if it lay elsewhere.
func Discard(r Row, letter string, past int64) Row {
	r = Unpark(r, letter)
	r.Meta.Past = max(r.Meta.Past, past)
	return r
}

// Unpark has a letter wait no more. With the last one the row is parked no more.
func Unpark(r Row, letter string) Row {
	r.Meta.Waiting = r.Meta.Waiting.Without(letter)
	r.Meta.Parked = ""
	if len(r.Meta.Waiting) > 0 {
		r.Meta.Parked = YetToBeRedriven
	}
	r.Meta.Version++
	return r
}
