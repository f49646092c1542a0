package order

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
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
	TimedOut  Phase = "TIMED_OUT"
	Skipped   Phase = "SKIPPED" // by an operator, who vouches for it

	CompensationRequested Phase = "COMPENSATION_REQUESTED"
	Compensated           Phase = "COMPENSATED"
	CompensationFailed    Phase = "COMPENSATION_FAILED"
	CompensationTimedOut  Phase = "COMPENSATION_TIMED_OUT"
	CompensationSkipped   Phase = "COMPENSATION_SKIPPED"
)

// Phases lists all phases of a step.
func Phases() []Phase {
	return []Phase{
		Requested, Completed, Failed, TimedOut, Skipped,
		CompensationRequested, Compensated, CompensationFailed, CompensationTimedOut, CompensationSkipped,
	}
}

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
	if p := Phase(phase); slices.Contains(phases, p) {
		return Step(step), p, true
	}
	return "", "", false
}

var phases = Phases()

// The types of events that tell of an order as a whole.
const (
	OrderScheduled       Type = "ORDER_SCHEDULED" // begins an order, too
	OrderExpired         Type = "ORDER_EXPIRED"   // its deadline has passed
	OrderPaused          Type = "ORDER_PAUSED"
	OrderResumed         Type = "ORDER_RESUMED"
	OrderStuck           Type = "ORDER_STUCK"
	OrderUnparked        Type = "ORDER_UNPARKED" // decided for again, after ORDER_STUCK said that it was not
	OrderFinished        Type = "ORDER_FINISHED" // completed, but not by the straight way
	OrderFailed          Type = "ORDER_FAILED"   // as an end it has a status; else it is the step ORDER's
	OrderCancelled       Type = "ORDER_CANCELLED"
	OrderCommandRejected Type = "ORDER_COMMAND_REJECTED"
)

// Answers lists the types that tell of an order as a whole.
func Answers() []Type {
	return []Type{
		OrderScheduled, OrderExpired, OrderPaused, OrderResumed, OrderStuck, OrderUnparked, OrderFinished,
		OrderFailed, OrderCancelled, OrderCommandRejected,
	}
}

// Command is what an operator may ask of an order.
type Command string

// The commands to an order that exists.
const (
	Pause    Command = "pause"
	Resume   Command = "resume"
	Cancel   Command = "cancel"
	Retry    Command = "retry"
	Skip     Command = "skip"
	Schedule Command = "schedule"
)

// Commands lists all commands.
func Commands() []Command { return []Command{Pause, Resume, Cancel, Retry, Skip, Schedule} }

// Type is the type of the event that carries the command.
func (c Command) Type() Type { return Type("ORDER_" + strings.ToUpper(string(c)) + "_REQUESTED") }

var commandOf = func() map[Type]Command {
	all := map[Type]Command{}
	for _, c := range Commands() {
		all[c.Type()] = c
	}
	return all
}()

// Command is the command that an event of this type carries; false for none.
func (t Type) Command() (Command, bool) {
	c, ok := commandOf[t]
	return c, ok
}

// Unsettles reports whether an event of the type may keep the order from ending by
// its last step's completion alone. From the first such event on the saga tells the
// order's end by an event of its own, and until then there is none: a completion and
// a cancel command, say, then mean the same to all who read them in the log's order.
func (t Type) Unsettles() bool {
	if _, ok := t.Command(); ok || t == OrderExpired {
		return true
	}
	_, phase, ok := t.Split()
	return ok && (phase == Failed || phase == TimedOut)
}

// reserved are the names that a step would share with another member of a row.
var reserved = []string{"ID", "TYPE", "DETAIL", "INPUTS", "OUTPUT", "EVENTS", "META"}

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

// The statuses. The last three are ends; but a failed or cancelled order is compensated
// once more if a step turns out to have taken effect after all.
const (
	StatusUnknown      Status = "unknown" // events name the order, and nothing began it
	StatusScheduled    Status = "scheduled"
	StatusRunning      Status = "running"
	StatusCompensating Status = "compensating"
	StatusStuck        Status = "stuck" // until an operator says what to do
	StatusCompleted    Status = "completed"
	StatusFailed       Status = "failed"
	StatusCancelled    Status = "cancelled"

	// StatusPaused is shown instead of one that is no end, while the order is paused.
	StatusPaused Status = "paused"
)

