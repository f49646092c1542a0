package saga_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestInputOfAnEvent(t *testing.T) {
	inputs := map[order.Step]order.JSON{order.Mail: order.JSON(`{}`)}
	earlier := now.AddDate(-1, 0, 0) // when it happened; the saga's time is that of handling
	event := func(of order.Type) order.Event {
		return order.Event{OrderID: id, Type: of, ID: "this", Time: earlier, Causation: "that", Reason: "why", Inputs: inputs}
	}
	ended := event("ORDER_FAILED")
	ended.Outcome = order.StatusFailed
	this := saga.Heard{OrderID: id, ID: "this", At: now}

	for _, c := range []struct {
		name string
		e    order.Event
		want saga.Input
	}{
		{"the order's request", event("ORDER_REQUESTED"), saga.OrderRequested{Heard: this, Definition: shipping, Inputs: inputs}},
		{"a completed step", event("PAYMENT_COMPLETED"), saga.StepCompleted{Heard: this, Step: order.Payment, Cause: "that"}},
		{"a step that it does not know yet", event("SHIPPING_COMPLETED"), saga.StepCompleted{Heard: this, Step: "SHIPPING", Cause: "that"}},
		{"a declined step", event("MAIL_FAILED"), saga.StepFailed{Heard: this, Step: order.Mail, Cause: "that", Reason: "why"}},
		{"a declined first step", event("ORDER_FAILED"), saga.StepFailed{Heard: this, Step: order.Detail, Cause: "that", Reason: "why"}},

		{"its own request of a step", event("PAYMENT_REQUESTED"), nil},
		{"its own word on the end", ended, nil},
		{"a command that it does not know yet", event("ORDER_PAUSE_REQUESTED"), nil},
		{"a type that tells of no step", event("ORDER_PAUSED"), nil},
		{"an unknown type", event("?"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := saga.InputOf(c.e, shipping, now)
			if ok != (c.want != nil) {
				t.Errorf("it is an input: %v", ok)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("the input (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheEventOfAnEffect(t *testing.T) {
	withInput := ask(order.Payment, order.Detail)
	withInput.Input = order.JSON(`{"amount":5}`)
	retried := ask(order.Payment, order.Detail)
	retried.Attempt = 2
	for _, c := range []struct {
		name   string
		effect saga.Effect
		want   order.Event
	}{
		{"a request", ask(order.Payment, order.Detail), order.Event{
			OrderID: id, Type: "PAYMENT_REQUESTED", ID: "ORD-B384F/PAYMENT_REQUESTED/1", Time: now, Source: "saga",
			Attempt: 1, Causation: "ORD-B384F/ORDER_COMPLETED/1",
		}},
		{"a request with an input", withInput, order.Event{
			OrderID: id, Type: "PAYMENT_REQUESTED", ID: "ORD-B384F/PAYMENT_REQUESTED/1", Time: now, Source: "saga",
			Attempt: 1, Causation: "ORD-B384F/ORDER_COMPLETED/1",
			Inputs: map[order.Step]order.JSON{order.Payment: order.JSON(`{"amount":5}`)},
		}},
		{"another attempt has another id", retried, order.Event{
			OrderID: id, Type: "PAYMENT_REQUESTED", ID: "ORD-B384F/PAYMENT_REQUESTED/2", Time: now, Source: "saga",
			Attempt: 2, Causation: "ORD-B384F/ORDER_COMPLETED/1",
		}},
		{"the last request says that it is the last", askLast(order.Mail, order.Payment), order.Event{
			OrderID: id, Type: "MAIL_REQUESTED", ID: "ORD-B384F/MAIL_REQUESTED/1", Time: now, Source: "saga",
			Attempt: 1, Causation: "ORD-B384F/PAYMENT_COMPLETED/1", Outcome: order.StatusCompleted,
		}},
		{"the end of a failed order", fail(order.Payment), order.Event{
			OrderID: id, Type: "ORDER_FAILED", ID: "ORD-B384F/PAYMENT_FAILED/1/failed", Time: now, Source: "saga",
			Attempt: 1, Causation: "ORD-B384F/PAYMENT_FAILED/1", Reason: "PAYMENT: no money", Outcome: order.StatusFailed,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.effect.Event("saga")); diff != "" {
				t.Errorf("the event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBeginIsTheRequestOfTheFirstStepWithAllThatTheClientSent(t *testing.T) {
	inputs := map[order.Step]order.JSON{order.Detail: order.JSON(`1`), order.Mail: order.JSON(`2`)}
	want := order.Event{
		OrderID: id, Type: "ORDER_REQUESTED", ID: "ORD-B384F/ORDER_REQUESTED/1", Time: now, Source: "edge",
		Attempt: 1, Inputs: inputs,
	}
	if diff := cmp.Diff(want, saga.Begin(saga.Default(), id, inputs, now, "edge")); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	want.Inputs, want.Outcome = nil, order.StatusCompleted
	if diff := cmp.Diff(want, saga.Begin(onlyOrder, id, nil, now, "edge")); diff != "" {
		t.Errorf("the event of an order of one step (-want +got):\n%s", diff)
	}
}

// The saga does not listen to itself, or each of its words would cause another.
func TestTheSagaHearsNothingThatItSays(t *testing.T) {
	for _, effect := range []saga.Effect{
		ask(order.Payment, order.Detail), askLast(order.Mail, order.Payment), fail(order.Detail), fail(order.Mail),
	} {
		if in, ok := saga.InputOf(effect.Event("saga"), saga.Default(), now); ok {
			t.Errorf("%+v comes back as %+v", effect, in)
		}
	}
}
