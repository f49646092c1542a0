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
	s := orchestrator{intake: c.intake(RoleSaga, false), config: c, definition: d, decide: decide}
	return stream.Processor{
		Role: RoleSaga,
		Graph: goka.DefineGroup(groupSaga,
			goka.Input(codecs.StoreOrder, codecs.Bytes{}, s.handle),
			goka.Output(codecs.StoreOrder, codecs.Bytes{}),
			goka.Output(codecs.DeadletterOrder, codecs.Bytes{}),
			goka.Persist(codecs.State{}),
		),
		Filter: s.wants,
	}
}

type orchestrator struct {
	intake
	config     Config
	definition saga.Definition
	decide     Decide
}

// wants tells by its type whether a record can be an input; one that names no
// type must be looked into.
func (s orchestrator) wants(r stream.Record) bool {
	t := codecs.TypeIn(r.Header)
	if t == "" {
		return true
	}
	_, phase, ok := t.Split()
	return ok && (phase != order.Requested || t == order.TypeOf(order.Detail, order.Requested))
}

func (s orchestrator) handle(ctx goka.Context, msg any) {
	e, ok := s.event(ctx, msg)
	if !ok {
		return
	}
	in, ok := saga.InputOf(e, s.definition, s.config.now())
	if !ok {
		return
	}
	value := msg.([]byte)
	state, err := stored[saga.State](ctx)
	if err != nil {
		s.letter(ctx, value, err)
		return
	}
	if state.Parked != "" {
		s.letter(ctx, value, fmt.Errorf("behind an event that could not be decided on: %s", state.Parked))
		return
	}
	decision, err := s.next(state, in)
	if err != nil {
		s.letter(ctx, value, err)
		state.Parked = err.Error()
		ctx.SetValue(state)
		return
	}
	if decision.state.Status == "" {
		return // an answer for an order that was never requested
	}
	ctx.SetValue(decision.encoded)
	for _, effect := range decision.effects {
		emit(ctx, effect.Event(RoleSaga))
	}
}

type decision struct {
	state   saga.State
	encoded codecs.Encoded
	effects []saga.Effect
}

// next decides and encodes the state; an error parks the order.
func (s orchestrator) next(state saga.State, in saga.Input) (decision, error) {
	d, err := guarded(func() (d decision) {
		d.state, d.effects = s.decide(state, in)
		return d
	})
	if err != nil {
		return d, err
	}
	d.encoded, err = codecs.State{}.Encode(d.state)
	if err == nil && len(d.encoded) > maxStateValue {
		err = fmt.Errorf("the state would have %d bytes; %d are allowed", len(d.encoded), maxStateValue)
	}
	return d, err
}
