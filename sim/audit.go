package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// The auditor reads the log, the participants' books, the rows and the final states. It
// has a model of its own, which is simpler: it knows what must hold, not how.

// fact is the first copy of an event.
type fact struct {
	order.Event
	at int // in the log
	record
}

// audit checks all orders when the world is quiet.
func (w *world) audit() {
	for _, c := range w.orders {
		a := &audit{w: w, client: c, first: map[string]int{}}
		for i, r := range w.log {
			if r.OrderID != c.id {
				continue
			}
			a.copies++
			if _, ok := a.first[r.ID]; !ok {
				a.first[r.ID] = len(a.facts)
				a.facts = append(a.facts, fact{Event: r.Event, at: i, record: r})
			}
		}
		a.row, a.state = w.rows.disk()[c.id], w.saga.disk()[c.id]
		a.order()
	}
}

// auditStep checks a change of a row as it happens: whoever was told that an order is
// complete was told the truth.
func (w *world) auditStep(before, after order.Row) {
	b, a := before.Meta, after.Meta
	switch {
	case b.Status == order.StatusCompleted && a.Status != b.Status:
		w.complain("%s: was completed and is %s", after.ID, a.Status)
	case b.Status.Ended() && b.Status != a.Status && a.Status != order.StatusCompensating && !(w.saga.muted && a.Status == order.StatusStuck):
		w.complain("%s: was %s and is %s", after.ID, b.Status, a.Status)
	case a.Status.Ended() && a.Paused:
		w.complain("%s: is %s and paused", after.ID, a.Status)
	case a.Version < b.Version:
		w.complain("%s: goes back from version %d to %d", after.ID, b.Version, a.Version)
	}
}

// auditRest checks a world in which all that was said is heard: the saga thinks of an
// order as its row shows it, whatever is still to come. Of a saga that was muted the row
// may know only later.
func (w *world) auditRest() {
	if w.saga.muted {
		return
	}
	for _, c := range w.orders {
		row, state := w.rows.disk()[c.id].Meta, w.saga.disk()[c.id]
		thinks := order.Meta{Status: state.Status, Paused: state.Paused}.Shown()
		if thinks != "" && row.Shown() != thinks {
			w.complain("%s: the row is %s, to the saga it is %s", c.id, row.Shown(), thinks)
		}
	}
}

// audit is of one order.
type audit struct {
	w      *world
	client *client
	facts  []fact
	first  map[string]int // among the facts, by id
	copies int            // records, first ones included
	row    order.Row
	state  saga.State
}

func (a *audit) complain(format string, args ...any) {
	a.w.complain(a.client.id+": "+format, args...)
}

func (a *audit) order() {
	a.ends()
	a.agreement()
	a.effects()
	a.pauses()
	a.undoneNewestFirst()
	a.undoneByTheirWord()
	a.causes()
	a.verdicts()
	a.clocks()
	a.patience()
	a.attempts()
	a.plan()
	a.count()
}

func (a *audit) has(t order.Type) bool {
	return slices.ContainsFunc(a.facts, func(f fact) bool { return f.Type == t })
}

// ends: every order ends, or is stuck for a reason.
func (a *audit) ends() {
	s := a.row.Meta.Status
	switch {
	case s.Ended() && !a.row.Meta.Paused:
	case s == order.StatusStuck:
		why := ""
		for _, f := range a.facts {
			switch {
			case f.Type == order.OrderStuck:
				why = f.Reason
			case f.Status == order.StatusRunning || f.Status == order.StatusCompensating:
				why = "" // it went on since
			}
		}
		if why == "" {
			a.complain("is stuck, and nothing says why")
		}
	default:
		a.complain("does not end: %s, paused %v", s, a.row.Meta.Paused)
	}
}

