package order_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

func TestTheAnswerToARivalsRequestHasNoOutput(t *testing.T) {
	request := func(t order.Type, key string, n int) order.Event {
		e := event(t, n)
		e.ID += key
		return e
	}
	answer := func(to order.Event, n int) order.Event {
		e := completed(order.Detail, n)
		e.ID, e.Causation = to.ID+"/done", to.ID
		e.Outputs = map[order.Step]order.JSON{order.Detail: order.JSON(`"` + to.ID + `"`)}
		return e
	}
	first, second := request("ORDER_REQUESTED", "-A", 1), request("ORDER_REQUESTED", "-B", 2)
	later := request("ORDER_SCHEDULED", "-C", 1)
	due := request("ORDER_REQUESTED", "", 4)
	due.Causation = order.TimerID(id, 1)
	again := request("ORDER_REQUESTED", "/2", 4) // by the saga
	again.Causation = first.ID
	for _, c := range []struct {
		name string
		when []order.Event
		want string
	}{
		{"the first is answered last", []order.Event{first, second, answer(second, 3), answer(first, 4)}, first.ID},
		{"the rival is answered last", []order.Event{first, second, answer(first, 3), answer(second, 4)}, first.ID},
		{"the rival alone is answered", []order.Event{first, second, answer(second, 3)}, ""},
		{"the first was for later", []order.Event{later, second, answer(second, 3), due, answer(due, 5)}, due.ID},
		{"nor while it is not due", []order.Event{later, second, answer(second, 3)}, ""},
		{"another attempt is no rival", []order.Event{first, second, again, answer(again, 5)}, again.ID},
	} {
		want := ""
		if c.want != "" {
			want = `"` + c.want + `"`
		}
		if diff := cmp.Diff(want, string(fold(c.when...).Outputs[order.Detail])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestARivalsRequestForTheOnlyStepEndsNothing(t *testing.T) {
	only := func(key string, n int) order.Event {
		e := last(order.Detail, n)
		e.ID += key
		return e
	}
	later, rival, due := event("ORDER_SCHEDULED", 1), only("-A", 2), only("", 3)
	due.Causation = order.TimerID(id, 1)
	done := func(of order.Event, n int) order.Event {
		e := completed(order.Detail, n)
		e.ID, e.Causation = order.AnswerID(of, e.Type), of.ID
		return e
	}
	row := fold(later, rival, done(rival, 3))
	if row.Meta.Status != order.StatusScheduled || row.Meta.Final != "" {
		t.Errorf("by a rival it is %s", row.Meta.Status)
	}
	if row = order.Fold(row, due); row.Meta.Status != order.StatusRunning {
		t.Errorf("when it is due it is %s", row.Meta.Status)
	}
	if row = order.Fold(row, done(due, 4)); row.Meta.Status != order.StatusCompleted {
		t.Errorf("by its own it is %s", row.Meta.Status)
	}
}

func TestEachOfTwoRivalsIsAnsweredUnderAnIDOfItsOwn(t *testing.T) {
	usual, one, two := event("ORDER_REQUESTED", 1), event("ORDER_REQUESTED", 1), event("ORDER_REQUESTED", 1)
	one.ID, two.ID = usual.ID+"-A", "two"
	seen := map[string]bool{}
	for _, request := range []order.Event{usual, one, two, usual, one, two} {
		seen[order.AnswerID(request, "ORDER_COMPLETED")] = true
	}
	if len(seen) != 3 || !seen[order.EventID(id, "ORDER_COMPLETED", 1)] {
		t.Errorf("ids: %v", seen)
	}
}
