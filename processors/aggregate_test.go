package processors

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// life is all that is written of an order that goes well.
var life = []order.Event{
	request(known, order.Detail), completion(known, order.Detail),
	request(known, order.Payment), completion(known, order.Payment),
	lastRequest(known), completion(known, order.Mail),
}

func lastRequest(id string) order.Event {
	e := request(id, order.Mail)
	e.Outcome = order.StatusCompleted
	return e
}

func folded(events ...order.Event) (r order.Row) {
	for _, e := range events {
		r = order.Fold(r, e)
	}
	return r
}

func encodedRow(t *testing.T, r order.Row) []byte {
	t.Helper()
	b, err := codecs.Row{}.Encode(r)
	check(t, err)
	return b
}

func foldingAggregate(t *testing.T) *shell { return start(t, Aggregate(config(), order.Fold)) }

func (s *shell) row(id string) order.Row {
	s.t.Helper()
	row, ok := s.tester.TableValue(codecs.ViewOrder, id).(order.Row)
	if !ok {
		s.t.Fatalf("%s has no row", id)
	}
	return row
}

func TestTheTableHoldsTheFoldOfAllEvents(t *testing.T) {
	s := foldingAggregate(t)
	for i, e := range life {
		differ(t, "after "+e.ID, [][]byte{encodedRow(t, folded(life[:i+1]...))}, s.hear(e).stored)
	}
	differ(t, "the row", folded(life...), s.row(known))
	if s.row(known).Meta.Status != order.StatusCompleted {
		t.Error("the order is not complete")
	}
}

// The local table may be ahead of its topic after a crash: what the topic did not
// get the first time it gets the second.
func TestAnEventHeardAgainIsStoredAgainUnderTheSameVersion(t *testing.T) {
	s := foldingAggregate(t)
	for i, e := range life {
		s.hear(e)
		for _, before := range life[:i+1] {
			d := s.hear(before)
			differ(t, before.ID+" again after "+e.ID, [][]byte{encodedRow(t, folded(life[:i+1]...))}, d.stored)
			if len(d.emitted)+len(d.letters) > 0 {
				t.Errorf("%s again emits %v %v", before.ID, d.emitted, d.letters)
			}
		}
	}
}

// eventful is an order's life with something of everything in it.
func eventful() []order.Event {
	begin := request(known, order.Detail)
	begin.Inputs = map[order.Step]order.JSON{order.Payment: order.JSON(`{"card": "<1> é"}`), order.Mail: order.JSON(`"a@b"`)}
	done := completion(known, order.Detail)
	done.Outputs[order.Detail] = order.JSON(`{ "a" : [ 1, "&" ] }`)
	busy := failure(known, order.Payment, "a bank's \xff")
	busy.Retryable, busy.RetryAfter = true, time.Minute
	pause, retry := happened(known, order.Pause.Type(), ""), happened(known, order.Retry.Type(), "")
	pause.Actor, pause.Reason = "me", "lunch"
	return []order.Event{
		begin, done, busy, pause, retry, happened(known, order.Resume.Type(), ""), happened(known, "X", "y"),
		happened(known, order.Cancel.Type(), ""), completion(known, order.Payment),
	}
}

// asRead holds what the codec gives for the bytes to what it reads in them. White space
// after them makes them others, which are not remembered.
func asRead(t *testing.T, c goka.Codec, encoded []byte, what string) {
	t.Helper()
	remembered, err := c.Decode(encoded)
	check(t, err)
	read, err := c.Decode(append(slices.Clone(encoded), ' '))
	check(t, err)
	if !reflect.DeepEqual(remembered, read) { // the least difference counts
		t.Errorf("%s is remembered as\n%#v\nand reads\n%#v", what, remembered, read)
	}
}

// A row that is remembered stands for its bytes.
func TestWhatIsRememberedOfARowIsWhatItsBytesSay(t *testing.T) {
	s := foldingAggregate(t)
	for _, e := range eventful() {
		asRead(t, codecs.Row{}, s.hear(e).stored[0], "the row after "+e.ID)
	}
}

func TestEachEventIsCountedOnceAndTypesOfStrangersTogether(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := config()
	c.Figures = NewFigures(reg, saga.Default())
	s := start(t, Aggregate(c, order.Fold))
	for range 2 {
		for _, e := range life {
			s.hear(e)
		}
		for _, stranger := range []order.Type{"SHIPPING_REQUESTED", "ORDER_REST_REQUESTED", "X"} {
			s.hear(happened(known, stranger, ""))
		}
		s.hear(happened(known, "ORDER_PAUSE_REQUESTED", ""))
		s.hear(happened(known, "ORDER_STUCK", ""))
		s.hear(request(other, order.Detail))
	}
	s.take(record{key: known, value: []byte("garbage")})
	differ(t, "the figures", map[string]float64{
		"simplecqrs_events_total ORDER_REQUESTED": 2, "simplecqrs_events_total ORDER_COMPLETED": 1,
		"simplecqrs_events_total PAYMENT_REQUESTED": 1, "simplecqrs_events_total PAYMENT_COMPLETED": 1,
		"simplecqrs_events_total MAIL_REQUESTED": 1, "simplecqrs_events_total MAIL_COMPLETED": 1,
		"simplecqrs_events_total ORDER_PAUSE_REQUESTED": 1, "simplecqrs_events_total ORDER_STUCK": 1,
		"simplecqrs_events_total other":           3,
		"simplecqrs_dead_letters_total aggregate": 1,
		"simplecqrs_step_seconds completed ORDER": 1, "simplecqrs_step_seconds completed PAYMENT": 1,
		"simplecqrs_step_seconds completed MAIL":    1,
		"simplecqrs_order_outcomes_total completed": 1,
	}, figures(t, reg))
}
