package order

import "errors"

// Kind says what the caller can do about an [Error].
type Kind uint8

// The kinds of failure that a caller may see.
const (
	Invalid     Kind = iota + 1 // mend the request
	NotFound                    // ask for something else
	Conflict                    // look at the state, then decide
	Unavailable                 // try again later
)

// Error is a failure that the caller may see; any other is ours: logged, never shown.
type Error struct {
	Kind   Kind
	Detail string // for people, never parsed
}

func (e *Error) Error() string { return e.Detail }

// NoSuchOrder is the failure to find an order, in the seed's words.
func NoSuchOrder(id string) error {
	return &Error{Kind: NotFound, Detail: "no order found for " + id}
}

// KindOf gives the kind of a failure that the caller may see; 0 for any other
// error, and for none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}
