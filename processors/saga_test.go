package processors

import (
	"strings"
	"testing"
	"time"

	"github.com/lovoo/goka/tester"

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

// timer has the saga hear that a deadline has passed.
func (s *shell) timer(id string, value any) did {
	s.t.Helper()
	if arming, ok := value.(int64); ok {
		value = timerRecord(id, arming)
	}
	s.tester.Consume(codecs.SagaTimers, id, value, tester.WithTime(noon))
	return s.outcome()
}

// It decides when it hears its word in the log, among all that others have said.
func TestATimerHasTheSagaSayWhatIsOutOfTimeAndTheLogHasItAct(t *testing.T) {
	s := decidingSaga(t)
	before := s.hear(request(known, order.Detail)).stored
	_, arming, _ := s.state(known).Timer()
	d := s.timer(known, arming)
	said := d.event(t)
	want := happened(known, "ORDER_TIMED_OUT", saga.TimerID(known, arming))
	want.ID, want.Source = want.Causation+"/ORDER_TIMED_OUT", RoleSaga
	differ(t, "its word", want, said)
	if len(d.stored) != 2 { // goka's tester passes the word on at once
		t.Fatalf("stored %d times, want once for the timer and once for the word", len(d.stored))
	}
	differ(t, "the state, before it is heard", before, d.stored[:1])
	differ(t, "the state, heard again", d.stored[1:], s.hear(said).stored)

	_, next, _ := s.state(known).Timer()
	again := s.timer(known, next).event(t)
	want = request(known, order.Detail)
	want.ID, want.Attempt, want.Source = order.EventID(known, want.Type, 2), 2, RoleSaga
	want.Causation, want.Status = saga.TimerID(known, next), "" // it is acted upon when it is heard
	want.Deadline = noon.Add(plan(order.Detail).Timeout)
	differ(t, "the next attempt", want, again)
	if d := s.timer(known, arming); len(d.emitted)+len(d.letters) > 0 {
		t.Errorf("a timer that was set for an earlier deadline leads to %v, %v", d.emitted, d.letters)
	}
}

func TestATimerOfAnOrderThatIsNotKnownLeavesNothing(t *testing.T) {
	decidingSaga(t).timer(known, int64(1)).nothing(t)
}

// Nobody but the saga writes timers, and its own lie where they belong.
func TestATimerInTheWrongPartitionIsPassedOver(t *testing.T) {
	c := config()
	s := start(t, Saga(c, saga.Default(), saga.Decide))
	s.hear(request(stray, order.Detail))
	stored := s.tester.TableValue(s.table, stray)
	_, arming, _ := s.state(stray).Timer()
	c.Partitions = 2
	s = start(t, Saga(c, saga.Default(), saga.Decide))
	s.tester.SetTableValue(s.table, stray, stored)
	s.timer(stray, arming).nothing(t)
}

func TestATimerThatCannotBeReadIsALetter(t *testing.T) {
	for name, value := range map[string][]byte{
		"no JSON": []byte("soon"), "no number": []byte(`{}`), "a number that is none": []byte(`{"arming":0}`), "a tombstone": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := decidingSaga(t)
			s.hear(request(known, order.Detail))
			var sent any
			if value != nil {
				sent = value
			}
			d := s.timer(known, sent)
			l := d.letter(t)
			if l.Reason == "" || len(d.stored) > 0 {
				t.Errorf("the reason is %q, stored is %q", l.Reason, d.stored)
			}
			l.Reason = ""
			differ(t, "the letter", codecs.Letter{
				Role: RoleSaga, Tries: 1, Topic: codecs.SagaTimers, Written: noon, Key: known, Value: value, Headers: codecs.Headers{},
			}, l)
			if s.hear(completion(known, order.Detail)).event(t).Type != "PAYMENT_REQUESTED" {
				t.Error("the order does not go on")
			}
		})
	}
}

// A state that is remembered stands for its bytes.
func TestWhatIsRememberedOfAStateIsWhatItsBytesSay(t *testing.T) {
	c := config()
	c.Now = func() time.Time { return time.Now().In(time.FixedZone("", 3600)) }
	s := start(t, Saga(c, saga.Default(), saga.Decide))
	for _, e := range eventful() {
		for _, stored := range s.hear(e).stored {
			asRead(t, codecs.State{}, stored, "the state after "+e.ID)
		}
	}
	if s.state(known).Revision < 4 {
		t.Errorf("little has happened: %+v", s.state(known))
	}
}

func TestTheTablesHaveTheirNames(t *testing.T) {
	differ(t, "the aggregate's", codecs.ViewOrder, Aggregate(config(), order.Fold).Graph.GroupTable().Topic())
	differ(t, "the saga's", codecs.SagaOrder, Saga(config(), saga.Default(), saga.Decide).Graph.GroupTable().Topic())
	differ(t, "the saga's timers'", "saga.timers", Saga(config(), saga.Default(), saga.Decide).Graph.LoopStream().Topic())
	differ(t, "the first as the issue has it", "view.order", codecs.ViewOrder)
}
