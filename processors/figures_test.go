package processors

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// What is told of steps, retries and outcomes is told of events once folded; the times
// are the events' own.
func TestStepsRetriesUndoingsAndOutcomesAreCountedOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := config()
	c.Figures = NewFigures(reg, saga.Default())
	s := start(t, Aggregate(c, order.Fold))
	at := func(seconds int, attempt int, e order.Event) order.Event {
		e.Time, e.Attempt = noon.Add(time.Duration(seconds)*time.Second), attempt
		e.ID = order.EventID(e.OrderID, e.Type, attempt)
		return e
	}
	cancelled := happened(known, order.OrderCancelled, "")
	cancelled.Status = order.StatusCancelled
	stuck := happened(known, order.OrderStuck, "")
	stuck.Status = order.StatusStuck
	events := []order.Event{
		at(0, 1, request(known, order.Detail)), at(1, 1, completion(known, order.Detail)),
		at(2, 1, request(known, order.Payment)), at(5, 1, failure(known, order.Payment, "no")),
		at(6, 2, request(known, order.Payment)), at(20, 1, completion(known, order.Payment)), // late
		at(36, 2, happened(known, order.TypeOf(order.Payment, order.TimedOut), "a timer")),
		at(37, 1, undoing(known, order.Payment)), at(38, 1, happened(known, order.TypeOf(order.Payment, order.Compensated), "")),
		at(39, 1, undoing(known, order.Detail)), at(40, 1, stuck), at(41, 1, cancelled),
		at(50, 2, request(known, "SHIPPING")), // of no plan
	}
	for range 2 {
		for _, e := range events {
			s.hear(e)
		}
	}
	found := figures(t, reg)
	for name, want := range map[string]float64{
		"simplecqrs_step_seconds completed ORDER":      1,
		"simplecqrs_step_seconds failed PAYMENT":       1,
		"simplecqrs_step_seconds timed_out PAYMENT":    1,
		"simplecqrs_step_seconds compensated PAYMENT":  1,
		"simplecqrs_step_retries_total PAYMENT":        1,
		"simplecqrs_step_retries_total other":          1,
		"simplecqrs_compensations_total PAYMENT":       1,
		"simplecqrs_compensations_total ORDER":         1,
		"simplecqrs_order_outcomes_total stuck":        1,
		"simplecqrs_order_outcomes_total cancelled":    1,
		"simplecqrs_order_outcomes_total completed":    0,
		"simplecqrs_command_folded_seconds":            0, // it was before the process began
		"simplecqrs_step_seconds completed PAYMENT":    1,
		"simplecqrs_step_seconds compensated SHIPPING": 0,
	} {
		if found[name] != want {
			t.Errorf("%s is %v, want %v", name, found[name], want)
		}
	}
	took := map[string]float64{"completed ORDER": 1, "completed PAYMENT": 18, "failed PAYMENT": 3, "timed_out PAYMENT": 30}
	families, err := reg.Gather()
	check(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != "simplecqrs_step_seconds" {
				continue
			}
			which := m.GetLabel()[0].GetValue() + " " + m.GetLabel()[1].GetValue()
			if want, known := took[which]; known && m.GetHistogram().GetSampleSum() != want {
				t.Errorf("%s took %v s, want %v", which, m.GetHistogram().GetSampleSum(), want)
			}
		}
	}
}

func TestACommandIsTimedFromWhenItWasGivenAndNotIfThatWasLongAgo(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := config()
	c.Figures = NewFigures(reg, saga.Default())
	s := start(t, Aggregate(c, order.Fold))
	begin := request(known, order.Detail)
	begin.Time = time.Now().Add(time.Second) // after the figures began
	s.hear(begin)
	s.hear(completion(known, order.Detail))
	pause := happened(known, order.Pause.Type(), "")
	pause.Time = begin.Time
	s.hear(pause)
	s.hear(request("ORD-B384F", order.Detail)) // of noon
	if n := figures(t, reg)["simplecqrs_command_folded_seconds"]; n != 2 {
		t.Errorf("%v commands are timed, want 2", n)
	}
}
