package codecs_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// goldenFiles are what the fuzzer begins with, besides what is added to it.
func goldenFiles(f *testing.F, pattern string) [][]byte {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		f.Fatalf("no file is like %s: %v", pattern, err)
	}
	var values [][]byte
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		_, value, found := strings.Cut(string(file), "\n\n")
		if !found {
			value = string(file)
		}
		values = append(values, []byte(value))
	}
	return values
}

type codec interface {
	Encode(any) ([]byte, error)
	Decode([]byte) (any, error)
}

// mustComeBack writes a value and reads it again.
func mustComeBack(t *testing.T, c codec, v any) {
	t.Helper()
	written, err := c.Encode(v)
	if err != nil {
		t.Fatalf("%+v was read, and cannot be written: %v", v, err)
	}
	if !json.Valid(written) || !utf8.Valid(written) {
		t.Fatalf("%+v is written as %q", v, written)
	}
	if diff := cmp.Diff(v, decoded(t, c, written), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("written as %q (-before +after):\n%s", written, diff)
	}
}

func lastOf(r order.Row) (last order.Type) {
	for _, e := range r.Meta.History {
		last = e.Type
	}
	return last
}

// mustReadWhatTheSagaSays has a saga and an aggregate hear events, and keeps what
// they know on the wire between one and the next.
func mustReadWhatTheSagaSays(t *testing.T, events []order.Event) {
	t.Helper()
	var state saga.State
	var row order.Row
	for _, e := range events {
		row = order.Fold(row, e)
		mustComeBack(t, codecs.Row{}, row)
		stored, err := codecs.Row{}.Encode(row)
		if err != nil {
			t.Fatal(err)
		}
		last, only := codecs.LastOf(stored)
		want := lastOf(row)
		if strings.ContainsFunc(string(want), func(c rune) bool { return c < ' ' || c > '~' || strings.ContainsRune(`"\\<>&`, c) }) {
			want = last // of a stranger's type the escapes are left
		}
		if status := codecs.StatusOf(stored); status != row.Meta.Status || last != want || only != (len(row.Meta.History) == 1) {
			t.Fatalf("read alone, the status is %q and the last event %q, the only one: %v: %s", status, last, only, stored)
		}
		if !decoded(t, codecs.Row{}, stored).(order.Row).Holds(e.ID) {
			t.Fatalf("the row that was stored with %q does not hold it: %s", e.ID, stored)
		}
		in, ok := saga.InputOf(e, saga.Default(), at(0))
		if !ok {
			continue
		}
		var effects []saga.Effect
		state, effects = saga.Decide(state, in)
		mustComeBack(t, codecs.State{}, state)
		written, err := codecs.State{}.Encode(state)
		if err != nil {
			t.Fatal(err)
		}
		mustReadTheHead(t, written, state)
		for _, effect := range effects {
			said := effect.Event("saga")
			value, err := codecs.Event{}.Encode(said)
			if err != nil {
				t.Fatal(err)
			}
			heard, err := codecs.Read(said.OrderID, value, codecs.HeadersOf(said), time.Time{})
			if err != nil || cmp.Diff(said, heard, cmpopts.EquateEmpty()) != "" {
				t.Fatalf("%+v is heard as %+v, %v", said, heard, err)
			}
		}
	}
}

