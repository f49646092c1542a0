package processors

import (
	"testing"

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
	}, figures(t, reg))
}
