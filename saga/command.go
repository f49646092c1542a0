package saga

import (
	"fmt"
	"strings"
	"time"

	"simplecqrs/order"
)

// MaxWords bounds what is remembered for ever of the commands of an order, so that each acts
// once, and of what they led to: a retry after which the order is stuck again is two words. Any
// further command is rejected, but for those without which an order that something has
// retried for too long could not end: of them MaxEndings more are taken.
const (
	MaxWords   = 1000
	MaxEndings = 100
)

// commanded does what a command asks, once. What does not fit is rejected, and stays so.
func (s State) commanded(in Commanded) State {
	if s.remembers(in.ID) || s.full(in.Command) {
		return s
	}
	refused := Refuses(s.Status, s.Paused, in.Command)
	if refused == "" && s.Status == order.StatusStuck && s.Undoing != (Undoing{}) {
		refused = RefusesUndone(in.Command, in.Output != nil)
	}
	if another := s.underKeyOf(in.ID); another != "" {
		refused = AnotherBody + another
	}
	s = s.moved()
	s.OrderID = in.OrderID
	if refused != "" {
		return s.say(in, Word{Type: order.OrderCommandRejected, Status: s.known(), Reason: refused})
	}
	switch in.Command {
	case order.Pause:
		return s.pause(in)
	case order.Resume:
		return s.resume(in).goOn(in)
	case order.Cancel:
		return s.cancel(in)
	case order.Retry:
		return s.retry(in)
	case order.Skip:
		return s.skip(in)
	case order.Schedule:
		s.StartAt = in.StartAt
		return s.say(in, Word{Type: order.OrderScheduled, Status: s.Status, Reason: begins(in.StartAt), StartAt: in.StartAt})
	}
	panic(fmt.Sprintf("saga: unknown command %q", in.Command)) // a bug: InputOf makes no other
}

// Refuses says why a command does not fit an order that stands so; empty if it does.
func Refuses(status order.Status, paused bool, c order.Command) string {
	switch {
	case status == "" || status == order.StatusUnknown:
		return "there is no such order"
	case status.Ended():
		return fmt.Sprintf("the order is %s", status)
	}
	switch c {
	case order.Pause:
		if paused {
			return "the order is paused already"
		}
	case order.Resume:
		if !paused {
			return "the order is not paused"
		}
	case order.Cancel:
		if status == order.StatusCompensating {
			return "the order is being undone already"
		}
	case order.Retry, order.Skip:
		switch {
		case status != order.StatusStuck:
			return fmt.Sprintf("the order is not stuck but %s", status)
		case paused:
			return "the order is paused: resume it first"
		}
	case order.Schedule:
		if status != order.StatusScheduled {
			return fmt.Sprintf("the order has begun: it is %s", status)
		}
	}
	return ""
}

// RefusesUndone says why a command, with an output or not, does not fit an order that is stuck
// in being undone; empty if it does.
func RefusesUndone(c order.Command, output bool) string {
	switch {
	case c == order.Cancel:
		return "the order is being undone already: retry or skip what is stuck"
	case c == order.Skip && output:
		return "the order is being undone, and an output says that a step is done: skip without one"
	}
	return ""
}

// known is the status as the saga says it: one of its words without a status would pass
// for another's.
func (s State) known() order.Status {
	if s.Status == "" {
		return order.StatusUnknown
	}
	return s.Status
}

// remembers reports whether a command has had its verdict.
func (s State) remembers(id string) bool {
	for _, w := range s.Words {
		if w.Cause == id {
			return true
		}
	}
	return false
}

// full reports whether a command is one too many to be remembered.
func (s State) full(c order.Command) bool {
	if c == order.Cancel || c == order.Skip || c == order.Resume {
		return len(s.Words) >= MaxWords+MaxEndings
	}
	return len(s.Words) >= MaxWords
}

// AnotherBody is the reason for which a command is rejected whose key the order knows from
// another, whose id follows.
const AnotherBody = "the Idempotency-Key was given before with another body, as command "

// UnderKey gives what the ids of all commands share that were given with the same key;
// false for one that was given without. It is CMD- and a ULID that is made of the key; a
// fingerprint of the body follows, in 8 hex digits.
func UnderKey(id string) (shared string, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return "", false
	}
	shared, body := id[:i], id[i+1:]
	of, command := strings.CutPrefix(shared, "CMD-")
	ok = command && len(of) == 26 && order.ValidID("ORD-"+of) && len(body) == 8 && strings.Trim(body, "0123456789ABCDEF") == ""
	return shared, ok
}

// underKeyOf finds a command that has had its verdict, and has its key in common with
// another; empty for none. Whoever writes them cannot see each other, so that only who
// reads the log in its order can tell which was the first.
func (s State) underKeyOf(id string) string {
	shared, ok := UnderKey(id)
	if !ok {
		return ""
	}
	for _, w := range s.Words {
		if of, keyed := UnderKey(w.Cause); keyed && of == shared {
			return w.Cause
		}
	}
	return ""
}

