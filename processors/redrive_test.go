package processors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// redrive has a letter redriven as the edge does.
func (s *shell) redrive(l codecs.Letter) did { return s.see(codecs.Redrive{Letter: l, Actor: "ann"}) }

func (s *shell) discard(l codecs.Letter) did {
	l.Value, l.Headers = nil, nil
	return s.see(codecs.Redrive{Letter: l, Actor: "ann", Discard: true})
}

func (s *shell) see(r codecs.Redrive) did {
	s.t.Helper()
	r.Reason = "mended"
	return s.take(record{key: r.Key, value: r.Value, headers: codecs.HeadersOfRedrive(r), written: noon.Add(time.Hour)})
}

// parked is a shell whose role has failed at an event of known, with the letters that
// came of it and of what came behind. It fails until it is mended.
type parked struct {
	*shell
	mended *bool
	wait   []codecs.Letter
}

// bugAt gives a role with a bug at an event, in whatever state it is.
func bugAt(role, id string, mended *bool) stream.Processor {
	if role == RoleAggregate {
		return Aggregate(config(), func(r order.Row, e order.Event) order.Row {
			if e.ID == id && !*mended {
				panic("no such thing")
			}
			return order.Fold(r, e)
		})
	}
	return Saga(config(), saga.Default(), func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
		next, effects := saga.Decide(s, in)
		heard := ""
		switch in := in.(type) {
		case saga.StepCompleted:
			heard = in.ID
		case saga.StepCompensated:
			heard = in.ID
		case saga.Commanded:
			heard = in.ID
		}
		if heard == id && !*mended {
			panic("no such thing")
		}
		return next, effects
	})
}

func park(t *testing.T, role string, log ...order.Event) *parked {
	t.Helper()
	return parkAt(t, role, completion(known, order.Detail).ID, log...)
}

func parkAt(t *testing.T, role, poison string, log ...order.Event) *parked {
	t.Helper()
	p := &parked{mended: new(bool)}
	p.shell = start(t, bugAt(role, poison, p.mended))
	for _, e := range log {
		p.wait = append(p.wait, p.hear(e).letters...)
	}
	return p
}

// waiting gives the places of what the table says waits.
func (p *parked) waiting() order.Waiting {
	if p.table == codecs.ViewOrder {
		return p.row(known).Meta.Waiting
	}
	return p.state(known).Waiting
}

func (p *parked) isParked() string {
	if p.table == codecs.ViewOrder {
		return p.row(known).Meta.Parked
	}
	return p.state(known).Parked
}

func places(letters []codecs.Letter) (w order.Waiting) {
	for _, l := range letters {
		w = append(w, l.Place())
	}
	return w
}

// resolvedAs holds what a shell did to having said that a letter is.
func (d did) resolvedAs(t *testing.T, as codecs.Resolution, l codecs.Letter) {
	t.Helper()
	if len(d.resolved) != 1 || len(d.letters) != 0 {
		t.Fatalf("%d letters, %d resolved, want one resolved", len(d.letters), len(d.resolved))
	}
	r := d.resolved[0]
	if r.ID() != l.ID() || r.Resolved != as || r.Actor != "ann" || r.Reason != "mended" || !r.Time.Equal(noon) ||
		r.Value != nil || len(r.Headers) > 0 || r.Key != l.Key {
		t.Errorf("it says %+v", r)
	}
}

// upTo are the events of an order that the saga hears, up to the end.
func upTo() []order.Event {
	return []order.Event{
		request(known, order.Detail), completion(known, order.Detail),
		completion(known, order.Payment), completion(known, order.Mail),
	}
}

func tablesAndLogs() map[string][]order.Event {
	return map[string][]order.Event{RoleAggregate: life, RoleSaga: upTo()}
}