// agreement: the row is the history, which is the log without its copies, and the saga
// thinks as the row does.
func (a *audit) agreement() {
	m := a.row.Meta
	if m.Status != a.state.Status || m.Paused != a.state.Paused {
		a.complain("the row is %s (paused %v), the saga %s (paused %v)", m.Status, m.Paused, a.state.Status, a.state.Paused)
	}
	if len(m.History) != len(a.facts) {
		a.complain("the row tells of %d events, the log of %d", len(m.History), len(a.facts))
		return
	}
	shown := order.Status("")
	for i, e := range m.History {
		f := a.facts[i]
		if e.ID != f.ID {
			a.complain("the row's event %d is %s, the log's is %s", i, e.ID, f.ID)
			return
		}
		if e.Type != f.Type || e.Attempt != f.Attempt || e.Causation != f.Causation || e.Actor != f.Actor || e.Reason != f.Reason {
			a.complain("the row tells of %s as %+v, the log has %+v", e.ID, e, f.Event)
		}
		if e.Status != "" {
			shown = e.Status
		}
	}
	if shown != m.Shown() {
		a.complain("the history ends %s, the row is %s", shown, m.Shown())
	}
	if published := a.w.rows.topic[a.client.id].Meta; published.Version != m.Version || published.Status != m.Status {
		a.complain("version %d of the row never got out, but %d", m.Version, published.Version)
	}
}

// effects: each piece of work was done once, each step has one effect at most, and what
// took effect is wanted or undone.
func (a *audit) effects() {
	for _, s := range stepNames {
		var live []*work
		for _, k := range a.w.works {
			if k.orderID != a.client.id || k.step != s {
				continue
			}
			if k.effects > 1 {
				a.complain("%s was done %d times", k.key, k.effects)
			}
			if k.effects > 0 && !k.undone {
				live = append(live, k)
			}
		}
		vouched := a.has(order.TypeOf(s, order.CompensationSkipped))
		if len(live) > 1 && !vouched {
			a.complain("%s has %d effects", s, len(live))
		}
		a.effect(s, live, vouched)
	}
}

func (a *audit) effect(s order.Step, live []*work, vouched bool) {
	i := slices.IndexFunc(a.state.Definition.Steps, func(d saga.Step) bool { return d.Name == s })
	skipped := a.has(order.TypeOf(s, order.Skipped))
	switch a.row.Meta.Status {
	case order.StatusCompleted:
		switch {
		case i < 0:
			if len(live) > 0 {
				a.complain("%s is no step of the order, and has an effect", s)
			}
		case len(live) == 0 && !skipped:
			a.complain("is completed, but %s was not done", s)
		case len(live) == 1 && !skipped && !vouched:
			if want := fmt.Sprintf("%q", live[0].key); string(a.row.Outputs[s]) != want {
				a.complain("%s produced %s, the row has %s", s, want, a.row.Outputs[s])
			}
		}
	case order.StatusFailed, order.StatusCancelled:
		possible := i < 0 || a.state.Definition.Steps[i].Compensation.Possible
		if len(live) > 0 && possible && !vouched {
			a.complain("is %s, but %s is not undone", a.row.Meta.Status, live[0].key)
		}
	default: // an operator has yet to say what becomes of it
	}
}

// pauses: once the saga has said that the order is paused it makes no request for what
// it heard since.
func (a *audit) pauses() {
	for i, p := range a.facts {
		if p.Type != order.OrderPaused {
			continue
		}
		command, ok := a.first[p.Causation]
		if !ok {
			continue // the causes are checked elsewhere
		}
		for _, f := range a.facts[i+1:] {
			if f.Type == order.OrderResumed || f.Status.Ended() {
				break
			}
			_, phase, _ := f.Type.Split()
			if phase != order.Requested && phase != order.CompensationRequested || f.source != "saga" {
				continue
			}
			cause, inLog := a.first[f.Causation]
			if inLog && a.facts[cause].at > a.facts[command].at || !inLog && a.pausedWhen(f.Causation, p.Causation, f.life) {
				a.complain("is paused, and %s is said because of %s", f.ID, f.Causation)
			}
		}
	}
}

