package codecs_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds a record against testdata/name and gives back what that file says.
// There the headers come first, one a line, and the value after an empty line; or
// the value alone.
func golden(t *testing.T, name string, h codecs.Headers, value []byte) (codecs.Headers, []byte) {
	t.Helper()
	var b bytes.Buffer
	for _, header := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "%s: %s\n", header, h[header])
	}
	if len(h) > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s\n", value)
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	return parse(t, want)
}

func parse(t *testing.T, file []byte) (codecs.Headers, []byte) {
	t.Helper()
	text := strings.TrimSuffix(string(file), "\n")
	head, value, found := strings.Cut(text, "\n\n")
	if !found {
		return nil, []byte(text)
	}
	h := codecs.Headers{}
	for line := range strings.SplitSeq(head, "\n") {
		name, v, found := strings.Cut(line, ": ")
		if !found {
			t.Fatalf("%q is no header", line)
		}
		h[name] = []byte(v)
	}
	return h, []byte(value)
}

const id = "ORD-B384F"

func at(second int) time.Time { return time.Date(2026, 3, 1, 12, 0, second, 120_000_000, time.UTC) }

// happy are the six events of an order, as our roles write them.
func happy(inputs map[order.Step]order.JSON) []order.Event {
	begin := saga.Begin(saga.Default(), id, inputs, time.Time{}, at(1), "edge")
	detail := answered(begin, order.Completed, 2)
	payment := asked(detail, saga.Request{OrderID: id, Step: order.Payment, Input: inputs[order.Payment]}, 3)
	paid := answered(payment, order.Completed, 4)
	mail := asked(paid, saga.Request{OrderID: id, Step: order.Mail, Input: inputs[order.Mail], Last: true}, 5)
	return []order.Event{begin, detail, payment, paid, mail, answered(mail, order.Completed, 6)}
}

func asked(after order.Event, r saga.Request, second int) order.Event {
	r.Attempt, r.Round, r.Cause, r.At = max(r.Attempt, 1), max(r.Round, 1), after.ID, at(second)
	if r.Status == "" {
		r.Status = order.StatusRunning
	}
	r.Deadline = at(second).Add(5 * time.Minute)
	return r.Event("saga")
}

// answered is the echo's answer to a request.
func answered(request order.Event, p order.Phase, second int) order.Event {
	step, _, _ := request.Type.Split()
	e := order.Event{
		OrderID: request.OrderID, Type: order.TypeOf(step, p), Time: at(second),
		Source: strings.ToLower(string(step)), Attempt: request.Attempt, Round: request.Round, Causation: request.ID,
	}
	e.ID = order.EventID(e.OrderID, e.Type, e.Attempt)
	if p == order.Completed {
		e.Outputs = map[order.Step]order.JSON{step: fmt.Appendf(nil, `{"body":"%s_%s"}`, e.OrderID, e.Type)}
	}
	return e
}

// declined are the events of an order whose payment was declined.
func declined() []order.Event {
	events := happy(nil)[:3]
	no := answered(events[2], order.Failed, 4)
	no.Reason = `declined: no "money" – sorry`
	why := "PAYMENT: " + no.Reason
	undo := asked(no, saga.Request{OrderID: id, Step: order.Detail, Undo: true, Status: order.StatusCompensating, Reason: why}, 5)
	undone := answered(undo, order.Compensated, 6)
	end := saga.Tell{OrderID: id, Type: order.OrderFailed, Cause: undone.ID, Status: order.StatusFailed, Reason: why, At: at(7)}
	return append(events, no, undo, undone, end.Event("saga"))
}

// ordered is a command as the edge writes it.
func ordered(c order.Command, second int) order.Event {
	return order.Event{
		OrderID: id, Type: c.Type(), ID: "command " + string(c), Time: at(second), Source: "edge", Actor: "ann",
		Attempt: 1, Round: 1, Reason: "why",
	}
}

func told(of order.Type, status order.Status, cause string, second int) order.Event {
	return saga.Tell{OrderID: id, Type: of, Status: status, Cause: cause, At: at(second)}.Event("saga")
}

func fold(events ...order.Event) order.Row {
	var r order.Row
	for _, e := range events {
		r = order.Fold(r, e)
	}
	return r
}

func decide(events ...order.Event) saga.State {
	var s saga.State
	for _, e := range events {
		if in, ok := saga.InputOf(e, saga.Default(), e.Time); ok {
			s, _ = saga.Decide(s, in)
		}
	}
	return s
}

