package saga_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestInputOfAnEvent(t *testing.T) {
	inputs := map[order.Step]order.JSON{order.Mail: order.JSON(`{}`)}
	earlier := now.AddDate(-1, 0, 0) // when it happened; the saga's time is that of handling
	event := func(of order.Type) order.Event {
		return order.Event{
			OrderID: id, Type: of, ID: "this", Time: earlier, Causation: "that", Reason: "why", Inputs: inputs, Attempt: 2,
			Retryable: true, RetryAfter: time.Second, Output: order.JSON(`1`), StartAt: now,
		}
	}
	this := saga.Heard{OrderID: id, ID: "this", At: now}
	unsettles := this
	unsettles.Unsettles = true
	answer := func(s order.Step) saga.Answer { return saga.Answer{Heard: this, Step: s, Attempt: 2, Cause: "that"} }
	bad := func(s order.Step) saga.Answer {
		return saga.Answer{Heard: unsettles, Step: s, Attempt: 2, Cause: "that"}
	}
	why := saga.Failure{Reason: "why", Retryable: true, RetryAfter: time.Second}

	for of, want := range map[order.Type]saga.Input{
		"ORDER_REQUESTED":              saga.OrderRequested{Heard: this, Definition: shipping, Inputs: inputs},
		"ORDER_SCHEDULED":              saga.OrderScheduled{Heard: this, Definition: shipping, Inputs: inputs, StartAt: now},
		"PAYMENT_COMPLETED":            saga.StepCompleted{Answer: answer(order.Payment)},
		"SHIPPING_COMPLETED":           saga.StepCompleted{Answer: answer("SHIPPING")}, // which it may not know
		"MAIL_FAILED":                  saga.StepFailed{Answer: bad(order.Mail), Failure: why},
		"ORDER_FAILED":                 saga.StepFailed{Answer: bad(order.Detail), Failure: why},
		"PAYMENT_COMPENSATED":          saga.StepCompensated{Answer: answer(order.Payment)},
		"PAYMENT_COMPENSATION_FAILED":  saga.CompensationFailed{Answer: answer(order.Payment), Failure: why},
		"PAYMENT_TIMED_OUT":            saga.AttemptTimedOut{Heard: unsettles, Timer: "that"},
		"MAIL_COMPENSATION_TIMED_OUT":  saga.AttemptTimedOut{Heard: this, Timer: "that"},
		"ORDER_EXPIRED":                saga.OrderExpired{Heard: unsettles, Timer: "that"},
		"ORDER_PAUSE_REQUESTED":        saga.Commanded{Heard: unsettles, Command: order.Pause, Reason: "why", Output: order.JSON(`1`), StartAt: now},
		"ORDER_SKIP_REQUESTED":         saga.Commanded{Heard: unsettles, Command: order.Skip, Reason: "why", Output: order.JSON(`1`), StartAt: now},
		"ORDER_FRAME_REQUESTED":        nil, // a command of a later version
		"PAYMENT_REQUESTED":            nil, // its own request; see below
		"ORDER_COMPENSATION_REQUESTED": nil,
		"PAYMENT_SKIPPED":              nil,
		"PAYMENT_COMPENSATION_SKIPPED": nil,
		"ORDER_PAUSED":                 nil,
		"ORDER_STUCK":                  nil,
		"ORDER_FINISHED":               nil,
		"ORDER_CANCELLED":              nil,
		"ORDER_COMMAND_REJECTED":       nil,
		"?":                            nil,
	} {
		t.Run(string(of), func(t *testing.T) {
			got, ok := saga.InputOf(event(of), shipping, now)
			if ok != (want != nil) {
				t.Errorf("it is an input: %v", ok)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the input (-want +got):\n%s", diff)
			}
			timed := event(of)
			timed.Causation = saga.TimerID(timed.OrderID, 1)
			_, timely := saga.InputOf(timed, shipping, now)
			if saga.Hears(of) != (ok || timely) {
				t.Errorf("by its type alone it is heard: %v", saga.Hears(of))
			}
			own := event(of)
			own.Status = order.StatusRunning
			if got, ok := saga.InputOf(own, shipping, now); ok {
				t.Errorf("by its own mouth it is %+v", got)
			}
		})
	}
}

