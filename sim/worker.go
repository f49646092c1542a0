package sim

import (
	"fmt"
	"slices"
	"time"

	"simplecqrs/order"
)

// worker is the shell of a step's participant. It has several orders in hand at once,
// and the requests of one after the other.
type worker struct {
	index     int
	step      order.Step
	foreign   bool // its participant answers on the topic, and knows no headers
	life      int
	read      int
	known     int
	committed int
	calls     []*call
	emits     []emit
}

// call is a request in a worker's hands.
type call struct {
	worker  *worker
	life    int
	from    int
	request order.Event
	undo    bool
	stage   stage
	answer  answer
}

type stage int

const (
	fetched stage = iota
	asked
	answered
)

// answer is how a call ended.
type answer struct {
	done      bool
	reason    string
	retryable bool
	after     time.Duration
}

// work is a piece of work in a participant's books.
type work struct {
	key      string
	orderID  string
	step     order.Step
	effects  int // how often it was done
	undone   bool
	declined bool
}

// afterthought is work that a participant does after it has declined it.
type afterthought struct {
	work    *work
	request order.Event
	after   string // id of the event by which it declined
	late    bool   // not while the order is stuck
	worker  *worker
}

const inHand = 8

func (w *world) workerOptions() {
	for i, k := range w.workers {
		w.option(k.read < len(w.log) && len(k.calls) < inHand, 8, (*world).fetch, i)
		w.option(len(k.emits) > 0 && !w.heldBack(k.emits[0]), 10, (*world).emitWorker, i)
		w.option(k.committed != k.read && k.safe() > k.committed, 2, (*world).commitWorker, i)
		for j, c := range k.calls {
			if slices.ContainsFunc(k.calls[:j], func(o *call) bool { return o.request.OrderID == c.request.OrderID }) {
				continue
			}
			late := !c.request.Deadline.IsZero() && !w.clock(workerClock+i).Before(c.request.Deadline)
			arg := i*inHand + j
			w.option(c.stage == fetched, 8, (*world).ask, arg)
			w.option(c.stage == asked && late && !k.foreign, 4, (*world).giveUp, arg)
			w.option(c.stage == answered, 8, (*world).answer, arg)
		}
	}
	for i := range w.network {
		w.option(true, 6, (*world).arrive, i)
	}
	for i, a := range w.later {
		_, said := w.places[a.after]
		stuck := w.saga.disk()[a.work.orderID].Status == order.StatusStuck
		w.option((said || w.calm) && !(a.late && stuck), 2, (*world).thinkAgain, i)
	}
}

// fetch reads up to the next request of the step.
func (w *world) fetch(i int) {
	k := w.workers[i]
	for k.read < len(w.log) {
		e := w.log[k.read].Event
		from := k.read
		k.read++
		step, phase, _ := e.Type.Split()
		if step != k.step || phase != order.Requested && phase != order.CompensationRequested {
			continue
		}
		if from < k.known {
			w.again++
		}
		k.known = max(k.known, k.read)
		k.calls = append(k.calls, &call{
			worker: k, life: k.life, from: from, request: e, undo: phase == order.CompensationRequested,
		})
		return
	}
}

func (w *world) callOf(arg int) *call { return w.workers[arg/inHand].calls[arg%inHand] }

// ask sends a request to the participant, unless its deadline has passed.
func (w *world) ask(arg int) {
	c := w.callOf(arg)
	d := c.request.Deadline
	if !d.IsZero() && !w.clock(workerClock+c.worker.index).Before(d) && !c.worker.foreign {
		if w.trace != nil {
			w.tell("worker %s passes over %s, which is late", c.worker.step, c.request.ID)
		}
		c.end()
		return
	}
	c.stage = asked
	w.network = append(w.network, c)
}