func (s State) say(in Commanded, w Word) State {
	w.Cause = in.ID
	s.Words = append(s.Words, w)
	return s
}

// accept remembers a command for which nothing is said but what it leads to.
func (s State) accept(in Commanded) State { return s.say(in, Word{}) }

// pause stops the clocks and keeps what is left on them. A start time is a date, and
// stays what it is.
func (s State) pause(in Commanded) State {
	s.Paused = true
	s = s.stopped(in.At)
	return s.say(in, Word{Type: order.OrderPaused, Status: s.Status})
}

// stopped is the state with those clocks stopped that run.
func (s State) stopped(at time.Time) State {
	if !s.Open.Due.IsZero() {
		s.Open.Due, s.Open.Rest = stop(s.Open.Due, at)
	}
	if !s.Deadline.IsZero() {
		s.Deadline, s.Rest = stop(s.Deadline, at)
	}
	return s
}

// running is the state with those clocks set going that were stopped.
func (s State) running(at time.Time) State {
	if s.Open.Rest > 0 {
		s.Open.Due, s.Open.Rest = at.Add(s.Open.Rest), 0
	}
	if s.Rest > 0 {
		s.Deadline, s.Rest = at.Add(s.Rest), 0
	}
	return s
}

// stop gives what is left until a time, at least the least there is, as of a time that
// is set nothing would else tell that it was.
func stop(due, at time.Time) (time.Time, time.Duration) { return time.Time{}, max(due.Sub(at), 1) }

// resume sets the clocks going.
func (s State) resume(in Commanded) State {
	s.Paused = false
	s = s.running(in.At)
	return s.say(in, Word{Type: order.OrderResumed, Status: s.Status})
}

// goOn makes the attempt that only the pause held up.
func (s State) goOn(in Commanded) State {
	if s.Open.Waiting && s.Open.Due.IsZero() {
		return s.ask(in.At, in.ID)
	}
	return s
}

// cancel undoes what was done. It ends a pause, as an order that is to end must move.
func (s State) cancel(in Commanded) State {
	reason := "cancelled"
	if in.Reason != "" {
		reason += ": " + clip(in.Reason)
	}
	if s.Paused {
		s = s.resume(in)
	}
	return s.accept(in).undo(in.Heard, order.StatusCancelled, reason)
}

// retry begins the stuck work again. A step that can be undone is so first, also if it was
// declined, and is then a new piece of work: from there on its participant refuses
// whatever was asked before. One that cannot be undone stays the same piece of work if it may have
// taken effect, lest it be done twice.
func (s State) retry(in Commanded) State {
	s = s.accept(in)
	i := s.Definition.index(s.Open.Step)
	undoing := s.Undoing != (Undoing{})
	s.Status = order.StatusRunning
	if undoing {
		s.Status = order.StatusCompensating
	}
	undo, declined := s.Open.Undo || s.Definition.Steps[i].Compensation.Possible, s.Work[i].Effect == NoEffect
	switch {
	case declined && !undo:
		return s.newRound(in.Heard, i)
	case declined:
		s.Work[i].Effect = MayHave // until it is known to be undone
	}
	return s.begin(in.Heard, i, undo, 0)
}

// skip goes past the stuck work on the operator's word that it is done.
func (s State) skip(in Commanded) State {
	step := s.Open.Step
	i := s.Definition.index(step)
	// An output says that the step is done, also where its undoing is stuck that a retry
	// began with.
	if s.Open.Undo && in.Output == nil {
		s.Work[i].Effect = Undone
		status := order.StatusCompensating
		if s.Undoing == (Undoing{}) {
			status = order.StatusRunning
		}
		s = s.say(in, Word{Type: order.TypeOf(step, order.CompensationSkipped), Status: status, Reason: clip(in.Reason)})
		return s.afterUndo(in.Heard, i)
	}
	s.Work[i].Effect = HasEffect
	s = s.say(in, Word{Type: order.TypeOf(step, order.Skipped), Status: order.StatusRunning, Reason: clip(in.Reason)})
	return s.advance(in.Heard, i)
}

// refusals are owed to a command that came when no more could be remembered. Since that
// stays so, each copy of it is told the same.
func (s State) refusals(h Heard, in Input) []Effect {
	if c, ok := in.(Commanded); !ok || s.remembers(h.ID) || !s.full(c.Command) {
		return nil
	}
	return []Effect{Tell{
		OrderID: h.OrderID, Type: order.OrderCommandRejected, Cause: h.ID, Status: s.known(), At: h.At,
		Reason: "there were so many commands to this order that no more can be remembered",
	}}
}