// Another role hears nothing of what one is to handle once more.
func TestARedriveIsForOneRole(t *testing.T) {
	l := codecs.Letter{Topic: codecs.StoreOrder, Written: noon, Key: known, Parked: true}
	r := recordOf(request(known, order.Detail))
	l.Value, l.Headers = r.value, r.headers
	for _, p := range []stream.Processor{
		Aggregate(config(), order.Fold), Saga(config(), saga.Default(), saga.Decide), Worker(config(), plan(order.Detail), Echo{}),
	} {
		t.Run(p.Role, func(t *testing.T) {
			s := start(t, p)
			for _, to := range []string{RoleAggregate, RoleSaga, "order", "payment", "nobody"} {
				if to == p.Role {
					continue
				}
				l.Role = to
				s.redrive(l).nothing(t)
				if to == RoleSaga || p.Role != RoleAggregate { // which lets go of the others'
					s.discard(l).nothing(t)
				}
			}
		})
	}
}

func TestARedriveThatNamesNoLetterIsALetter(t *testing.T) {
	l := codecs.Letter{Role: RoleSaga, Topic: codecs.StoreOrder, Written: noon, Key: known, Parked: true}
	good := recordOf(request(known, order.Detail))
	for name, spoil := range map[string]func(codecs.Headers){
		"no place":      func(h codecs.Headers) { delete(h, "deadletter_offset") },
		"no role":       func(h codecs.Headers) { delete(h, "deadletter_role") },
		"another role":  func(h codecs.Headers) { h[codecs.HeaderRedrive] = []byte("payment") },
		"nobody's role": func(h codecs.Headers) { h[codecs.HeaderRedrive] = []byte("nobody") },
		"no number":     func(h codecs.Headers) { h["deadletter_partition"] = []byte("one") },
	} {
		l.Value, l.Headers = good.value, good.headers
		r := record{key: known, value: good.value, headers: codecs.HeadersOfRedrive(codecs.Redrive{Letter: l})}
		spoil(r.headers)
		t.Run(name, func(t *testing.T) {
			one := start(t, Aggregate(config(), order.Fold)).take(r)
			if got := one.letter(t); len(one.stored) > 0 || !strings.HasPrefix(got.Reason, "no letter can be redriven by this: ") {
				t.Errorf("it did %+v", one)
			}
			start(t, Saga(config(), saga.Default(), saga.Decide)).take(r).nothing(t) // one letter is enough
			start(t, Worker(config(), plan(order.Detail), Echo{})).take(r).nothing(t)

			// Redriven in its turn, it is what it always was, and not what its headers make of it.
			again := one.letters[0]
			again.Headers["redrive_discard"] = []byte("true")
			d := start(t, Aggregate(config(), order.Fold)).redrive(again)
			d.resolvedAs(t, codecs.Redriven, again)
			if len(d.emitted) != 1 || d.emitted[0].Type != "ORDER_REQUESTED" {
				t.Errorf("sent on is %+v", d.emitted)
			}
		})
	}
}

// A service that copies the headers of what it hears answers a redriven request so.
func TestAnAnswerWithTheHeadersOfARedriveIsAnAnswer(t *testing.T) {
	asked, answer := recordOf(request(known, order.Detail)), recordOf(completion(known, order.Detail))
	l := codecs.Letter{Role: "order", Topic: codecs.StoreOrder, Written: noon, Key: known, Value: asked.value, Headers: asked.headers}
	copied := codecs.HeadersOfRedrive(codecs.Redrive{Letter: l})
	for name, value := range answer.headers {
		copied[name] = value
	}
	answer.headers = copied

	a := foldingAggregate(t)
	a.take(answer)
	if !a.row(known).Holds(completion(known, order.Detail).ID) {
		t.Error("it is not folded")
	}
	s := start(t, Saga(config(), saga.Default(), saga.Decide))
	s.take(asked)
	if e := s.take(answer).event(t); e.Type != "PAYMENT_REQUESTED" {
		t.Errorf("the saga says %s", e.Type)
	}
	in := intake{role: "payment"}
	if !in.hears(func(t order.Type) bool { return t == "ORDER_COMPLETED" }, func(name string) []byte { return copied[name] }) {
		t.Error("it is filtered away")
	}
}

