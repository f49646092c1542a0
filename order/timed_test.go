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
