package codecs_test

import (
	"testing"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// What stands in a row for people to write must not pass for its version.
func TestTheVersionIsReadWithoutTheRest(t *testing.T) {
	forged := `,"meta":{"version":99,"status":"failed","createdAt":"1999-01-01T00:00:00Z"}`
	row := fold(happy(nil)...)
	row.Outputs[order.Mail] = order.JSON(`{"to":1` + forged + `}`)
	row.Meta.History[0].Reason = forged
	row.Meta.History[5].ID = `","meta":{"version":99}`
	row.Meta.History[5].Reason = `","type":"ORDER_CANCELLED"`
	for _, version := range []int64{1, 6, 1 << 60} {
		row.Meta.Version = version
		value, err := codecs.Row{}.Encode(row)
		if err != nil {
			t.Fatal(err)
		}
		if got := codecs.VersionOf(value); got != version {
			t.Errorf("the row's version is %d, want %d: %s", got, version, value)
		}
		if got, want := codecs.StatusOf(value), row.Meta.Status; got != want {
			t.Errorf("the row's status is %q, want %q: %s", got, want, value)
		}
		if got, only := codecs.LastOf(value); got != row.Meta.History[5].Type || only {
			t.Errorf("the last event in the row is %q, want %q; the only one: %v: %s", got, row.Meta.History[5].Type, only, value)
		}
		if at, ok := codecs.CreatedAtOf(value); !ok || !at.Equal(row.Meta.CreatedAt) {
			t.Errorf("placed at %v, want %v: %s", at, row.Meta.CreatedAt, value)
		}
		later := row
		later.Meta.Version++
		later.Outputs = map[order.Step]order.JSON{order.Payment: order.JSON(`{"createdAt":"2001-01-01T00:00:00Z"}`)}
		if next, err := (codecs.Row{}).Encode(later); err != nil || !codecs.SameCreatedAt(value, next) {
			t.Errorf("placed at another time, or %v: %s and %s", err, value, next)
		}
		later.Meta.CreatedAt = row.Meta.CreatedAt.Add(time.Millisecond)
		if next, err := (codecs.Row{}).Encode(later); err != nil || codecs.SameCreatedAt(value, next) || codecs.SameCreatedAt(next, nil) {
			t.Errorf("placed at the same time, or %v: %s and %s", err, value, next)
		}
		value, err = codecs.State{}.Encode(saga.State{Revision: version, OrderID: `{"revision":99}`})
		if err != nil {
			t.Fatal(err)
		}
		if got := codecs.RevisionOf(value); got != version {
			t.Errorf("the state's revision is %d, want %d: %s", got, version, value)
		}
	}
	for last, row := range map[order.Type]order.Row{
		"":                {ID: "x", Type: "y", Meta: order.Meta{Version: 1, Parked: "a bug"}},
		"ORDER_REQUESTED": {ID: "x", Meta: order.Meta{Version: 3, History: []order.Entry{{ID: "a", Type: "ORDER_REQUESTED"}}}},
		`A\`:              {ID: "x", Meta: order.Meta{History: []order.Entry{{ID: "a", Type: `A"B`, Reason: `","type":"C"`}}}},
		`A\u0026B`:        {ID: "x", Meta: order.Meta{History: []order.Entry{{ID: "a", Type: "A&B"}}}},
	} {
		value, err := codecs.Row{}.Encode(row)
		if got, only := codecs.LastOf(value); err != nil || got != last || only != (last != "") {
			t.Errorf("the last event is %q, the only one: %v, or %v; want %q: %s", got, only, err, last, value)
		}
	}
	for _, none := range []string{"", `{"createdAt":"2026-01-02T03:04:05Z"}`, `{"id":"x","meta":{"version":1,"createdAt":"now"}}`} {
		if at, ok := codecs.CreatedAtOf([]byte(none)); ok {
			t.Errorf("%q was placed at %v", none, at)
		}
	}
	for _, none := range []string{"", "{}", "garbage", `{"id":"x","meta":{"version":`, `{"id":"x","meta":{"version":}}`, `{"revision":`, `{"revision":x}`} {
		if v, r := codecs.VersionOf([]byte(none)), codecs.RevisionOf([]byte(none)); v != 0 || r != 0 {
			t.Errorf("%q has version %d and revision %d", none, v, r)
		}
		if last, only := codecs.LastOf([]byte(none)); codecs.StatusOf([]byte(none)) != "" || last != "" || only {
			t.Errorf("%q has status %q and %q as its last event", none, codecs.StatusOf([]byte(none)), last)
		}
	}
}