func TestLettersAreHandledInTheirTurnAndOnce(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log...)
			differ(t, "what waits", places(p.wait), p.waiting())

			second := p.redrive(p.wait[1])
			if l := second.letters; len(l) != 1 || l[0].ID() != p.wait[1].ID() || l[0].Tries != 0 || !l[0].Parked || len(second.resolved) > 0 {
				t.Errorf("out of turn it gives %+v, %+v", l, second.resolved)
			}
			again := p.redrive(p.wait[0])
			if l := again.letters; len(l) != 1 || l[0].ID() != p.wait[0].ID() || l[0].Tries != 2 || !l[0].Parked || len(again.resolved) > 0 {
				t.Errorf("before it is mended it gives %+v, %+v", l, again.resolved)
			}
			differ(t, "its bytes", p.wait[0].Value, again.letters[0].Value)
			differ(t, "its headers", p.wait[0].Headers, again.letters[0].Headers)
			differ(t, "when it was written", p.wait[0].Written, again.letters[0].Written)
			differ(t, "what waits after a try in vain", places(p.wait), p.waiting())

			*p.mended = true
			for i, l := range p.wait {
				p.redrive(l).resolvedAs(t, codecs.Redriven, l)
				differ(t, "what waits", places(p.wait[i+1:]), p.waiting())
				if (p.isParked() == "") != (i == len(p.wait)-1) {
					t.Errorf("after %d it is parked for %q", i, p.isParked())
				}
				stored := p.tester.TableValue(p.table, known)
				p.redrive(l).resolvedAs(t, codecs.Redriven, l) // another operator, or a crash
				differ(t, "what is stored when it comes twice", stored, p.tester.TableValue(p.table, known))
			}
			if role == RoleAggregate {
				got, want := p.row(known), folded(life...)
				got.Meta.Version = want.Meta.Version
				differ(t, "the row", want, got)
			} else if s := p.state(known); s.Status != order.StatusCompleted {
				t.Errorf("the order is %s", s.Status)
			}
		})
	}
}

func TestADiscardedLetterIsNeverHandled(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log[:2]...)
			*p.mended = true
			first := p.wait[0]
			p.discard(first).resolvedAs(t, codecs.Discarded, first)
			if p.isParked() != "" || p.waiting() != nil {
				t.Errorf("it is parked for %q, and %v wait", p.isParked(), p.waiting())
			}
			stored := p.tester.TableValue(p.table, known)
			p.discard(first).resolvedAs(t, codecs.Discarded, first)
			p.redrive(first).resolvedAs(t, codecs.Discarded, first) // by one who did not know
			differ(t, "what is stored", stored, p.tester.TableValue(p.table, known))
		})
	}
}

func TestEventsOfAParkedOrderQueueUpUntilTheLastIsSeenTo(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log[:2]...)
			*p.mended = true
			p.wait = append(p.wait, p.hear(log[2]).letters...)
			p.redrive(p.wait[0]).resolvedAs(t, codecs.Redriven, p.wait[0])
			late := p.hear(log[3])
			if len(late.letters) != 1 || !late.letters[0].Parked {
				t.Fatalf("one that comes while others wait: %+v", late)
			}
			p.redrive(p.wait[1]).resolvedAs(t, codecs.Redriven, p.wait[1])
			p.redrive(late.letters[0]).resolvedAs(t, codecs.Redriven, late.letters[0])
			if p.isParked() != "" {
				t.Errorf("it is parked for %q", p.isParked())
			}
		})
	}
}

