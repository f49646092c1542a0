package processors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka/tester"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// misfit is a record that is no event, and what its letter says of it.
type misfit struct {
	name   string
	record record
	reason string
}

// misfits are records of all kinds that are no events, under the key of an order
// where they have one.
func misfits(id string) []misfit {
	good := recordOf(request(id, order.Detail))
	headers := func(more codecs.Headers) codecs.Headers {
		h := codecs.Headers{"who": []byte("a stranger")}
		for name, value := range more {
			h[name] = value
		}
		return h
	}
	with := func(name, value string) record {
		return record{key: id, value: good.value, headers: headers(codecs.Headers{name: []byte(value)})}
	}
	many := codecs.Headers{}
	for i := range 20 {
		many[fmt.Sprint("h", i)] = []byte(strings.Repeat("x", 4000))
	}
	large := fmt.Appendf(nil, `{"id":%q,"type":"ORDER_COMPLETED","detail":"%s"}`, id, strings.Repeat("x", codecs.MaxEvent))
	return []misfit{
		{"no JSON", record{key: id, value: []byte("\x00\xffgarbage"), headers: headers(nil)}, "not a JSON object"},
		{"another JSON", record{key: id, value: []byte(`[1]`)}, "not a JSON object"},
		{"no type", record{key: id, value: fmt.Appendf(nil, `{"id":%q}`, id)}, `member "type" is missing`},
		{"a tombstone", record{key: id, headers: headers(nil)}, "the value is empty"},
		{"an empty value", record{key: id, value: []byte{}}, "the value is empty"},
		{"no key", record{value: good.value, headers: good.headers}, fmt.Sprintf("the key \"\" is not the id %q", id)},
		{"another order's id", record{key: id, value: recordOf(request("ORD-FFFFF", order.Detail)).value}, fmt.Sprintf("the key %q is not the id \"ORD-FFFFF\"", id)},
		{"no order's id", record{key: "me", value: []byte(`{"id":"me","type":"ORDER_REQUESTED"}`)}, `the key "me" is no order id`},
		{"a large value", record{key: id, value: large}, fmt.Sprintf("the value has %d bytes; 262144 are allowed", len(large))},
		{"a large header", with("h", strings.Repeat("x", 4097)), `header "h" has 4097 bytes; 4096 are allowed`},
		{"many headers", record{key: id, value: good.value, headers: many}, "the headers have more than 65536 bytes"},
		{"another type in the headers", with("ce_type", "MAIL_COMPLETED"), `header ce_type says "MAIL_COMPLETED", the value "ORDER_REQUESTED"`},
		{"no number", with("attempt", "first"), `header attempt is "first": want a number from 1`},
		{"attempt 0", with("attempt", "0"), `header attempt is "0": want a number from 1`},
		{"no time", with("ce_time", "noon"), `header ce_time is "noon": want RFC 3339`},
		{"a year of five digits", with("ce_time", "9999-12-31T23:59:59-01:00"), "want a year from 0 to 9999"},
		{"an id that is no text", with("ce_id", "\xff"), `header ce_id is "\xff": want UTF-8`},
	}
}

func TestWhatIsNoEventBecomesALetterAndHurtsNobody(t *testing.T) {
	for _, m := range misfits(known) {
		t.Run(m.name, func(t *testing.T) {
			s := foldingAggregate(t)
			s.hear(life[0])
			d := s.take(m.record)
			l := d.letter(t)
			if !strings.Contains(l.Reason, m.reason) {
				t.Errorf("the reason is %q, want %q", l.Reason, m.reason)
			}
			if len(d.stored) > 0 {
				t.Errorf("it is stored: %s", d.stored[0])
			}
			want := codecs.Letter{
				Role: RoleAggregate, Tries: 1, Reason: l.Reason, Topic: codecs.StoreOrder, Offset: 1, Written: noon,
				Key: m.record.key, Value: m.record.value, Headers: m.record.headers,
			}
			if want.Headers == nil {
				want.Headers = codecs.Headers{}
			}
			differ(t, "the letter", want, l)
			differ(t, "the same when it comes again but for its place", l.Reason, s.take(m.record).letter(t).Reason)
			s.hear(life[1])
			differ(t, "the row after it", folded(life[:2]...), s.row(known))
		})
	}
}

// One role answers for what is nobody's, or each would write a letter of its own.
func TestTheOtherRolesPassOverWhatIsNoEvent(t *testing.T) {
	for _, p := range []stream.Processor{
		Worker(config(), plan(order.Detail), Echo{}), Saga(config(), saga.Default(), saga.Decide),
	} {
		t.Run(p.Role, func(t *testing.T) {
			s := start(t, p)
			for _, m := range misfits(known) {
				t.Log(m.name)
				s.take(m.record).nothing(t)
			}
			d := s.hear(request(known, order.Detail))
			if len(d.emitted)+len(d.stored) != 1 || len(d.letters) > 0 {
				t.Errorf("the next record: emitted %v, stored %q, letters %v", d.emitted, d.stored, d.letters)
			}
		})
	}
}

// The tester has the first partition only, so what is sent on lies wrong again.
func TestARecordInTheWrongPartitionIsSentOnOnce(t *testing.T) {
	c := config()
	c.Partitions = 2
	s := start(t, Aggregate(c, order.Fold))
	lost := recordOf(request(stray, order.Detail))
	lost.headers["who"] = []byte("a stranger")
	s.tester.Consume(codecs.StoreOrder, lost.key, lost.value, tester.WithHeaders(lost.headers))
	s.log.NextRaw()
	headers, key, value, _ := s.log.NextRawWithHeaders()
	lost.headers[codecs.HeaderMoved] = []byte("store.order/0/0")
	differ(t, "what is sent on", record{key: lost.key, value: lost.value, headers: lost.headers},
		record{key: key, value: value, headers: codecs.Headers(headers)})
	d := s.outcome()
	l := d.letter(t)
	differ(t, "the reason", "in the wrong partition, although moved there from store.order/0/0", l.Reason)
	differ(t, "the letter's headers", lost.headers, l.Headers)
	if len(d.stored) > 0 {
		t.Errorf("it is folded where it lies: %s", d.stored[0])
	}
	if d := s.hear(request(known, order.Detail)); len(d.stored) != 1 {
		t.Error("one in its own partition is not folded")
	}
}

func TestTheOtherRolesPassOverTheWrongPartition(t *testing.T) {
	c := config()
	c.Partitions = 2
	for _, p := range []stream.Processor{Worker(c, plan(order.Detail), Echo{}), Saga(c, saga.Default(), saga.Decide)} {
		s := start(t, p)
		s.hear(request(stray, order.Detail)).nothing(t)
		if d := s.hear(request(known, order.Detail)); len(d.emitted)+len(d.stored) != 1 {
			t.Errorf("%s does nothing about one in its own partition", p.Role)
		}
	}
}

// A record's timestamp is any number. One that no letter could tell of must not
// make the letter unreadable, nor the order's row.
func TestATimestampThatCannotBeWritten(t *testing.T) {
	s := foldingAggregate(t)
	s.hear(life[0])
	for _, value := range []string{"garbage", string(recordOf(life[1]).value)} {
		d := s.take(record{key: known, value: []byte(value), written: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)})
		differ(t, "written", time.Time{}, d.letter(t).Written)
	}
	s.hear(life[1])
	differ(t, "the row", folded(life[:2]...), s.row(known))
}

func (r record) Equal(other record) bool {
	return r.key == other.key && cmp.Equal(r.value, other.value) && cmp.Equal(r.headers, other.headers)
}
