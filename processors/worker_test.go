package processors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lovoo/goka/tester"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// participant is one whose parts are given. The request for another panics.
type participant struct {
	do   func(context.Context, Request) (order.JSON, error)
	undo func(context.Context, Request) error
}

func (p participant) Do(ctx context.Context, r Request) (order.JSON, error) { return p.do(ctx, r) }
func (p participant) Undo(ctx context.Context, r Request) error             { return p.undo(ctx, r) }

// does is a participant that has nothing to undo.
type does func(context.Context, Request) (order.JSON, error)

func (d does) Do(ctx context.Context, r Request) (order.JSON, error) { return d(ctx, r) }

func (does) Undo(context.Context, Request) error { return nil }

func gives(output string, err error) does {
	return func(context.Context, Request) (order.JSON, error) { return order.JSON(output), err }
}

func TestAWorkerAnswersWithTheSeedsBody(t *testing.T) {
	for step, body := range map[order.Step]string{
		order.Detail:  `{"id":"ORD-B384F","type":"ORDER_COMPLETED","detail":{"body":"ORD-B384F_ORDER_COMPLETED"}}`,
		order.Payment: `{"id":"ORD-B384F","type":"PAYMENT_COMPLETED","payment":{"body":"ORD-B384F_PAYMENT_COMPLETED"}}`,
		order.Mail:    `{"id":"ORD-B384F","type":"MAIL_COMPLETED","mail":{"body":"ORD-B384F_MAIL_COMPLETED"}}`,
	} {
		t.Run(string(step), func(t *testing.T) {
			s := start(t, Worker(config(), plan(step), Echo{}))
			answer := s.hear(request(known, step)).event(t)
			completed := order.TypeOf(step, order.Completed)
			differ(t, "the answer", order.Event{
				OrderID: known, Type: completed,
				Outputs: map[order.Step]order.JSON{step: order.JSON(`{"body":"` + known + "_" + string(completed) + `"}`)},
				ID:      order.EventID(known, completed, 1), Time: noon, Source: RoleOf(step), Attempt: 1, Round: 1,
				Causation: request(known, step).ID,
			}, answer)
			differ(t, "its value", body, string(recordOf(answer).value))
		})
	}
}

func TestARequestHeardTwiceIsAnsweredTwiceUnderOneID(t *testing.T) {
	s := start(t, Worker(config(), plan(order.Payment), Echo{}))
	first := s.hear(request(known, order.Payment)).event(t)
	again := s.hear(request(known, order.Payment)).event(t)
	differ(t, "the second answer", first, again)
}

func TestEachAttemptHasItsOwnAnswer(t *testing.T) {
	s := start(t, Worker(config(), plan(order.Payment), Echo{}))
	second := request(known, order.Payment)
	second.Attempt, second.ID = 2, "the second attempt"
	answer := s.hear(second).event(t)
	if answer.Attempt != 2 || answer.Causation != second.ID || answer.ID == completion(known, order.Payment).ID {
		t.Errorf("the answer to attempt 2: %+v", answer)
	}
}

func TestAParticipantGetsTheInputOfItsStep(t *testing.T) {
	var got []Request
	s := start(t, Worker(config(), plan(order.Payment), does(func(_ context.Context, r Request) (order.JSON, error) {
		got = append(got, r)
		return order.JSON("{}"), nil
	})))
	r := request(known, order.Payment)
	r.Attempt = 3
	r.Inputs = map[order.Step]order.JSON{order.Payment: order.JSON(`{"card":1}`), order.Mail: order.JSON(`"no"`)}
	s.hear(r)
	s.hear(request(other, order.Payment))
	differ(t, "what the participant was asked for", []Request{
		{OrderID: known, Step: order.Payment, Attempt: 3, Round: 1, Input: order.JSON(`{"card":1}`)},
		{OrderID: other, Step: order.Payment, Attempt: 1, Round: 1},
	}, got)
}

