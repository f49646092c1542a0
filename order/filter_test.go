package order_test

import (
	"testing"
	"time"

	"simplecqrs/order"
)

func TestAFilterTakesAnOrderOnlyIfAllOfItHolds(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600_000, time.UTC)
	row := order.Row{Type: "PAYMENT_REQUESTED", Meta: order.Meta{Status: order.StatusRunning, UpdatedAt: now}}
	paused := row
	paused.Meta.Paused = true
	for _, c := range []struct {
		name   string
		row    order.Row
		filter order.Filter
		want   bool
	}{
		{"no filter", row, order.Filter{}, true},
		{"its status", row, order.Filter{Status: order.StatusRunning}, true},
		{"another status", row, order.Filter{Status: order.StatusStuck}, false},
		{"the status beneath a pause", paused, order.Filter{Status: order.StatusRunning}, false},
		{"the status shown", paused, order.Filter{Status: order.StatusPaused}, true},
		{"its last event", row, order.Filter{Type: "PAYMENT_REQUESTED"}, true},
		{"another event", row, order.Filter{Type: "ORDER_REQUESTED"}, false},
		{"changed then", row, order.Filter{Since: now}, true},
		{"changed in that millisecond", row, order.Filter{Since: now.Add(time.Microsecond)}, true},
		{"changed before", row, order.Filter{Since: now.Add(time.Millisecond)}, false},
		{"not changed before then", row, order.Filter{Until: now}, false},
		{"nor before that millisecond", row, order.Filter{Until: now.Add(time.Microsecond)}, false},
		{"changed before the next", row, order.Filter{Until: now.Add(time.Millisecond)}, true},
		{"one holds, the other does not", row, order.Filter{Status: order.StatusRunning, Type: "MAIL_REQUESTED"}, false},
	} {
		if got := c.filter.Matches(c.row); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestAnOrderIsStalledIfItIsHeldOrHasNotMovedAndShould(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old, limit := now.Add(-time.Hour), now.Add(-time.Minute)
	for _, c := range []struct {
		name string
		meta order.Meta
		want bool
	}{
		{"running, moved lately", order.Meta{Status: order.StatusRunning, UpdatedAt: now}, false},
		{"running, moved at the limit", order.Meta{Status: order.StatusRunning, UpdatedAt: limit}, false},
		{"running, not moved", order.Meta{Status: order.StatusRunning, UpdatedAt: old}, true},
		{"being undone, not moved", order.Meta{Status: order.StatusCompensating, UpdatedAt: old}, true},
		{"begun by nobody", order.Meta{Status: order.StatusUnknown, UpdatedAt: old}, true},
		{"paused", order.Meta{Status: order.StatusRunning, Paused: true, UpdatedAt: old}, false},
		{"ended", order.Meta{Status: order.StatusFailed, UpdatedAt: old}, false},
		{"not to begin yet", order.Meta{Status: order.StatusScheduled, StartAt: now.Add(time.Hour), UpdatedAt: old}, false},
		{"to begin just now", order.Meta{Status: order.StatusScheduled, StartAt: now, UpdatedAt: old}, false},
		{"overdue to begin", order.Meta{Status: order.StatusScheduled, StartAt: old.Add(time.Minute), UpdatedAt: old}, true},
		{"overdue when it was put off", order.Meta{Status: order.StatusScheduled, StartAt: old, UpdatedAt: now}, false},
		{"stuck just now", order.Meta{Status: order.StatusStuck, UpdatedAt: now}, true},
		{"stuck and paused", order.Meta{Status: order.StatusStuck, Paused: true, UpdatedAt: now}, true},
		{"parked just now", order.Meta{Status: order.StatusRunning, Parked: "a bug", UpdatedAt: now}, true},
		{"ended and parked", order.Meta{Status: order.StatusCompleted, Parked: "a bug", UpdatedAt: now}, true},
	} {
		if got := (order.Filter{Stalled: limit}).Matches(order.Row{Meta: c.meta}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestAPlaceIsReadAsItIsWrittenAndNothingElseIsOne(t *testing.T) {
	const id = "ORD-B384F"
	for _, at := range []time.Time{
		{}, time.UnixMilli(0).UTC(), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	} {
		want := order.Place{CreatedAt: at, ID: id}
		got, err := order.ParsePlace(want.String())
		if err != nil || got != want {
			t.Errorf("%q is read as %v, %v", want.String(), got, err)
		}
	}
	if text := (order.Place{}).String(); text != "" {
		t.Errorf("before all is %q", text)
	}
	for _, text := range []string{"", id, "." + id, "0.", "0.ORD-1", "00." + id, "-0." + id, "+1." + id, "A." + id, "zzzzzzzzzzz." + id, "0." + id + " "} {
		if p, err := order.ParsePlace(text); order.KindOf(err) != order.Invalid {
			t.Errorf("%q is read as %v, %v", text, p, err)
		}
	}
}
