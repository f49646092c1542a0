package saga_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

var seeds = flag.Int("seeds", 1000, "how many orders live at random")

// wrong says what an input did that it must not do in any state; empty for nothing.
func wrong(before, after saga.State, in saga.Input, owed []saga.Effect) string {
	changed := !cmp.Equal(before, after)
	beforeDue, _, beforeOpen := before.Timer()
	due, _, open := after.Timer()
	rearmed := open != beforeOpen || !due.Equal(beforeDue)
	switch {
	case changed && after.Revision <= before.Revision:
		return fmt.Sprintf("it changed, and its revision is %d after %d:\n%s", after.Revision, before.Revision, cmp.Diff(before, after))
	case !changed && len(owed) > 0 && before.Status == "" && len(before.Words) == 0:
		return "it owes what it has no memory of"
	case rearmed && after.Arming <= before.Arming:
		return fmt.Sprintf("its timer went from %v to %v, and the arming is %d after %d", beforeDue, due, after.Arming, before.Arming)
	case after.Arming < before.Arming:
		return "the arming went back"
	case before.Status == order.StatusCompleted && after.Status != order.StatusCompleted:
		return fmt.Sprintf("it was completed, and is %q", after.Status)
	case before.Status == order.StatusCompleted && changed && len(after.Words) == len(before.Words):
		return fmt.Sprintf("it was completed, and changed:\n%s", cmp.Diff(before, after))
	case before.Status != "" && !cmp.Equal(before.Definition, after.Definition):
		return "it goes on by another plan"
	case after.Status.Ended() && (open || after.Paused || after.Open != saga.Open{} || !after.Deadline.IsZero() || after.Rest != 0):
		return fmt.Sprintf("it has ended, and still waits: %+v", after)
	case after.Paused && open:
		return "it is paused, and a timer is set"
	case (after.Status == order.StatusRunning || after.Status == order.StatusCompensating) && !after.Paused && after.Open.Due.IsZero():
		return fmt.Sprintf("it is %q, and nothing moves it on", after.Status)
	case after.Status == order.StatusScheduled && !after.Paused && !open:
		return "nothing begins it"
	case after.Status == order.StatusStuck && (after.Open.Step == "" || after.Open.Waiting):
		return "it is stuck, and nobody knows in what"
	case after.Paused && (!after.Deadline.IsZero() || !after.Open.Due.IsZero()), !after.Paused && (after.Rest != 0 || after.Open.Rest != 0):
		return "its clocks run in the pause, or stand without one"
	}
	for i, w := range before.Work {
		if a := after.Work[i]; a.Attempts < w.Attempts || a.Undos < w.Undos || a.Round < w.Round {
			return fmt.Sprintf("%+v became %+v", w, a)
		}
	}
	if n := len(before.Words); !cmp.Equal(before.Words, after.Words[:n:n]) && n > 0 {
		return "a word was taken back"
	}
	ids := map[string]bool{}
	for _, effect := range owed {
		e := effect.Event("saga")
		if ids[e.ID] || e.OrderID != id || e.Causation != eventOf(in) || e.ID == "" {
			return fmt.Sprintf("it owes %+v for %s", e, eventOf(in))
		}
		ids[e.ID] = true
		if r, ok := effect.(saga.Request); ok && e.Timed() {
			if o := after.Open; changed || o.Request != "" || o.Step != "" && (!o.Waiting || r.Step != o.Step || r.Undo != o.Undo) {
				return fmt.Sprintf("it asks by %+v, and waits for %+v", e, after.Open)
			}
		} else if ok && (e.ID != after.Open.Request || r.Round < 1) {
			return fmt.Sprintf("it asks by %+v, and waits for %+v", e, after.Open)
		}
		if _, heard := saga.InputOf(e, plan, now); heard != (e.Status == "") {
			return fmt.Sprintf("it hears itself say %+v: %v", e, heard)
		}
	}
	return ""
}

// life is a log with a saga, its timers, workers, and operators at it. The saga stores
// its state at once, and what it says reaches the log in order, but later. When it dies,
// what has not is lost, and it reads again from somewhere before.
type life struct {
	r    *rand.Rand
	seed uint64
	plan saga.Definition
	now  time.Time

	log    []order.Event
	row    order.Row
	timers []int64 // that have fired
	late   []order.Event

	state             saga.State
	heard, fired, did int     // the next record of the log, of the timers; of the log to the workers
	unsent            []words // what is said and not in the log yet
	backlog           int     // of the log when the saga began its life; no timer fires before that is read

	early    bool // a stranger has said the only step to be done, maybe before the client requested it
	budget   int  // of what may still go wrong
	commands int
	copies   int
}

type words struct {
	heard, fired int // where the saga must read again to say them
	said         []order.Event
}

