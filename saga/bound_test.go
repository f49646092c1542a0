package saga_test

import (
	"testing"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// No command brings an attempt forward that waits.
func TestTheWaitThatAParticipantMayAskForIsBounded(t *testing.T) {
	heard := func(id string) saga.Heard { return saga.Heard{OrderID: id, ID: id + "/x", At: now} }
	s, _ := saga.Decide(saga.State{}, saga.OrderRequested{Heard: heard("ORD-B384F"), Definition: saga.Default()})
	for asked, want := range map[time.Duration]time.Duration{
		time.Minute:               time.Minute,
		68 * 365 * 24 * time.Hour: time.Hour,
	} {
		next, _ := saga.Decide(s, saga.StepFailed{
			Answer:  saga.Answer{Heard: heard("ORD-B384F"), Step: order.Detail, Attempt: 1, Cause: s.Open.Request},
			Failure: saga.Failure{Reason: "busy", Retryable: true, RetryAfter: asked},
		})
		if due, _, open := next.Timer(); !open || !due.Equal(now.Add(want)) {
			t.Errorf("asked to wait %v it waits %v", asked, due.Sub(now))
		}
	}
}

func TestNoTimerFiresForAnOrderThatIsParked(t *testing.T) {
	s, _ := saga.Decide(saga.State{}, saga.OrderRequested{Heard: saga.Heard{OrderID: "ORD-B384F", ID: "x", At: now}, Definition: saga.Default()})
	s.Parked = "a bug"
	if due, _, open := s.Timer(); open {
		t.Errorf("one is set for %v", due)
	}
}