// Statuses lists all statuses that a row can show.
func Statuses() []Status {
	return []Status{
		StatusUnknown, StatusScheduled, StatusRunning, StatusPaused, StatusCompensating, StatusStuck,
		StatusCompleted, StatusFailed, StatusCancelled,
	}
}

// Ended reports whether the status is an end, after which nothing more is to be done.
func (s Status) Ended() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCancelled
}

// JSON is a JSON value that the domain carries and never looks into.
type JSON []byte

// Event is a fact of the log. The first fields are its body; the others travel as
// headers, and a producer that sends none gives an event that is just as valid.
type Event struct {
	OrderID string
	Type    Type
	Outputs map[Step]JSON // what a completed step produced, under its name
	Inputs  map[Step]JSON // what a client sent along for a step; on requests
	Output  JSON          // what an operator supplies for a step that is skipped
	StartAt time.Time     // when a scheduled order begins; zero on any other event

	ID        string    // the same for every copy of this event, see [EventID]
	Time      time.Time // when it happened, by its producer's clock
	Source    string    // which role said so
	Actor     string    // who asked for it; empty where nobody did
	Attempt   int       // of the step, from 1; never begins again
	Round     int       // of the step, from 1; all attempts of one are the same piece of work
	Causation string    // id of the event or timer that led to this one; may be empty
	Reason    string    // why, on a failure or a command
	Deadline  time.Time // of a request: nobody begins on it afterwards; zero for none
	// Retryable says of a failure that another attempt may go better, and that this one
	// may have taken effect; RetryAfter is the least wait before it.
	Retryable  bool
	RetryAfter time.Duration
	// Status is where the order stands with this event, by the saga's word; empty on
	// all that others say.
	Status Status
	// Outcome is the order's once the step that is requested has completed. By it the
	// fold knows the end of an order without knowing the steps.
	Outcome Status
}

// EventID derives the id of a step's event. Whoever says the same thing again
// says it under the same id, which is how every reader knows a duplicate.
func EventID(orderID string, t Type, attempt int) string {
	return orderID + "/" + string(t) + "/" + strconv.Itoa(attempt)
}

// AnswerID derives the id of what is said to a request. Of two requests for the same
// attempt, as rivals make them, each is answered under an id of its own.
func AnswerID(request Event, t Type) string {
	id := EventID(request.OrderID, t, request.Attempt)
	if request.ID == EventID(request.OrderID, request.Type, request.Attempt) {
		return id
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(request.ID)) // a hash takes anything
	return fmt.Sprintf("%s-%016X", id, h.Sum64())
}

// TimerID names the passing of an order's deadline, as a cause.
func TimerID(orderID string, arming int64) string {
	return fmt.Sprintf("%s%d", timerPrefix(orderID), arming)
}

func timerPrefix(orderID string) string { return orderID + "/timer/" }

// Timed reports whether it is the passing of a deadline that led to the event, and not
// what was said of that.
func (e Event) Timed() bool {
	arming, ok := strings.CutPrefix(e.Causation, timerPrefix(e.OrderID))
	return ok && !strings.Contains(arming, "/")
}

// ParkedID names an order's being parked, as a cause, while a letter is the first that waits;
// empty for an order of which no letters are known.
func ParkedID(orderID, first string) string {
	if first == "" {
		return orderID + parkedSuffix
	}
	return orderID + parkedSuffix + "/" + first
}

const parkedSuffix = "/parked"

// Parks reports whether it is an order's being parked that led to the event.
func (e Event) Parks() bool { return isParkedID(e.Causation, e.OrderID) }

func isParkedID(id, orderID string) bool {
	first, ok := strings.CutPrefix(id, orderID+parkedSuffix)
	return ok && (first == "" || first[0] == '/')
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