// A process that died after it stored, and before anything else, says all of it the next
// time.
func TestARedriveThatComesAgainOwesWhatTheFirstMayNotHaveSaid(t *testing.T) {
	p := park(t, RoleSaga, upTo()[:2]...)
	*p.mended = true
	types := func(d did) (all []string) {
		for _, e := range d.emitted {
			all = append(all, fmt.Sprintf("%s %s %s", e.ID, e.Type, e.Status))
		}
		return all
	}
	first := p.redrive(p.wait[0])
	want := []string{
		known + "/redriven/store.order/0/1/ORDER_UNPARKED ORDER_UNPARKED running",
		known + "/PAYMENT_REQUESTED/1 PAYMENT_REQUESTED running",
	}
	differ(t, "what it says", want, types(first))
	differ(t, "what it says when it comes again", want, types(p.redrive(p.wait[0])))
	p.hear(completion(known, order.Payment))
	differ(t, "what it says once that is answered", want[:1], types(p.redrive(p.wait[0])))
}

func TestADiscardUnparksAsWell(t *testing.T) {
	p := park(t, RoleSaga, upTo()[:2]...)
	for range 2 {
		d := p.discard(p.wait[0])
		if len(d.emitted) != 1 || d.emitted[0].Type != order.OrderUnparked || d.emitted[0].Status != order.StatusRunning {
			t.Errorf("it says %+v", d.emitted)
		}
	}
	if _, _, open := p.state(known).Timer(); !open {
		t.Error("no deadline is set")
	}
}

// told is what an event tells beside where the order stands.
type told struct {
	ID            string
	Type          order.Type
	Actor, Reason string
}

func (d did) told() (all []told) {
	for _, e := range d.emitted {
		all = append(all, told{e.ID, e.Type, e.Actor, e.Reason})
	}
	return all
}

func TestTheHistoryTellsWhoSawToTheLastLetterHowAndWhy(t *testing.T) {
	for _, discard := range []bool{true, false} {
		p := park(t, RoleSaga, append(upTo()[:2:2], happened(known, order.Pause.Type(), ""))...)
		*p.mended = true
		see, how := p.redrive, "redriven"
		if discard {
			see, how = p.discard, "discarded"
		}
		see(p.wait[0])
		unparked := told{known + "/redriven/" + p.wait[1].Place() + "/ORDER_UNPARKED", order.OrderUnparked, "ann", how + ": mended"}
		for range 2 {
			if got := see(p.wait[1]).told(); !slices.Contains(got, unparked) {
				t.Errorf("%s, it says %+v, want %+v", how, got, unparked)
			}
		}
		// By another, who did not know.
		other := codecs.Redrive{Letter: p.wait[1], Actor: "bob", Discard: !discard}
		if other.Discard {
			other.Value, other.Headers = nil, nil
		}
		if got := p.see(other).told(); !slices.Contains(got, unparked) {
			t.Errorf("once it is seen to it says %+v, want %+v", got, unparked)
		}
	}
}

// All roles hear the log from its beginning, and the bug is mended: nobody has redriven it. The
// first to hear it so may have died before it said so.
func TestThatARecordCameAgainEndsItsWaitingByNobodysHand(t *testing.T) {
	p := park(t, RoleSaga, upTo()[:2]...)
	*p.mended = true
	want := []told{
		{known + "/redriven/store.order/0/1/ORDER_UNPARKED", order.OrderUnparked, "", "handled as it came again"},
		{known + "/PAYMENT_REQUESTED/1", "PAYMENT_REQUESTED", "", ""},
	}
	s := p.shell
	for _, life := range []string{"the first life after it", "the next"} {
		s = s.crash(bugAt(RoleSaga, completion(known, order.Detail).ID, p.mended))
		if d := s.hear(request(known, order.Detail)); len(d.emitted)+len(d.resolved) > 0 {
			t.Errorf("in %s it says %+v, %+v of what never waited", life, d.emitted, d.resolved)
		}
		d := s.hear(completion(known, order.Detail))
		differ(t, "what it says in "+life, want, d.told())
		if len(d.resolved) != 1 || d.resolved[0].ID() != p.wait[0].ID() || d.resolved[0].Resolved != codecs.Redriven {
			t.Errorf("in %s the letter is %+v", life, d.resolved)
		}
	}
}

