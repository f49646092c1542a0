package saga_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

const id = "ORD-B384F"

var (
	now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	retry = saga.Retry{Attempts: 3, First: time.Second, Factor: 2, Cap: 10 * time.Second}
	undo  = saga.Compensation{
		Possible: true, Timeout: 30 * time.Second,
		Retry: saga.Retry{Attempts: 2, First: time.Second, Factor: 2, Cap: 10 * time.Second},
	}

	detail  = saga.Step{Name: order.Detail, Timeout: time.Minute, Retry: retry, Compensation: undo}
	payment = saga.Step{Name: order.Payment, Timeout: time.Minute, Retry: retry, Compensation: undo}
	mail    = saga.Step{Name: order.Mail, Timeout: time.Minute, Retry: retry} // cannot be undone

	// plan is the seed's, with a deadline.
	plan      = saga.Definition{Version: 1, Deadline: time.Hour, Steps: []saga.Step{detail, payment, mail}}
	onlyOrder = saga.Definition{Version: 2, Steps: []saga.Step{detail}}
	shipping  = saga.Definition{Version: 3, Steps: []saga.Step{detail, {Name: "SHIPPING", Timeout: time.Minute, Retry: retry}}}
	// sticky has steps for which an operator is called, of which the last cannot be undone.
	sticky = saga.Definition{Version: 4, Deadline: time.Hour, Steps: []saga.Step{detail, sticks(payment), sticks(mail)}}
	// impatient calls an operator at once, and gives undoing so little time that what comes
	// of it is late.
	impatient = saga.Definition{Version: 6, Steps: []saga.Step{detail, sticks(saga.Step{
		Name: order.Payment, Timeout: 20 * time.Second, Retry: saga.Retry{Attempts: 1},
		Compensation: saga.Compensation{
			Possible: true, Timeout: 2 * time.Second,
			Retry: saga.Retry{Attempts: 9, First: 100 * time.Millisecond, Factor: 2, Cap: time.Second},
		},
	})}}
	// long has a step in its middle that cannot be undone.
	long = saga.Definition{Version: 5, Steps: []saga.Step{detail, payment, {Name: "PACKING", Timeout: time.Minute, Retry: retry}, {Name: "SHIPPING", Timeout: time.Minute, Retry: retry, Compensation: undo}, mail}}
)

func sticks(s saga.Step) saga.Step {
	s.Sticks = true
	return s
}

// world is a saga and the clock that it is told of.
type world struct {
	state saga.State
	now   time.Time
	heard saga.Input    // the last
	owed  []saga.Effect // for that
}

func (w *world) hear(in saga.Input) {
	w.state, w.owed = saga.Decide(w.state, in)
	w.heard = in
}

// A trace is what a saga hears, one after the other. Each word of it is named once.
type (
	word  func(*world) saga.Input // nil if only time passes
	trace []word
)

// told gives the world in which a trace was heard.
func told(words ...word) *world {
	w := &world{now: now}
	w.tell(words...)
	return w
}

func (w *world) tell(words ...word) {
	for _, say := range words {
		if in := say(w); in != nil {
			w.hear(in)
		}
	}
}

func then(traces ...trace) trace { return slices.Concat(traces...) }

func (w *world) happens(event string) saga.Heard {
	return saga.Heard{OrderID: id, ID: event, At: w.now}
}

// unsettling is what happens by an event of a type that unsettles.
func (w *world) unsettling(event string) saga.Heard {
	h := w.happens(event)
	h.Unsettles = true
	return h
}

func eventID(s order.Step, p order.Phase, attempt int) string {
	return order.EventID(id, order.TypeOf(s, p), attempt)
}

// requested is the order as the command requests it.
func requested(w *world) saga.Input { return requestedFor(plan)(w) }

func requestedFor(d saga.Definition) word {
	return requestedAs(eventID(order.Detail, order.Requested, 1), d)
}

func requestedAs(event string, d saga.Definition) word {
	return func(w *world) saga.Input { return saga.OrderRequested{Heard: w.happens(event), Definition: d} }
}