// Or fold and saga would not agree on how an order ends.
func TestTheSagaHearsAllThatUnsettles(t *testing.T) {
	for _, of := range allTypes() {
		if of.Unsettles() && !saga.Hears(of) {
			t.Errorf("it does not hear %s", of)
		}
	}
}

func allTypes() []order.Type {
	types := order.Answers()
	for _, c := range order.Commands() {
		types = append(types, c.Type())
	}
	for _, s := range []order.Step{order.Detail, order.Payment, "OTHER"} {
		for _, p := range order.Phases() {
			types = append(types, order.TypeOf(s, p))
		}
	}
	return types
}

// The fold knows by the request alone that an order ends with its first step. Where
// it cannot know the saga says so.
func TestAnOrderOfOneStepThatItsRequestDoesNotTellIsEndedByTheSagasWord(t *testing.T) {
	foreign := saga.Begin(onlyOrder, id, nil, time.Time{}, now, "elsewhere")
	foreign.Outcome = ""
	for _, c := range []struct {
		name string
		e    order.Event
		plan saga.Definition
		want bool
	}{
		{"told", saga.Begin(onlyOrder, id, nil, time.Time{}, now, "edge"), onlyOrder, false},
		{"not told", foreign, onlyOrder, true},
		{"of several steps", foreign, shipping, false},
	} {
		in, ok := saga.InputOf(c.e, c.plan, now)
		if r := in.(saga.OrderRequested); !ok || r.Unsettles != c.want {
			t.Errorf("%s: it unsettles: %v", c.name, r.Unsettles)
		}
	}
}