// While more waits, what the saga says must not make the order look as if it went on.
func TestAnOrderIsShownToBeStuckUntilTheLastIsSeenTo(t *testing.T) {
	command := func(c order.Command) order.Event { return happened(known, c.Type(), "") }
	scheduled, putOff := happened(known, order.OrderScheduled, ""), command(order.Schedule)
	scheduled.StartAt, putOff.StartAt = noon.AddDate(0, 0, 3), noon.AddDate(0, 0, 4)
	declined := []order.Event{
		request(known, order.Detail), completion(known, order.Detail), failure(known, order.Payment, "no money"),
		happened(known, "ORDER_COMPENSATED", undoing(known, order.Detail).ID),
	}
	paidAfterAll := completion(known, order.Payment)
	for _, c := range []struct {
		name   string
		log    []order.Event
		poison int // which of them
		want   order.Status
	}{
		{"an order that runs", append(upTo()[:2:2], command(order.Pause), command(order.Schedule), command(order.Resume)), 1, order.StatusRunning},
		{"one for later", []order.Event{scheduled, command(order.Pause), putOff, command(order.Resume)}, 1, order.StatusScheduled},
		{"a failed one that was paid after all", append(declined[:4:4], paidAfterAll), 4, order.StatusCompensating},
		{"a failed one that is commanded", append(declined[:4:4], command(order.Pause)), 4, order.StatusFailed},
		{"one that fails while more waits", append(declined[:4:4], command(order.Pause)), 3, order.StatusFailed},
		{"one that is cancelled while more waits", []order.Event{scheduled, command(order.Cancel), command(order.Pause)}, 1, order.StatusCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := order.Row{}
			p := parkAt(t, RoleSaga, c.log[c.poison].ID)
			for _, e := range c.log {
				row = order.Fold(row, e)
				d := p.hear(e)
				p.wait = append(p.wait, d.letters...)
				for _, said := range d.emitted {
					row = order.Fold(row, said)
				}
			}
			*p.mended = true
			for i, l := range p.wait {
				if row.Meta.Status != order.StatusStuck {
					t.Errorf("before %d it is %s: %v", i, row.Meta.Status, row.Events())
				}
				for _, e := range p.redrive(l).emitted {
					row = order.Fold(row, e)
				}
			}
			if row.Meta.Shown() != c.want || p.state(known).Status != c.want {
				t.Errorf("in the end the row shows %s, the state %s: %v", row.Meta.Shown(), p.state(known).Status, row.Events())
			}
		})
	}
}

// Misfits are nobody's: once they can be read all roles must hear of them.
func TestALetterThatParkedNobodyIsSentOnOnceItCanBeRead(t *testing.T) {
	s := foldingAggregate(t)
	r := recordOf(life[0])
	l := codecs.Letter{
		Role: RoleAggregate, Topic: codecs.StoreOrder, Partition: 1, Offset: 9, Written: noon, Tries: 1,
		Key: known, Value: r.value, Headers: r.headers,
	}
	d := s.redrive(l)
	d.resolvedAs(t, codecs.Redriven, l)
	if len(d.emitted) != 1 || d.emitted[0].ID != life[0].ID {
		t.Errorf("sent on is %+v", d.emitted)
	}
	differ(t, "the row", folded(life[0]), s.row(known))

	l.Value = []byte("garbage")
	again := s.redrive(l).letter(t)
	if again.ID() != l.ID() || again.Tries != 2 || again.Parked {
		t.Errorf("one that still cannot be read is %+v", again)
	}
	s.discard(l).resolvedAs(t, codecs.Discarded, l)
}