// scheduled is the order as it is requested for two hours later.
func scheduled(w *world) saga.Input {
	return saga.OrderScheduled{
		Heard: w.happens(order.EventID(id, order.OrderScheduled, 1)), Definition: plan, StartAt: now.Add(2 * time.Hour),
	}
}

func (w *world) answer(s order.Step, of, p order.Phase, attempt int) saga.Answer {
	return saga.Answer{
		Heard: w.happens(eventID(s, p, attempt)), Step: s, Attempt: attempt, Cause: eventID(s, of, attempt),
	}
}

// completed is the worker's answer to a step's first request; completedIn, to any.
func completed(s order.Step) word { return completedIn(s, 1) }

func completedIn(s order.Step, attempt int) word {
	return func(w *world) saga.Input {
		return saga.StepCompleted{Answer: w.answer(s, order.Requested, order.Completed, attempt)}
	}
}

// declined is the worker's other answer, for good.
func declined(s order.Step) word { return declinedIn(s, 1) }

func declinedIn(s order.Step, attempt int) word {
	return failedWith(s, attempt, saga.Failure{Reason: "no money"})
}

// failed is that after which another attempt may go better.
func failed(s order.Step, attempt int) word {
	return failedWith(s, attempt, saga.Failure{Reason: "busy", Retryable: true})
}

func failedWith(s order.Step, attempt int, f saga.Failure) word {
	return func(w *world) saga.Input {
		a := w.answer(s, order.Requested, order.Failed, attempt)
		a.Unsettles = true
		return saga.StepFailed{Answer: a, Failure: f}
	}
}

// spent are all the attempts of a step, none of which went well.
func spent(s order.Step, first int) trace {
	return trace{failed(s, first), due, failed(s, first+1), due, failed(s, first+2)}
}

func undone(s order.Step, attempt int) word {
	return func(w *world) saga.Input {
		return saga.StepCompensated{Answer: w.answer(s, order.CompensationRequested, order.Compensated, attempt)}
	}
}

func undoFailed(s order.Step, attempt int) word {
	return undoFailedWith(s, attempt, saga.Failure{Reason: "busy", Retryable: true})
}

func undoFailedWith(s order.Step, attempt int, f saga.Failure) word {
	return func(w *world) saga.Input {
		return saga.CompensationFailed{
			Answer: w.answer(s, order.CompensationRequested, order.CompensationFailed, attempt), Failure: f,
		}
	}
}

// undoSpent are all the attempts to undo a step, none of which went well.
func undoSpent(s order.Step, first int) trace {
	return trace{undoFailed(s, first), due, undoFailed(s, first+1)}
}

// foreign has an answer come from a producer that sends no headers.
func foreign(say word) word { return caused(say, "") }

// caused has an answer name another request.
func caused(say word, cause string) word {
	return func(w *world) saga.Input {
		switch in := say(w).(type) {
		case saga.StepCompleted:
			in.Cause = cause
			return in
		case saga.StepFailed:
			in.Cause = cause
			return in
		case saga.StepCompensated:
			in.Cause = cause
			return in
		case saga.CompensationFailed:
			in.Cause = cause
			return in
		}
		panic("no answer")
	}
}

// as has something be said by another event.
func as(event string, say word) word {
	return func(w *world) saga.Input {
		in := say(w).(saga.StepCompleted)
		in.ID = event
		return in
	}
}

// due is the time of the order's next deadline, and the timer that was set for it. If that
// asks for an attempt, the saga hears itself ask, and owes nothing for that.
func due(w *world) saga.Input {
	ring := rings(w)
	w.hear(ring)
	said, owed := w.owed[0], w.owed
	if _, ok := said.(saga.Request); !ok {
		return nil
	}
	in, ok := saga.InputOf(said.Event("saga"), plan, w.now)
	if !ok {
		panic("it does not hear what it says")
	}
	if w.hear(in); len(w.owed) > 0 {
		panic("it owes something for what it said")
	}
	w.heard, w.owed = ring, owed
	return nil
}