func TestADeclinedStepHasFailedForGood(t *testing.T) {
	for name, err := range map[string]error{
		"declined": &Declined{Reason: "no funds"},
		"wrapped":  fmt.Errorf("bank: %w", &Declined{Reason: "no funds"}),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Worker(config(), plan(order.Payment), gives("{}", err)))
			want := failure(known, order.Payment, "no funds")
			want.Source = "payment"
			differ(t, "the answer", want, s.hear(request(known, order.Payment)).event(t))
		})
	}
}

// A header that readers refuse would make a letter of the answer, with the order
// waiting for it.
func TestALongRefusalIsStillAnAnswer(t *testing.T) {
	s := start(t, Worker(config(), plan(order.Payment), gives("", &Declined{Reason: strings.Repeat("né", 9<<10)})))
	answer := s.hear(request(known, order.Payment)).event(t)
	if !strings.HasPrefix(answer.Reason, "néné") {
		t.Errorf("the reason has %d bytes: %.20q", len(answer.Reason), answer.Reason)
	}
}

// A panic is a mistake in the program: another attempt would end alike.
func TestAParticipantsPanicIsALetter(t *testing.T) {
	for name, one := range map[string]struct {
		request order.Event
		value   any
		reason  string // what the letter's begins with
	}{
		"a panic":      {request(known, order.Payment), "no bank", "panic: no bank\ngoroutine "},
		"while undone": {undoing(known, order.Payment), "no bank", "panic: no bank\ngoroutine "},
		"a long panic": {
			request(known, order.Payment), strings.Repeat("x", 9<<10),
			"panic: " + strings.Repeat("x", maxReason-len("panic: …")) + "…\ngoroutine ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config()
			reg := prometheus.NewRegistry()
			c.Figures = NewFigures(reg, saga.Default())
			panics := func(r Request) {
				if r.OrderID == known {
					panic(one.value)
				}
			}
			s := start(t, Worker(c, plan(order.Payment), participant{
				do:   func(ctx context.Context, r Request) (order.JSON, error) { panics(r); return Echo{}.Do(ctx, r) },
				undo: func(_ context.Context, r Request) error { panics(r); return nil },
			}))
			poison := recordOf(one.request)
			l := s.take(poison).letter(t)
			if !strings.HasPrefix(l.Reason, one.reason) {
				t.Errorf("the reason is %.200q", l.Reason)
			}
			l.Reason = ""
			differ(t, "the letter", codecs.Letter{
				Role: "payment", Tries: 1, Topic: codecs.StoreOrder, Written: noon,
				Key: known, Value: poison.value, Headers: poison.headers,
			}, l)
			s.hear(request(other, order.Payment)).event(t)
			differ(t, "letters counted", 1.0, figures(t, reg)["simplecqrs_dead_letters_total payment"])
		})
	}
}

// Only a participant's own word makes it certain that nothing was done.
func TestWhatIsNoRefusalIsAFailureThatAnotherAttemptMayMend(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, one := range map[string]struct {
		participant does
		reason      string
		after       time.Duration
	}{
		"an error":        {gives("{}", errors.New("the bank is closed")), "the bank is closed", 0},
		"a failure":       {gives("", &Failed{Reason: "503"}), "503", 0},
		"one with a wait": {gives("", &Failed{Reason: "busy", RetryAfter: 90 * time.Second}), "busy", 90 * time.Second},
		"a wrapped one": {
			gives("", fmt.Errorf("bank: %w", &Failed{Reason: "busy", RetryAfter: time.Second})), "bank: busy", time.Second,
		},
		"no output":      {gives("", nil), "the output is no JSON", 0},
		"half an output": {gives(`{"body":`, nil), "the output is no JSON", 0},
		"two outputs":    {gives(`{} {}`, nil), "the output is no JSON", 0},
		"a page":         {gives(`<html>`, nil), "the output is no JSON", 0},
		"a large output": {gives(quoted(maxOutput+1), nil), "the output has 131073 bytes; 131072 are allowed", 0},
		"a deep output":  {gives(deep(maxDepth+1), nil), "the output is nested deeper than 64 levels", 0},
		"a deep object": {
			gives(strings.Repeat(`{"a":`, maxDepth+1)+"1"+strings.Repeat("}", maxDepth+1), nil),
			"the output is nested deeper than 64 levels", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Worker(config(), plan(order.Payment), one.participant))
			want := failure(known, order.Payment, one.reason)
			want.Source, want.Retryable, want.RetryAfter = "payment", true, one.after
			differ(t, "the answer", want, s.hear(request(known, order.Payment)).event(t))
		})
	}
}

