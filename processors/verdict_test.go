package processors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestTheListSaysWhoseTurnItIs(t *testing.T) {
	l := codecs.Letter{Role: RoleSaga, Topic: codecs.StoreOrder, Offset: 7}
	const place, another = "store.order/0/7", "store.order/0/5"
	for name, c := range map[string]struct {
		flag    bool
		s       standing
		redrive verdict
		discard verdict
	}{
		"no value":                          {false, standing{}, unlisted, discarded},
		"no value, as if it had a turn":     {true, standing{}, unlisted, discarded},
		"not parked, never had a turn":      {false, standing{there: true}, unlisted, discarded},
		"the first":                         {true, standing{there: true, parked: "x", waiting: order.Waiting{place, another}}, handled, letGo},
		"the first, unknown to the letter":  {false, standing{there: true, parked: "x", waiting: order.Waiting{place}}, handled, letGo},
		"not the first":                     {true, standing{there: true, parked: "x", waiting: order.Waiting{another, place}}, stays, stays},
		"not the first, unknown to it":      {false, standing{there: true, parked: "x", waiting: order.Waiting{another, place}}, stays, stays},
		"was handled":                       {true, standing{there: true, handled: true}, redriven, redriven},
		"was handled, before a discard":     {true, standing{there: true, handled: true, past: 12}, redriven, redriven},
		"was discarded":                     {true, standing{there: true, past: 8}, discarded, discarded},
		"the list is lost":                  {true, standing{there: true, parked: "x"}, placed, letGo},
		"the list is lost and another made": {true, standing{there: true, parked: "x", waiting: order.Waiting{another}}, placed, redriven},
		"the list is lost and not parked":   {true, standing{there: true}, handled, redriven},
		"without a turn behind others":      {false, standing{there: true, parked: "x", waiting: order.Waiting{another}}, unlisted, discarded},
	} {
		l.Parked = c.flag
		if got := judge(c.s, codecs.Redrive{Letter: l}); got != c.redrive {
			t.Errorf("%s: redriven it is %v, want %v", name, got, c.redrive)
		}
		if c.s.handled {
			c.s.handled = c.s.past > 0 // a discard has no bytes to be known by
		}
		if got := judge(c.s, codecs.Redrive{Letter: l, Discard: true}); got != c.discard {
			t.Errorf("%s: discarded it is %v, want %v", name, got, c.discard)
		}
	}
	l.Topic, l.Parked = codecs.SagaTimers, true // of which nothing is known once it is gone
	if got := judge(standing{there: true}, codecs.Redrive{Letter: l, Discard: true}); got != discarded {
		t.Errorf("a timer is %v", got)
	}
}

// lists sets what the table says waits, as an older version or a race may have left it.
func (p *parked) lists(w order.Waiting) {
	if p.table == codecs.ViewOrder {
		row := p.row(known)
		row.Meta.Waiting = w
		p.tester.SetTableValue(p.table, known, row)
		return
	}
	state := p.state(known)
	state.Waiting = w
	p.tester.SetTableValue(p.table, known, state)
}

// The index may not have read yet that a letter has got its turn.
func TestALetterWhoseTurnItDoesNotKnowIsSeenToInIt(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log[:3]...)
			*p.mended = true
			first, second := p.wait[0], p.wait[1]
			first.Parked, second.Parked = false, false
			if d := p.discard(second); len(d.letters) > 0 || len(d.resolved) != 1 || d.resolved[0].Resolved != codecs.Stays ||
				!strings.HasPrefix(d.resolved[0].Reason, "behind an event that could not be ") {
				t.Errorf("one that is not the first is %+v", d)
			}
			p.discard(first).resolvedAs(t, codecs.Discarded, first)
			p.redrive(second).resolvedAs(t, codecs.Redriven, second)
			if p.isParked() != "" || p.waiting() != nil {
				t.Errorf("it is parked for %q, and %v wait", p.isParked(), p.waiting())
			}
		})
	}
}

// An older version of a rolling upgrade knows no lists, and writes none.
func TestALetterWhoseListIsLostGetsItsTurn(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log[:3]...)
			*p.mended = true
			p.lists(nil)
			for range 2 { // the first time each gets its turn
				for _, l := range p.wait {
					if d := p.redrive(l); len(d.resolved) > 0 && d.resolved[0].Resolved != codecs.Redriven {
						t.Errorf("%s is %s", l.ID(), d.resolved[0].Resolved)
					}
				}
			}
			if p.isParked() != "" || p.waiting() != nil {
				t.Errorf("it is parked for %q, and %v wait", p.isParked(), p.waiting())
			}
			if role == RoleAggregate {
				if got := len(p.row(known).Meta.History); got != 3 {
					t.Errorf("%d are folded", got)
				}
			} else if got := p.state(known).Open.Step; got != order.Mail {
				t.Errorf("it is at %s", got)
			}
		})
	}
}

func TestADiscardThatComesTooLateSaysSo(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log[:2]...)
			*p.mended = true
			p.redrive(p.wait[0]).resolvedAs(t, codecs.Redriven, p.wait[0])
			p.discard(p.wait[0]).resolvedAs(t, codecs.Redriven, p.wait[0])
		})
	}
}

