package saga

import (
	"fmt"
	"strings"
	"time"

	"simplecqrs/order"
)

// Decide says what an input does to an order: its new state, and the effects
// that are owed for it. It leaves s as it was.
func Decide(s State, in Input) (State, []Effect) {
	h := in.heard()
	next := s
	if h.Unsettles && !s.Unsettled && s.Status != order.StatusCompleted {
		next = s.moved()
		next.OrderID, next.Unsettled = h.OrderID, true
	}
	next = next.decide(in)
	if next.Parked != "" {
		next = next.stopped(h.At) // what it was decided to wait for it waits for when the rest is seen to
	}
	next = next.armed(s.timer())
	return next, next.owedTo(h, in)
}

// armed is the state with another arming number, if its timer is set for anything else than
// before.
func (s State) armed(before timer) State {
	if s.timer() != before {
		s.Arming++
	}
	return s
}

func (s State) decide(in Input) State {
	switch in := in.(type) { // Input is sealed
	case OrderRequested:
		return s.requested(in)
	case OrderScheduled:
		return s.scheduled(in)
	case StepCompleted:
		return s.completed(in)
	case StepFailed:
		return s.failed(in)
	case StepCompensated:
		return s.compensated(in)
	case CompensationFailed:
		return s.compensationFailed(in)
	case AttemptTimedOut:
		return s.timedOut(in)
	case OrderExpired:
		return s.expired(in)
	case AttemptRequested:
		return s.asked(in)
	case DeadlinePassed:
		return s // what follows is said first, and acted upon when it is heard; see owedTo
	case Commanded:
		return s.commanded(in)
	}
	panic(fmt.Sprintf("saga: unknown input %T", in)) // a bug: InputOf makes no other
}

// timer is what a timer is set for: if any of it changes, a timer that was set no
// longer means what it did.
type timer struct {
	set      bool
	step     order.Step
	undo     bool
	attempt  int
	waiting  bool
	due      time.Time
	deadline time.Time
	startAt  time.Time
	paused   bool
}

func (s State) timer() timer {
	o := s.Open
	_, _, set := s.Timer()
	return timer{set, o.Step, o.Undo, o.Attempt, o.Waiting, o.Due, s.Deadline, s.StartAt, s.Paused}
}

// requested accepts the order. A copy of the request moves nothing.
func (s State) requested(in OrderRequested) State {
	if s.Status != "" {
		return s.contested(in)
	}
	s = s.moved()
	s.OrderID, s.Definition, s.Inputs = in.OrderID, in.Definition, in.Inputs
	if in.ID != s.firstRequest() {
		s.Began = in.ID
	}
	return s.start(in.At, in.ID, "")
}

// scheduled accepts the order for later.
func (s State) scheduled(in OrderScheduled) State {
	if s.Status != "" {
		return s
	}
	s = s.moved()
	s.OrderID, s.Definition, s.Inputs = in.OrderID, in.Definition, in.Inputs
	s.Status, s.StartAt = order.StatusScheduled, in.StartAt
	return s
}

// firstRequest is the usual id of the event that begins an order.
func (s State) firstRequest() string {
	return order.EventID(s.OrderID, order.TypeOf(order.Detail, order.Requested), 1)
}

// start sets the order going: with the request that began it, or with one of our own
// for a cause.
func (s State) start(at time.Time, request, cause string) State {
	first := s.Definition.Steps[0]
	s.Status = order.StatusRunning
	s.Work = []Work{{Effect: MayHave, Attempts: 1, Round: 1, Contested: s.first().Contested}}
	s.Open = Open{Step: first.Name, First: 1, Attempt: 1, Request: request, Cause: cause, Due: at.Add(first.Timeout)}
	if s.Definition.Deadline > 0 {
		s.Deadline = at.Add(s.Definition.Deadline)
	}
	return s
}

