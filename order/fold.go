package order

import (
	"maps"
	"slices"
	"time"
)

// Row is an order as queries see it: the fold of its events.
type Row struct {
	ID      string
	Type    Type // of the last event
	Outputs map[Step]JSON
	Meta    Meta
}

// Meta is what a row holds beside the seed's shape.
type Meta struct {
	// Version is the row's revision: raised by one at every change, so that of
	// two copies of a row the newer is known by it alone.
	Version   int64
	Status    Status    // beneath a pause; see Shown
	Paused    bool      // never of an order that has ended
	StartAt   time.Time // when a scheduled order begins, or began; zero for any other
	CreatedAt time.Time // of the first event
	UpdatedAt time.Time // of the latest event; never goes back
	// Final is the step whose completion gives the order the outcome Outcome.
	Final   Step
	Outcome Status
	// Parked says why the order's events no longer reach the fold: one of them
	// made it fail, and those behind it must not overtake. Empty: not parked.
	Parked  string
	Waiting Waiting // the letters that these events became
	// Past is the offset behind the latest of the order's records that was discarded; 0 for
	// none. What lies before it in the log has been seen to, however often it comes.
	Past    int64
	History []Entry
}

// Shown is the status as people ask for it: paused, if the order is.
func (m Meta) Shown() Status {
	if m.Paused {
		return StatusPaused
	}
	return m.Status
}

// Entry is one event of a row's history.
type Entry struct {
	ID        string
	Type      Type
	Time      time.Time
	Attempt   int
	Causation string
	Reason    string
	Actor     string
	Status    Status // that the row has shown from this event on; empty if it did before
}

// Holds reports whether the event with this id is already part of the row.
func (r Row) Holds(id string) bool {
	return slices.ContainsFunc(r.Meta.History, func(e Entry) bool { return e.ID == id })
}

// Events lists the types of the row's events in their order.
func (r Row) Events() []Type {
	types := make([]Type, len(r.Meta.History))
	for i, e := range r.Meta.History {
		types[i] = e.Type
	}
	return types
}

// Fold adds an event to a row; the zero Row begins one. It leaves r as it was. An
// event that the row holds already gives r back, an unknown type is listed and
// otherwise ignored.
func Fold(r Row, e Event) Row {
	if r.Holds(e.ID) {
		return r
	}
	shown := r.Meta.Shown()
	if len(r.Meta.History) == 0 { // the row may be there already: parked before its first event
		r.ID = e.OrderID
		r.Meta.CreatedAt = e.Time
		shown = ""
	}
	r.Type = e.Type
	r.Meta.Version++
	if e.Time.After(r.Meta.UpdatedAt) {
		r.Meta.UpdatedAt = e.Time
	}
	r.Meta.History = append(slices.Clip(r.Meta.History), Entry{
		ID: e.ID, Type: e.Type, Time: e.Time,
		Attempt: e.Attempt, Causation: e.Causation, Reason: e.Reason, Actor: e.Actor,
	})
	r = r.advance(e)
	if now := r.Meta.Shown(); now != shown {
		r.Meta.History[len(r.Meta.History)-1].Status = now
	}
	return r
}

// advance applies what the event means for the order as a whole.
func (r Row) advance(e Event) Row {
	step, phase, ok := e.Type.Split()
	if out, sent := e.Outputs[step]; sent && (phase == Completed || phase == Skipped) && !r.answersRival(e) && !r.doneSince(step, e) {
		r.Outputs = maps.Clone(r.Outputs)
		if r.Outputs == nil {
			r.Outputs = make(map[Step]JSON, 1)
		}
		r.Outputs[step] = out
	}
	said := e.Status != "" // by the saga
	if e.Type == OrderScheduled && (said || !r.begun()) {
		r.Meta.StartAt = e.StartAt
	}
	r.Meta.Status = r.status(e, phase)
	if ok && phase == Requested && e.Outcome.Ended() && !r.isRival(e.ID, e.Type, e.Causation) {
		r.Meta.Final, r.Meta.Outcome = step, e.Outcome
	}
	if r.completes(step, phase) {
		r.Meta.Status = r.Meta.Outcome
	}
	switch {
	case r.Meta.Status.Ended(), said && e.Type == OrderResumed:
		r.Meta.Paused = false
	case said && e.Type == OrderPaused:
		r.Meta.Paused = true
	}
	return r
}

// Begins reports whether a client begins an order with an event of the type.
func (t Type) Begins() bool { return t == OrderScheduled || t == TypeOf(Detail, Requested) }

// Began is the event with which a client began the order, as its history has it; false
// if it has none.
func (r Row) Began() (Entry, bool) {
	for _, e := range r.Meta.History {
		if e.Causation == "" && e.Type.Begins() {
			return e, true
		}
	}
	return Entry{}, false
}

// isRival reports whether an event is a client's that came when another had begun the
// order. No step of the order comes of it.
func (r Row) isRival(id string, t Type, cause string) bool {
	began, _ := r.Began()
	return cause == "" && t.Begins() && id != began.ID
}

// answersRival reports whether an event answers such a one.
func (r Row) answersRival(e Event) bool {
	return e.Causation != "" && slices.ContainsFunc(r.Meta.History, func(one Entry) bool {
		return one.ID == e.Causation && r.isRival(one.ID, one.Type, one.Causation)
	})
}

// doneSince reports whether an event tells of an attempt that is over: a later one has answered
// its request, or an operator has said what the step gave. It may be of work that was undone
// since.
func (r Row) doneSince(step Step, e Event) bool {
	return e.Type == TypeOf(step, Completed) && slices.ContainsFunc(r.Meta.History, func(one Entry) bool {
		return one.Type == TypeOf(step, Skipped) && r.Outputs[step] != nil ||
			one.Type == e.Type && one.Attempt > e.Attempt && one.Causation != ""
	})
}

