package processors

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// does is a participant.
type does func(context.Context, Request) (order.JSON, error)

func (d does) Do(ctx context.Context, r Request) (order.JSON, error) { return d(ctx, r) }

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
			s := start(t, Worker(config(), step, Echo{}))
			answer := s.hear(request(known, step)).event(t)
			completed := order.TypeOf(step, order.Completed)
			differ(t, "the answer", order.Event{
				OrderID: known, Type: completed,
				Outputs: map[order.Step]order.JSON{step: order.JSON(`{"body":"` + known + "_" + string(completed) + `"}`)},
				ID:      order.EventID(known, completed, 1), Time: noon, Source: RoleOf(step), Attempt: 1,
				Causation: request(known, step).ID,
			}, answer)
			differ(t, "its value", body, string(recordOf(answer).value))
		})
	}
}

func TestARequestHeardTwiceIsAnsweredTwiceUnderOneID(t *testing.T) {
	s := start(t, Worker(config(), order.Payment, Echo{}))
	first := s.hear(request(known, order.Payment)).event(t)
	again := s.hear(request(known, order.Payment)).event(t)
	differ(t, "the second answer", first, again)
}

func TestEachAttemptHasItsOwnAnswer(t *testing.T) {
	s := start(t, Worker(config(), order.Payment, Echo{}))
	second := request(known, order.Payment)
	second.Attempt, second.ID = 2, "the second attempt"
	answer := s.hear(second).event(t)
	if answer.Attempt != 2 || answer.Causation != second.ID || answer.ID == completion(known, order.Payment).ID {
		t.Errorf("the answer to attempt 2: %+v", answer)
	}
}

func TestAParticipantGetsTheInputOfItsStep(t *testing.T) {
	var got []Request
	s := start(t, Worker(config(), order.Payment, does(func(_ context.Context, r Request) (order.JSON, error) {
		got = append(got, r)
		return order.JSON("{}"), nil
	})))
	r := request(known, order.Payment)
	r.Attempt = 3
	r.Inputs = map[order.Step]order.JSON{order.Payment: order.JSON(`{"card":1}`), order.Mail: order.JSON(`"no"`)}
	s.hear(r)
	s.hear(request(other, order.Payment))
	differ(t, "what the participant was asked for", []Request{
		{OrderID: known, Step: order.Payment, Attempt: 3, Input: order.JSON(`{"card":1}`)},
		{OrderID: other, Step: order.Payment, Attempt: 1},
	}, got)
}

func TestADeclinedStepHasFailed(t *testing.T) {
	s := start(t, Worker(config(), order.Payment, gives("", &Declined{Reason: "no funds"})))
	answer := s.hear(request(known, order.Payment)).event(t)
	want := failure(known, order.Payment, "no funds")
	want.Source = "payment"
	differ(t, "the answer", want, answer)
}

// A header that readers refuse would make a letter of the answer, with the order
// waiting for it.
func TestALongRefusalIsStillAnAnswer(t *testing.T) {
	s := start(t, Worker(config(), order.Payment, gives("", &Declined{Reason: strings.Repeat("né", 9<<10)})))
	answer := s.hear(request(known, order.Payment)).event(t)
	if !strings.HasPrefix(answer.Reason, "néné") {
		t.Errorf("the reason has %d bytes: %.20q", len(answer.Reason), answer.Reason)
	}
}

func TestAParticipantsTroubleIsALetter(t *testing.T) {
	for name, trouble := range map[string]struct {
		participant does
		reason      string // what the letter's begins with
	}{
		"an error":       {gives("{}", errors.New("the bank is closed")), "the bank is closed"},
		"no output":      {gives("", nil), "the participant's output is no JSON"},
		"half an output": {gives(`{"body":`, nil), "the participant's output is no JSON"},
		"a large output": {gives(`"`+strings.Repeat("x", codecs.MaxEvent)+`"`, nil), "PAYMENT_COMPLETED would have 262202 bytes; 262144 are allowed"},
		"a panic":        {func(context.Context, Request) (order.JSON, error) { panic("no bank") }, "panic: no bank\ngoroutine "},
		"a long panic": {
			func(context.Context, Request) (order.JSON, error) { panic(strings.Repeat("x", 9<<10)) },
			"panic: " + strings.Repeat("x", maxReason-len("panic: …")) + "…\ngoroutine ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config()
			reg := prometheus.NewRegistry()
			c.Figures = NewFigures(reg, saga.Default())
			s := start(t, Worker(c, order.Payment, does(func(ctx context.Context, r Request) (order.JSON, error) {
				if r.OrderID == known {
					return trouble.participant(ctx, r)
				}
				return Echo{}.Do(ctx, r)
			})))
			poison := recordOf(request(known, order.Payment))
			l := s.take(poison).letter(t)
			if !strings.HasPrefix(l.Reason, trouble.reason) {
				t.Errorf("the reason is %.200q", l.Reason)
			}
			l.Reason = ""
			differ(t, "the letter", codecs.Letter{
				Role: "payment", Topic: codecs.StoreOrder, Written: noon,
				Key: known, Value: poison.value, Headers: poison.headers,
			}, l)
			s.hear(request(other, order.Payment)).event(t)
			differ(t, "letters counted", 1.0, figures(t, reg)["simplecqrs_dead_letters_total payment"])
		})
	}
}

// The largest output is one that the answer's readers take.
func TestTheLargestOutput(t *testing.T) {
	output := func(size int) string { return `"` + strings.Repeat("x", size-2) + `"` }
	around := len(recordOf(completion(known, order.Payment)).value) - len(`{"done":true}`)
	s := start(t, Worker(config(), order.Payment, gives(output(codecs.MaxEvent-around), nil)))
	s.hear(request(known, order.Payment)).event(t)
	s = start(t, Worker(config(), order.Payment, gives(output(codecs.MaxEvent-around+1), nil)))
	s.hear(request(known, order.Payment)).letter(t)
}

// Cut short, a participant would leave an order of which nobody knows whether it
// was paid, and a letter for a request that has nothing wrong with it.
func TestAWorkerThatEndsFinishesWhatItHasBegun(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	s := start(t, Worker(config(), order.Payment, does(func(ctx context.Context, r Request) (order.JSON, error) {
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
		r := recordOf(request(known, order.Payment))
		s.tester.Consume(codecs.StoreOrder, r.key, r.value)
	}()
	<-begun
	s.stop()
	<-heard // the tester gives up waiting once it has seen the end
	close(finish)
	s.ended <- <-s.ended
	s.log.NextRaw()
	s.outcome().event(t)
}

func TestAWorkerAnswersNothingButRequestsOfItsStep(t *testing.T) {
	s := start(t, Worker(config(), order.Payment, does(func(_ context.Context, r Request) (order.JSON, error) {
		return nil, errors.New("asked for " + string(r.Step))
	})))
	for _, heard := range types(order.Payment) {
		if heard != "PAYMENT_REQUESTED" {
			s.hear(happened(known, heard, "")).nothing(t)
		}
	}
	if l := s.hear(request(known, order.Payment)).letter(t); !cmp.Equal(l.Reason, "asked for PAYMENT") {
		t.Error("the test's own participant is not asked")
	}
}