func newLife(seed uint64, d saga.Definition) *life {
	l := &life{r: rand.New(rand.NewPCG(seed, 7)), seed: seed, plan: d, now: now, budget: 12}
	startAt := time.Time{}
	if l.r.IntN(4) == 0 {
		startAt = now.Add(time.Duration(l.r.IntN(100)) * time.Second)
	}
	first := saga.Begin(d, id, nil, startAt, now, "edge")
	if startAt.IsZero() && l.r.IntN(3) == 0 {
		first.ID = "a request by another name"
	}
	if l.r.IntN(8) == 0 {
		l.command(order.Pause)
	}
	l.append(first)
	return l
}

func (l *life) append(events ...order.Event) {
	for _, e := range events {
		l.log = append(l.log, e)
		before := l.row
		l.row = order.Fold(l.row, e)
		if l.row.Meta.Version == before.Meta.Version {
			l.copies++
		}
	}
}

func (l *life) goesWrong(outOf int) bool {
	if l.budget == 0 || l.r.IntN(outOf) > 0 {
		return false
	}
	l.budget--
	return true
}

func (l *life) decide(t *testing.T, in saga.Input, at words) {
	t.Helper()
	before := deepCopy(l.state)
	argument := l.state
	next, owed := saga.Decide(l.state, in)
	if !cmp.Equal(before, argument) {
		t.Fatalf("seed %d: %T changed what it was given:\n%s", l.seed, in, cmp.Diff(before, argument))
	}
	if complaint := wrong(before, next, in, owed); complaint != "" {
		t.Fatalf("seed %d: %s: %s", l.seed, eventOf(in), complaint)
	}
	l.state = next
	for _, effect := range owed {
		at.said = append(at.said, effect.Event("saga"))
	}
	if len(at.said) > 0 {
		l.unsent = append(l.unsent, at)
	}
}

// read has the saga hear the next record of the log.
func (l *life) read(t *testing.T) {
	t.Helper()
	at := words{heard: l.heard, fired: l.fired}
	e := l.log[l.heard]
	l.heard++
	if in, ok := saga.InputOf(e, l.plan, l.now); ok {
		before := l.state
		l.decide(t, in, at)
		if what := ofAnotherRound(before, l.state, e); what != "" {
			t.Fatalf("seed %d: %s: %s\n%s", l.seed, e.ID, what, l.tell())
		}
	}
}

// ofAnotherRound says what the answer to a request for an earlier piece of work did to the
// present one; empty for nothing.
func ofAnotherRound(before, after saga.State, e order.Event) string {
	step, phase, _ := e.Type.Split()
	answers := phase == order.Completed || phase == order.Failed || phase == order.Compensated || phase == order.CompensationFailed
	for i, w := range before.Work {
		if before.Definition.Steps[i].Name == step && answers && e.Causation != "" && e.Round > 0 && e.Round < w.Round && !cmp.Equal(before, after) {
			return fmt.Sprintf("of round %d, in round %d it changes the state:\n%s", e.Round, w.Round, cmp.Diff(before, after))
		}
	}
	return ""
}

func (l *life) fire(t *testing.T) {
	t.Helper()
	at := words{heard: l.heard, fired: l.fired}
	arming := l.timers[l.fired]
	l.fired++
	l.decide(t, saga.DeadlinePassed{Heard: saga.Heard{OrderID: id, ID: saga.TimerID(id, arming), At: l.now}, Arming: arming}, at)
}

// send has the first of what is not in the log yet get there.
func (l *life) send() {
	first := &l.unsent[0]
	l.append(first.said[0])
	if first.said = first.said[1:]; len(first.said) == 0 {
		l.unsent = l.unsent[1:]
	}
}

func (l *life) die() {
	if len(l.unsent) > 0 {
		l.heard, l.fired = l.unsent[0].heard, l.unsent[0].fired
	}
	l.heard, l.fired = l.heard-l.r.IntN(l.heard+1), l.fired-l.r.IntN(l.fired+1)
	l.unsent, l.backlog = nil, len(l.log)
}

// work has the workers see the next record of the log. Each attempt has its own luck, and
// what is answered comes at any time.
func (l *life) work() {
	request := l.log[l.did]
	l.did++
	step, phase, _ := request.Type.Split()
	done, fails := order.Completed, order.Failed
	switch phase {
	case order.Requested:
	case order.CompensationRequested:
		done, fails = order.Compensated, order.CompensationFailed
	default:
		return
	}
	answer := order.Event{
		OrderID: id, Attempt: request.Attempt, Round: request.Round, Causation: request.ID, Type: order.TypeOf(step, done),
	}
	switch {
	case l.goesWrong(4):
		answer.Type, answer.Reason = order.TypeOf(step, fails), "no"
		answer.Retryable = l.r.IntN(3) > 0
	case l.goesWrong(6):
		return // no answer at all
	case l.goesWrong(10):
		answer.Causation = "" // a foreign worker
	}
	answer.ID = order.EventID(id, answer.Type, answer.Attempt)
	l.late = append(l.late, answer)
}