func TestATimerThatParkedAnOrderCanBeRedriven(t *testing.T) {
	mended := false
	s := start(t, Saga(config(), saga.Default(), func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
		if _, ok := in.(saga.DeadlinePassed); ok && !mended {
			panic("no such thing")
		}
		return saga.Decide(s, in)
	}))
	s.hear(request(known, order.Detail))
	_, arming, _ := s.state(known).Timer()
	l := s.timer(known, arming).letter(t)
	mended = true
	d := s.redrive(l)
	d.resolvedAs(t, codecs.Redriven, l)
	if s.state(known).Parked != "" || len(d.emitted) != 1 || d.emitted[0].Type != order.OrderUnparked {
		t.Errorf("parked for %q, said %+v", s.state(known).Parked, d.emitted)
	}
	if d := s.timer(known, arming); len(d.emitted) > 0 { // the clocks stood still
		t.Errorf("the timer from before says %+v", d.emitted)
	}
	_, arming, _ = s.state(known).Timer()
	if e := s.timer(known, arming).event(t); e.Type != "ORDER_TIMED_OUT" {
		t.Errorf("the next timer says %+v", e)
	}
	bad := codecs.Letter{Role: RoleSaga, Topic: codecs.SagaTimers, Written: noon, Key: known, Value: []byte("soon")}
	if again := s.redrive(bad).letter(t); again.Parked || s.state(known).Parked != "" {
		t.Errorf("what is no timer has parked the order: %+v", again)
	}
}

func TestAWorkersLetterIsWorkedOnOnceMoreInTime(t *testing.T) {
	mended, clock := false, noon
	c := config()
	c.Now = func() time.Time { return clock }
	s := start(t, Worker(c, plan(order.Detail), does(func(ctx context.Context, r Request) (order.JSON, error) {
		if !mended {
			panic("no such thing")
		}
		return Echo{}.Do(ctx, r)
	})))
	l := s.hear(request(known, order.Detail)).letter(t)
	if again := s.redrive(l).letter(t); again.Tries != 2 || again.Parked || again.ID() != l.ID() {
		t.Errorf("before it is mended: %+v", again)
	}
	mended = true
	d := s.redrive(l)
	d.resolvedAs(t, codecs.Redriven, l)
	if len(d.emitted) != 1 || d.emitted[0].Type != "ORDER_COMPLETED" {
		t.Errorf("said is %+v", d.emitted)
	}
	clock = noon.Add(plan(order.Detail).Timeout)
	if late := s.redrive(l).letter(t); !strings.HasPrefix(late.Reason, "the request's deadline has passed") || late.Tries != 1 {
		t.Errorf("too late: %+v", late)
	}
}

// What was parked before letters had their turn has no list. Its letters take their
// places as they are redriven.
func TestAnOrderThatWasParkedWithoutAListIsRedrivenAllTheSame(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log[:2]...)
			*p.mended = true
			old := p.wait[0]
			old.Parked = false
			if role == RoleAggregate {
				row := p.row(known)
				row.Meta.Waiting = nil
				p.tester.SetTableValue(p.table, known, row)
			} else {
				state := p.state(known)
				state.Waiting = nil
				p.tester.SetTableValue(p.table, known, state)
			}
			placed := p.redrive(old).letters
			if len(placed) != 1 || !placed[0].Parked {
				t.Fatalf("the first time it gives %+v", placed)
			}
			p.redrive(placed[0]).resolvedAs(t, codecs.Redriven, placed[0])
			if p.isParked() != "" {
				t.Errorf("it is parked for %q", p.isParked())
			}
		})
	}
}

func TestMoreLettersThanHaveTheirTurnAreLettersAllTheSame(t *testing.T) {
	for role, log := range tablesAndLogs() {
		t.Run(role, func(t *testing.T) {
			p := park(t, role, log[:2]...)
			pause := happened(known, order.Pause.Type(), "")
			for i := range order.MaxWaiting {
				pause.ID = fmt.Sprint("pause", i)
				d := p.hear(pause)
				if len(d.letters) != 1 || d.letters[0].Parked != (i < order.MaxWaiting-1) {
					t.Fatalf("%d: %+v", i, d.letters)
				}
			}
			if got := len(p.waiting()); got != order.MaxWaiting {
				t.Errorf("%d wait, want %d", got, order.MaxWaiting)
			}
		})
	}
}

