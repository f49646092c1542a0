package saga_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestDecide(t *testing.T) {
	const (
		running  = order.StatusRunning
		complete = order.StatusCompleted
		failed   = order.StatusFailed
	)
	rival := requested()
	rival.ID, rival.Inputs = "another command", map[order.Step]order.JSON{order.Payment: order.JSON(`1`)}
	stray, strayNo := completed(order.Payment), declined(order.Payment)
	stray.Cause, strayNo.Cause = "a request that nobody made", "a request that nobody made"
	foreign, foreignNo := completed(order.Payment), declined(order.Payment)
	foreign.Cause, foreignNo.Cause = "", ""
	second := completed(order.Detail)
	second.ID = "another completion"

	for _, rule := range []struct {
		name string
		when trace
		then order.Status
		open order.Step // which request is not answered
		owed effects    // for the last input
	}{
		// Forward.
		{
			name: "a requested order asks for nothing: its own event is the request of its first step",
			when: trace{requested()},
			then: running, open: order.Detail,
		},
		{
			name: "a completed step asks for the next",
			when: trace{requested(), completed(order.Detail)},
			then: running, open: order.Payment, owed: effects{ask(order.Payment, order.Detail)},
		},
		{
			name: "the last step is asked for as the last",
			when: trace{requested(), completed(order.Detail), completed(order.Payment)},
			then: running, open: order.Mail, owed: effects{askLast(order.Mail, order.Payment)},
		},
		{
			name: "the last step's completion ends the order, and nothing is said about it",
			when: trace{requested(), completed(order.Detail), completed(order.Payment), completed(order.Mail)},
			then: complete,
		},
		{
			name: "an order of one step ends with it",
			when: trace{requestedFor(onlyOrder), completed(order.Detail)},
			then: complete,
		},

		// Copies.
		{
			name: "the same request twice begins the order once",
			when: trace{requested(), requested()},
			then: running, open: order.Detail,
		},
		{
			name: "the same completion twice, the next step unanswered: asks again under the same id, moves once",
			when: trace{requested(), completed(order.Detail), completed(order.Detail)},
			then: running, open: order.Payment, owed: effects{ask(order.Payment, order.Detail)},
		},
		{
			name: "the same completion three times: and again",
			when: trace{requested(), completed(order.Detail), completed(order.Detail), completed(order.Detail)},
			then: running, open: order.Payment, owed: effects{ask(order.Payment, order.Detail)},
		},
		{
			name: "a completion whose request was answered since owes nothing more",
			when: trace{requested(), completed(order.Detail), completed(order.Payment), completed(order.Detail)},
			then: running, open: order.Mail,
		},
		{
			name: "the request of an order that went on owes nothing",
			when: trace{requested(), completed(order.Detail), requested()},
			then: running, open: order.Payment,
		},
		{
			name: "another completion of a step that is done did not cause what is open, and owes nothing",
			when: trace{requested(), completed(order.Detail), second},
			then: running, open: order.Payment,
		},
		{
			name: "the last completion twice owes nothing, as it caused nothing",
			when: trace{requested(), completed(order.Detail), completed(order.Payment), completed(order.Mail), completed(order.Mail)},
			then: complete,
		},

		// What does not fit.
		{
			name: "another command for an order that is there moves nothing",
			when: trace{requested(), rival},
			then: running, open: order.Detail,
		},
		{
			name: "a completion for an order that nobody requested moves nothing",
			when: trace{completed(order.Detail)},
		},
		{
			name: "so does a declined step of one",
			when: trace{declined(order.Detail)},
		},
		{
			name: "a completion that comes before its request is passed over",
			when: trace{requested(), completed(order.Payment)},
			then: running, open: order.Detail,
		},
		{
			name: "a declined step that nobody asked for is passed over",
			when: trace{requested(), declined(order.Mail)},
			then: running, open: order.Detail,
		},
		{
			name: "a completion of a step that is not of the plan is passed over",
			when: trace{requested(), completed("SHIPPING")},
			then: running, open: order.Detail,
		},
		{
			name: "a completion of no step at all is passed over",
			when: trace{requested(), declined(order.Detail), saga.StepCompleted{Heard: heard("x")}},
			then: failed,
		},
		{
			name: "an answer to another request than the open one is passed over",
			when: trace{requested(), completed(order.Detail), stray},
			then: running, open: order.Payment,
		},
		{
			name: "also a refusal of another request",
			when: trace{requested(), completed(order.Detail), strayNo},
			then: running, open: order.Payment,
		},
		{
			name: "an answer that names no request is taken at its step's word",
			when: trace{requested(), completed(order.Detail), foreign},
			then: running, open: order.Mail, owed: effects{askLast(order.Mail, order.Payment)},
		},
		{
			name: "also a refusal that names none",
			when: trace{requested(), completed(order.Detail), foreignNo},
			then: failed, owed: effects{fail(order.Payment)},
		},

		// Declined.
		{
			name: "a declined step ends the order as failed",
			when: trace{requested(), completed(order.Detail), declined(order.Payment)},
			then: failed, owed: effects{fail(order.Payment)},
		},
		{
			name: "so does a declined first step",
			when: trace{requested(), declined(order.Detail)},
			then: failed, owed: effects{fail(order.Detail)},
		},
		{
			name: "the same refusal twice: the end is said again under the same id, as nobody answers it",
			when: trace{requested(), completed(order.Detail), declined(order.Payment), declined(order.Payment)},
			then: failed, owed: effects{fail(order.Payment)},
		},
		{
			name: "a completion of the step after its refusal is too late",
			when: trace{requested(), completed(order.Detail), declined(order.Payment), completed(order.Payment)},
			then: failed,
		},
		{
			name: "an old completion after the end owes nothing",
			when: trace{requested(), completed(order.Detail), declined(order.Payment), completed(order.Detail)},
			then: failed,
		},
		{
			name: "a refusal after the completion is too late",
			when: trace{requested(), completed(order.Detail), completed(order.Payment), declined(order.Payment)},
			then: running, open: order.Mail,
		},

		// After the end.
		{
			name: "a request after the completion begins nothing anew",
			when: trace{requested(), completed(order.Detail), completed(order.Payment), completed(order.Mail), requested()},
			then: complete,
		},
		{
			name: "a request after the failure begins nothing anew",
			when: trace{requested(), declined(order.Detail), rival},
			then: failed,
		},

		// The plan.
		{
			name: "an order ends on the steps that it began with, whatever plan is in force when it is requested again",
			when: trace{requestedFor(shipping), requested(), completed(order.Detail)},
			then: running, open: "SHIPPING", owed: effects{askLast("SHIPPING", order.Detail)},
		},
	} {
		t.Run(rule.name, func(t *testing.T) {
			s, owed := decide(saga.State{}, rule.when...)
			if s.Status != rule.then || s.Open.Step != rule.open {
				t.Errorf("it is %q with %q open, want %q and %q", s.Status, s.Open.Step, rule.then, rule.open)
			}
			if diff := cmp.Diff(rule.owed, effects(owed)); diff != "" {
				t.Errorf("owed (-want +got):\n%s", diff)
			}
		})
	}
}

