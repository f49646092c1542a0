package processors

import (
	"strings"
	"testing"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// happy is what the saga hears of an order that goes well, with the step that it
// then requests.
var happy = []struct {
	heard order.Event
	next  order.Step
}{
	{request(known, order.Detail), ""},
	{completion(known, order.Detail), order.Payment},
	{completion(known, order.Payment), order.Mail},
	{completion(known, order.Mail), ""},
}

func decidingSaga(t *testing.T) *shell { return start(t, Saga(config(), saga.Default(), saga.Decide)) }

func (s *shell) state(id string) saga.State {
	s.t.Helper()
	state, ok := s.tester.TableValue(codecs.SagaOrder, id).(saga.State)
	if !ok {
		s.t.Fatalf("%s has no state", id)
	}
	return state
}

func TestTheSagaRequestsOneStepAfterTheOther(t *testing.T) {
	s := decidingSaga(t)
	for _, one := range happy {
		d := s.hear(one.heard)
		if len(d.stored) != 1 {
			t.Errorf("%s: stored %d times", one.heard.ID, len(d.stored))
		}
		if one.next == "" {
			differ(t, "after "+one.heard.ID, []order.Event(nil), d.emitted)
			continue
		}
		want := request(known, one.next)
		want.Source, want.Causation = RoleSaga, one.heard.ID
		want.Status, want.Deadline = order.StatusRunning, noon.Add(plan(one.next).Timeout)
		if one.next == order.Mail {
			want.Outcome = order.StatusCompleted // it says that it is the last
		}
		differ(t, "the request after "+one.heard.ID, want, d.event(t))
	}
	if state := s.state(known); state.Status != order.StatusCompleted {
		t.Errorf("the order is %s", state.Status)
	}
}

func TestEachRequestCarriesTheInputOfItsStep(t *testing.T) {
	s := decidingSaga(t)
	begin := request(known, order.Detail)
	begin.Inputs = map[order.Step]order.JSON{order.Payment: order.JSON(`{"card":"<1>"}`), order.Mail: order.JSON(`"a@b"`)}
	s.hear(begin)
	payment := s.hear(completion(known, order.Detail)).event(t)
	differ(t, "payment's", map[order.Step]order.JSON{order.Payment: order.JSON(`{"card":"<1>"}`)}, payment.Inputs)
	mail := s.hear(completion(known, order.Payment)).event(t)
	differ(t, "mail's", map[order.Step]order.JSON{order.Mail: order.JSON(`"a@b"`)}, mail.Inputs)
}

// At each point of an order all that was heard so far is heard again, as after a
// crash. Only the request that nobody has answered yet may not have got out; and
// the table may be ahead of its topic.
func TestWhatIsHeardAgainOwesOnlyTheUnansweredRequest(t *testing.T) {
	s := decidingSaga(t)
	for i, now := range happy {
		first := s.hear(now.heard)
		for _, before := range happy[:i+1] {
			again := s.hear(before.heard)
			differ(t, before.heard.ID+" again after "+now.heard.ID+" stores", first.stored, again.stored)
			if before.heard.ID != now.heard.ID {
				differ(t, before.heard.ID+" again after "+now.heard.ID+" emits", []order.Event(nil), again.emitted)
				continue
			}
			differ(t, before.heard.ID+" again emits", first.emitted, again.emitted)
		}
	}
}

// A step that was declined has had no effect, and what was done before it is undone.
func TestADeclinedStepEndsTheOrderAndTheSagaSaysSoAtEachCopy(t *testing.T) {
	s := decidingSaga(t)
	s.hear(happy[0].heard)
	s.hear(happy[1].heard)
	failed := failure(known, order.Payment, "no funds")
	undo := s.hear(failed).event(t)
	want := happened(known, "ORDER_COMPENSATION_REQUESTED", failed.ID)
	want.Source, want.Reason, want.Status = RoleSaga, "PAYMENT: no funds", order.StatusCompensating
	want.Deadline = noon.Add(plan(order.Detail).Compensation.Timeout)
	differ(t, "the request to undo", want, undo)
	differ(t, "the request to undo again", undo, s.hear(failed).event(t))

	undone := happened(known, "ORDER_COMPENSATED", undo.ID)
	end := s.hear(undone).event(t)
	differ(t, "the end", order.Event{
		OrderID: known, Type: order.OrderFailed, ID: undone.ID + "/ORDER_FAILED", Time: noon, Source: RoleSaga,
		Attempt: 1, Round: 1, Causation: undone.ID, Reason: "PAYMENT: no funds", Status: order.StatusFailed,
	}, end)
	differ(t, "the end again", end, s.hear(undone).event(t))
	if d := s.hear(happy[1].heard); len(d.emitted) > 0 {
		t.Errorf("a completion from before the end emits %v", d.emitted)
	}
	s.hear(end).nothing(t) // it is the saga's own word
}

// The reason is the participant's and another header's of the saga's own event.
func TestALongReasonDoesNotCostTheOrderItsEnd(t *testing.T) {
	s := decidingSaga(t)
	s.hear(happy[0].heard)
	end := s.hear(failure(known, order.Detail, strings.Repeat("x", 4<<10))).event(t)
	if !strings.HasPrefix(end.Reason, "ORDER: xxx") {
		t.Errorf("the reason is %.20q", end.Reason)
	}
}

func TestAnAnswerForAnOrderThatWasNeverRequestedLeavesNothing(t *testing.T) {
	s := decidingSaga(t)
	s.hear(completion(known, order.Detail)).nothing(t)
	s.hear(completion(known, order.Payment)).nothing(t)
}

// What its readers would refuse must not be written: its letter would be nobody's
// to answer, and the order would wait for ever.
func TestARequestThatReadersWouldRefuseParksTheOrder(t *testing.T) {
	for name, spare := range map[string]int{"the largest": 2, "one byte more": 1} {
		t.Run(name, func(t *testing.T) {
			s := decidingSaga(t)
			begin := request(known, order.Detail)
			input := func(size int) map[order.Step]order.JSON {
				return map[order.Step]order.JSON{order.Payment: order.JSON(`"` + strings.Repeat("x", size) + `"`)}
			}
			begin.Inputs = input(0)
			// PAYMENT_REQUESTED is two bytes longer than ORDER_REQUESTED.
			begin.Inputs = input(codecs.MaxEvent - len(recordOf(begin).value) - spare)
			s.hear(begin)
			d := s.hear(completion(known, order.Detail))
			if spare == 2 {
				d.event(t)
				return
			}
			const want = "PAYMENT_REQUESTED would have 262145 bytes; 262144 are allowed"
			differ(t, "the letter's reason", want, d.letter(t).Reason)
			differ(t, "parked", want, s.state(known).Parked)
		})
	}
}

func TestTheTablesHaveTheirNames(t *testing.T) {
	differ(t, "the aggregate's", codecs.ViewOrder, Aggregate(config(), order.Fold).Graph.GroupTable().Topic())
	differ(t, "the saga's", codecs.SagaOrder, Saga(config(), saga.Default(), saga.Decide).Graph.GroupTable().Topic())
	differ(t, "the first as the issue has it", "view.order", codecs.ViewOrder)
}