func FuzzEvent(f *testing.F) {
	for _, value := range append(goldenFiles(f, "*_*ed"), goldenFiles(f, "*_with_*")...) {
		f.Add(value)
	}
	for _, s := range []string{
		``, `{}`, `{"id":"ORD-B384F","type":"A","mail":{"a":1,"a":[1e999]},"inputs":{"detail":null}}`,
		"{\"id\":\"\xff\",\"type\":\"\\ud800\",\"mail\":\"\xff\",\"\xff\":1}", `{"id":"x","type":"y","inputs":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := codecs.Event{}.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		switch v := v.(type) {
		case order.Event:
			mustComeBack(t, codecs.Event{}, v)
		case codecs.Malformed:
			if v.Err == nil || string(v.Raw) != string(data) {
				t.Errorf("malformed is %q, %v", v.Raw, v.Err)
			}
		default:
			t.Errorf("it gives a %T", v)
		}
	})
}

// FuzzRead looks at what headers make of an event: what is accepted is written and
// read as the same, and so is all that comes of it.
func FuzzRead(f *testing.F) {
	f.Add("PAYMENT_FAILED", "", "ce_id", "x", "reason", "no", "causation", "y", int64(0))
	f.Add("PAYMENT_FAILED", `"payment":1`, "ce_id", "x", "reason", "\x00", "attempt", "2", int64(1<<60))
	f.Add("MAIL_REQUESTED", `"inputs":{"mail":1}`, "outcome", "completed", "ce_type", "MAIL_REQUESTED", "ce_time", "2026-03-01T12:00:00,5+23:59", int64(-1))
	f.Add("ORDER_FAILED", "", "outcome", "failed", "ce_source", "\xff", "ce_time", "0000-01-01T00:00:00+23:59", int64(-1<<60))
	f.Add("ORDER_SCHEDULE_REQUESTED", `"startAt":"2026-03-01T12:00:00.000000001+01:00"`, "actor", "ann", "round", "2", "deadline", "2026-03-01T12:00:00+01:00", int64(1))
	f.Add("ORDER_SKIP_REQUESTED", `"output":{"a":"<"}`, "retryable", "true", "retry-after", "1h2.5s", "status", "stuck", int64(1))
	f.Add("ORDER_CANCEL_REQUESTED", ``, "ce_id", "x", "reason", "no", "actor", "\xff", int64(1))
	f.Add("\"", "", "ce_id", "x", "reason", "no", "actor", "ann", int64(1))
	f.Add("PAYMENT_COMPLETED", `"payment":"<\ud800"`, "ce_id", "\xff", "causation", "\xff", "reason", "\xff", int64(1))
	f.Fuzz(func(t *testing.T, of, members, name1, value1, name2, value2, name3, value3 string, ms int64) {
		body, err := json.Marshal(map[string]string{"id": id, "type": of})
		if err != nil {
			t.Fatal(err)
		}
		if members != "" {
			body = append(append(body[:len(body)-1], ","+members...), '}')
		}
		h := codecs.Headers{name1: []byte(value1), name2: []byte(value2), name3: []byte(value3)}
		before := maps.Clone(h)
		e, err := codecs.Read(id, body, h, time.UnixMilli(ms))
		if diff := cmp.Diff(before, h); diff != "" {
			t.Fatalf("reading changed the headers (-before +after):\n%s", diff)
		}
		if err != nil {
			return
		}
		value, err := codecs.Event{}.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := codecs.Read(id, value, codecs.HeadersOf(e), time.Time{})
		if err != nil {
			t.Fatalf("%+v was read, and what is written of it not: %v", e, err)
		}
		again.Reason, e.Reason = "", "" // it may be cut
		if diff := cmp.Diff(e, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("written as %q (-before +after):\n%s", value, diff)
		}
		mustReadWhatTheSagaSays(t, append(happy(nil)[:3], e))
	})
}

func FuzzRow(f *testing.F) {
	for _, value := range goldenFiles(f, "row_*") {
		f.Add(value)
	}
	for _, s := range []string{
		`{"id":"a","type":"b","meta":null}`, `{"id":"a","type":"b","meta":{"version":-1,"history":[null,{}]}}`,
		"{\"id\":\"a\",\"type\":\"b\",\"meta\":{\"parked\":\"\xff\\ud800\"}}",
		`{"id":"a","type":"b","meta":{"createdAt":"2026-01-01T00:00:00+24:00","updatedAt":"9999-12-31T23:59:59-01:00"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := codecs.Row{}.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		switch v := v.(type) {
		case order.Row:
			mustComeBack(t, codecs.Row{}, v)
			if answer := codecs.Answer(v); !json.Valid(answer) || !utf8.Valid(answer) {
				t.Errorf("the answer is %q", answer)
			}
		case codecs.Malformed:
			if v.Err == nil || string(v.Raw) != string(data) {
				t.Errorf("malformed is %q, %v", v.Raw, v.Err)
			}
		default:
			t.Errorf("it gives a %T", v)
		}
	})
}

func FuzzState(f *testing.F) {
	for _, value := range goldenFiles(f, "state_*") {
		f.Add(value)
	}
	for _, s := range []string{
		`{"open":{},"end":{},"inputs":{"A":null,"":"<\u003c"},"definition":{"steps":[]}}`, `{"id":"\ud800"}`,
		`{"revision":1,"arming":1,"timer":5,"status":"running","open":{"due":"1969-01-01T00:00:00.5+01:00","rest":"-1h2.5s"},"rest":"0s","words":[{},{"startAt":"2026-01-01T00:00:00Z"}]}`,
		`{"definition":{"version":2,"deadline":"1h","steps":[{"name":"A","retry":{},"compensation":{"retry":{"factor":1e-9}}},{}]},"work":[{},{"effect":"x"}],"undoing":{}}`,
		"{\"open\":{\"cause\":\"\xff\"},\"inputs\":{\"\xff\":\"\xff\"}}", `{"ID":"a","iD":"b","inputs":{"A":1,"A":2}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := codecs.State{}.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		switch v := v.(type) {
		case saga.State:
			mustComeBack(t, codecs.State{}, v)
			if v.Revision > 0 && v.Arming > 0 { // as of any that the saga has stored
				written, err := codecs.State{}.Encode(v)
				if err != nil {
					t.Fatal(err)
				}
				mustReadTheHead(t, written, v)
			}
		case codecs.Malformed:
			if v.Err == nil || string(v.Raw) != string(data) {
				t.Errorf("malformed is %q, %v", v.Raw, v.Err)
			}
		default:
			t.Errorf("it gives a %T", v)
		}
	})
}

// FuzzLetter holds that each record can become a letter that is read back, and
// that what is no letter of ours is an error and no more.
func FuzzLetter(f *testing.F) {
	f.Add("saga", "no", "store.order", int32(3), int64(7), int64(1), "key", []byte("value"), "ce_id", []byte("x"))
	f.Add("", "é", "", int32(-1), int64(-1), int64(1<<62), "\xff", []byte(nil), "deadletter_partition", []byte("2"))
	f.Add("", "\xff", "", int32(0), int64(0), int64(-1<<62), "", []byte("{"), "deadletter_", []byte("\xff"))
	f.Fuzz(func(t *testing.T, role, reason, topic string, partition int32, offset, ms int64, key string, value []byte, name string, header []byte) {
		if l, err := codecs.LetterOf(key, value, codecs.Headers{name: header}); err == nil {
			t.Errorf("one header is no letter: %+v", l)
		}
		want := codecs.Letter{
			Role: role, Reason: reason, Topic: topic, Partition: partition, Offset: offset, Written: time.UnixMilli(ms),
			Key: key, Value: value, Headers: codecs.Headers{name: header},
		}
		h := codecs.HeadersOfLetter(want)
		got, err := codecs.LetterOf(key, value, h)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "deadletter_") {
			want.Headers = codecs.Headers{}
		}
		if y := want.Written.UTC().Year(); y < 0 || y > 9999 {
			want.Written = time.Time{}
		}
		if len(reason) > 4096 { // it may be cut
			want.Reason, got.Reason = "", ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-written +read):\n%s", diff)
		}
	})
}

// FuzzTimer holds that a timer's value is a number from 1 or malformed.
func FuzzTimer(f *testing.F) {
	for _, s := range []string{`{"arming":1}`, `{"arming":0}`, `{"arming":-1}`, `{"arming":1.5}`, `{"arming":"1"}`, `{"arming":9223372036854775808}`, `{"ARMING":3}`, `null`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := codecs.Timer{}.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		switch v := v.(type) {
		case int64:
			if v < 1 {
				t.Errorf("it gives %d", v)
			}
			mustComeBack(t, codecs.Timer{}, v)
		case codecs.Malformed:
			if v.Err == nil || string(v.Raw) != string(data) {
				t.Errorf("malformed is %q, %v", v.Raw, v.Err)
			}
		default:
			t.Errorf("it gives a %T", v)
		}
	})
}