// giveUp ends a call whose deadline has passed. What was asked may yet arrive.
func (w *world) giveUp(arg int) {
	c := w.callOf(arg)
	c.stage, c.answer = answered, answer{reason: "no answer in time", retryable: true}
	i := slices.Index(w.network, c)
	if i >= 0 && w.may(Delays) {
		lost := *c // to the one that asked
		lost.life = -1
		w.network[i] = &lost
	} else if i >= 0 {
		w.network = slices.Delete(w.network, i, i+1)
	}
}

// arrive brings a request to the participant, and its answer back.
func (w *world) arrive(i int) {
	c := w.network[i]
	if w.strikes(Delays, 3) && w.clock(workerClock+c.worker.index).Before(c.request.Deadline) {
		// It stays on its way until long after, as far as the draw goes.
		if w.leap() {
			return
		}
	}
	w.network = slices.Delete(w.network, i, i+1)
	a, silent := w.participate(c)
	if c.life != c.worker.life || c.stage != asked {
		return // nobody waits for it any more
	}
	switch {
	case !silent:
		c.stage, c.answer = answered, a
	case c.worker.foreign:
		c.end()
	}
}

// participate is the participant: an idempotent service that knows a piece of work
// by its key. It reports whether its answer is lost without a trace.
func (w *world) participate(c *call) (a answer, silent bool) {
	if w.strikes(Failures, 4) {
		return w.unknown(c, "not reached"), c.worker.foreign || w.r.IntN(4) == 0
	}
	k := w.workOf(c)
	silent = c.worker.foreign
	switch {
	case c.undo:
		if w.strikes(StubbornUndos, 3) {
			if w.r.IntN(3) == 0 {
				return answer{reason: "cannot be undone"}, false
			}
			return w.unknown(c, "not now"), silent
		}
		k.undone = true
	case k.undone && w.code.Refuses:
		return answer{reason: "was undone before"}, false
	case k.effects > 0 && !k.undone:
	case k.declined || w.strikes(Declines, 5):
		if !k.declined {
			k.declined = true
			w.secondThoughts(c, k)
		}
		if w.trace != nil {
			w.tell("participant declines %s", k.key)
		}
		return answer{reason: "declined"}, false
	default:
		k.effects++
		k.undone = false
	}
	if w.trace != nil {
		w.tell("participant has %s: effects %d, undone %v (%s)", k.key, k.effects, k.undone, c.request.ID)
	}
	if w.strikes(Losses, 5) {
		return w.unknown(c, "answer lost"), silent || w.r.IntN(3) == 0
	}
	return answer{done: true}, false
}

func (w *world) unknown(c *call, reason string) answer {
	a := answer{reason: reason, retryable: true}
	if w.r.IntN(4) == 0 {
		a.after = time.Duration(w.r.IntN(3000)) * time.Millisecond
	}
	if w.trace != nil {
		w.tell("participant: %s: %s", c.request.ID, reason)
	}
	return a
}

func (w *world) workOf(c *call) *work {
	key := w.code.Key(c.request)
	for _, k := range w.works {
		if k.key == key {
			return k
		}
	}
	k := &work{key: key, orderID: c.request.OrderID, step: c.worker.step}
	w.works = append(w.works, k)
	return k
}

// secondThoughts has declined work be done later, unless an operator might have had it
// done anew by then, with nothing to bar the old one.
func (w *world) secondThoughts(c *call, k *work) {
	if c.life != c.worker.life || !w.strikes(Afterthoughts, 2) {
		return
	}
	state := w.saga.disk()[k.orderID]
	for _, s := range state.Definition.Steps {
		if s.Name == k.step && (!s.Sticks || s.Compensation.Possible) {
			t := order.TypeOf(k.step, order.Failed)
			said := order.AnswerID(c.request, t)
			if c.worker.foreign && c.request.Round == 1 {
				said = order.EventID(k.orderID, t, 1)
			}
			w.later = append(w.later, afterthought{k, c.request, said, w.r.IntN(2) == 0, c.worker})
		}
	}
}

