package processors

import (
	"fmt"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// RoleSaga is the role that decides what an order does next.
const RoleSaga = "saga"

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
	return !codecs.SaidBySaga(r.Header) && filter(s.wants)(r)
}

// handle hears an event.
func (s orchestrator) handle(ctx goka.Context, msg any) {
	e, ok := s.event(ctx, msg)
	if !ok {
		return
	}
	if in, ok := saga.InputOf(e, s.definition, s.config.now()); ok {
		s.hear(ctx, msg.([]byte), in)
	}
}

// timer hears that a deadline has passed.
func (s orchestrator) timer(ctx goka.Context, msg any) {
	value, _ := msg.([]byte) // nil for a tombstone
	decoded, err := codecs.Timer{}.Decode(value)
	if err != nil {
		panic(err) // a codec gives Malformed instead
	}
	switch t := decoded.(type) {
	case codecs.Malformed:
		s.letter(ctx, value, t.Err)
	case int64:
		if stream.Partition(ctx.Key(), s.partitions) != ctx.Partition() {
			return // not from the saga: its own lie where they belong
		}
		s.hear(ctx, value, saga.DeadlinePassed{
			Heard:  saga.Heard{OrderID: ctx.Key(), ID: saga.TimerID(ctx.Key(), t), At: s.config.now()},
			Arming: t,
		})
	}
}

// hear decides on an input, stores the state and emits what is owed.
func (s orchestrator) hear(ctx goka.Context, value []byte, in saga.Input) {
	state, err := stored[saga.State](ctx)
	if err != nil {
		s.letter(ctx, value, err)
		return
	}
	if _, timed := in.(saga.DeadlinePassed); timed && state.Parked != "" {
		return // it fires again once the order is decided for again
	}
	decision, err := s.next(state, in)
	if err == nil && state.Parked != "" {
		err = fmt.Errorf("behind an event that could not be decided on: %s", state.Parked)
	}
	if err != nil { // also of the parked event itself, if it comes again: its letter is the same
		s.letter(ctx, value, err)
		if state.Parked == "" {
			state.OrderID, state.Parked = ctx.Key(), clip(err.Error())
			state.Revision++
		}
		ctx.SetValue(state)
		s.tellParked(ctx, state)
		return
	}
	if decision.state.Revision == 0 {
		return // it says nothing of an order that is there
	}
	if !decision.state.Status.Ended() { // little is heard of one that has
		codecs.RememberState(decision.encoded, decision.state)
	}
	ctx.SetValue(decision.encoded)
	for _, owed := range decision.owed {
		owed.Emit(ctx)
	}
}

// tellParked has the order's row say that it waits for an operator. It is said again with
// each letter, under the same id.
func (s orchestrator) tellParked(ctx goka.Context, state saga.State) {
	parked, err := emissionOf(saga.Tell{
		OrderID: ctx.Key(), Type: order.OrderStuck, Cause: ctx.Key() + "/parked", Status: order.StatusStuck,
		Reason: "no longer decided for: " + state.Parked, At: s.config.now(),
	}.Event(RoleSaga))
	if err != nil {
		panic(err) // there is nothing in it that could not be encoded
	}
	parked.Emit(ctx)
}

type decision struct {
	state   saga.State
	encoded codecs.Encoded
	owed    []stream.Emission
}

// next decides and encodes what follows; an error parks the order.
func (s orchestrator) next(state saga.State, in saga.Input) (d decision, err error) {
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
	d.encoded, err = codecs.State{}.Encode(d.state)
	if err == nil && len(d.encoded) > maxStateValue {
		err = fmt.Errorf("the state would have more than %d bytes", maxStateValue)
	}
	return d, err
}
