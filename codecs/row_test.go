package codecs_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

// The seed's own words, without their white space.
func TestAnAnswerIsTheSeedsToTheByte(t *testing.T) {
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(`{
  "id": "ORD-B384F",
  "type": "MAIL_COMPLETED",
  "detail":  {"body": "ORD-B384F_ORDER_COMPLETED"},
  "payment": {"body": "ORD-B384F_PAYMENT_COMPLETED"},
  "mail":    {"body": "ORD-B384F_MAIL_COMPLETED"},
  "events": ["ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED",
             "PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED"]
}`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(codecs.Answer(fold(happy(nil)...)))); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}

func TestAnAnswerShowsWhatThereIs(t *testing.T) {
	for name, c := range map[string]struct {
		row  order.Row
		want string
	}{
		"a first event": {fold(happy(nil)[0]), `{"id":"ORD-B384F","type":"ORDER_REQUESTED","events":["ORDER_REQUESTED"]}`},
		"no event":      {order.Park(order.Row{}, id, "store.order/0/0", "panic"), `{"id":"ORD-B384F","type":"","events":[]}`},
		"any type": {
			fold(order.Event{OrderID: id, Type: "<\"\x00\xff", ID: "x"}),
			`{"id":"ORD-B384F","type":"\u003c\"\u0000\ufffd","events":["\u003c\"\u0000\ufffd"]}`,
		},
		"a fourth step": {
			order.Row{ID: id, Type: "A", Outputs: map[order.Step]order.JSON{"SHIPPING": order.JSON("4"), order.Mail: order.JSON("3")}},
			`{"id":"ORD-B384F","type":"A","mail":3,"shipping":4,"events":[]}`,
		},
	} {
		if got := string(codecs.Answer(c.row)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestARowIsReadTolerantly(t *testing.T) {
	const time1 = "2026-03-01T12:00:00Z"
	for _, c := range []struct {
		name, value string
		want        order.Row
	}{
		{
			"of a later version", `{"id":"a","type":"b","Detail":1,"meta":{"version":1,"colour":"red","history":[{"id":"x","shape":1}]},"meta2":{}}`,
			order.Row{ID: "a", Type: "b", Outputs: map[order.Step]order.JSON{"META2": order.JSON("{}")}, Meta: order.Meta{Version: 1, History: []order.Entry{{ID: "x"}}}},
		},
		{
			"whose list of events says something else", `{"id":"a","type":"b","events":"none","meta":{"history":[{"id":"x","type":"y"}]}}`,
			order.Row{ID: "a", Type: "b", Meta: order.Meta{History: []order.Entry{{ID: "x", Type: "y"}}}},
		},
		{
			"with times of another zone", `{"id":"a","type":"b","meta":{"createdAt":"2026-03-01T14:00:00+02:00","updatedAt":"` + time1 + `"}}`,
			order.Row{ID: "a", Type: "b", Meta: order.Meta{CreatedAt: at(0).Truncate(time.Second), UpdatedAt: at(0).Truncate(time.Second), History: []order.Entry{}}},
		},
		{
			"that is not all UTF-8", "{\"id\":\"a\",\"type\":\"b\",\"mail\":\"\xff\",\"meta\":{\"parked\":\"\xff\",\"history\":[{\"id\":\"\xff\"}]}}",
			order.Row{ID: "a", Type: "b", Outputs: map[order.Step]order.JSON{order.Mail: order.JSON("\"\ufffd\"")}, Meta: order.Meta{Parked: "\ufffd", History: []order.Entry{{ID: "\ufffd"}}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(any(c.want), decoded(t, codecs.Row{}, []byte(c.value))); diff != "" {
				t.Errorf("the row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARowCannotBeReadWith(t *testing.T) {
	for name, c := range map[string]struct{ value, want string }{
		"no id":                     {`{"type":"b","meta":{}}`, `member "id" is missing`},
		"no type":                   {`{"id":"a","meta":{}}`, `member "type" is missing`},
		"no meta":                   {`{"id":"a","type":"b"}`, `member "meta": `},
		"meta that is none":         {`{"id":"a","type":"b","meta":[]}`, `member "meta": `},
		"a version that is none":    {`{"id":"a","type":"b","meta":{"version":1.5}}`, `member "meta": `},
		"a version beyond all":      {`{"id":"a","type":"b","meta":{"version":1e400}}`, `member "meta": `},
		"a time that is none":       {`{"id":"a","type":"b","meta":{"createdAt":"noon"}}`, `member "meta": `},
		"a time beyond all years":   {`{"id":"a","type":"b","meta":{"updatedAt":"9999-12-31T23:59:59-01:00"}}`, `the time is 10000-`},
		"an event beyond all years": {`{"id":"a","type":"b","meta":{"history":[{"time":"0000-01-01T00:00:00+01:00"}]}}`, `the time is -0001-`},
	} {
		v, err := codecs.Row{}.Decode([]byte(c.value))
		m, ok := v.(codecs.Malformed)
		if err != nil || !ok || !strings.HasPrefix(m.Err.Error(), c.want) {
			t.Errorf("%s gives %v, %v; want %s", name, v, err, c.want)
		}
	}
}

// It would be stored, and nobody could read it again.
func TestARowWhoseTimeCannotBeWrittenIsRefused(t *testing.T) {
	row := fold(happy(nil)...)
	row.Meta.CreatedAt = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	if b, err := (codecs.Row{}).Encode(row); err == nil {
		t.Errorf("it is written as %s", b)
	}
}