// pausedWhen reports whether a life of the saga that heard of a timer had heard the command
// to pause before, and none had that ends the pause. That must be so of the life that
// said what the timer led to, which may not know what an earlier one heard, and of the
// first that heard of it, as what was said once may be said again.
func (a *audit) pausedWhen(timer, command string, life int) bool {
	first := slices.IndexFunc(a.w.journal, func(h handled) bool { return h.id == timer })
	return first >= 0 && a.pausedIn(a.w.journal[first].life, timer, command) && a.pausedIn(life, timer, command)
}

func (a *audit) pausedIn(life int, timer, command string) bool {
	paused := false
	for _, h := range a.w.journal {
		switch {
		case h.life == life && h.id == timer:
			return paused
		case h.life == life && h.id == command:
			paused = true
		}
		f, ok := a.first[h.id]
		if c, _ := a.facts[f].Type.Command(); ok && f > a.first[command] && (c == order.Resume || c == order.Cancel) {
			return false // its disk may know of it in any later life
		}
	}
	return false
}

// undoneNewestFirst: compensation goes backwards, but for what was declined and turned
// out to have taken effect all the same.
func (a *audit) undoneNewestFirst() {
	names := a.state.Definition.Names()
	last := len(names)
	for _, f := range a.facts {
		step, phase, _ := f.Type.Split()
		if phase != order.CompensationRequested || f.Status != order.StatusCompensating || a.doneAfterAll(step) {
			continue
		}
		i := slices.Index(names, step)
		if i > last {
			a.complain("%s is undone after a step before it", step)
		}
		last = i
	}
}

// undoneByTheirWord: an order ends undone only once the participants have said of each piece
// of work that was done, or whose undo was asked for, that it is undone, or an operator has.
func (a *audit) undoneByTheirWord() {
	for _, end := range a.facts {
		if end.source != "saga" || end.Status != order.StatusFailed && end.Status != order.StatusCancelled {
			continue
		}
		for _, d := range a.state.Definition.Steps {
			if !d.Compensation.Possible || a.has(order.TypeOf(d.Name, order.CompensationSkipped)) {
				continue
			}
			for _, f := range a.facts {
				done := f.Type == order.TypeOf(d.Name, order.Completed) && f.at < end.heard
				asked := f.Type == order.TypeOf(d.Name, order.CompensationRequested) && f.at < end.at
				if (done || asked) && !a.saidUndone(d.Name, f.Round, end.at) {
					a.complain("%s is said, though not that %s/%d is undone", end.ID, d.Name, f.Round)
				}
			}
		}
	}
}

func (a *audit) saidUndone(s order.Step, round, before int) bool {
	return slices.ContainsFunc(a.facts, func(f fact) bool {
		return f.Type == order.TypeOf(s, order.Compensated) && f.Round == round && f.at < before
	})
}

func (a *audit) doneAfterAll(s order.Step) bool {
	declined := slices.ContainsFunc(a.facts, func(f fact) bool {
		return f.Type == order.TypeOf(s, order.Failed) && !f.Retryable && f.Status == ""
	})
	return declined && a.has(order.TypeOf(s, order.Completed))
}

// causes: what the saga says has a cause that stands before it.
func (a *audit) causes() {
	for i, f := range a.facts {
		if f.source != "saga" {
			continue
		}
		cause, ok := a.first[f.Causation]
		timed := slices.ContainsFunc(a.w.timers, func(t timerRecord) bool { return saga.TimerID(t.orderID, t.arming) == f.Causation })
		if !(ok && cause < i) && !timed {
			a.complain("%s is said because of %q, which is not in its past", f.ID, f.Causation)
		}
	}
}

// verdicts: each command is accepted or rejected, and not both.
func (a *audit) verdicts() {
	for _, f := range a.facts {
		if _, ok := f.Type.Command(); !ok {
			continue
		}
		accepted, rejected := 0, 0
		for _, g := range a.facts {
			switch {
			case g.Causation != f.ID:
			case g.Type == order.OrderCommandRejected:
				rejected++
			default:
				accepted++
			}
		}
		// What a command led to may be overtaken before it is said; the saga remembers it.
		silently := slices.Contains(a.state.Words, saga.Word{Cause: f.ID})
		if accepted == 0 && silently {
			accepted++
		}
		if rejected+min(accepted, 1) != 1 {
			a.complain("%s %s was rejected %d times, and has led to %d events", f.Type, f.ID, rejected, accepted)
		}
	}
}