// Each is one that the answer's readers take, at the bounds.
func TestTheLargestOutputs(t *testing.T) {
	for name, output := range map[string]string{
		"in size":  quoted(maxOutput),
		"in depth": strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		"in width": "[" + strings.Repeat("[],", 2*maxDepth) + "[]]",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Worker(config(), plan(order.Payment), gives(output, nil)))
			answer := s.hear(request(known, order.Payment)).event(t)
			differ(t, "the type", order.Type("PAYMENT_COMPLETED"), answer.Type)
			differ(t, "the output", map[order.Step]order.JSON{order.Payment: order.JSON(output)}, answer.Outputs)
		})
	}
}

// quoted is a JSON string of so many bytes.
func quoted(size int) string { return `"` + strings.Repeat("x", size-2) + `"` }

// The saga has given such a request up, or is about to; and a group whose offsets are
// lost reads the log from its beginning, and must charge nobody again.
func TestAWorkerPassesOverARequestWhoseTimeHasPassed(t *testing.T) {
	step := plan(order.Payment)
	step.Timeout, step.Compensation.Timeout = time.Minute, time.Hour
	for name, one := range map[string]struct {
		request           order.Event
		deadline, written time.Time
		begun             bool
	}{
		"before its deadline":           {request(known, order.Payment), noon.Add(1), noon, true},
		"at its deadline":               {request(known, order.Payment), noon, noon, false},
		"long after":                    {request(known, order.Payment), noon.AddDate(-1, 0, 0), noon, false},
		"a deadline beyond the plan's":  {request(known, order.Payment), noon.Add(1), noon.AddDate(-1, 0, 0), true},
		"none, within the plan's time":  {request(known, order.Payment), time.Time{}, noon.Add(1 - time.Minute), true},
		"none, after the plan's time":   {request(known, order.Payment), time.Time{}, noon.Add(-time.Minute), false},
		"undo before its deadline":      {undoing(known, order.Payment), noon.Add(1), noon, true},
		"undo at its deadline":          {undoing(known, order.Payment), noon, noon, false},
		"undo, none, within the plan's": {undoing(known, order.Payment), time.Time{}, noon.Add(1 - time.Hour), true},
		"undo, none, after the plan's":  {undoing(known, order.Payment), time.Time{}, noon.Add(-time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := start(t, Worker(config(), step, participant{
				do:   func(context.Context, Request) (order.JSON, error) { asked++; return order.JSON("1"), nil },
				undo: func(context.Context, Request) error { asked++; return nil },
			}))
			r := one.request
			r.Deadline, r.Time = one.deadline, one.written
			d := s.hear(r)
			if !one.begun {
				d.nothing(t)
				differ(t, "times asked", 0, asked)
				return
			}
			d.event(t)
			differ(t, "times asked", 1, asked)
		})
	}
}

// A producer that sends no headers asks when its record is written.
func TestABareRequestHasThePlansTimeFromItsRecordsTimestamp(t *testing.T) {
	s := start(t, Worker(config(), plan(order.Detail), Echo{}))
	timeout := plan(order.Detail).Timeout
	late := bare(known)
	late.written = noon.Add(-timeout)
	s.take(late).nothing(t)
	late.written = late.written.Add(time.Millisecond) // that is how fine they are
	s.take(late).event(t)
}

