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
	s = s.Unpark("one", saga.Ending{}, later)
	if !s.Deadline.IsZero() || !s.Open.Due.IsZero() {
		t.Error("the clocks run before the last letter is seen to")
	}
	s = s.Unpark("two", saga.Ending{}, later)
	if want := later.Add(30*time.Minute - time.Second); !s.Deadline.Equal(want) || s.Rest != 0 {
		t.Errorf("the deadline is %v, want %v", s.Deadline, want)
	}
	if due, arming, open := s.Timer(); !open || !due.After(later) || arming <= before {
		t.Errorf("it is due at %v, armed %d", due, arming)
	}
}

func TestWhatIsDecidedWhileMoreWaitsStartsNoClock(t *testing.T) {
	s, later := parkedOrder(t, false).Unpark("one", saga.Ending{}, parkNoon), parkNoon.Add(time.Hour)
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
	if s = s.Unpark("two", saga.Ending{}, later); !s.Open.Due.Equal(later.Add(timeout)) {
		t.Errorf("it is due at %v", s.Open.Due)
	}
}

func TestThatAnOrderIsParkedNoMoreEndsNoPause(t *testing.T) {
	s := parkedOrder(t, true).Unpark("one", saga.Ending{}, parkNoon).Unpark("two", saga.Ending{}, parkNoon)
	if !s.Deadline.IsZero() || s.Rest != 30*time.Minute {
		t.Errorf("the deadline is %v, and %v is left", s.Deadline, s.Rest)
	}
	if s = commanded(s, order.Resume, parkNoon); !s.Deadline.Equal(parkNoon.Add(30 * time.Minute)) {
		t.Errorf("after the pause it is %v", s.Deadline)
	}
}

// A version that did not stop them has parked it.
func TestClocksThatWereNotStoppedKeepTheirTime(t *testing.T) {
	s := parkedOrder(t, false).Unpark("one", saga.Ending{}, parkNoon).Unpark("two", saga.Ending{}, parkNoon)
	deadline, due := s.Deadline, s.Open.Due
	s.Parked, s.Waiting = "a bug", order.Waiting{"one"}
	if s = s.Unpark("one", saga.Ending{}, parkNoon.Add(time.Hour)); !s.Deadline.Equal(deadline) || !s.Open.Due.Equal(due) {
		t.Errorf("the deadline is %v and it is due at %v", s.Deadline, s.Open.Due)
	}
}

// The fold took the first for what began the order. Its end is the saga's to tell.
func TestARivalBeginsAnOrderWhoseFirstRequestIsDiscarded(t *testing.T) {
	d := saga.Default()
	s := saga.State{}.Park("A", "one", "a bug", parkNoon).Discard("one", saga.Ending{How: "discarded"}, 8, parkNoon)
	s, _ = saga.Decide(s, saga.OrderRequested{Heard: saga.Heard{OrderID: "A", ID: "rival", At: parkNoon}, Definition: d})
	var owed []saga.Effect
	for _, step := range d.Names() {
		cause := order.EventID("A", order.TypeOf(step, order.Requested), 1)
		if step == order.Detail {
			cause = "rival"
		}
		s, owed = saga.Decide(s, saga.StepCompleted{Answer: saga.Answer{
			Heard: saga.Heard{OrderID: "A", ID: string(step), At: parkNoon}, Step: step, Attempt: 1, Cause: cause,
		}})
	}
	if len(owed) != 1 || owed[0].Event("saga").Type != order.OrderFinished || s.Status != order.StatusCompleted {
		t.Errorf("it is %s, and says %+v", s.Status, owed)
	}
}

func TestTheHistoryTellsHowAndByWhomAnOrderCameToBeParkedNoMore(t *testing.T) {
	mended := saga.Ending{How: "redriven", Actor: "bob", Reason: "mended"}
	for name, c := range map[string]struct {
		as           saga.Ending
		meanwhile    string // what it is parked for once the first of two letters is seen to
		reason, said string // the word, once the last is
	}{
		"with an actor and a reason": {saga.Ending{How: "discarded", Actor: "ann", Reason: "nobody's"}, "discarded by ann: nobody's", "discarded: nobody's", "ann"},
		"with neither":               {saga.Ending{How: "discarded"}, "discarded", "discarded", ""},
		"without a reason":           {saga.Ending{How: "discarded", Actor: "ann"}, "discarded by ann", "discarded", "ann"},
		"of any length": {
			saga.Ending{How: "discarded", Actor: strings.Repeat("a", 600), Reason: strings.Repeat("r", 600)},
			"discarded by " + strings.Repeat("a", 487) + "…", "discarded: " + strings.Repeat("r", 489) + "…", strings.Repeat("a", 500) + "…",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := parkedOrder(t, false).Unpark("one", c.as, parkNoon)
			if want := order.YetToBeRedriven + "; the one before was " + c.meanwhile; s.Parked != want {
				t.Errorf("with one letter left it is parked for %q, want %q", s.Parked, want)
			}
			s = s.Unpark("two", mended, parkNoon).TellUnparked("two/seen to", mended)
			s.Parked, s.Waiting = "a bug", order.Waiting{"three"}
			s = s.Discard("three", c.as, 0, parkNoon).TellUnparked("three/seen to", c.as)
			for cause, want := range map[string][2]string{"two/seen to": {"redriven: mended", "bob"}, "three/seen to": {c.reason, c.said}} {
				for range 2 { // owed for ever
					owed := s.Owed(cause, parkNoon)
					if len(owed) != 1 {
						t.Fatalf("%s owes %+v", cause, owed)
					}
					e := owed[0].Event("saga")
					if e.Type != order.OrderUnparked || e.Status != order.StatusRunning || e.Reason != want[0] || e.Actor != want[1] {
						t.Errorf("%s has the saga say %+v, want %q", cause, e, want)
					}
				}
			}
		})
	}
}
