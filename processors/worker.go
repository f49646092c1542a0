package processors

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// Participant does the work of a step. It may be asked for the same work more
// than once and must then give the same answer, without doing it again.
type Participant interface {
	// Do gives what the work produced, as JSON. A *Declined fails the step for
	// good; any other error says that the request could not be handled at all. The
	// context does not end with the worker, which finishes what it has begun: Do
	// bounds its own time, and the partition waits for it.
	Do(ctx context.Context, r Request) (order.JSON, error)
}

// Request asks a participant for the work of a step.
type Request struct {
	OrderID string
	Step    order.Step
	Attempt int        // from 1
	Input   order.JSON // what the client sent along for the step; nil for nothing
}

// Declined is a participant's refusal.
type Declined struct{ Reason string }

func (d *Declined) Error() string { return "declined: " + d.Reason }

// RoleOf names the worker's role of a step.
func RoleOf(s order.Step) string { return strings.ToLower(string(s)) }

// Worker is the processor that answers the requests of a step. It has no table.
func Worker(c Config, s order.Step, p Participant) stream.Processor {
	c = c.withDefaults()
	w := worker{intake: c.intake(RoleOf(s), false), config: c, step: s, participant: p}
	return stream.Processor{
		Role: w.role,
		Graph: goka.DefineGroup(goka.Group(w.role),
			goka.Input(codecs.StoreOrder, codecs.Bytes{}, w.handle),
			goka.Output(codecs.StoreOrder, codecs.Bytes{}),
			goka.Output(codecs.DeadletterOrder, codecs.Bytes{}),
		),
		Filter: filter(w.wants),
	}
}

type worker struct {
	intake
	config      Config
	step        order.Step
	participant Participant
}

func (w worker) wants(t order.Type) bool { return t == order.TypeOf(w.step, order.Requested) }

func (w worker) handle(ctx goka.Context, msg any) {
	e, ok := w.event(ctx, msg)
	if !ok || !w.wants(e.Type) {
		return
	}
	answer, err := w.answer(context.WithoutCancel(ctx.Context()), e)
	if err != nil {
		w.letter(ctx, msg.([]byte), err)
		return
	}
	answer.emit(ctx)
}

// answer has the work done. The same request always gives an answer with the
// same id, by which its readers know the copy.
func (w worker) answer(ctx context.Context, request order.Event) (emission, error) {
	type outcome struct {
		output order.JSON
		err    error
	}
	done, err := guarded(func() (o outcome) {
		o.output, o.err = w.participant.Do(ctx, Request{
			OrderID: request.OrderID, Step: w.step, Attempt: request.Attempt, Input: request.Inputs[w.step],
		})
		return o
	})
	if err != nil {
		return emission{}, err
	}
	e := order.Event{
		OrderID: request.OrderID, Time: w.config.now(), Source: w.role,
		Attempt: request.Attempt, Causation: request.ID,
	}
	var declined *Declined
	switch {
	case done.err == nil && !json.Valid(done.output):
		return emission{}, errors.New("the participant's output is no JSON")
	case done.err == nil:
		e.Type = order.TypeOf(w.step, order.Completed)
		e.Outputs = map[order.Step]order.JSON{w.step: done.output}
	case errors.As(done.err, &declined):
		e.Type, e.Reason = order.TypeOf(w.step, order.Failed), declined.Reason
	default:
		return emission{}, done.err
	}
	e.ID = order.EventID(e.OrderID, e.Type, e.Attempt)
	return emissionOf(e)
}