// arrives has one of the answers reach the log.
func (l *life) arrives() {
	n := l.r.IntN(len(l.late))
	l.append(l.late[n])
	if l.r.IntN(6) == 0 {
		l.append(l.late[n]) // twice
	}
	l.late = slices.Delete(l.late, n, n+1)
}

// strays says what nobody asked for: too early, too late, or of another request.
func (l *life) strays() {
	s := l.plan.Steps[l.r.IntN(len(l.plan.Steps))].Name
	phases := []order.Phase{order.Completed, order.Completed, order.Failed, order.Compensated, order.CompensationFailed, order.TimedOut}
	p := phases[l.r.IntN(len(phases))]
	attempt := 1 + l.r.IntN(2)
	e := order.Event{OrderID: id, Type: order.TypeOf(s, p), ID: order.EventID(id, order.TypeOf(s, p), attempt), Attempt: attempt}
	if l.r.IntN(2) == 0 {
		e.ID, e.Causation = fmt.Sprint("stray ", len(l.log)), "a request that nobody made"
	}
	if l.r.IntN(5) == 0 && l.row.Meta.StartAt.IsZero() && len(l.plan.Steps) > 1 {
		e = saga.Begin(l.plan, id, nil, time.Time{}, l.now, "edge")
		if l.r.IntN(2) == 0 {
			e.ID = fmt.Sprint("rival ", len(l.log))
		}
	}
	if e.Causation == "" && p == order.Completed && (len(l.unsent) > 0 || l.state.Status == order.StatusScheduled) {
		return // that it guesses the moment while the request is on its way is beyond us
	}
	asks := map[order.Phase]order.Phase{
		order.Failed: order.Requested, order.Compensated: order.CompensationRequested, order.CompensationFailed: order.CompensationRequested,
	}
	if ask, answers := asks[p]; answers && e.Causation == "" && e.Type == order.TypeOf(s, p) &&
		!slices.ContainsFunc(l.log, func(o order.Event) bool { return o.ID == order.EventID(id, order.TypeOf(s, ask), attempt) }) {
		return // and so is what it guesses for a saga that dies and reads it after what it asks then
	}
	l.early = l.early || e.Causation == "" && p == order.Completed && len(l.plan.Steps) == 1
	l.append(e)
}

func (l *life) command(c order.Command) {
	l.commands++
	l.append(order.Event{
		OrderID: id, Type: c.Type(), ID: fmt.Sprint("command ", l.commands), Attempt: 1, Reason: "why",
		StartAt: l.now.Add(time.Duration(l.r.IntN(90)) * time.Second), Output: []order.JSON{nil, order.JSON(`1`)}[l.r.IntN(2)],
	})
}

// quiet reports whether all that was said is heard.
func (l *life) quiet() bool {
	return l.heard == len(l.log) && l.fired == len(l.timers) && len(l.unsent) == 0
}

// step moves something, and reports whether there was anything to move.
func (l *life) step(t *testing.T) bool {
	t.Helper()
	l.now = l.now.Add(time.Duration(l.r.IntN(3000)) * time.Millisecond)
	switch {
	case l.goesWrong(40):
		l.die()
		return true
	case l.goesWrong(40):
		l.strays()
		return true
	case l.goesWrong(30):
		all := order.Commands()
		l.command(all[l.r.IntN(len(all))])
		return true
	}
	var can []func()
	if len(l.unsent) > 0 {
		can = append(can, l.send, l.send)
	}
	if l.heard < len(l.log) {
		can = append(can, func() { l.read(t) }, func() { l.read(t) })
	}
	if l.did < len(l.log) {
		can = append(can, l.work, l.work)
	}
	if l.fired < len(l.timers) {
		can = append(can, func() { l.fire(t) })
	}
	if len(l.late) > 0 {
		can = append(can, l.arrives)
	}
	due, arming, open := l.state.Timer()
	if open && l.heard >= l.backlog && (len(l.timers) == 0 || l.timers[len(l.timers)-1] != arming) && (len(can) == 0 || !due.After(l.now) || l.goesWrong(20)) {
		can = append(can, func() {
			if due.After(l.now) {
				l.now = due
			}
			l.timers = append(l.timers, arming)
		})
	}
	if len(can) == 0 {
		switch { // it is to an operator
		case l.state.Paused:
			l.command(order.Resume)
		case l.state.Status == order.StatusStuck:
			l.command([]order.Command{order.Retry, order.Retry, order.Skip, order.Cancel, order.Pause}[l.r.IntN(5)])
		default:
			return false
		}
		return true
	}
	can[l.r.IntN(len(can))]()
	return true
}