// clocks: no attempt times out before its deadline, and no order begins before its time.
// As clocks may be set, that is so but for what they were set by. A saga that does not
// know what it decided in an earlier life may take that life's timer for its own.
func (a *audit) clocks() {
	deadlines := map[order.Type]map[int]time.Time{}
	// A start that is brought forward may be said after the request that it led to.
	var startAt time.Time
	for _, f := range a.facts {
		if f.Type == order.OrderScheduled && (startAt.IsZero() || f.StartAt.Before(startAt)) {
			startAt = f.StartAt
		}
	}
	for _, f := range a.facts {
		step, phase, ok := f.Type.Split()
		switch {
		case !ok:
		case phase == order.Requested || phase == order.CompensationRequested:
			if f.source == "saga" && f.Type == order.TypeOf(order.Detail, order.Requested) && f.Attempt == 1 && f.Time.Add(a.w.jumped).Before(startAt) {
				a.complain("begins at %v, before %v", a.w.since(f.Time), a.w.since(startAt))
			}
			if deadlines[f.Type] == nil {
				deadlines[f.Type] = map[int]time.Time{}
			}
			if f.source != "client" { // whose plan may be another
				deadlines[f.Type][f.Attempt] = a.earliestDeadline(f.ID)
			}
		case phase == order.TimedOut || phase == order.CompensationTimedOut:
			of := order.TypeOf(step, order.Requested)
			if phase == order.CompensationTimedOut {
				of = order.TypeOf(step, order.CompensationRequested)
			}
			if due := deadlines[of][f.Attempt]; a.early(f, due) {
				a.complain("%s is said at %v, before %v", f.ID, a.w.since(f.Time), a.w.since(due))
			}
		}
	}
}

// early reports whether the saga said something before it was due, as far as the clocks were
// not set and it knew what it had decided.
func (a *audit) early(f fact, due time.Time) bool {
	return !a.w.saga.forgot && f.Time.Add(a.w.jumped+50*time.Millisecond).Before(due)
}

// patience: no order's time is up before its plan says so, and no further attempt at a step, or
// at undoing it, is made before the least wait after the failure of the one before, as far as
// the clocks were not set. An operator's command goes on at once.
func (a *audit) patience() {
	d := a.state.Definition
	var began time.Time
	failed := map[order.Type]map[int]time.Time{} // by what was asked for, and attempt
	fails := func(asked order.Type, f fact) {
		if failed[asked] == nil {
			failed[asked] = map[int]time.Time{}
		}
		if _, known := failed[asked][f.Attempt]; !known {
			failed[asked][f.Attempt] = f.Time
		}
	}
	hurried := slices.ContainsFunc(a.facts, func(f fact) bool {
		c, ok := f.Type.Command()
		return ok && c != order.Pause
	})
	for _, f := range a.facts {
		step, phase, _ := f.Type.Split()
		i := slices.Index(d.Names(), step)
		switch phase {
		case order.Requested:
			if step == order.Detail && began.IsZero() {
				began = f.Time
			}
			if i >= 0 && !hurried {
				a.waited(f, failed[f.Type], d.Steps[i].Retry)
			}
		case order.CompensationRequested:
			if i >= 0 && !hurried {
				a.waited(f, failed[f.Type], d.Steps[i].Compensation.Retry)
			}
		case order.Failed, order.TimedOut:
			fails(order.TypeOf(step, order.Requested), f)
		case order.CompensationFailed, order.CompensationTimedOut:
			fails(order.TypeOf(step, order.CompensationRequested), f)
		default: // the others are no attempts
		}
		if f.Type == order.OrderExpired && a.early(f, began.Add(d.Deadline)) {
			a.complain("%s is said at %v, %v before its time", f.ID, a.w.since(f.Time), began.Add(d.Deadline).Sub(f.Time))
		}
	}
}

