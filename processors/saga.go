package processors

import (
	"fmt"
	"time"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// RoleSaga is the role that decides what an order does next.
const RoleSaga = codecs.RoleSaga

// Decide is the saga's decision, see [saga.Decide].
type Decide func(saga.State, saga.Input) (saga.State, []saga.Effect)

// Saga is the processor whose table is saga.order: it hears how the steps went
// and requests the next. New orders follow the definition.
func Saga(c Config, d saga.Definition, decide Decide) stream.Processor {
	c = c.withDefaults()
	s := orchestrator{intake: c.intake(RoleSaga, false), config: c, definition: d, decide: decide}
	return stream.Processor{
		Role: RoleSaga,
		Graph: goka.DefineGroup(groupSaga,
			goka.Input(codecs.StoreOrder, codecs.Bytes{}, stream.Traced(s.handle)),
			goka.Output(codecs.StoreOrder, codecs.Bytes{}),
			goka.Output(codecs.DeadletterOrder, codecs.Bytes{}),
			goka.Loop(codecs.Bytes{}, stream.Traced(s.timer)),
			goka.Persist(codecs.State{}),
		),
		Version: codecs.RevisionOf,
		Timers:  &stream.Timers{Of: codecs.TimerOf, Record: timerRecord},
		Filter:  s.filter,
	}
}

type orchestrator struct {
	intake
	config     Config
	definition saga.Definition
	decide     Decide
}

// timerRecord is what the saga is sent when a deadline has passed.
func timerRecord(_ string, arming int64) []byte {
	value, err := codecs.Timer{}.Encode(arming)
	if err != nil {
		panic(err) // an int64 is what it takes
	}
	return value
}

// wants reports whether an event of the type can be an input.
func (orchestrator) wants(t order.Type) bool { return saga.Hears(t) }

func (s orchestrator) filter(r stream.Record) bool {
	return !codecs.SaidBySaga(r.Header) && s.intake.filter(s.wants)(r)
}

// handle hears an event.
func (s orchestrator) handle(ctx goka.Context, msg any) {
	if s.redrives(ctx, msg, s.redriven) {
		return
	}
	e, ok := s.event(ctx, msg)
	if !ok {
		return
	}
	if in, ok := saga.InputOf(e, s.definition, s.config.now()); ok {
		s.hear(ctx, s.record(ctx, msg.([]byte)), in)
	}
}

// timer hears that a deadline has passed.
func (s orchestrator) timer(ctx goka.Context, msg any) {
	value, _ := msg.([]byte) // nil for a tombstone
	in, err := s.passed(ctx.Key(), value)
	switch {
	case err != nil:
		s.letter(ctx, value, err)
	case stream.Partition(ctx.Key(), s.partitions) == ctx.Partition(): // else not from the saga: its own lie where they belong
		s.hear(ctx, s.record(ctx, value), in)
	}
}

// passed reads a timer's record.
func (s orchestrator) passed(key string, value []byte) (saga.Input, error) {
	decoded, err := codecs.Timer{}.Decode(value)
	if err != nil {
		panic(err) // a codec gives Malformed instead
	}
	switch t := decoded.(type) {
	case codecs.Malformed:
		return nil, t.Err
	case int64:
		return saga.DeadlinePassed{
			Heard:  saga.Heard{OrderID: key, ID: saga.TimerID(key, t), At: s.config.now()},
			Arming: t,
		}, nil
	}
	panic(fmt.Sprintf("processors: a timer is %T", decoded)) // a bug: the codec gives no other
}

// hear decides on an input, stores the state and emits what is owed.
func (s orchestrator) hear(ctx goka.Context, l codecs.Letter, in saga.Input) {
	state, err := stored[saga.State](ctx)
	if err != nil {
		s.letterOf(traceOf(ctx), l, err).Emit(ctx)
		return
	}
	_, timed := in.(saga.DeadlinePassed)
	first := isFirst(state.Waiting, l)
	switch {
	case !first && comesAgain(l, state):
		ctx.SetValue(state)
		owed, _ := s.owedFor(state, in)
		for _, one := range owed {
			one.Emit(ctx)
		}
	case state.Parked == "" || first:
		waited := first || unparkedBy(l, state) // it has come again, and what it failed at is mended
		if s.decideOn(ctx, l, state, in, saga.Ending{How: "handled as it came again"}) && waited {
			resolved(l, "", codecs.Redriven, s.config.now()).Emit(ctx)
		}
	case timed: // it fires again once the order is decided for again
	default:
		s.park(ctx, l, state, behindDecision(state))
	}
}

// comesAgain reports whether a record lies before one of which the state says that it has
// been heard, and does not itself wait.
func comesAgain(l codecs.Letter, state saga.State) bool {
	if l.Topic != codecs.StoreOrder || state.Past == 0 && state.Parked == "" || state.Waiting.Holds(l.Place()) {
		return false
	}
	first, ok := codecs.LetterNamed(l.Role + "/" + state.Waiting.First())
	return l.Offset < state.Past ||
		ok && first.Topic == l.Topic && first.Partition == l.Partition && l.Offset < first.Offset
}

// decideOn decides on an input, or has it wait as a letter. It reports whether it is
// decided on. If the letter waits this is how that ends.
func (s orchestrator) decideOn(ctx goka.Context, l codecs.Letter, state saga.State, in saga.Input, as saga.Ending) bool {
	before, unparks := state, false
	if isFirst(state.Waiting, l) {
		before = state.Unpark(l.Place(), s.config.now())
		unparks = before.Parked == ""
	}
	decision, err := s.next(before, in, func(next saga.State) saga.State {
		if unparks {
			next.OrderID = l.Key
			next = next.TellUnparked(unparking(l), as)
		}
		return next
	})
	if err != nil {
		l.Tries++
		s.park(ctx, l, state, err)
		return false
	}
	if decision.state.Revision == 0 {
		return true // it says nothing of an order that is there
	}
	if !decision.state.Status.Ended() { // little is heard of one that has
		codecs.RememberState(decision.encoded, decision.state)
	}
	ctx.SetValue(decision.encoded)
	if unparks || unparkedBy(l, state) {
		s.emit(ctx, decision.state.Owed(unparking(l), s.config.now()))
	}
	for _, owed := range decision.owed {
		owed.Emit(ctx)
	}
	if decision.state.Parked != "" && len(decision.owed) > 0 {
		s.tellParked(ctx, decision.state) // which what was just said does not
	}
	return true
}

// ending is how a letter is seen to by a redrive.
func ending(r codecs.Redrive, as codecs.Resolution) saga.Ending {
	return saga.Ending{How: string(as), Actor: r.Actor, Reason: r.Reason}
}

// unparking names the redriving or discarding of a letter, as a cause.
func unparking(l codecs.Letter) string { return l.Key + "/redriven/" + l.Place() }

// unparkedBy reports whether the letter was the last that the order was parked by: what was owed
// for that may have died before it was said. Hardly any order has words.
func unparkedBy(l codecs.Letter, state saga.State) bool {
	return len(state.Words) > 0 && len(state.Owed(unparking(l), time.Time{})) > 0
}

// park has a letter wait. If it is the first, the error is why the order is parked.
func (s orchestrator) park(ctx goka.Context, l codecs.Letter, state saga.State, err error) {
	state = state.Park(l.Key, l.Place(), why(state.Parked, state.Waiting, l, err), s.config.now())
	l.Parked = state.Waiting.Holds(l.Place())
	s.untried(traceOf(ctx), l, err).Emit(ctx)
	ctx.SetValue(state)
	s.tellParked(ctx, state)
}

func behindDecision(state saga.State) error {
	return behind("decided on", state.Parked, state.Waiting)
}

// redriven decides on the event of a letter in its turn. One that nobody waits for has
// it now, or at the end.
func (s orchestrator) redriven(ctx goka.Context, r codecs.Redrive) {
	state, err := stored[saga.State](ctx)
	if err != nil && (r.Parked || !r.Discard) {
		r.Tries++
		s.stays(ctx, r, err, s.config.now())
		return
	}
	in, unreadable := s.inputOf(r)
	// What was decided on moves nothing more, whatever it is.
	owed, moves := s.owedFor(state, in)
	v := judge(standing{
		there: state.Revision > 0, parked: state.Parked, waiting: state.Waiting, past: state.Past,
		handled: unreadable == nil && !moves,
	}, r)
	if v == unlisted && unreadable == nil {
		v = handled
		if state.Parked != "" {
			v = placed
		}
	}
	switch v {
	case unlisted: // anyone can write such
		s.letterOf(traceOf(ctx), r.Letter, unreadable).Emit(ctx)
	case stays:
		s.stays(ctx, r, behindDecision(state), s.config.now())
		ctx.SetValue(state)
	case placed:
		s.park(ctx, r.Letter, state, behindDecision(state))
	case letGo:
		s.discard(ctx, r, state)
	case redriven, discarded:
		s.again(ctx, r, state, owed)
		resolved(r.Letter, r.Actor, resolutions[v], s.config.now()).Emit(ctx)
	case handled:
		switch {
		case unreadable != nil && !isFirst(state.Waiting, r.Letter):
			s.letterOf(traceOf(ctx), r.Letter, unreadable).Emit(ctx)
		case unreadable != nil:
			r.Tries++
			s.park(ctx, r.Letter, state, unreadable)
		case s.decideOn(ctx, r.Letter, state, in, ending(r, codecs.Redriven)):
			resolved(r.Letter, r.Actor, codecs.Redriven, s.config.now()).Emit(ctx)
		}
	}
}

// inputOf reads what a letter's record is to the saga.
func (s orchestrator) inputOf(r codecs.Redrive) (saga.Input, error) {
	if r.Topic == codecs.SagaTimers {
		return s.passed(r.Key, r.Value)
	}
	e, err := codecs.Read(r.Key, r.Value, r.Headers, r.Written)
	if err != nil {
		return nil, err
	}
	in, ok := saga.InputOf(e, s.definition, s.config.now())
	if !ok {
		return nil, fmt.Errorf("%s is nothing that the saga listens to", e.Type)
	}
	return in, nil
}

// discard goes past the first letter. The word that the order is parked no more is owed
// for ever only if the state has room for it.
func (s orchestrator) discard(ctx goka.Context, r codecs.Redrive, state saga.State) {
	as := ending(r, codecs.Discarded)
	state = state.Discard(r.Place(), past(r), s.config.now())
	told := state
	if state.Parked == "" {
		told = state.TellUnparked(unparking(r.Letter), as)
	}
	if stateTooLarge(told) == nil {
		state = told
	}
	ctx.SetValue(state)
	s.emit(ctx, told.Owed(unparking(r.Letter), s.config.now()))
	resolved(r.Letter, r.Actor, codecs.Discarded, s.config.now()).Emit(ctx)
}

// again is for a letter that is seen to: what was owed for that may have died before it
// was said.
func (s orchestrator) again(ctx goka.Context, r codecs.Redrive, state saga.State, owed []stream.Emission) {
	if state.Revision == 0 {
		return
	}
	ctx.SetValue(state)
	s.emit(ctx, state.Owed(unparking(r.Letter), s.config.now()))
	for _, one := range owed {
		one.Emit(ctx)
	}
	if state.Parked != "" {
		s.tellParked(ctx, state)
	}
}

// owedFor gives what is owed for an input that was decided on; true if it would move the
// state, and so has yet to be.
func (s orchestrator) owedFor(state saga.State, in saga.Input) (owed []stream.Emission, moves bool) {
	if in == nil {
		return nil, false
	}
	d, err := s.next(state, in, nil)
	if err != nil || d.state.Revision != state.Revision {
		return nil, true
	}
	return d.owed, false
}

func (s orchestrator) emit(ctx goka.Context, effects []saga.Effect) {
	for _, effect := range effects {
		said, err := emissionOf(effect.Event(RoleSaga))
		if err != nil {
			panic(err) // there is nothing in it that could not be encoded
		}
		said.Emit(ctx)
	}
}

// tellParked has the order's row say that it waits for an operator. It is said again with
// each letter, under the same id for as long as the same one is the first.
func (s orchestrator) tellParked(ctx goka.Context, state saga.State) {
	s.emit(ctx, []saga.Effect{saga.Tell{
		OrderID: ctx.Key(), Type: order.OrderStuck, Cause: order.ParkedID(ctx.Key(), state.Waiting.First()),
		Status: order.StatusStuck, Reason: "no longer decided for: " + state.Parked, At: s.config.now(),
	}})
}

func stateTooLarge(bare saga.State) error {
	bare.Parked, bare.Waiting = "", nil
	return tooLarge("state", codecs.State{}, bare, maxStateValue)
}

type decision struct {
	state   saga.State
	encoded codecs.Encoded
	owed    []stream.Emission
}

// next decides and encodes what follows, once that is finished if there is more to be
// done about the state; an error parks the order.
func (s orchestrator) next(state saga.State, in saga.Input, finish func(saga.State) saga.State) (d decision, err error) {
	events, err := guarded(func() (events []order.Event) {
		var effects []saga.Effect
		d.state, effects = s.decide(state, in)
		for _, effect := range effects {
			events = append(events, effect.Event(RoleSaga))
		}
		return events
	})
	if err != nil {
		return d, err
	}
	d.owed = make([]stream.Emission, len(events))
	for i, e := range events {
		if d.owed[i], err = emissionOf(e); err != nil {
			return d, err
		}
	}
	if finish != nil {
		d.state = finish(d.state)
	}
	d.encoded, err = codecs.State{}.Encode(d.state)
	if err == nil && len(d.encoded) > maxStateValue {
		err = stateTooLarge(d.state)
	}
	return d, err
}
