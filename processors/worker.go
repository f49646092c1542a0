package processors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// Participant does the work of a step, and undoes it. It may be asked for the same
// piece of work more than once and must then give the same answer, without doing it
// again; see [Request.Key]. The context ends with the request's deadline and not with
// the worker, which finishes what it has begun.
type Participant interface {
	// Do gives what the work produced, as JSON. A *Declined says that it was not done
	// and will not be; a *Failed, and any other error, that it may have been done and
	// that another attempt may tell.
	Do(ctx context.Context, r Request) (order.JSON, error)
	// Undo undoes what Do did under the same key, whether or not it is known to have
	// done anything, and sees to it that a Do which comes later is refused. Its errors are
	// those of Do.
	Undo(ctx context.Context, r Request) error
}

// Request asks a participant for the work of a step.
type Request struct {
	OrderID string
	Step    order.Step
	Attempt int        // from 1
	Round   int        // from 1; only an operator's retry begins another
	Input   order.JSON // what the client sent along for the step; nil for nothing
}

// Key names the piece of work: the same for all attempts of a round, and for its undoing.
func (r Request) Key() string { return fmt.Sprintf("%s/%s/%d", r.OrderID, r.Step, r.Round) }

// Declined is a participant's refusal: nothing was done.
type Declined struct{ Reason string }

func (d *Declined) Error() string { return "declined: " + d.Reason }

// Failed is an attempt that may or may not have done its work.
type Failed struct {
	Reason     string
	RetryAfter time.Duration // the least wait before another; 0: as the plan has it
}

func (f *Failed) Error() string { return f.Reason }

// RoleOf names the worker's role of a step.
func RoleOf(s order.Step) string { return strings.ToLower(string(s)) }

// workLanes is how many requests a worker has in hand at once.
const workLanes = 32

// Worker is the processor that answers the requests of a step. It has no table. Requests
// of different orders are worked on beside each other.
func Worker(c Config, s saga.Step, p Participant) stream.Processor {
	c = c.withDefaults()
	w := worker{
		intake: c.intake(RoleOf(s.Name), false), config: c, step: s, participant: p,
		request: order.TypeOf(s.Name, order.Requested), undo: order.TypeOf(s.Name, order.CompensationRequested),
		waits: true,
	}
	lanes := workLanes
	if _, ok := p.(Echo); ok {
		lanes, w.waits = 0, false
	}
	return stream.Processor{
		Role: w.role,
		Graph: goka.DefineGroup(goka.Group(w.role),
			goka.Input(codecs.StoreOrder, codecs.Bytes{}, stream.Traced(w.handle)),
			goka.Output(codecs.StoreOrder, codecs.Bytes{}),
			goka.Output(codecs.DeadletterOrder, codecs.Bytes{}),
		),
		Filter: w.filter(w.wants),
		Lanes:  lanes,
	}
}

type worker struct {
	intake
	config      Config
	step        saga.Step
	participant Participant

	request, undo order.Type // what it hears
	waits         bool       // the participant may wait for others; Echo does not
}

func (w worker) wants(t order.Type) bool { return t == w.request || t == w.undo }

func (w worker) handle(ctx goka.Context, msg any) {
	if w.redrives(ctx, msg, w.redriven) {
		return
	}
	e, ok := w.event(ctx, msg)
	if !ok || !w.wants(e.Type) {
		return
	}
	record := w.record(ctx, msg.([]byte)) // of the context nothing may be asked later
	stream.Later(ctx, func(ctx context.Context) []stream.Emission {
		if !w.config.now().Before(w.deadline(e)) {
			return nil // the saga has given it up, or is about to
		}
		return []stream.Emission{w.work(ctx, record, e)}
	})
}

var errLate = errors.New("the request's deadline has passed, and the saga has given this attempt up: it can only be discarded")