// completed takes the first completion of any attempt. It completes an open step; once
// undoing has begun it is one more effect to be undone, even if the order has ended.
func (s State) completed(in StepCompleted) State {
	i, ok := s.requestedStep(in.Answer)
	if !ok {
		return s.early(in, i)
	}
	effect := s.Work[i].Effect
	switch {
	case s.Open.Step == in.Step && !s.Open.Undo && s.Undoing == (Undoing{}):
		s = s.moved()
		s.Work[i].Effect = HasEffect
		return s.advance(in.Heard, i)
	case s.Undoing != (Undoing{}) && (effect == NoEffect || effect == MayHave && !s.Definition.Steps[i].Compensation.Possible):
		s = s.moved()
		s.Work[i].Effect = HasEffect
		if s.Status.Ended() && s.Definition.Steps[i].Compensation.Possible {
			s.Status = order.StatusCompensating
			return s.undoNext(in.Heard)
		}
		return s
	}
	return s
}

// early passes over a completion from a foreign producer that comes before its step is
// requested. As it counts if it comes again later, the request may then not be in the
// log, by which the fold would know the end; the saga will say it.
func (s State) early(in StepCompleted, i int) State {
	requested := len(s.Work)
	if s.Status == order.StatusScheduled {
		requested = 0 // but perhaps by another client
	}
	if in.Cause != "" || s.Foretold || s.Status.Ended() || s.Status != "" && i < requested {
		return s
	}
	s = s.moved()
	s.OrderID, s.Unsettled, s.Foretold = in.OrderID, true, true
	return s
}

// advance goes on to the step after the one with this index; after the last, the
// order is complete.
func (s State) advance(h Heard, i int) State {
	if s.Definition.last(i) {
		if s.Unsettled {
			return s.end(h, order.OrderFinished, order.StatusCompleted, "")
		}
		return s.ended(order.StatusCompleted)
	}
	s.Status = order.StatusRunning
	if len(s.Work) == i+1 {
		s.Work = append(s.Work, Work{Round: 1})
	}
	return s.begin(h, i+1, false, 0)
}

// failed takes the failure of the open attempt; one of an earlier attempt says nothing
// that its end has not said.
func (s State) failed(in StepFailed) State {
	if s.Undoing != (Undoing{}) || !s.answersOpen(in.Answer, false) {
		return s
	}
	return s.attemptFailed(in.Heard, in.Failure)
}

// attemptFailed has the open attempt of a step made again, or gives the step up.
func (s State) attemptFailed(h Heard, f Failure) State {
	s = s.moved()
	i := s.Definition.index(s.Open.Step)
	step := s.Definition.Steps[i]
	made := s.Open.Attempt - s.Open.First + 1
	if f.Retryable && made < step.Retry.Attempts {
		return s.wait(h, step.Retry.after(made, s.Open.Request, f.RetryAfter))
	}
	if !f.Retryable && s.Work[i].Attempts == s.Work[i].Before+1 && !s.Work[i].Contested {
		s.Work[i].Effect = NoEffect // the only attempt of the round was declined
	}
	reason := fmt.Sprintf("%s: %s", step.Name, clip(f.Reason))
	if f.Retryable {
		reason = fmt.Sprintf("%s (%d attempts)", reason, made)
	}
	if step.Sticks {
		return s.stick(h, reason)
	}
	return s.undo(h, order.StatusFailed, reason)
}

// undo begins to undo all that may have taken effect.
func (s State) undo(h Heard, outcome order.Status, reason string) State {
	s.Undoing = Undoing{Outcome: outcome, Reason: reason}
	s.Status = order.StatusCompensating
	s.Deadline, s.Rest = time.Time{}, 0
	return s.passedOver().undoNext(h)
}

// passedOver leaves out the number of the attempt at undoing that is waited for, if one is: a
// timer may have asked for it. One by the same id would not be seen to tell where the order
// stands now, and its answer would pass for that of a later piece of work.
func (s State) passedOver() State {
	if o := s.Open; o.Waiting && o.Undo {
		s.Work[s.Definition.index(o.Step)].Undos++
	}
	return s
}

// undoNext undoes the newest of what is left; when nothing is, the order has ended.
func (s State) undoNext(h Heard) State {
	for i := len(s.Work) - 1; i >= 0; i-- {
		effect := s.Work[i].Effect
		if (effect == MayHave || effect == HasEffect) && s.Definition.Steps[i].Compensation.Possible {
			return s.begin(h, i, true, 0)
		}
	}
	told := order.OrderFailed
	if s.Undoing.Outcome == order.StatusCancelled {
		told = order.OrderCancelled
	}
	return s.end(h, told, s.Undoing.Outcome, s.Undoing.Reason)
}