// rings is only the timer of the order's next deadline.
func rings(w *world) saga.Input {
	at, arming, open := w.state.Timer()
	if !open {
		panic("no timer is set")
	}
	w.now = at
	return w.timer(arming)
}

func (w *world) timer(arming int64) saga.Input {
	return saga.DeadlinePassed{Heard: w.happens(saga.TimerID(id, arming)), Arming: arming}
}

// stale is a timer that was set before the one that is.
func stale(w *world) saga.Input { return w.timer(w.state.Arming - 1) }

// asked is the saga's own word that an attempt's time has come.
func asked(s order.Step, attempt int) word {
	return func(w *world) saga.Input {
		return saga.AttemptRequested{Heard: w.happens(eventID(s, order.Requested, attempt)), Step: s, Attempt: attempt}
	}
}

func askedToUndo(s order.Step, attempt int) word {
	return func(w *world) saga.Input {
		return saga.AttemptRequested{
			Heard: w.happens(eventID(s, order.CompensationRequested, attempt)), Step: s, Undo: true, Attempt: attempt,
		}
	}
}

// outOfTime is the next deadline's passing, and the saga's own word of it as it is heard.
func outOfTime(w *world) saga.Input {
	w.hear(rings(w))
	in, ok := saga.InputOf(w.owed[0].Event("saga"), plan, w.now)
	if !ok {
		panic("it does not hear what it says")
	}
	return in
}

// outOfTimeFor is that word for another arming of the timer.
func outOfTimeFor(arming int64) word {
	return func(w *world) saga.Input {
		return saga.AttemptTimedOut{Heard: w.unsettling("late"), Timer: saga.TimerID(id, arming)}
	}
}

// expiredFor is the saga's word that the order is out of time, at an arming of the timer.
func expiredFor(arming int64) word {
	return func(w *world) saga.Input {
		return saga.OrderExpired{Heard: w.unsettling("late"), Timer: saga.TimerID(id, arming)}
	}
}

// later lets time pass.
func later(d time.Duration) word {
	return func(w *world) saga.Input {
		w.now = w.now.Add(d)
		return nil
	}
}

// ordered is a command, of which the event is named after what it orders.
func ordered(c order.Command) word { return orderedAs(string(c), c) }

// again is the same command given a second time by another event.
func again(c order.Command) word { return orderedAs(string(c)+" again", c) }

// without is a command that supplies no output.
func without(c order.Command) word {
	return func(w *world) saga.Input {
		in := ordered(c)(w).(saga.Commanded)
		in.Output = nil
		return in
	}
}

func orderedAs(event string, c order.Command) word {
	return func(w *world) saga.Input {
		in := saga.Commanded{Heard: w.unsettling(event), Command: c}
		in.Reason = map[order.Command]string{order.Skip: "paid by hand", order.Cancel: "changed my mind"}[c]
		in.Output = map[order.Command]order.JSON{order.Skip: order.JSON(`{"by":"hand"}`)}[c]
		in.StartAt = map[order.Command]time.Time{order.Schedule: now.Add(3 * time.Hour)}[c]
		return in
	}
}

// begunAt brings an order forward, or puts it off.
func begunAt(at time.Time) word {
	return func(w *world) saga.Input {
		return saga.Commanded{Heard: w.unsettling("schedule"), Command: order.Schedule, StartAt: at}
	}
}

