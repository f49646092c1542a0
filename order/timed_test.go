package order_test

import (
	"testing"

	"simplecqrs/order"
)

func TestAScheduledOrderRunsOnceItsTimeHasLedToItsRequest(t *testing.T) {
	begun := event("ORDER_REQUESTED", 3)
	begun.Causation = order.TimerID(id, 2)
	rival := event("ORDER_REQUESTED", 2)
	rival.ID = "rival"
	early := event("ORDER_COMMAND_REJECTED", 4) // said before, of the order as it was
	early.Status = order.StatusScheduled
	never := event("ORDER_COMMAND_REJECTED", 5)
	never.ID, never.Status = "never", order.StatusUnknown

	r := fold(event("ORDER_SCHEDULED", 1), rival)
	if r.Meta.Status != order.StatusScheduled {
		t.Errorf("by a rival's request it is %q", r.Meta.Status)
	}
	for _, e := range []order.Event{begun, early, never} {
		if r = order.Fold(r, e); r.Meta.Status != order.StatusRunning {
			t.Errorf("after %s it is %q", e.ID, r.Meta.Status)
		}
	}
}

// Only by being parked is an order stuck that has yet to begin. What the saga says of it then
// it may have said late.
func TestAScheduledOrderThatWasParkedIsScheduledAgain(t *testing.T) {
	begun := event("ORDER_REQUESTED", 5)
	begun.Causation = order.TimerID(id, 2)
	rival := event("ORDER_REQUESTED", 2)
	rival.ID = "rival"
	parked := said("ORDER_STUCK", order.StatusStuck, 3)
	unparked := said("ORDER_UNPARKED", order.StatusScheduled, 7)
	requested := as("next", "done", said("PAYMENT_REQUESTED", order.StatusRunning, 5))
	cancelled := said("ORDER_CANCELLED", order.StatusCancelled, 5)
	undone := as("undone", begun.ID, said("ORDER_COMPENSATION_REQUESTED", order.StatusCompensating, 6))
	stuck := as("stuck", "it", said("ORDER_STUCK", order.StatusStuck, 6))

	for _, rule := range []struct {
		name string
		when []order.Event
		want order.Status
	}{
		{"parked no more", []order.Event{scheduled(1), parked, unparked}, order.StatusScheduled},
		{"by its first event", []order.Event{parked, scheduled(1), unparked}, order.StatusScheduled},
		{"whatever a rival asks for", []order.Event{scheduled(1), rival, parked, unparked}, order.StatusScheduled},
		{"it begins in its time", []order.Event{scheduled(1), parked, unparked, begun}, order.StatusRunning},
		{"and not while it is parked", []order.Event{scheduled(1), parked, begun}, order.StatusStuck},
		{"said when it had begun", []order.Event{scheduled(1), parked, begun, unparked}, order.StatusStuck},
		{"read twice", []order.Event{scheduled(1), parked, unparked, begun, stuck, unparked}, order.StatusStuck},
		{"said when it is stuck at a step", []order.Event{scheduled(1), begun, stuck, unparked}, order.StatusStuck},
		{"also where its request was discarded", []order.Event{scheduled(1), requested, stuck, unparked}, order.StatusStuck},
		{"said when it runs", []order.Event{scheduled(1), parked, begun, requested, unparked}, order.StatusRunning},
		{"said when it has ended", []order.Event{scheduled(1), parked, cancelled, unparked}, order.StatusCancelled},
		{"said when its undoing is stuck", []order.Event{scheduled(1), cancelled, undone, stuck, unparked}, order.StatusStuck},
	} {
		t.Run(rule.name, func(t *testing.T) {
			if r := fold(rule.when...); r.Meta.Status != rule.want {
				t.Errorf("it is %s, want %s", r.Meta.Status, rule.want)
			}
		})
	}
}

func TestAnEventIsTimedIfItsCauseIsATimer(t *testing.T) {
	for cause, want := range map[string]bool{
		order.TimerID(id, 12):                        true,
		order.TimerID(id, 12) + "/PAYMENT_TIMED_OUT": false, // what was said of it
		order.TimerID("ORD-00001", 12):               false,
		order.EventID(id, "ORDER_REQUESTED", 1):      false,
		"":                                           false,
	} {
		if got := (order.Event{OrderID: id, Causation: cause}).Timed(); got != want {
			t.Errorf("by %q it is timed: %v", cause, got)
		}
	}
}

func TestAnEventParksIfItsCauseIsThatTheOrderIs(t *testing.T) {
	for cause, want := range map[string]bool{
		order.ParkedID(id, "store.order/3/17"):          true,
		order.ParkedID(id, ""):                          true,
		order.ParkedID("ORD-00001", "store.order/3/17"): false,
		id + "/parked2":                                 false,
		order.EventID(id, "ORDER_REQUESTED", 1):         false,
		"":                                              false,
	} {
		if got := (order.Event{OrderID: id, Causation: cause}).Parks(); got != want {
			t.Errorf("by %q it parks: %v", cause, got)
		}
	}
}
