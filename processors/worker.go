package processors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	// good; any other error says that the request could not be handled at all.
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
	w := worker{intake: c.intake(RoleOf(s), false), config: c, step: s, participant: p}
	return stream.Processor{
		Role: w.role,
		Graph: goka.DefineGroup(goka.Group(w.role),
			goka.Input(codecs.StoreOrder, codecs.Bytes{}, w.handle),
			goka.Output(codecs.StoreOrder, codecs.Bytes{}),
			goka.Output(codecs.DeadletterOrder, codecs.Bytes{}),
		),
		Filter: w.wants,
	}
}

// maxOutput leaves room in an event's value for what stands around the output.
const maxOutput = codecs.MaxEvent - 1<<10

type worker struct {
	intake
	config      Config
	step        order.Step
	participant Participant
}

func (w worker) wants(r stream.Record) bool {
	t := codecs.TypeIn(r.Header)
	return t == "" || t == order.TypeOf(w.step, order.Requested)
}

func (w worker) handle(ctx goka.Context, msg any) {
	e, ok := w.event(ctx, msg)
	if !ok || e.Type != order.TypeOf(w.step, order.Requested) {
		return
	}
	answer, err := w.answer(ctx.Context(), e)
	if err != nil {
		w.letter(ctx, msg.([]byte), err)
		return
	}
	emit(ctx, answer)
}

// answer has the work done. The same request always gives an answer with the
// same id, by which its readers know the copy.
func (w worker) answer(ctx context.Context, request order.Event) (order.Event, error) {
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
		return order.Event{}, err
	}
	e := order.Event{
		OrderID: request.OrderID, Time: w.config.now(), Source: w.role,
		Attempt: request.Attempt, Causation: request.ID,
	}
	var declined *Declined
	switch {
	case done.err == nil && len(done.output) > maxOutput:
		return e, fmt.Errorf("the participant's output has %d bytes; %d are allowed", len(done.output), maxOutput)
	case done.err == nil && !json.Valid(done.output):
		return e, errors.New("the participant's output is no JSON")
	case done.err == nil:
		e.Type = order.TypeOf(w.step, order.Completed)
		e.Outputs = map[order.Step]order.JSON{w.step: done.output}
	case errors.As(done.err, &declined):
		e.Type, e.Reason = order.TypeOf(w.step, order.Failed), declined.Reason
	default:
		return e, done.err
	}
	e.ID = order.EventID(e.OrderID, e.Type, e.Attempt)
	return e, nil
}