// compensated takes the first such answer to any attempt.
func (s State) compensated(in StepCompensated) State {
	i := s.Definition.index(in.Step)
	if !s.Open.Undo || s.Open.Step != in.Step ||
		!s.answersRequest(in.Answer, order.CompensationRequested, s.Work[i].UndosBefore, s.Work[i].Undos) {
		return s
	}
	s = s.moved()
	s.Work[i].Effect = Undone
	return s.afterUndo(in.Heard, i)
}

// afterUndo goes on undoing or, if the step was undone to be done anew, does that.
func (s State) afterUndo(h Heard, i int) State {
	if s.Undoing == (Undoing{}) {
		s.Status = order.StatusRunning
		return s.newRound(h, i)
	}
	s.Status = order.StatusCompensating
	return s.undoNext(h)
}

func (s State) compensationFailed(in CompensationFailed) State {
	if !s.answersOpen(in.Answer, true) {
		return s
	}
	return s.undoFailed(in.Heard, in.Failure)
}

// undoFailed has the open attempt at undoing made again. When it is given up an
// operator has to say what becomes of it: it is never dropped.
func (s State) undoFailed(h Heard, f Failure) State {
	s = s.moved()
	step := s.Definition.Steps[s.Definition.index(s.Open.Step)]
	made := s.Open.Attempt - s.Open.First + 1
	if f.Retryable && made < step.Compensation.Retry.Attempts {
		return s.wait(h, step.Compensation.Retry.after(made, s.Open.Request, f.RetryAfter))
	}
	return s.stick(h, fmt.Sprintf("undoing %s: %s (%d attempts)", step.Name, clip(f.Reason), made))
}

// maxReason bounds what the state keeps of a participant's reason, in bytes; the whole
// stands in the event that told it.
const maxReason = 500

func clip(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason], "") + "…"
}

// timedOut takes our own word that the open attempt has timed out, unless something
// else that the log has before it has moved the order on.
func (s State) timedOut(in AttemptTimedOut) State {
	if !s.alive() || in.Timer != TimerID(s.OrderID, s.Arming) || s.Open.Due.IsZero() || s.Open.Waiting {
		return s
	}
	f := Failure{Reason: "timed out", Retryable: true}
	if s.Open.Undo {
		return s.undoFailed(in.Heard, f)
	}
	return s.attemptFailed(in.Heard, f)
}

// expired gives up an order whose deadline has passed.
func (s State) expired(in OrderExpired) State {
	if !s.alive() || in.Timer != TimerID(s.OrderID, s.Arming) || s.Deadline.IsZero() {
		return s
	}
	s = s.moved()
	return s.undo(in.Heard, order.StatusFailed, fmt.Sprintf("not done within %v", s.Definition.Deadline))
}

// asked takes our own word that the time of an attempt has come. The worker has heard
// it, so that it counts even if something else that the log has before it has moved the
// order on: what the attempt does is then one more effect to be undone.
func (s State) asked(in AttemptRequested) State {
	i := s.Definition.index(in.Step)
	if i == 0 && !in.Undo && (len(s.Work) == 0 && s.Status != "" || s.Status == order.StatusScheduled) {
		return s.begun(in)
	}
	if i < 0 || i >= len(s.Work) || s.Status == order.StatusCompleted || in.Attempt != s.made(i, in.Undo)+1 {
		return s // heard before, or made for another cause
	}
	s = s.moved()
	if o := s.Open; o.Waiting && o.Step == in.Step && o.Undo == in.Undo {
		return s.ask(in.At, "").held(in.At)
	}
	if in.Undo {
		s.Work[i].Undos++
	} else {
		s.Work[i].Attempts++
	}
	return s
}

// begun sets a scheduled order going. One that was cancelled just before is undone.
func (s State) begun(in AttemptRequested) State {
	s = s.moved()
	if s.Status == order.StatusScheduled {
		return s.start(in.At, in.ID, "").held(in.At)
	}
	s.Work = []Work{{Effect: MayHave, Attempts: 1, Round: 1}}
	if s.Definition.Steps[0].Compensation.Possible {
		s.Status = order.StatusCompensating
		return s.undoNext(in.Heard)
	}
	return s
}