func TestTheContextEndsWithTheRequestsDeadline(t *testing.T) {
	until := time.Now().Add(time.Hour).UTC().Round(0)
	var got []time.Time
	s := start(t, Worker(config(), plan(order.Payment), participant{
		do: func(ctx context.Context, _ Request) (order.JSON, error) {
			end, _ := ctx.Deadline()
			got = append(got, end.UTC())
			return order.JSON("1"), ctx.Err()
		},
		undo: func(ctx context.Context, _ Request) error {
			end, _ := ctx.Deadline()
			got = append(got, end.UTC())
			return ctx.Err()
		},
	}))
	for _, r := range []order.Event{request(known, order.Payment), undoing(known, order.Payment)} {
		r.Deadline = until
		if answer := s.hear(r).event(t); answer.Reason != "" {
			t.Errorf("%s: the context has ended: %s", r.Type, answer.Reason)
		}
	}
	differ(t, "when it ends", []time.Time{until, until}, got)
}

func TestAWorkerUndoesWhatItIsAskedTo(t *testing.T) {
	var undone []Request
	s := start(t, Worker(config(), plan(order.Payment), participant{
		do:   func(context.Context, Request) (order.JSON, error) { panic("asked to do it") },
		undo: func(_ context.Context, r Request) error { undone = append(undone, r); return nil },
	}))
	r := undoing(known, order.Payment)
	r.Attempt, r.Round, r.ID = 3, 2, "the third attempt"
	want := happened(known, "PAYMENT_COMPENSATED", r.ID)
	want.Source, want.Attempt, want.Round, want.ID = "payment", 3, 2, order.AnswerID(r, "PAYMENT_COMPENSATED")
	first := s.hear(r).event(t)
	differ(t, "the answer", want, first)
	differ(t, "the answer to the copy", want, s.hear(r).event(t))
	asked := Request{OrderID: known, Step: order.Payment, Attempt: 3, Round: 2}
	differ(t, "what is undone", []Request{asked, asked}, undone)
}

func TestUndoingFailsAsTheWorkDoes(t *testing.T) {
	for name, one := range map[string]struct {
		err       error
		reason    string
		retryable bool
		after     time.Duration
	}{
		"declined":  {&Declined{Reason: "too late"}, "too late", false, 0},
		"an error":  {errors.New("closed"), "closed", true, 0},
		"a failure": {&Failed{Reason: "busy", RetryAfter: time.Minute}, "busy", true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Worker(config(), plan(order.Payment), participant{
				undo: func(context.Context, Request) error { return one.err },
			}))
			r := undoing(known, order.Payment)
			want := happened(known, "PAYMENT_COMPENSATION_FAILED", r.ID)
			want.Source, want.Reason, want.Retryable, want.RetryAfter = "payment", one.reason, one.retryable, one.after
			differ(t, "the answer", want, s.hear(r).event(t))
		})
	}
}

func TestEchoHasNothingToUndo(t *testing.T) {
	s := start(t, Worker(config(), plan(order.Payment), Echo{}))
	differ(t, "the answer", order.Type("PAYMENT_COMPENSATED"), s.hear(undoing(known, order.Payment)).event(t).Type)
}

// A participant knows by the key what it has done already. It may not depend on which
// of its attempts is heard.
func TestTheKeyIsThatOfTheRoundWhateverTheAttempt(t *testing.T) {
	var keys []string
	s := start(t, Worker(config(), plan(order.Payment), participant{
		do: func(_ context.Context, r Request) (order.JSON, error) {
			keys = append(keys, r.Key())
			return order.JSON("1"), nil
		},
		undo: func(_ context.Context, r Request) error { keys = append(keys, r.Key()); return nil },
	}))
	for _, one := range []struct{ attempt, round int }{{1, 1}, {2, 1}, {3, 2}} {
		for _, r := range []order.Event{request(known, order.Payment), undoing(known, order.Payment)} {
			r.Attempt, r.Round, r.ID = one.attempt, one.round, order.EventID(known, r.Type, one.attempt)
			if answer := s.hear(r).event(t); answer.Round != one.round || answer.Attempt != one.attempt {
				t.Errorf("%s is answered with attempt %d of round %d", r.ID, answer.Attempt, answer.Round)
			}
		}
	}
	const first, second = "ORD-B384F/PAYMENT/1", "ORD-B384F/PAYMENT/2"
	differ(t, "the keys", []string{first, first, first, first, second, second}, keys)
}

