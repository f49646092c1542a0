package bench

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

// rowOf is the row of an order to which these events happened.
func rowOf(id string, status order.Status, events ...order.Type) order.Row {
	r := order.Row{ID: id, Meta: order.Meta{Status: status}}
	for _, e := range events {
		r.Meta.History = append(r.Meta.History, order.Entry{Type: e})
	}
	return r
}

func ended(id string) order.Row { return rowOf(id, order.StatusCompleted, happy...) }

func TestTheTimeOfAnOrderEndsWhenItsEndIsFirstSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newClock(1)
		k.start("a", time.Now())
		k.see(rowOf("a", order.StatusRunning, happy[:3]...))
		k.see(ended("another's"))
		<-time.After(7 * time.Millisecond)
		k.see(ended("a"))
		<-time.After(time.Hour)
		k.see(ended("a")) // a replay
		if diff := cmp.Diff([]time.Duration{7 * time.Millisecond}, k.sorted()); diff != "" {
			t.Errorf("times (-want +got):\n%s", diff)
		}
	})
}

func TestAnOrderIsOneErrorHoweverOftenItWentWrong(t *testing.T) {
	for _, c := range []struct {
		name    string
		visible []order.Row
		stored  []order.Row
		want    Report
	}{
		{"all as it must be", []order.Row{ended("a")}, []order.Row{ended("a")}, Report{}},
		{"never seen", nil, nil, Report{Unseen: 1}},
		{"never in the read store", []order.Row{ended("a")}, nil, Report{Unseen: 1}},
		{"never at its end", []order.Row{rowOf("a", order.StatusRunning, happy...)}, []order.Row{ended("a")}, Report{Unseen: 1}},
		{
			"an event twice",
			[]order.Row{rowOf("a", order.StatusCompleted, slices.Insert(slices.Clone(happy), 1, happy[1])...)},
			[]order.Row{ended("a")},
			Report{Odd: 1},
		},
		{
			"events in another order, in both places",
			[]order.Row{rowOf("a", order.StatusCompleted, happy[1], happy[0])},
			[]order.Row{rowOf("a", order.StatusCompleted, happy[1], happy[0])},
			Report{Odd: 1},
		},
		{
			"failed, and then never stored",
			[]order.Row{rowOf("a", order.StatusFailed, "ORDER_REQUESTED", "ORDER_FAILED")},
			nil,
			Report{Odd: 1},
		},
		{
			"an event after its end",
			[]order.Row{ended("a"), rowOf("a", order.StatusCompleted, append(slices.Clone(happy), "MAIL_COMPLETED")...)},
			[]order.Row{ended("a")},
			Report{Odd: 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := measurement{visible: newClock(1), stored: newClock(1)}
			for _, k := range m.clocks() {
				k.start("a", time.Now())
			}
			for _, r := range c.visible {
				m.visible.see(r)
			}
			for _, r := range c.stored {
				m.stored.see(r)
			}
			got := m.report()
			got.Visible, got.Stored = nil, nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheWaitEndsWhenNoOrderIsSeenForTooLong(t *testing.T) {
	const patience = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		k := newClock(3)
		began := time.Now()
		for _, id := range []string{"a", "b", "lost"} {
			k.start(id, began)
		}
		go func() {
			for _, id := range []string{"a", "b"} {
				<-time.After(patience - time.Second)
				k.see(ended(id))
			}
		}()
		if err := k.wait(t.Context(), patience); err != nil {
			t.Fatal(err)
		}
		if took, want := time.Since(began), 2*(patience-time.Second)+patience; took != want {
			t.Errorf("waited for %v, want %v: patience after the last that was seen", took, want)
		}
	})
}

func TestTheWaitEndsWithItsContext(t *testing.T) {
	k := newClock(2)
	k.start("a", time.Now())
	k.start("b", time.Now())
	k.see(ended("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 { // whichever of the two is noticed first, once
		err := k.wait(ctx, time.Hour)
		if !errors.Is(err, context.Canceled) || err.Error() != "bench: 1 of 2 orders seen: context canceled" {
			t.Errorf("error %v", err)
		}
	}
}