// The room for what waits is kept free in each record.
func TestTheLargestValueCanBeParkedAndUnparked(t *testing.T) {
	place := fmt.Sprintf("%s/%d/", codecs.StoreOrder, 1<<30)
	var most order.Waiting
	for i := range order.MaxWaiting {
		most = append(most, fmt.Sprintf("%s%d", place, int64(1<<62)+int64(i)))
	}
	row, err := codecs.Row{}.Encode(order.Row{Meta: order.Meta{Waiting: most, Parked: clip(strings.Repeat("\x01", maxReason))}})
	check(t, err)
	if len(row) > maxWaitingValue || maxWaitingValue > recordMargin-8<<10 {
		t.Errorf("they take %d bytes; %d are counted on, of a margin of %d", len(row), maxWaitingValue, recordMargin)
	}
}

// In whatever order the letters are seen to, and whenever the process dies, each event is
// folded once and in its place, or was discarded.
func TestWhateverComesWhenTheRowIsTheLogWithoutWhatWasDiscarded(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		mended := map[string]bool{}
		poison := map[string]bool{}
		for _, e := range life {
			poison[e.ID] = r.IntN(3) == 0
		}
		p := func() stream.Processor {
			return Aggregate(config(), func(row order.Row, e order.Event) order.Row {
				if poison[e.ID] && !mended[e.ID] {
					panic("no such thing")
				}
				return order.Fold(row, e)
			})
		}
		s := start(t, p())
		var log []record
		open, discarded := map[string]codecs.Letter{}, map[string]bool{}
		var ids []string // of open letters, oldest first
		learn := func(d did) {
			for _, l := range d.letters {
				if _, known := open[l.ID()]; !known {
					ids = append(ids, l.ID())
				}
				open[l.ID()] = l
			}
			for _, l := range d.resolved {
				if l.Resolved == codecs.Stays {
					continue
				}
				delete(open, l.ID())
				ids = slices.DeleteFunc(ids, func(id string) bool { return id == l.ID() })
			}
		}
		write := func(r record) {
			log = append(log, r)
			learn(s.take(r))
		}
		next, dead := 0, r.IntN(4) == 0
		for step := 0; next < len(life) || len(open) > 0; step++ {
			if step > 400 {
				t.Fatalf("seed %d: %d letters are open for ever: %v", seed, len(open), s.row(known).Meta)
			}
			switch r.IntN(6) {
			case 0, 1:
				if next < len(life) {
					write(recordOf(life[next]))
					next++
				}
			case 2: // a crash: all is read again, by a table that is ahead
				if r.IntN(3) > 0 {
					break
				}
				s = s.crash(p())
				for _, one := range log {
					learn(s.take(one))
				}
			case 3:
				mended[life[r.IntN(len(life))].ID] = true
			default:
				if len(ids) == 0 {
					break
				}
				l := open[ids[min(r.IntN(len(ids)), r.IntN(len(ids)))]]
				red := codecs.Redrive{Letter: l, Actor: "ann"}
				if dead && r.IntN(4) == 0 {
					e, err := codecs.Read(l.Key, l.Value, l.Headers, l.Written)
					check(t, err)
					discarded[e.ID] = true
					red.Discard, red.Value, red.Headers = true, nil, nil
				}
				one := record{key: known, value: red.Value, headers: codecs.HeadersOfRedrive(red)}
				write(one)
				if r.IntN(4) == 0 {
					write(one)
				}
			}
		}
		row, at := s.row(known), 0
		if row.Meta.Parked != "" || row.Meta.Waiting != nil {
			t.Errorf("seed %d: it is parked for %q: %v", seed, row.Meta.Parked, row.Meta.Waiting)
		}
		for _, e := range life {
			switch {
			case at < len(row.Meta.History) && row.Meta.History[at].ID == e.ID:
				at++
			case !discarded[e.ID]:
				t.Errorf("seed %d: %s is not in its place in %v", seed, e.ID, row.Events())
			}
		}
		if at != len(row.Meta.History) {
			t.Errorf("seed %d: the row has %v", seed, row.Events())
		}
		s.stop()
	}
}