// Echo waits for nobody, and lanes would only cost it.
func TestRequestsAreWorkedOnInLanesExceptByEcho(t *testing.T) {
	differ(t, "a worker", 32, Worker(config(), plan(order.Payment), gives("1", nil)).Lanes)
	differ(t, "Echo", 0, Worker(config(), plan(order.Payment), Echo{}).Lanes)
	for _, p := range []stream.Processor{Aggregate(config(), order.Fold), Saga(config(), saga.Default(), saga.Decide)} {
		differ(t, p.Role+", which has a table", 0, p.Lanes)
	}
}

func TestASlowParticipantHoldsUpNoOtherOrder(t *testing.T) {
	w := newWorld(t)
	finish := make(chan struct{})
	some := ids(0, 2)
	w.run(roles{worker: does(func(ctx context.Context, r Request) (order.JSON, error) {
		if r.OrderID == some[0] && r.Step == order.Payment {
			<-finish
		}
		return Echo{}.Do(ctx, r)
	})})
	for _, id := range some {
		w.write(w.kafka, 0, bare(id))
	}
	w.await("the other order to be complete", func() bool {
		return w.rows()[some[1]].Meta.Status == order.StatusCompleted
	})
	differ(t, "the slow one", order.StatusRunning, w.rows()[some[0]].Meta.Status)
	close(finish)
	w.settled()
	for _, id := range some {
		w.complete(w.rows()[id])
	}
}

// Cut short, a participant would leave an order of which nobody knows whether it
// was paid, and a letter for a request that has nothing wrong with it.
func TestAWorkerThatEndsFinishesWhatItHasBegun(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	s := start(t, Worker(config(), plan(order.Payment), does(func(ctx context.Context, r Request) (order.JSON, error) {
		close(begun)
		<-finish
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return Echo{}.Do(ctx, r)
	})))
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		e := request(known, order.Payment)
		e.Deadline = time.Now().Add(time.Hour)
		r := recordOf(e)
		s.tester.Consume(codecs.StoreOrder, r.key, r.value, tester.WithHeaders(r.headers))
	}()
	<-begun
	s.stop()
	<-heard // the tester gives up waiting once it has seen the end
	close(finish)
	s.ended <- <-s.ended
	s.log.NextRaw()
	differ(t, "the answer", order.Type("PAYMENT_COMPLETED"), s.outcome().event(t).Type)
}

func TestAWorkerAnswersNothingButRequestsOfItsStep(t *testing.T) {
	s := start(t, Worker(config(), plan(order.Payment), participant{
		do: func(_ context.Context, r Request) (order.JSON, error) {
			return nil, errors.New("asked for " + string(r.Step))
		},
		undo: func(_ context.Context, r Request) error { return errors.New("asked to undo " + string(r.Step)) },
	}))
	for _, heard := range types(order.Payment) {
		if heard != "PAYMENT_REQUESTED" && heard != "PAYMENT_COMPENSATION_REQUESTED" {
			s.hear(happened(known, heard, "")).nothing(t)
		}
	}
	differ(t, "the answer", "asked for PAYMENT", s.hear(request(known, order.Payment)).event(t).Reason)
	differ(t, "the answer to the other", "asked to undo PAYMENT", s.hear(undoing(known, order.Payment)).event(t).Reason)
}