// begun reports whether somebody has requested the order.
func (r Row) begun() bool { return r.Meta.Status != "" && r.Meta.Status != StatusUnknown }

// status is the row's after an event: the saga's word, if it says one, and else what
// begins an order; a scheduled one, the request that its time leads to. A rejection moves
// nothing, but knows the end. That an order is undone counts of a completed one, too: the
// fold may have taken a stranger's word for it. Words from before the end or the
// beginning, or from before the order was stuck, which the saga said late, count no more.
func (r Row) status(e Event, phase Phase) Status {
	switch {
	case r.Meta.Status.Ended() && e.Status != StatusCompensating && !e.Status.Ended() && !r.stuckSince(e),
		r.begun() && e.Status == StatusScheduled && !r.parkedBeforehand(),
		r.Meta.Status == StatusStuck && r.overtaken(e):
		return r.Meta.Status
	case slices.Contains(statuses, e.Status) && e.Status != StatusPaused &&
		(e.Type != OrderCommandRejected || e.Status.Ended()):
		return e.Status
	case r.Meta.Status == StatusScheduled && phase == Requested && e.Timed():
		return StatusRunning
	case r.begun():
		return r.Meta.Status
	case e.Type == OrderScheduled:
		return StatusScheduled
	case phase == Requested:
		return StatusRunning
	}
	return StatusUnknown
}

// parkedBeforehand reports whether an order is stuck of which the saga has requested nothing
// yet: only by being parked can such a one be.
func (r Row) parkedBeforehand() bool {
	return r.Meta.Status == StatusStuck && !slices.ContainsFunc(r.Meta.History, func(one Entry) bool {
		_, phase, _ := one.Type.Split()
		return one.Causation != "" && (phase == Requested || phase == CompensationRequested)
	})
}

// stuckSince reports whether an event says that an order is stuck in being undone once more
// since it ended: its cause lies in the log behind that of the end. That the order is parked
// counts, too, as the saga says so only while it is: an effect may wait there to be undone.
func (r Row) stuckSince(e Event) bool {
	if e.Status != StatusStuck || r.Meta.Status == StatusCompleted {
		return false
	}
	if e.Parks() {
		return true
	}
	for _, end := range slices.Backward(r.Meta.History) {
		if end.Status.Ended() {
			at := r.place(end.Causation)
			return at >= 0 && r.place(e.Causation) > at
		}
	}
	return false
}

// overtaken reports whether the saga said a word before the order was stuck, as of what lies in
// the log before the cause of that, and it was on its way for longer: an owner that was frozen
// writes on behind the next one. An order that is parked was stuck by nothing in the log; then
// it is what lies before the parking. What is decided for when it comes again lies
// where it came first.
func (r Row) overtaken(e Event) bool {
	at := r.place(e.Causation)
	if at < 0 || e.Type == OrderStuck || e.Type == OrderUnparked || r.foretold(at) {
		return false
	}
	unparked := false
	for i, one := range slices.Backward(r.Meta.History) {
		switch {
		case one.Type == OrderUnparked:
			unparked = true
		case one.Type == OrderStuck && !isParkedID(one.Causation, r.ID):
			return at < r.place(one.Causation)
		case one.Type == OrderStuck && !unparked:
			return at < i
		}
	}
	return false
}

// foretold reports whether an answer lies before what it may answer: the saga passed it over
// there, and decides for one of its copies.
func (r Row) foretold(at int) bool {
	step, phase, _ := r.Meta.History[at].Type.Split()
	var asked Phase
	switch phase {
	case Completed, Failed:
		asked = Requested
	case Compensated, CompensationFailed:
		asked = CompensationRequested
	default: // no answer
		return false
	}
	return slices.ContainsFunc(r.Meta.History[at:], func(one Entry) bool { return one.Type == TypeOf(step, asked) })
}

// place is where in the history an event lies; -1 if it does not.
func (r Row) place(id string) int {
	return slices.IndexFunc(r.Meta.History, func(one Entry) bool { return one.ID == id })
}

var statuses = Statuses()

// StuckUndone reports whether an order is stuck in being undone, as far as the row tells: it
// does not if the order was paused when that began.
func (r Row) StuckUndone() bool {
	return r.Meta.Status == StatusStuck &&
		slices.ContainsFunc(r.Meta.History, func(one Entry) bool { return one.Status == StatusCompensating })
}

// completes reports whether with the event that the history ends with the last step
// is done, in answer to its request, and nothing on the way asks for the saga's word.
func (r Row) completes(step Step, phase Phase) bool {
	if step == "" || step != r.Meta.Final || phase != Completed && phase != Requested || r.Meta.Status.Ended() {
		return false
	}
	var request Entry
	contested := false
	first, last := TypeOf(Detail, Requested), TypeOf(step, Requested)
	for _, e := range r.Meta.History {
		switch {
		case e.Type.Unsettles():
			return false
		case e.Type == first && r.isRival(e.ID, e.Type, e.Causation):
			contested = true
		case e.Type == last && request.ID == "":
			request = e
		}
	}
	// A foreign producer may say so before it is asked. The worker will say it again
	// under the same id, and that changes nothing any more. If another client has asked, too,
	// it may have answered that, and the saga has the word.
	return slices.ContainsFunc(r.Meta.History, func(e Entry) bool {
		return e.Type == TypeOf(step, Completed) &&
			(e.Causation == request.ID || e.Causation == "" && e.Attempt == request.Attempt && !contested)
	})
}