func TestTheEventOfAnEffect(t *testing.T) {
	request := saga.Request{OrderID: id, Step: order.Payment, Attempt: 2, Round: 1, Cause: "that", Status: order.StatusRunning, Deadline: now.Add(time.Minute), At: now}
	asked := order.Event{
		OrderID: id, Type: "PAYMENT_REQUESTED", ID: "ORD-B384F/PAYMENT_REQUESTED/2", Time: now, Source: "saga",
		Attempt: 2, Round: 1, Causation: "that", Status: order.StatusRunning, Deadline: now.Add(time.Minute),
	}
	with := func(r func(*saga.Request)) saga.Request {
		changed := request
		r(&changed)
		return changed
	}
	also := func(e func(*order.Event)) order.Event {
		changed := asked
		e(&changed)
		return changed
	}
	told := saga.Tell{OrderID: id, Type: order.OrderPaused, Cause: "that", Status: order.StatusRunning, At: now}
	for _, c := range []struct {
		name   string
		effect saga.Effect
		want   order.Event
	}{
		{"a request", request, asked},
		{
			"a request with an input", with(func(r *saga.Request) { r.Input = order.JSON(`{"amount":5}`) }),
			also(func(e *order.Event) { e.Inputs = map[order.Step]order.JSON{order.Payment: order.JSON(`{"amount":5}`)} }),
		},
		{
			"the last request says that it is the last", with(func(r *saga.Request) { r.Last = true }),
			also(func(e *order.Event) { e.Outcome = order.StatusCompleted }),
		},
		{
			"undoing, and why", with(func(r *saga.Request) { r.Undo, r.Reason, r.Status, r.Round = true, "why", order.StatusCompensating, 3 }),
			also(func(e *order.Event) {
				e.Type, e.ID, e.Reason, e.Status, e.Round = "PAYMENT_COMPENSATION_REQUESTED", "ORD-B384F/PAYMENT_COMPENSATION_REQUESTED/2", "why", order.StatusCompensating, 3
			}),
		},
		{"a word", told, order.Event{
			OrderID: id, Type: "ORDER_PAUSED", ID: "that/ORDER_PAUSED", Time: now, Source: "saga", Attempt: 1, Round: 1,
			Causation: "that", Status: order.StatusRunning,
		}},
		{"a step that was skipped", saga.Tell{OrderID: id, Type: "MAIL_SKIPPED", Cause: "that", Status: order.StatusRunning, Step: order.Mail, Output: order.JSON(`1`), Reason: "why", At: now}, order.Event{
			OrderID: id, Type: "MAIL_SKIPPED", ID: "that/MAIL_SKIPPED", Time: now, Source: "saga", Attempt: 1, Round: 1,
			Causation: "that", Status: order.StatusRunning, Reason: "why", Outputs: map[order.Step]order.JSON{order.Mail: order.JSON(`1`)},
		}},
		{"a new date", saga.Tell{OrderID: id, Type: order.OrderScheduled, Cause: "that", Status: order.StatusScheduled, StartAt: now, At: now}, order.Event{
			OrderID: id, Type: "ORDER_SCHEDULED", ID: "that/ORDER_SCHEDULED", Time: now, Source: "saga", Attempt: 1, Round: 1,
			Causation: "that", Status: order.StatusScheduled, StartAt: now,
		}},
		{"an attempt that has timed out", saga.Tell{OrderID: id, Type: "MAIL_TIMED_OUT", Cause: saga.TimerID(id, 7), Attempt: 2, At: now}, order.Event{
			OrderID: id, Type: "MAIL_TIMED_OUT", ID: "ORD-B384F/timer/7/MAIL_TIMED_OUT", Time: now, Source: "saga", Attempt: 2, Round: 1,
			Causation: "ORD-B384F/timer/7",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.effect.Event("saga")); diff != "" {
				t.Errorf("the event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnOrderBeginsWithAllThatTheClientSent(t *testing.T) {
	inputs := map[order.Step]order.JSON{order.Detail: order.JSON(`1`), order.Mail: order.JSON(`2`)}
	want := order.Event{
		OrderID: id, Type: "ORDER_REQUESTED", ID: "ORD-B384F/ORDER_REQUESTED/1", Time: now, Source: "edge",
		Attempt: 1, Round: 1, Inputs: inputs, Deadline: now.Add(time.Minute),
	}
	if diff := cmp.Diff(want, saga.Begin(plan, id, inputs, time.Time{}, now, "edge")); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	want.Inputs, want.Outcome = nil, order.StatusCompleted
	if diff := cmp.Diff(want, saga.Begin(onlyOrder, id, nil, time.Time{}, now, "edge")); diff != "" {
		t.Errorf("the event of an order of one step (-want +got):\n%s", diff)
	}
	later := order.Event{
		OrderID: id, Type: "ORDER_SCHEDULED", ID: "ORD-B384F/ORDER_SCHEDULED/1", Time: now, Source: "edge",
		Attempt: 1, Round: 1, Inputs: inputs, StartAt: now.Add(time.Hour), Reason: "begins at 2026-03-01T13:00:00Z",
	}
	if diff := cmp.Diff(later, saga.Begin(plan, id, inputs, now.Add(time.Hour), now, "edge")); diff != "" {
		t.Errorf("the event of an order for later (-want +got):\n%s", diff)
	}
}

func TestARequestIsHeardOnlyIfATimerLedToIt(t *testing.T) {
	for of, want := range map[order.Type]saga.Input{
		"ORDER_REQUESTED":                saga.AttemptRequested{Step: order.Detail, Attempt: 2},
		"PAYMENT_REQUESTED":              saga.AttemptRequested{Step: order.Payment, Attempt: 2},
		"PAYMENT_COMPENSATION_REQUESTED": saga.AttemptRequested{Step: order.Payment, Undo: true, Attempt: 2},
	} {
		e := order.Event{OrderID: id, Type: of, ID: "this", Attempt: 2, Causation: saga.TimerID(id, 7)}
		got, _ := saga.InputOf(e, shipping, now)
		asked, ok := got.(saga.AttemptRequested)
		if !ok {
			t.Errorf("%s by a timer is %T", of, got)
		}
		if asked.Heard != (saga.Heard{OrderID: id, ID: "this", At: now}) {
			t.Errorf("%s is heard as %+v", of, asked.Heard)
		}
		asked.Heard = saga.Heard{}
		if diff := cmp.Diff(want, saga.Input(asked)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", of, diff)
		}
		e.Causation += "/ORDER_EXPIRED" // what was said of it
		if got, ok := saga.InputOf(e, shipping, now); ok {
			if _, ok := got.(saga.OrderRequested); !ok {
				t.Errorf("%s by what was said of a timer is %T", of, got)
			}
		}
	}
}