// Where an order gets to and how, in the words above.
var (
	paying      = trace{requested, completed(order.Detail)}
	mailing     = then(paying, trace{completed(order.Payment)})
	mailed      = then(mailing, trace{completed(order.Mail)})
	refunding   = then(mailing, spent(order.Mail, 1)) // payment and order are to be undone
	refunded    = then(refunding, trace{undone(order.Payment, 1)})
	undoStuck   = then(refunding, undoSpent(order.Payment, 1))
	over        = then(refunded, trace{undone(order.Detail, 1)})
	payStuck    = then(trace{requestedFor(sticky), completed(order.Detail)}, spent(order.Payment, 1))
	payRefuse   = trace{requestedFor(sticky), completed(order.Detail), declined(order.Payment)} // is stuck, too
	mailStuck   = then(trace{requestedFor(sticky), completed(order.Detail), completed(order.Payment)}, spent(order.Mail, 1))
	mailRefused = trace{requestedFor(sticky), completed(order.Detail), completed(order.Payment), declined(order.Mail)}
	cancelled   = then(paying, trace{ordered(order.Cancel), undone(order.Payment, 1), undone(order.Detail, 1)})
)

// stands says where an order stands: its status, and what it waits for.
func stands(s saga.State) string {
	b := []string{string(s.Status)}
	if s.Paused {
		b = append(b, "paused")
	}
	if o := s.Open; o != (saga.Open{}) {
		name := string(o.Step)
		if o.Undo {
			name = "undo " + name
		}
		b = append(b, fmt.Sprintf("%s/%d", name, o.Attempt))
		if o.Waiting {
			b = append(b, "waits")
		}
	}
	return strings.TrimSpace(strings.Join(b, " "))
}

// says puts an effect in a line.
func says(effect saga.Effect) string {
	e := effect.Event("saga")
	b := fmt.Sprintf("%s/%d", e.Type, e.Attempt)
	if e.Round > 1 {
		b += fmt.Sprintf(" round %d", e.Round)
	}
	if e.Outcome != "" {
		b += " last"
	}
	if e.Status != "" {
		b += " " + string(e.Status)
	}
	if !e.StartAt.IsZero() {
		b += " at " + e.StartAt.Format("15:04")
	}
	for step, out := range e.Outputs {
		b += fmt.Sprintf(" %s=%s", step, out)
	}
	if e.Reason != "" {
		b += ": " + e.Reason
	}
	return b
}

type owed []string

// rule says where an order stands after a trace, and what is owed for the last of it.
type rule struct {
	name string
	when trace
	then string
	owed owed
}

type rules []rule

func (all rules) hold(t *testing.T) {
	t.Helper()
	for _, rule := range all {
		t.Run(rule.name, func(t *testing.T) {
			w := told(rule.when...)
			if got := stands(w.state); got != rule.then {
				t.Errorf("it is %q, want %q", got, rule.then)
			}
			var got owed
			for _, effect := range w.owed {
				got = append(got, says(effect))
				if e := effect.Event("saga"); e.OrderID != id || e.Causation != eventOf(w.heard) || !e.Time.Equal(w.now) {
					t.Errorf("%s is of %s at %v, caused by %s; it answers %s", e.Type, e.OrderID, e.Time, e.Causation, eventOf(w.heard))
				}
			}
			if diff := cmp.Diff(rule.owed, got); diff != "" {
				t.Errorf("owed (-want +got):\n%s", diff)
			}
		})
	}
}

// eventOf is the id of the event that an input is.
func eventOf(in saga.Input) string {
	switch in := in.(type) {
	case saga.OrderRequested:
		return in.ID
	case saga.OrderScheduled:
		return in.ID
	case saga.StepCompleted:
		return in.ID
	case saga.StepFailed:
		return in.ID
	case saga.StepCompensated:
		return in.ID
	case saga.CompensationFailed:
		return in.ID
	case saga.AttemptRequested:
		return in.ID
	case saga.AttemptTimedOut:
		return in.ID
	case saga.OrderExpired:
		return in.ID
	case saga.DeadlinePassed:
		return in.ID
	case saga.Commanded:
		return in.ID
	}
	return ""
}

// deepCopy shares nothing with s.
func deepCopy(s saga.State) saga.State {
	s.Inputs = maps.Clone(s.Inputs)
	for step, in := range s.Inputs {
		s.Inputs[step] = slices.Clone(in)
	}
	s.Definition.Steps = slices.Clone(s.Definition.Steps)
	s.Work, s.Words = slices.Clone(s.Work), slices.Clone(s.Words)
	return s
}
