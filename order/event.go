package order

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Step names one piece of work of an order, in the form in which event types
// carry it: upper-case letters and digits.
type Step string

// The seed's steps.
const (
	Detail  Step = "ORDER"
	Payment Step = "PAYMENT"
	Mail    Step = "MAIL"
)

// Phase is how far a step has come.
type Phase string

// The phases of a step, as they end an event's type.
const (
	Requested Phase = "REQUESTED"
	Completed Phase = "COMPLETED"
	Failed    Phase = "FAILED"
)

// Type is the type of an event, such as PAYMENT_COMPLETED.
type Type string

// TypeOf names the event that tells of a step's phase.
func TypeOf(s Step, p Phase) Type { return Type(string(s) + "_" + string(p)) }

// Split is the inverse of TypeOf. It reports false for a type that does not tell
// of a step, ORDER_PAUSE_REQUESTED among them: a step's name has no underscore.
func (t Type) Split() (Step, Phase, bool) {
	step, phase, found := strings.Cut(string(t), "_")
	if !found || !ValidStep(step) {
		return "", "", false
	}
	switch p := Phase(phase); p {
	case Requested, Completed, Failed:
		return Step(step), p, true
	}
	return "", "", false
}

// reserved are the names that a step would share with another member of a row.
var reserved = []string{"ID", "TYPE", "DETAIL", "INPUTS", "EVENTS", "META"}

// ValidStep reports whether name can be a step's: letters A-Z and digits, a
// letter first, and no name that a row's other members have.
func ValidStep(name string) bool {
	if slices.Contains(reserved, name) {
		return false
	}
	for i, c := range []byte(name) {
		letter, digit := 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
		if !letter && (!digit || i == 0) {
			return false
		}
	}
	return name != ""
}

// Status says where an order stands as a whole.
type Status string

// An order is running until an event gives it its outcome.
const (
	StatusRunning   Status = "running"
	StatusCompleted Status = "completed"
	StatusFailed    Status = "failed"
)

// Ended reports whether the status is an outcome, after which nothing more is done.
func (s Status) Ended() bool { return s == StatusCompleted || s == StatusFailed }

// JSON is a JSON value that the domain carries and never looks into.
type JSON []byte

// Event is a fact of the log. The first four fields are its body and are there
// on every event; the others travel as headers, and a producer that sends none
// gives an event that is just as valid.
type Event struct {
	OrderID string
	Type    Type
	Outputs map[Step]JSON // what a completed step produced, under its name
	Inputs  map[Step]JSON // what a client sent along for a step; on requests

	ID        string    // the same for every copy of this event, see [EventID]
	Time      time.Time // when it happened, by its producer's clock
	Source    string    // which role said so
	Attempt   int       // of the step, from 1
	Causation string    // id of the event that led to this one; may be empty
	Reason    string    // why, on a failure
	// Outcome is the order's, once this event has come true: at once on an event
	// that ends the order, with the step's completion on a request. By it the fold
	// knows the end of an order without knowing the steps.
	Outcome Status
}

// EventID derives the id of a step's event. Whoever says the same thing again
// says it under the same id, which is how every reader knows a duplicate.
func EventID(orderID string, t Type, attempt int) string {
	return fmt.Sprintf("%s/%s/%d", orderID, t, attempt)
}

const (
	idPrefix = "ORD-"
	seedSize = 5  // hex digits of the seed's ids, ORD-B384F
	ulidSize = 26 // characters of a ULID
)

// crockford holds the digits of a ULID (Crockford's base 32), of which the
// upper-case hex digits are the first sixteen.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ValidID reports whether id can be an order's: ORD- and a ULID, or ORD- and the
// seed's five hex digits.
func ValidID(id string) bool {
	digits, found := strings.CutPrefix(id, idPrefix)
	if !found {
		return false
	}
	alphabet := crockford
	switch len(digits) {
	case seedSize:
		alphabet = crockford[:16]
	case ulidSize:
	default:
		return false
	}
	return strings.Trim(digits, alphabet) == ""
}