// held stops the clocks that were just set going, of a paused order.
func (s State) held(at time.Time) State {
	if s.Paused {
		return s.stopped(at)
	}
	return s
}

// made is how many attempts at a step, or at undoing it, there have been.
func (s State) made(i int, undo bool) int {
	if undo {
		return s.Work[i].Undos
	}
	return s.Work[i].Attempts
}

// expires reports whether the next deadline is the order's.
func (s State) expires() bool {
	due, _, _ := s.Timer()
	return !s.Deadline.IsZero() && due.Equal(s.Deadline)
}

// begin begins a series of attempts at a step, or at undoing it, after a wait. While the
// order is paused it waits until that is over.
func (s State) begin(h Heard, i int, undo bool, wait time.Duration) State {
	made := s.made(i, undo)
	s.Open = Open{Step: s.Definition.Steps[i].Name, Undo: undo, First: made + 1, Attempt: made}
	return s.wait(h, wait)
}

// newRound begins the step, undone or stuck, as a new piece of work, of which no earlier one
// can come to be.
func (s State) newRound(h Heard, i int) State {
	s = s.passedOver()
	w := &s.Work[i]
	w.Effect, w.Round, w.Before, w.UndosBefore = NoEffect, w.Round+1, w.Attempts, w.Undos
	w.Contested = false
	return s.begin(h, i, false, 0)
}

// wait has the next attempt made after a time, if any.
func (s State) wait(h Heard, d time.Duration) State {
	s.Open.Waiting, s.Open.Due, s.Open.Rest = true, time.Time{}, 0
	s.Open.Request, s.Open.Cause = "", ""
	switch {
	case s.Paused:
		s.Open.Rest = d
	case d > 0:
		s.Open.Due = h.At.Add(d)
	default:
		return s.ask(h.At, h.ID)
	}
	return s
}

// ask makes the next attempt.
func (s State) ask(at time.Time, cause string) State {
	i := s.Definition.index(s.Open.Step)
	step, w := s.Definition.Steps[i], &s.Work[i]
	timeout, phase := step.Timeout, order.Requested
	if s.Open.Undo {
		w.Undos++
		s.Open.Attempt = w.Undos
		timeout, phase = step.Compensation.Timeout, order.CompensationRequested
	} else {
		w.Attempts++
		w.Effect = MayHave
		s.Open.Attempt = w.Attempts
	}
	s.Open.Request = order.EventID(s.OrderID, order.TypeOf(step.Name, phase), s.Open.Attempt)
	s.Open.Cause, s.Open.Waiting = cause, false
	s.Open.Due, s.Open.Rest = at.Add(timeout), 0
	return s
}

// stick has the order wait for an operator.
func (s State) stick(h Heard, reason string) State {
	s.Status = order.StatusStuck
	s.Open.Waiting, s.Open.Due, s.Open.Rest = false, time.Time{}, 0
	s.Words = append(s.Words, Word{Cause: h.ID, Type: order.OrderStuck, Status: s.Status, Reason: reason})
	return s
}

// end ends the order with a word.
func (s State) end(h Heard, told order.Type, outcome order.Status, reason string) State {
	s = s.ended(outcome)
	s.Words = append(s.Words, Word{Cause: h.ID, Type: told, Status: outcome, Reason: reason})
	return s
}

func (s State) ended(outcome order.Status) State {
	s.Status, s.Open, s.Paused = outcome, Open{}, false
	s.Deadline, s.Rest = time.Time{}, 0
	return s
}

// requestedStep finds the step that an answer is about, and reports whether it is to
// one of the requests of its present round.
func (s State) requestedStep(a Answer) (i int, ok bool) {
	i = s.Definition.index(a.Step)
	if i < 0 || i >= len(s.Work) {
		return i, false
	}
	w := s.Work[i]
	if i == 0 && s.Began != "" && (a.Cause == s.Began || a.Cause == s.firstRequest()) {
		return i, a.Cause == s.Began && w.Before == 0 // the usual id is that of a rival
	}
	return i, s.answersRequest(a, order.Requested, w.Before, w.Attempts)
}