func TestEventsOnTheWire(t *testing.T) {
	inputs := map[order.Step]order.JSON{
		order.Detail:  order.JSON(`{"item":"<book>","count":12345678901234567890}`),
		order.Payment: order.JSON(`{"card":"…4242"}`),
	}
	six, no, with := happy(nil), declined(), happy(inputs)
	busy := answered(six[2], order.Failed, 4)
	busy.Reason, busy.Retryable, busy.RetryAfter = "503", true, 90*time.Second
	again := asked(six[1], saga.Request{OrderID: id, Step: order.Payment, Attempt: 4, Round: 2}, 5)
	skip, putOff := ordered(order.Skip, 4), ordered(order.Schedule, 4)
	skip.Output, putOff.StartAt = order.JSON(`{"by":"hand"}`), at(59)
	skipped := saga.Tell{
		OrderID: id, Type: "PAYMENT_SKIPPED", Status: order.StatusRunning, Cause: skip.ID, Reason: "why",
		Step: order.Payment, Output: skip.Output, At: at(5),
	}.Event("saga")
	anotherDate := saga.Tell{OrderID: id, Type: order.OrderScheduled, Status: order.StatusScheduled, Cause: putOff.ID, StartAt: at(59), At: at(5)}.Event("saga")
	timedOut := saga.Tell{OrderID: id, Type: "PAYMENT_TIMED_OUT", Cause: saga.TimerID(id, 2), Attempt: 1, At: at(5)}.Event("saga")
	shipping := answered(asked(six[5], saga.Request{OrderID: id, Step: "SHIPPING"}, 7), order.Completed, 8)
	for _, c := range []struct {
		file string
		e    order.Event
	}{
		{"1_order_requested", six[0]},
		{"2_order_completed", six[1]},
		{"3_payment_requested", six[2]},
		{"4_payment_completed", six[3]},
		{"5_mail_requested", six[4]},
		{"6_mail_completed", six[5]},
		{"order_requested_with_inputs", with[0]},
		{"payment_requested_with_input", with[2]},
		{"payment_failed", no[3]},
		{"payment_failed_retryable", busy},
		{"payment_requested_again", again},
		{"payment_timed_out", timedOut},
		{"payment_skipped", skipped},
		{"order_compensation_requested", no[4]},
		{"order_compensated", no[5]},
		{"order_failed", no[6]},
		{"order_scheduled", saga.Begin(saga.Default(), id, inputs, at(50), at(1), "edge")},
		{"order_scheduled_anew", anotherDate},
		{"order_pause_requested", ordered(order.Pause, 4)},
		{"order_paused", told(order.OrderPaused, order.StatusRunning, "command pause", 5)},
		{"order_skip_requested", skip},
		{"order_schedule_requested", putOff},
		{"shipping_completed", shipping},
	} {
		t.Run(c.file, func(t *testing.T) {
			value, err := codecs.Event{}.Encode(c.e)
			if err != nil {
				t.Fatal(err)
			}
			h, value := golden(t, c.file, codecs.HeadersOf(c.e), value)
			got, err := codecs.Read(c.e.OrderID, value, h, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.e, got); diff != "" {
				t.Errorf("read back (-written +read):\n%s", diff)
			}
			if h := codecs.HeadersOf(c.e); codecs.TypeIn(func(name string) []byte { return h[name] }) != c.e.Type {
				t.Errorf("by its headers it is %s", codecs.TypeIn(func(name string) []byte { return h[name] }))
			}
		})
	}
}

// unlisted is a row that was parked before the letters that wait were listed.
func unlisted(r order.Row) order.Row {
	r.Meta.Waiting = nil
	return r
}

func TestRowsOnTheWire(t *testing.T) {
	for file, row := range map[string]order.Row{
		"row_running":             fold(happy(nil)[:2]...),
		"row_completed":           fold(happy(nil)...),
		"row_failed":              fold(declined()...),
		"row_paused":              fold(append(happy(nil)[:3], ordered(order.Pause, 4), told(order.OrderPaused, order.StatusRunning, "command pause", 5))...),
		"row_scheduled":           fold(saga.Begin(saga.Default(), id, nil, at(50), at(1), "edge")),
		"row_parked":              unlisted(order.Park(fold(happy(nil)[:1]...), id, "", "panic: <nil>\n\tin the fold")),
		"row_parked_at_its_first": unlisted(order.Park(order.Row{}, id, "", "too much")),
		"row_waiting":             order.Park(order.Park(fold(happy(nil)[:1]...), id, "store.order/3/17", "no"), id, "store.order/3/21", "no"),
		"row_discarded":           order.Discard(order.Park(fold(happy(nil)[:1]...), id, "store.order/3/17", "no"), "store.order/3/17", 18),
	} {
		t.Run(file, func(t *testing.T) {
			value, err := codecs.Row{}.Encode(row)
			if err != nil {
				t.Fatal(err)
			}
			_, value = golden(t, file, nil, value)
			if row.Meta.History == nil {
				row.Meta.History = []order.Entry{} // as it is read
			}
			if diff := cmp.Diff(any(row), decoded(t, codecs.Row{}, value)); diff != "" {
				t.Errorf("read back (-written +read):\n%s", diff)
			}
			again, err := codecs.Row{}.Encode(codecs.Encoded(value))
			if err != nil || !bytes.Equal(again, value) {
				t.Errorf("what is encoded already becomes %s, %v", again, err)
			}
		})
	}
}