// same holds that row and saga say the same of the order.
func (l *life) same() string {
	status := l.state.Status
	if status == "" {
		status = order.StatusUnknown
	}
	m := l.row.Meta
	if m.Paused != l.state.Paused || m.Status != status && !m.Paused {
		return fmt.Sprintf("to the saga it is %q, paused %v; in the row %q, paused %v", status, l.state.Paused, m.Status, m.Paused)
	}
	return ""
}

// hearsAgain holds that anything of the log, heard again, changes nothing and owes only
// what is there already and what nobody has answered.
func (l *life) hearsAgain(t *testing.T) {
	t.Helper()
	e := l.log[l.r.IntN(len(l.log))]
	in, ok := saga.InputOf(e, saga.Default(), l.now)
	_, phase, _ := e.Type.Split()
	if !ok || e.Causation == "" && phase != order.Requested && phase != "" {
		return // an answer to any request, be it made later
	}
	after, owed := saga.Decide(l.state, in)
	if !cmp.Equal(l.state, after) {
		t.Fatalf("seed %d: %s again changes the state:\n%s", l.seed, e.ID, cmp.Diff(l.state, after))
	}
	for _, effect := range owed {
		said := effect.Event("saga")
		i := slices.IndexFunc(l.log, func(e order.Event) bool { return e.ID == said.ID })
		if i < 0 {
			t.Fatalf("seed %d: %s again owes %s, which was never said", l.seed, e.ID, said.ID)
		}
		first := l.log[i]
		first.Time, first.Deadline, said.Time, said.Deadline = now, now, now, now
		if diff := cmp.Diff(first, said); diff != "" {
			t.Fatalf("seed %d: %s again says another thing under one id:\n%s", l.seed, e.ID, diff)
		}
	}
}

func (l *life) tell() string {
	var b []byte
	for i, e := range l.log {
		b = fmt.Appendf(b, "%3d %s cause=%s status=%s outcome=%s %s\n", i, e.ID, e.Causation, e.Status, e.Outcome, e.Reason)
	}
	return string(b)
}

// Whatever is answered, said twice, lost with a dying saga, ordered or said by strangers:
// each order ends, the row says of it what the saga does whenever all is heard, and
// what is heard again moves nothing.
func TestEveryOrderEndsAndItsRowSaysWhatTheSagaDoes(t *testing.T) {
	plans := []saga.Definition{plan, plan, sticky, long, shipping, onlyOrder, impatient, impatient}
	ends, copies := map[order.Status]int{}, 0
	for seed := range uint64(*seeds) {
		l := newLife(seed, plans[seed%uint64(len(plans))])
		if l.plan.Version == impatient.Version {
			l.budget += l.r.IntN(24) // it takes several to have what comes late matter
		}
		for n := 0; l.step(t); n++ {
			if n > 5000 {
				t.Fatalf("seed %d: it does not end: %s\n%s", seed, stands(l.state), l.tell())
			}
			if l.quiet() {
				if complaint := l.same(); complaint != "" && !l.early {
					t.Fatalf("seed %d: %s\n%s", seed, complaint, l.tell())
				}
				l.hearsAgain(t)
			}
		}
		if !l.state.Status.Ended() {
			t.Fatalf("seed %d: it stands still, %s\n%s", seed, stands(l.state), l.tell())
		}
		if complaint := l.same(); complaint != "" {
			t.Fatalf("seed %d: in the end %s\n%s", seed, complaint, l.tell())
		}
		ends[l.state.Status]++
		copies += l.copies
	}
	t.Logf("ends: %v, %d copies", ends, copies)
	for _, end := range []order.Status{order.StatusCompleted, order.StatusFailed, order.StatusCancelled} {
		if ends[end] < *seeds/50 {
			t.Errorf("only %d of %d are %s: this proves little", ends[end], *seeds, end)
		}
	}
	if copies < *seeds {
		t.Errorf("only %d copies: this proves little", copies)
	}
}

// A saga that dies once loses nothing. What it says a second time may be answered
// a second time, and so on to the order's end; but two never become three.
func TestADeathLosesNothingAndIsNotMultipliedDownTheChain(t *testing.T) {
	longest, straight := 0, 2*len(long.Steps)
	for seed := range uint64(*seeds) {
		l := newLife(seed, long)
		l.budget, l.late = 0, nil
		deathAt := l.r.IntN(straight)
		for n := 0; l.step(t); n++ {
			if n > 1000 {
				t.Fatalf("seed %d: it does not end", seed)
			}
			if l.heard == deathAt && l.heard > 0 {
				deathAt = -1
				l.die()
			}
		}
		if l.state.Status != order.StatusCompleted {
			t.Fatalf("seed %d: it is %s", seed, stands(l.state))
		}
		longest = max(longest, len(l.log))
	}
	if longest == straight {
		t.Error("no death led to a copy, so this test proves nothing")
	}
}