// waited: an attempt of the saga's comes no sooner after the failure of the one before than
// its policy has it.
func (a *audit) waited(f fact, failed map[int]time.Time, r saga.Retry) {
	before, known := failed[f.Attempt-1]
	if !known || f.source != "saga" {
		return
	}
	least := min(r.Cap, time.Duration(float64(r.First)*math.Pow(r.Factor, float64(f.Attempt-2)))) / 2
	if a.early(f, before.Add(least)) {
		a.complain("%s is said at %v, within %v of what failed at %v", f.ID, a.w.since(f.Time), least, a.w.since(before))
	}
}

// attempts: there are no more than the plan has, anew for each time that an operator has
// something made again or undone, or that time has run out.
func (a *audit) attempts() {
	d, anew, most := a.state.Definition, 1, map[order.Type]int{}
	for _, f := range a.facts {
		if c, ok := f.Type.Command(); ok && (c == order.Retry || c == order.Cancel) || f.Type == order.OrderExpired {
			anew++
		}
		if _, phase, ok := f.Type.Split(); ok && (phase == order.Requested || phase == order.CompensationRequested) {
			most[f.Type] = max(most[f.Type], f.Attempt)
		}
	}
	for _, s := range d.Steps {
		for t, allowed := range map[order.Type]int{
			order.TypeOf(s.Name, order.Requested):             s.Retry.Attempts,
			order.TypeOf(s.Name, order.CompensationRequested): s.Compensation.Retry.Attempts + 1,
		} {
			if most[t] > allowed*anew {
				a.complain("%s was said %d times, where the plan has %d and operators came %d times", t, most[t], allowed, anew-1)
			}
		}
	}
}

func (w *world) since(t time.Time) time.Duration { return t.Sub(w.begun).Round(time.Millisecond) }

func (a *audit) earliestDeadline(id string) (earliest time.Time) {
	for _, r := range a.w.log {
		if r.ID == id && !r.Deadline.IsZero() && (earliest.IsZero() || r.Deadline.Before(earliest)) {
			earliest = r.Deadline
		}
	}
	return earliest
}

// plan: the order ends on the definition with which it began.
func (a *audit) plan() {
	d := a.state.Definition
	if !slices.ContainsFunc(a.client.plans, func(p saga.Definition) bool { return p.Equal(d) }) {
		a.complain("ends on definition %d, with which it did not begin", d.Version)
	}
	last := -1
	for _, f := range a.facts {
		step, phase, _ := f.Type.Split()
		if phase != order.Requested {
			continue
		}
		i := slices.Index(d.Names(), step)
		if i < 0 || i > last+1 {
			a.complain("%s is requested, where the definition has %v", step, d.Names())
			return
		}
		last = max(last, i)
	}
}

// count: what is said again is so because something was heard again, and is not
// multiplied down the chain.
func (a *audit) count() {
	// A command may lead to what a timer has led to.
	if most := (a.w.again + len(a.w.sent)) * (4*len(stepNames) + 8); a.copies-len(a.facts) > most {
		a.complain("%d records are copies; for what was heard again %d would do", a.copies-len(a.facts), most)
	}
	for i, r := range a.w.log {
		if r.OrderID != a.client.id || r.source != "saga" {
			continue
		}
		if _, phase, _ := r.Type.Split(); phase == order.Requested || phase == order.CompensationRequested {
			a.repeated(i, r)
		}
	}
}

// repeated: a request is not made again by whoever has heard its answer.
func (a *audit) repeated(i int, r record) {
	j := slices.IndexFunc(a.w.log[:i], func(o record) bool {
		return o.ID == r.ID && o.source == r.source && o.life == r.life
	})
	if j < 0 {
		return
	}
	for k := a.w.log[j].heard; k < r.heard; k++ {
		o := a.w.log[k]
		_, phase, _ := o.Type.Split()
		if o.Causation == r.ID && (phase == order.Completed || phase == order.Compensated) {
			a.complain("%s is said again at %d, although answered at %d", r.ID, i, k)
			return
		}
	}
}