func TestStatesOnTheWire(t *testing.T) {
	parked := decide(happy(nil)[:1]...)
	parked.Parked = "panic: <nil>"
	for file, state := range map[string]saga.State{
		"state_running":   decide(happy(nil)[:2]...),
		"state_completed": decide(happy(nil)...),
		"state_failed":    decide(declined()...),
		"state_paused":    decide(append(happy(nil)[:3], ordered(order.Pause, 4))...),
		"state_scheduled": decide(saga.Begin(saga.Default(), id, nil, at(50), at(1), "edge")),
		"state_full":      full(),
		"state_parked":    parked,
		"state_waiting":   decide(happy(nil)[:1]...).Park(id, "store.order/3/17", "no", at(9)).Park(id, "saga.timers/3/2", "no", at(10)),
		"state_inputs": decide(happy(map[order.Step]order.JSON{
			order.Mail: order.JSON(`{"to":"<a@example.com>","n":12345678901234567890}`), order.Payment: order.JSON(`null`),
		})[0]),
	} {
		t.Run(file, func(t *testing.T) {
			value, err := codecs.State{}.Encode(state)
			if err != nil {
				t.Fatal(err)
			}
			mustReadTheHead(t, value, state)
			_, value = golden(t, file, nil, value)
			if diff := cmp.Diff(any(state), decoded(t, codecs.State{}, value)); diff != "" {
				t.Errorf("read back (-written +read):\n%s", diff)
			}
			again, err := codecs.State{}.Encode(codecs.Encoded(value))
			if err != nil || !bytes.Equal(again, value) {
				t.Errorf("what is encoded already becomes %s, %v", again, err)
			}
		})
	}
}

func TestLettersOnTheWire(t *testing.T) {
	e := happy(nil)[3]
	value, err := codecs.Event{}.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	l := codecs.Letter{
		Role: "aggregate", Reason: "panic: no such step", Topic: codecs.StoreOrder, Partition: 11, Offset: 1 << 40,
		Written: at(4), Tries: 2, Parked: true, Key: id, Value: value, Headers: codecs.HeadersOf(e),
	}
	h, value := golden(t, "letter", codecs.HeadersOfLetter(l), l.Value)
	got, err := codecs.LetterOf(id, value, h)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got); diff != "" {
		t.Errorf("read back (-written +read):\n%s", diff)
	}
	if got, want := l.ID(), "aggregate/store.order/11/1099511627776"; got != want {
		t.Errorf("its id is %s, want %s", got, want)
	}
}

// decoded gives a value that can be read, or ends the test.
func decoded(t *testing.T, c interface{ Decode([]byte) (any, error) }, data []byte) any {
	t.Helper()
	v, err := c.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if m, bad := v.(codecs.Malformed); bad {
		t.Fatalf("%q cannot be read: %v", data, m.Err)
	}
	return v
}

// Decode gives a value of one type or a Malformed with the bytes, and never an
// error, as goka ends its processor on that.
func TestWhatCannotBeReadIsAValueToo(t *testing.T) {
	for _, c := range []interface{ Decode([]byte) (any, error) }{codecs.Event{}, codecs.Row{}, codecs.State{}, codecs.Timer{}} {
		for _, data := range [][]byte{nil, {}, []byte(" "), []byte("null"), []byte("[]"), []byte(`"a"`), []byte("1"), []byte("{"), []byte("{}{}"), {0xff}} {
			v, err := c.Decode(data)
			m, ok := v.(codecs.Malformed)
			if err != nil || !ok || m.Err == nil || !bytes.Equal(m.Raw, data) {
				t.Errorf("%T of %q gives %v, %v", c, data, v, err)
			}
		}
	}
}

func TestEncodeRefusesWhatIsNotItsOwn(t *testing.T) {
	for _, c := range []interface{ Encode(any) ([]byte, error) }{codecs.Event{}, codecs.Row{}, codecs.State{}, codecs.Bytes{}, codecs.Timer{}} {
		for _, v := range []any{nil, "text", codecs.Malformed{Raw: []byte("x"), Err: errors.New("bad")}, &order.Row{}} {
			if b, err := c.Encode(v); err == nil {
				t.Errorf("%T takes a %T, and gives %q", c, v, b)
			}
		}
	}
}

func TestBytesPassAsTheyAre(t *testing.T) {
	for _, data := range [][]byte{nil, {}, []byte("\xff{")} {
		v, err := codecs.Bytes{}.Decode(data)
		if err != nil || !bytes.Equal(v.([]byte), data) {
			t.Errorf("%q becomes %q, %v", data, v, err)
		}
		b, err := codecs.Bytes{}.Encode(data)
		if err != nil || !bytes.Equal(b, data) {
			t.Errorf("%q becomes %q, %v", data, b, err)
		}
	}
}
