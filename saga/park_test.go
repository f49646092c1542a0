package saga_test

import (
	"strings"
	"testing"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// parkedOrder is an order with a deadline of 30 minutes that was parked soon after noon,
// with two letters.
func parkedOrder(t *testing.T, pausedBefore bool) saga.State {
	t.Helper()
	d := saga.Default()
	d.Deadline = 30 * time.Minute
	s, _ := saga.Decide(saga.State{}, saga.OrderRequested{Heard: saga.Heard{OrderID: "A", ID: "A/ORDER_REQUESTED/1", At: parkNoon}, Definition: d})
	if pausedBefore {
		s = commanded(s, order.Pause, parkNoon)
	}
	return s.Park("A", "one", "a bug", parkNoon.Add(time.Second)).Park("A", "two", "a bug", parkNoon.Add(time.Minute))
}

var parkNoon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func commanded(s saga.State, c order.Command, at time.Time) saga.State {
	s, _ = saga.Decide(s, saga.Commanded{Heard: saga.Heard{OrderID: "A", ID: "A/" + string(c), At: at}, Command: c})
	return s
}

func TestTheClocksOfAParkedOrderStandStill(t *testing.T) {
	s := parkedOrder(t, false)
	before := s.Arming
	if due, _, open := s.Timer(); open || !s.Deadline.IsZero() || !s.Open.Due.IsZero() {
		t.Errorf("while parked it is due at %v, or %v", due, s.Deadline)
	}
	later := parkNoon.Add(time.Hour)
	s = s.Unpark("one", later)
	if !s.Deadline.IsZero() || !s.Open.Due.IsZero() {
		t.Error("the clocks run before the last letter is seen to")
	}
	s = s.Unpark("two", later)
	if want := later.Add(30*time.Minute - time.Second); !s.Deadline.Equal(want) || s.Rest != 0 {
		t.Errorf("the deadline is %v, want %v", s.Deadline, want)
	}
	if due, arming, open := s.Timer(); !open || !due.After(later) || arming <= before {
		t.Errorf("it is due at %v, armed %d", due, arming)
	}
}

func TestWhatIsDecidedWhileMoreWaitsStartsNoClock(t *testing.T) {
	s, later := parkedOrder(t, false).Unpark("one", parkNoon), parkNoon.Add(time.Hour)
	s, effects := saga.Decide(s, saga.StepCompleted{Answer: saga.Answer{
		Heard: saga.Heard{OrderID: "A", ID: "done", At: later}, Step: order.Detail, Attempt: 1, Cause: s.Open.Request,
	}})
	timeout := s.Definition.Steps[1].Timeout
	if s.Open.Step != order.Payment || !s.Open.Due.IsZero() || s.Open.Rest != timeout {
		t.Errorf("it waits for %+v", s.Open)
	}
	if len(effects) != 1 || !effects[0].Event("saga").Deadline.Equal(later.Add(timeout)) {
		t.Errorf("it asks for %+v", effects)
	}
	for _, c := range []order.Command{order.Pause, order.Resume} {
		if s = commanded(s, c, later); s.Open.Rest != timeout || s.Rest == 0 || !s.Deadline.IsZero() {
			t.Errorf("after %s there is %v left, and %v", c, s.Open.Rest, s.Rest)
		}
	}
	if s = s.Unpark("two", later); !s.Open.Due.Equal(later.Add(timeout)) {
		t.Errorf("it is due at %v", s.Open.Due)
	}
}

func TestThatAnOrderIsParkedNoMoreEndsNoPause(t *testing.T) {
	s := parkedOrder(t, true).Unpark("one", parkNoon).Unpark("two", parkNoon)
	if !s.Deadline.IsZero() || s.Rest != 30*time.Minute {
		t.Errorf("the deadline is %v, and %v is left", s.Deadline, s.Rest)
	}
	if s = commanded(s, order.Resume, parkNoon); !s.Deadline.Equal(parkNoon.Add(30 * time.Minute)) {
		t.Errorf("after the pause it is %v", s.Deadline)
	}
}

// A version that did not stop them has parked it.
func TestClocksThatWereNotStoppedKeepTheirTime(t *testing.T) {
	s := parkedOrder(t, false).Unpark("one", parkNoon).Unpark("two", parkNoon)
	deadline, due := s.Deadline, s.Open.Due
	s.Parked, s.Waiting = "a bug", order.Waiting{"one"}
	if s = s.Unpark("one", parkNoon.Add(time.Hour)); !s.Deadline.Equal(deadline) || !s.Open.Due.Equal(due) {
		t.Errorf("the deadline is %v and it is due at %v", s.Deadline, s.Open.Due)
	}
}

// The row has heard what was discarded, be it the request that began the order or a command,
// and cannot tell the end any more.
func TestTheEndOfAnOrderThatWasParkedIsTheSagasToTell(t *testing.T) {
	begin := func(s saga.State, id string) saga.State {
		s, _ = saga.Decide(s, saga.OrderRequested{Heard: saga.Heard{OrderID: "A", ID: id, At: parkNoon}, Definition: saga.Default()})
		return s
	}
	usual := order.EventID("A", order.TypeOf(order.Detail, order.Requested), 1)
	for name, c := range map[string]struct {
		state saga.State
		began string
	}{
		"a rival began it":       {begin(saga.State{}.Park("A", "one", "a bug", parkNoon).Discard("one", 8, parkNoon), "rival"), "rival"},
		"a command is discarded": {begin(saga.State{}, usual).Park("A", "one", "a bug", parkNoon).Discard("one", 8, parkNoon), usual},
		"an older version parked it": {func() saga.State {
			s := begin(saga.State{}, usual)
			s.Parked, s.Waiting = "a bug", order.Waiting{"one"}
			return s.Discard("one", 8, parkNoon)
		}(), usual},
	} {
		s, owed := c.state, []saga.Effect(nil)
		for _, step := range saga.Default().Names() {
			cause := order.EventID("A", order.TypeOf(step, order.Requested), 1)
			if step == order.Detail {
				cause = c.began
			}
			s, owed = saga.Decide(s, saga.StepCompleted{Answer: saga.Answer{
				Heard: saga.Heard{OrderID: "A", ID: string(step), At: parkNoon}, Step: step, Attempt: 1, Cause: cause,
			}})
		}
		if len(owed) != 1 || owed[0].Event("saga").Type != order.OrderFinished || s.Status != order.StatusCompleted {
			t.Errorf("%s: it is %s, and says %+v", name, s.Status, owed)
		}
	}
}

func TestTheHistoryTellsHowAndByWhomAnOrderCameToBeParkedNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		as            saga.Ending
		reason, actor string
	}{
		"with an actor and a reason": {saga.Ending{How: "discarded", Actor: "ann", Reason: "nobody's"}, "discarded: nobody's", "ann"},
		"with neither":               {saga.Ending{How: "redriven"}, "redriven", ""},
		"without a reason":           {saga.Ending{How: "discarded", Actor: "ann"}, "discarded", "ann"},
		"of any length": {
			saga.Ending{How: "discarded", Actor: strings.Repeat("a", 600), Reason: strings.Repeat("r", 600)},
			"discarded: " + strings.Repeat("r", 489) + "…", strings.Repeat("a", 500) + "…",
		},
	} {
		s := parkedOrder(t, false).Unpark("one", parkNoon).Unpark("two", parkNoon).TellUnparked("two/seen to", c.as)
		for range 2 { // owed for ever
			owed := s.Owed("two/seen to", parkNoon)
			if len(owed) != 1 {
				t.Fatalf("%s: it owes %+v", name, owed)
			}
			e := owed[0].Event("saga")
			if e.Type != order.OrderUnparked || e.Status != order.StatusRunning || e.Reason != c.reason || e.Actor != c.actor {
				t.Errorf("%s: the saga says %+v, want %q by %q", name, e, c.reason, c.actor)
			}
		}
	}
}