// answersRequest reports whether an answer is to one of the requests of a step whose
// attempts are after one number and up to another. One that names no cause, from a
// producer that sends no headers, is taken at its word.
func (s State) answersRequest(a Answer, p order.Phase, after, upTo int) bool {
	if a.Cause == "" {
		return after < a.Attempt && a.Attempt <= upTo
	}
	for n := upTo; n > after; n-- {
		if a.Cause == order.EventID(s.OrderID, order.TypeOf(a.Step, p), n) {
			return true
		}
	}
	return false
}

// answersOpen reports whether an answer is to the very attempt that is open.
func (s State) answersOpen(a Answer, undo bool) bool {
	o := s.Open
	return o.Step == a.Step && o.Step != "" && o.Undo == undo && !o.Waiting && s.Status != order.StatusStuck &&
		(a.Cause == o.Request || a.Cause == "" && a.Attempt == o.Attempt)
}

// owedTo lists the effects that an input caused and that nobody has answered: none, for
// an input that caused nothing or was answered since.
func (s State) owedTo(h Heard, in Input) (owed []Effect) {
	for _, w := range s.Words {
		if w.Cause == h.ID && w.Type != "" {
			owed = append(owed, s.tell(w, h, in))
		}
	}
	switch passed, ok := in.(DeadlinePassed); {
	case ok && passed.Arming == s.Arming:
		owed = append(owed, s.timeHasCome(h)...)
	case h.ID == s.Open.Cause && h.ID != "" && s.Open.Request != "" && s.Status != order.StatusStuck:
		owed = append(owed, s.request(h.At))
	}
	return append(owed, s.refusals(h, in)...)
}

// timeHasCome says what the next deadline is for. None of it has a status, as it moves
// the order only when it is heard: were it to do so here, orders whose events and timers
// come in another order the second time would move in another way, on the same log.
func (s State) timeHasCome(h Heard) []Effect {
	_, _, open := s.Timer()
	switch {
	case !open:
		return nil
	case s.Status == order.StatusScheduled:
		next := s.start(h.At, s.firstRequest(), h.ID)
		next.Status = ""
		return []Effect{next.request(h.At)}
	case s.Open.Waiting && !s.expires():
		next := s.moved().ask(h.At, h.ID)
		next.Status = ""
		return []Effect{next.request(h.At)}
	}
	return []Effect{s.outOfTime(h)}
}

// outOfTime says what has run out of time.
func (s State) outOfTime(h Heard) Effect {
	t := Tell{OrderID: s.OrderID, Type: order.OrderExpired, Cause: h.ID, At: h.At}
	if !s.expires() {
		phase := order.TimedOut
		if s.Open.Undo {
			phase = order.CompensationTimedOut
		}
		t.Type, t.Attempt = order.TypeOf(s.Open.Step, phase), s.Open.Attempt
	}
	return t
}

func (s State) tell(w Word, h Heard, in Input) Effect {
	t := Tell{
		OrderID: s.OrderID, Type: w.Type, Cause: w.Cause, Status: w.Status, Reason: w.Reason,
		Actor: w.Actor, StartAt: w.StartAt, At: h.At,
	}
	if step, phase, ok := w.Type.Split(); ok && phase == order.Skipped {
		if c, ok := in.(Commanded); ok {
			t.Step, t.Output = step, c.Output
		}
	}
	return t
}

func (s State) request(at time.Time) Effect {
	o := s.Open
	i := s.Definition.index(o.Step)
	r := Request{
		OrderID: s.OrderID, Step: o.Step, Undo: o.Undo, Attempt: o.Attempt, Round: s.Work[i].Round, Cause: o.Cause,
		Status: s.Status, Input: s.Inputs[o.Step], Deadline: o.Due, At: at,
	}
	if o.Undo {
		r.Reason = s.Undoing.Reason
	} else {
		r.Last = s.Definition.last(i) && !s.Foretold // else the fold would take it for done
	}
	if s.Parked != "" && o.Rest > 0 {
		r.Deadline = at.Add(o.Rest) // its worker does not wait
	}
	return r
}
