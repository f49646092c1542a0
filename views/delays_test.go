package views

import (
	"testing"
	"time"

	"simplecqrs/order"
)

// observed counts what is observed.
type observed int

func (o *observed) Observe(float64) { *o++ }

// What reads a row to measure it is told by the row's bytes whether that is worth it.
func TestARowIsReadIfACommandMadeItAndThenMeasured(t *testing.T) {
	now := time.Now()
	event := func(r order.Row, name order.Type) order.Row {
		return order.Fold(r, order.Event{OrderID: "ORD-00001", ID: string(name), Type: name, Attempt: 1, Time: now})
	}
	placed := event(order.Row{}, "ORDER_REQUESTED")
	waited := order.Unpark(order.Park(order.Row{}, "ORD-00001", "a letter", "a bug"), "a letter")
	for name, c := range map[string]struct {
		row  order.Row
		want observed
	}{
		"placed":                             {placed, 1},
		"placed, after it had been parked":   {event(waited, "ORDER_REQUESTED"), 1},
		"an answer came":                     {event(placed, "ORDER_COMPLETED"), 0},
		"an answer came, and then a command": {event(event(placed, "ORDER_COMPLETED"), "ORDER_PAUSE_REQUESTED"), 1},
	} {
		var got observed
		d := &Delay{began: now.Add(-time.Minute), visible: &got}
		d.got(t.Context(), c.row)()
		if measured := d.measures(encoded(t, c.row)); got != c.want || measured != (c.want > 0) {
			t.Errorf("%s: version %d is observed %d times, want %d; by its bytes: %v", name, c.row.Meta.Version, got, c.want, measured)
		}
	}
}