// redriven works on a request once more, if there is still time.
func (w worker) redriven(ctx goka.Context, r codecs.Redrive) {
	e, err := codecs.Read(r.Key, r.Value, r.Headers, r.Written)
	if err == nil && !w.wants(e.Type) {
		err = fmt.Errorf("%s is no request that this role hears", e.Type)
	}
	if err != nil {
		w.untried(traceOf(ctx), r.Letter, err).Emit(ctx)
		return
	}
	at := w.config.now()
	stream.Later(ctx, func(ctx context.Context) []stream.Emission {
		if !w.config.now().Before(w.deadline(e)) {
			return []stream.Emission{w.untried(ctx, r.Letter, errLate)}
		}
		answer := w.work(ctx, r.Letter, e)
		if answer.Topic == codecs.DeadletterOrder {
			return []stream.Emission{answer}
		}
		return []stream.Emission{answer, resolved(r.Letter, r.Actor, codecs.Redriven, at)}
	})
}

// work gives the answer to a request, or the letter that it becomes.
func (w worker) work(ctx context.Context, record codecs.Letter, e order.Event) stream.Emission {
	if w.waits {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, w.deadline(e))
		defer cancel()
	}
	answer, err := w.answer(ctx, e)
	if err != nil {
		return w.letterOf(ctx, record, err)
	}
	return answer
}

// deadline is when a request is no longer to be begun on. One that names none, from a
// foreign producer, has as long as the plan gives an attempt. So a group whose offsets
// are lost, and that reads the log from its beginning, charges nobody again.
func (w worker) deadline(request order.Event) time.Time {
	if !request.Deadline.IsZero() {
		return request.Deadline
	}
	if request.Type == w.undo {
		return request.Time.Add(w.step.Compensation.Timeout)
	}
	return request.Time.Add(w.step.Timeout)
}

// answer has the work done. The same request always gives an answer with the
// same id, by which its readers know the copy.
func (w worker) answer(ctx context.Context, request order.Event) (stream.Emission, error) {
	step := w.step.Name
	asked := Request{
		OrderID: request.OrderID, Step: step, Attempt: request.Attempt, Round: request.Round, Input: request.Inputs[step],
	}
	undo := request.Type == w.undo
	type outcome struct {
		output order.JSON
		err    error
	}
	done, err := guarded(func() (o outcome) {
		if undo {
			o.err = w.participant.Undo(ctx, asked)
			return o
		}
		o.output, o.err = w.participant.Do(ctx, asked)
		if o.err == nil {
			o.err = sound(o.output)
		}
		return o
	})
	if err != nil {
		return stream.Emission{}, err
	}
	e := order.Event{
		OrderID: request.OrderID, Time: w.config.now(), Source: w.role,
		Attempt: request.Attempt, Round: request.Round, Causation: request.ID,
	}
	completed, failed := order.Completed, order.Failed
	if undo {
		completed, failed = order.Compensated, order.CompensationFailed
	}
	if done.err == nil {
		e.Type = order.TypeOf(step, completed)
		if !undo {
			e.Outputs = map[order.Step]order.JSON{step: done.output}
		}
	} else {
		e.Type = order.TypeOf(step, failed)
		e.Reason, e.Retryable, e.RetryAfter = failureOf(done.err)
	}
	e.ID = order.AnswerID(request, e.Type)
	return emissionOf(e)
}

// failureOf says how an attempt went wrong. Only a participant's own word makes it
// certain that nothing was done.
func failureOf(err error) (reason string, retryable bool, after time.Duration) {
	var declined *Declined
	if errors.As(err, &declined) {
		return declined.Reason, false, 0
	}
	var failed *Failed
	if errors.As(err, &failed) {
		after = failed.RetryAfter
	}
	return err.Error(), true, after
}

const (
	// maxOutput bounds what a participant produces, in bytes, so that the event of it
	// and the row that holds it fit.
	maxOutput = 128 << 10
	// maxDepth bounds how deep its objects and arrays may lie in each other.
	maxDepth = 64
)

// sound says what is wrong with a participant's output, that no reader could take.
func sound(output order.JSON) error {
	if len(output) > maxOutput {
		return fmt.Errorf("the output has %d bytes; %d are allowed", len(output), maxOutput)
	}
	if err := tooDeep(output); err != nil {
		return err
	}
	if !json.Valid(output) {
		return errors.New("the output is no JSON")
	}
	return nil
}

// tooDeep says that a text is nested too deep. Most have so few brackets that they cannot
// be; to read the others token by token takes longer than all else that an answer needs.
func tooDeep(text []byte) error {
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= maxDepth {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errors.New("the output is no JSON")
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return fmt.Errorf("the output is nested deeper than %d levels", maxDepth)
		}
	}
}