func TestALetterOfAnOrderThatTheTableDoesNotKnowMakesNoEmptyValue(t *testing.T) {
	r := recordOf(request(known, order.Detail))
	for role := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			mended := true
			s := start(t, bugAt(role, "", &mended))
			l := codecs.Letter{Role: role, Topic: codecs.StoreOrder, Offset: 5, Written: noon, Parked: true, Key: known, Value: r.value, Headers: r.headers}
			if d := s.discard(l); len(d.stored) > 0 {
				t.Errorf("a discard stores %s", d.stored)
			}
			s.redrive(l)
			if v := s.tester.TableValue(s.table, known); v != nil {
				if row, ok := v.(order.Row); ok && !row.Holds(request(known, order.Detail).ID) {
					t.Errorf("stored is %+v", row)
				}
				if state, ok := v.(saga.State); ok && state.Revision == 0 {
					t.Errorf("stored is %+v", state)
				}
			} else {
				t.Error("it was closed unhandled")
			}
		})
	}
}

// What was said for a letter makes an order look as if it went on.
func TestARedriveThatComesAgainSaysThatMoreWaits(t *testing.T) {
	p := park(t, RoleSaga, upTo()[:3]...)
	*p.mended = true
	for range 2 {
		said := p.redrive(p.wait[0]).emitted
		if len(said) != 2 || said[1].Type != order.OrderStuck {
			t.Errorf("it says %+v", said)
		}
	}
}

func TestAnOrderThatIsParkedDoesNotExpire(t *testing.T) {
	clock, mended := noon, false
	c, d := config(), saga.Default()
	c.Now = func() time.Time { return clock }
	d.Deadline = 30 * time.Minute
	s := start(t, Saga(c, d, func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
		if _, ok := in.(saga.StepCompleted); ok && !mended {
			panic("no such thing")
		}
		return saga.Decide(s, in)
	}))
	s.hear(request(known, order.Detail))
	clock = noon.Add(time.Second)
	l := s.hear(completion(known, order.Detail)).letter(t)
	clock, mended = noon.Add(time.Hour), true
	s.redrive(l)
	if state := s.state(known); !state.Deadline.Equal(clock.Add(30*time.Minute-time.Second)) || state.Open.Step != order.Payment {
		t.Errorf("the deadline is %v, and it is at %s", state.Deadline, state.Open.Step)
	}
}

// However large a value is, and however much waits, all of it fits its topic.
func TestAValueHasRoomForAllThatMayWait(t *testing.T) {
	poison := completion(known, order.Detail)
	for _, role := range failingRoles(poison.ID) {
		t.Run(role.role, func(t *testing.T) {
			size := 0
			begin := func() *shell {
				s := start(t, role.start(func() int {
					if size < 0 {
						panic("no such thing")
					}
					return size
				}))
				s.hear(request(known, order.Detail))
				return s
			}
			around := len(begin().hear(poison).stored[0])
			const some = 1000 // more than a clock that is stopped, and a longer number, make of it
			size = -1
			s := begin()
			first := s.hear(poison).letter(t)
			for i := range 200 {
				behind := happened(known, order.Pause.Type(), "")
				behind.ID = fmt.Sprint("pause", i)
				s.hear(behind).letter(t)
			}
			size = role.limit - around + some
			if l := s.redrive(first).letter(t); !strings.HasSuffix(l.Reason, fmt.Sprintf("would have more than %d bytes", role.limit)) {
				t.Errorf("what leaves no room for more is %q", l.Reason)
			}
			size = role.limit - around - some
			d := s.redrive(first)
			d.resolvedAs(t, codecs.Redriven, first)
			if len(d.stored) != 1 || len(d.stored[0]) <= role.limit {
				t.Errorf("stored are %d bytes, of a limit of %d", len(d.stored[0]), role.limit)
			}
		})
	}
}

func TestADiscardFitsTheLargestState(t *testing.T) {
	p := park(t, RoleSaga, upTo()[:2]...)
	state := p.state(known)
	size := func() int {
		bare := state
		bare.Parked, bare.Waiting = "", nil
		encoded, err := codecs.State{}.Encode(bare)
		check(t, err)
		return len(encoded)
	}
	state.Inputs = map[order.Step]order.JSON{order.Mail: order.JSON(`""`)}
	state.Inputs[order.Mail] = order.JSON(`"` + strings.Repeat("x", maxStateValue-size()-50) + `"`)
	p.tester.SetTableValue(p.table, known, state)
	d := p.discard(p.wait[0])
	d.resolvedAs(t, codecs.Discarded, p.wait[0])
	if len(d.emitted) != 1 || d.emitted[0].Type != order.OrderUnparked {
		t.Errorf("it says %+v", d.emitted)
	}
	if len(d.stored) != 1 || len(d.stored[0]) > maxStateValue {
		t.Errorf("stored are %d bytes", len(d.stored[0]))
	}
}