// A rule of each input that moves nothing: not a bit of the state differs.
func TestACopyChangesNothingOfTheState(t *testing.T) {
	life := trace{requested(), completed(order.Detail), completed(order.Payment), completed(order.Mail), declined(order.Mail)}
	for n := range life {
		before, _ := decide(saga.State{}, life[:n+1]...)
		for _, in := range life[:n+1] {
			if after, _ := saga.Decide(before, in); cmp.Diff(before, after) != "" {
				t.Errorf("after %d inputs, %T again (-before +after):\n%s", n+1, in, cmp.Diff(before, after))
			}
		}
	}
}

func TestTheStateHoldsWhatIsOpenAndWhy(t *testing.T) {
	first := requested()
	first.Inputs = map[order.Step]order.JSON{order.Mail: order.JSON(`{"to":"a@example.com"}`)}
	for _, c := range []struct {
		name string
		when trace
		want saga.State
	}{
		{"requested", trace{first}, saga.State{
			Revision: 1, OrderID: id, Status: order.StatusRunning, Definition: saga.Default(), Inputs: first.Inputs,
			Open: saga.Open{Step: order.Detail, Attempt: 1, Request: requestID(order.Detail)},
		}},
		{"asked", trace{first, completed(order.Detail)}, saga.State{
			Revision: 2, OrderID: id, Status: order.StatusRunning, Definition: saga.Default(), Inputs: first.Inputs,
			Open: saga.Open{
				Step: order.Payment, Attempt: 1, Request: requestID(order.Payment), Cause: completionID(order.Detail),
			},
		}},
		{"declined", trace{first, declined(order.Detail)}, saga.State{
			Revision: 2, OrderID: id, Status: order.StatusFailed, Definition: saga.Default(), Inputs: first.Inputs,
			End: saga.End{Outcome: order.StatusFailed, Cause: failureID(order.Detail), Reason: "ORDER: no money"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := decide(saga.State{}, c.when...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("the state (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAStepIsGivenWhatTheClientSentAlongForIt(t *testing.T) {
	first := requested()
	first.Inputs = map[order.Step]order.JSON{
		order.Detail: order.JSON(`1`), order.Mail: order.JSON(`{"to":"a@example.com"}`),
	}
	_, payment := decide(saga.State{}, first, completed(order.Detail))
	_, mail := decide(saga.State{}, first, completed(order.Detail), completed(order.Payment))
	want := askLast(order.Mail, order.Payment)
	want.Input = first.Inputs[order.Mail]
	if diff := cmp.Diff(effects{ask(order.Payment, order.Detail), want}, effects(append(payment, mail...))); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// The time of an effect is that of the handling, and changes nothing but itself.
func TestAnEffectThatIsOwedAgainIsOfAnotherTime(t *testing.T) {
	again := completed(order.Detail)
	again.At = now.AddDate(0, 0, 1)
	_, owed := decide(saga.State{}, requested(), completed(order.Detail), again)
	want := ask(order.Payment, order.Detail)
	want.At = again.At
	if diff := cmp.Diff(effects{want}, effects(owed)); diff != "" {
		t.Errorf("owed (-want +got):\n%s", diff)
	}
}

func TestDecideLeavesItsArgumentAsItWas(t *testing.T) {
	first := requested()
	first.Inputs = map[order.Step]order.JSON{order.Payment: order.JSON(`{"amount":5}`)}
	life := trace{first, completed(order.Detail), completed(order.Payment)}
	words := append(trace{declined(order.Detail), declined(order.Payment), declined(order.Mail), completed(order.Mail)}, life...)
	for n := range len(life) + 1 {
		s, _ := decide(saga.State{}, life[:n]...)
		for _, in := range words {
			before := deepCopy(s)
			saga.Decide(s, in)
			if diff := cmp.Diff(before, s); diff != "" {
				t.Errorf("after %d inputs, %T (-before +after):\n%s", n, in, diff)
			}
		}
	}
}

// An input that only a test can make is a bug, and says so.
func TestAnUnknownInputPanics(t *testing.T) {
	defer func() {
		if got, want := recover(), "saga: unknown input <nil>"; got != want {
			t.Errorf("the panic says %v, want %s", got, want)
		}
	}()
	saga.Decide(saga.State{}, nil)
}