// thinkAgain has the participant do what it declined.
func (w *world) thinkAgain(i int) {
	a := w.later[i]
	w.later = slices.Delete(w.later, i, i+1)
	if _, ok := w.places[a.after]; !ok || a.work.undone || a.work.effects > 0 {
		return
	}
	a.work.effects++
	a.work.declined = false
	if w.trace != nil {
		w.tell("participant does %s after all", a.work.key)
	}
	c := &call{worker: a.worker, request: a.request, answer: answer{done: true}}
	w.append(record{Event: w.told(c), source: "external"})
}

// answer emits how a call went.
func (w *world) answer(arg int) {
	c := w.callOf(arg)
	k := c.worker
	c.end()
	if k.foreign && c.answer.retryable {
		return // it has no word for that
	}
	e := emit{record: record{Event: w.told(c), source: string(k.step), life: k.life}, from: place{inLog, c.from}}
	if w.strikes(Stragglers, 3) {
		e.after = w.fired(c.request.OrderID) + 1 + w.r.IntN(3)
	}
	k.emits = append(k.emits, e)
}

// heldBack reports whether an answer is still on its way.
func (w *world) heldBack(e emit) bool { return !w.calm && w.fired(e.OrderID) < e.after }

// fired counts the timers of an order that have fired.
func (w *world) fired(orderID string) int {
	n := 0
	for _, t := range w.timers {
		if t.orderID == orderID {
			n++
		}
	}
	return n
}

// told is a call's answer as the worker emits it.
func (w *world) told(c *call) order.Event {
	done, failed := order.Completed, order.Failed
	if c.undo {
		done, failed = order.Compensated, order.CompensationFailed
	}
	e := order.Event{
		OrderID: c.request.OrderID, Time: w.clock(workerClock + c.worker.index), Source: string(c.worker.step),
		Attempt: c.request.Attempt, Round: c.request.Round, Causation: c.request.ID,
	}
	if c.worker.foreign && c.request.Round == 1 {
		w.again++ // it says the same to each attempt
		e.Attempt, e.Causation = 1, ""
	}
	if c.answer.done {
		e.Type = order.TypeOf(c.worker.step, done)
		if !c.undo {
			e.Outputs = map[order.Step]order.JSON{c.worker.step: fmt.Appendf(nil, "%q", w.code.Key(c.request))}
		}
	} else {
		e.Type = order.TypeOf(c.worker.step, failed)
		e.Reason, e.Retryable, e.RetryAfter = c.answer.reason, c.answer.retryable, c.answer.after
	}
	e.ID = order.AnswerID(c.request, e.Type)
	if e.Causation == "" {
		e.ID = order.EventID(e.OrderID, e.Type, e.Attempt)
	}
	return e
}

// end takes a call out of its worker's hands.
func (c *call) end() {
	c.stage = answered
	if i := slices.Index(c.worker.calls, c); i >= 0 {
		c.worker.calls = slices.Delete(c.worker.calls, i, i+1)
	}
}

func (w *world) emitWorker(i int) {
	k := w.workers[i]
	w.append(k.emits[0].record)
	k.emits = k.emits[1:]
}

// safe is up to where all that a worker read is done.
func (k *worker) safe() int {
	safe := k.read
	for _, c := range k.calls {
		safe = min(safe, c.from)
	}
	for _, e := range k.emits {
		safe = min(safe, e.from.offset)
	}
	return safe
}

func (w *world) commitWorker(i int) {
	k := w.workers[i]
	k.committed = k.safe()
	if w.code.Early {
		k.committed = k.read
	}
}

// restartWorker begins another life of a worker. What it asked may still arrive.
func (w *world) restartWorker(k *worker) {
	if w.trace != nil {
		w.tell("worker %s starts again from %d; %d calls and %d answers are lost", k.step, k.committed, len(k.calls), len(k.emits))
	}
	k.life++
	k.read, k.calls = k.committed, nil
	if w.strikes(Ghosts, 3) && len(k.emits) > 0 {
		w.ghosts = append(w.ghosts, &ghost{emits: slices.Clone(k.emits)})
	}
	k.emits = nil
}
