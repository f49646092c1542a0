package codecs_test

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

var written = time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))

// A service of the seed sends the value alone.
func TestAnEventWithoutHeadersIsTheFirstAttemptAtWhatItSays(t *testing.T) {
	got, err := codecs.Read(id, []byte(`{"id":"ORD-B384F","type":"PAYMENT_COMPLETED","payment":{"body":"ORD-B384F_PAYMENT_COMPLETED"}}`), nil, written)
	if err != nil {
		t.Fatal(err)
	}
	want := order.Event{
		OrderID: id, Type: "PAYMENT_COMPLETED", ID: "ORD-B384F/PAYMENT_COMPLETED/1", Time: written.UTC(), Attempt: 1, Round: 1,
		Outputs: map[order.Step]order.JSON{order.Payment: order.JSON(`{"body":"ORD-B384F_PAYMENT_COMPLETED"}`)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	if ours := happy(nil)[3]; got.ID != ours.ID {
		t.Errorf("its id is %s, and that of ours %s: they would not be known as one", got.ID, ours.ID)
	}
	if got.Time.Location() != time.UTC {
		t.Errorf("its time is in %v", got.Time.Location())
	}
}

func TestEachHeaderCountsForItself(t *testing.T) {
	body := []byte(`{"id":"ORD-B384F","type":"MAIL_FAILED"}`)
	for _, c := range []struct {
		name, header string
		want         func(*order.Event)
	}{
		{"ce_id", "this", func(e *order.Event) { e.ID = "this" }},
		{"ce_id", "", func(*order.Event) {}},
		{"ce_type", "MAIL_FAILED", func(*order.Event) {}},
		{"ce_source", "mail", func(e *order.Event) { e.Source = "mail" }},
		{"ce_time", "2026-03-01T12:00:00.5+02:00", func(e *order.Event) { e.Time = time.Date(2026, 3, 1, 10, 0, 0, 5e8, time.UTC) }},
		{"attempt", "12", func(e *order.Event) { e.Attempt, e.ID = 12, "ORD-B384F/MAIL_FAILED/12" }},
		{"causation", "that", func(e *order.Event) { e.Causation = "that" }},
		{"reason", "no \xff address\xc3", func(e *order.Event) { e.Reason = "no \ufffd address\ufffd" }},
		{"outcome", "failed", func(e *order.Event) { e.Outcome = order.StatusFailed }},
		{"outcome", "a word of next year", func(e *order.Event) { e.Outcome = "a word of next year" }},
		{"actor", "ann \xff", func(e *order.Event) { e.Actor = "ann \ufffd" }},
		{"round", "3", func(e *order.Event) { e.Round = 3 }},
		{"deadline", "2026-03-01T12:00:00.5+02:00", func(e *order.Event) { e.Deadline = time.Date(2026, 3, 1, 10, 0, 0, 5e8, time.UTC) }},
		{"retryable", "true", func(e *order.Event) { e.Retryable = true }},
		{"retryable", "false", func(*order.Event) {}},
		{"retryable", "TRUE", func(*order.Event) {}},
		{"retry-after", "1h1.5s", func(e *order.Event) { e.RetryAfter = time.Hour + 1500*time.Millisecond }},
		{"status", "stuck", func(e *order.Event) { e.Status = order.StatusStuck }},
		{"status", "a word of next year", func(e *order.Event) { e.Status = "a word of next year" }},
		{"traceparent", "\xff", func(*order.Event) {}}, // not ours to read
		{"ce_specversion", "2.0", func(*order.Event) {}},
	} {
		want := order.Event{
			OrderID: id, Type: "MAIL_FAILED", ID: "ORD-B384F/MAIL_FAILED/1", Time: written.UTC(), Attempt: 1, Round: 1,
		}
		c.want(&want)
		got, err := codecs.Read(id, body, codecs.Headers{c.name: []byte(c.header)}, written)
		if err != nil {
			t.Errorf("%s %q: %v", c.name, c.header, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", c.name, c.header, diff)
		}
	}
}

func TestARecordIsNoEventFor(t *testing.T) {
	const body = `{"id":"ORD-B384F","type":"MAIL_COMPLETED"}`
	header := func(name, value string) codecs.Headers { return codecs.Headers{name: []byte(value)} }
	many := codecs.Headers{}
	for i := range 17 {
		many[fmt.Sprint(i)] = make([]byte, 4<<10)
	}
	for _, c := range []struct {
		name    string
		key     string
		value   string
		headers codecs.Headers
		written time.Time
		want    string
	}{
		{"no value", id, "", nil, written, `the value is empty`},
		{"a value that is no JSON", id, "{", nil, written, `not a JSON object`},
		{"a value that is no object", id, "[]", nil, written, `not a JSON object`},
		{"a value that is null", id, "null", nil, written, `not a JSON object`},
		{"a value that is followed by another", id, body + "{}", nil, written, `not a JSON object`},
		{"a value that nests too deeply", id, `{"id":"ORD-B384F","type":"A","mail":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + "}", nil, written, `not a JSON object`},
		{"a value that is no JSON within", id, `{"id":"ORD-B384F","type":"A","mail":{"a":[01]}}`, nil, written, `not a JSON object`},
		{"no id", id, `{"type":"A"}`, nil, written, `member "id" is missing`},
		{"an id that is no text", id, `{"id":1,"type":"A"}`, nil, written, `member "id": want a string`},
		{"an id that is null", id, `{"id":null,"type":"A"}`, nil, written, `member "id": want a string`},
		{"an id in capitals", id, `{"ID":"ORD-B384F","type":"A"}`, nil, written, `member "id" is missing`},
		{"no type", id, `{"id":"ORD-B384F"}`, nil, written, `member "type" is missing`},
		{"a type that is no text", id, `{"id":"ORD-B384F","type":{}}`, nil, written, `member "type": want a string`},
		{"an empty type", id, `{"id":"ORD-B384F","type":""}`, nil, written, `member "type": want 1 to 512 bytes`},
		{"a long type", id, `{"id":"ORD-B384F","type":"` + strings.Repeat("A", 513) + `"}`, nil, written, `member "type": want 1 to 512 bytes`},
		{"inputs that are no object", id, `{"id":"ORD-B384F","type":"A","inputs":"x"}`, nil, written, `member "inputs": not a JSON object`},

		{"a key that is another order's", "ORD-B384E", body, nil, written, `the key "ORD-B384E" is not the id "ORD-B384F"`},
		{"no key", "", body, nil, written, `the key "" is not the id "ORD-B384F"`},
		{"a key that is no order's", "B384F", `{"id":"B384F","type":"A"}`, nil, written, `the key "B384F" is no order id`},

		{"a header of another type", id, body, header("ce_type", "MAIL_FAILED"), written, `header ce_type says "MAIL_FAILED", the value "MAIL_COMPLETED"`},
		{"a header of no type", id, body, header("ce_type", ""), written, `header ce_type says "", the value "MAIL_COMPLETED"`},
		{"no number of attempts", id, body, header("attempt", "two"), written, `header attempt is "two": want a number from 1`},
		{"no attempt", id, body, header("attempt", "0"), written, `header attempt is "0": want a number from 1`},
		{"too many attempts", id, body, header("attempt", "9999999999999999999"), written, `header attempt is "9999999999999999999": want a number from 1`},
		{"no round", id, body, header("round", "0"), written, `header round is "0": want a number from 1`},
		{"a deadline that is none", id, body, header("deadline", "soon"), written, `header deadline is "soon": want RFC 3339`},
		{"a deadline after all years", id, body, header("deadline", "9999-12-31T23:59:59-01:00"), written, `the time is 10000-01-01 00:59:59 +0000 UTC: want a year from 0 to 9999`},
		{"a wait that is none", id, body, header("retry-after", "90"), written, `header retry-after is "90": want a duration such as 1.5s`},
		{"a wait of less than nothing", id, body, header("retry-after", "-1s"), written, `header retry-after is "-1s": want a duration such as 1.5s`},
		{"a start that is no time", id, `{"id":"ORD-B384F","type":"A","startAt":"soon"}`, nil, written, `member "startAt" is "soon": want RFC 3339`},
		{"a start that is no text", id, `{"id":"ORD-B384F","type":"A","startAt":5}`, nil, written, `member "startAt": want a string`},
		{"a start after all years", id, `{"id":"ORD-B384F","type":"A","startAt":"9999-12-31T23:59:59-01:00"}`, nil, written, `the time is 10000-01-01 00:59:59 +0000 UTC: want a year from 0 to 9999`},
		{"no time", id, body, header("ce_time", "noon"), written, `header ce_time is "noon": want RFC 3339`},
		{"a time that is before all years", id, body, header("ce_time", "0000-01-01T00:00:00+01:00"), written, `the time is -0001-12-31 23:00:00 +0000 UTC: want a year from 0 to 9999`},
		{"a time that is after all years", id, body, header("ce_time", "9999-12-31T23:59:59-01:00"), written, `the time is 10000-01-01 00:59:59 +0000 UTC: want a year from 0 to 9999`},
		{"a timestamp that is after all years", id, body, nil, time.UnixMilli(math.MaxInt64), `the time is 292278994-08-17 07:12:55.807 +0000 UTC: want a year from 0 to 9999`},
		{"an id that no table could keep", id, body, header("ce_id", "\xff"), written, `header ce_id is "\xff": want UTF-8`},
		{"a causation that no table could keep", id, body, header("causation", "a\xff"), written, `header causation is "a\xff": want UTF-8`},
		{"an id that leaves no room for those named after it", id, body, header("ce_id", strings.Repeat("x", 1025)), written, `header ce_id has 1025 bytes; 1024 are allowed`},
		{"a long header, be it ours or not", id, body, header("x", strings.Repeat("x", 4097)), written, `header "x" has 4097 bytes; 4096 are allowed`},
		{"many headers", id, body, many, written, `the headers have more than 65536 bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := codecs.Read(c.key, []byte(c.value), c.headers, c.written)
			if err == nil || err.Error() != c.want {
				t.Errorf("it says %v, want %s", err, c.want)
			}
		})
	}
}

func TestAnEventMayBeAsLargeAs(t *testing.T) {
	of := func(size int) []byte {
		const around = `{"id":"ORD-B384F","type":"MAIL_COMPLETED","mail":""}`
		return []byte(around[:len(around)-2] + strings.Repeat("x", size-len(around)) + `"}`)
	}
	if _, err := codecs.Read(id, of(codecs.MaxEvent), nil, written); err != nil {
		t.Errorf("the largest: %v", err)
	}
	const want = "the value has 262145 bytes; 262144 are allowed"
	if _, err := codecs.Read(id, of(codecs.MaxEvent+1), nil, written); err == nil || err.Error() != want {
		t.Errorf("a larger one: %v, want %s", err, want)
	}
	full := codecs.Headers{"x": make([]byte, 4<<10), "ce_id": []byte(strings.Repeat("x", 1024))}
	if _, err := codecs.Read(id, of(60), full, written); err != nil {
		t.Errorf("the longest headers: %v", err)
	}
}

func TestAnEventIsReadTolerantly(t *testing.T) {
	outputs := func(pairs ...string) map[order.Step]order.JSON {
		m := map[order.Step]order.JSON{}
		for i := 0; i < len(pairs); i += 2 {
			m[order.Step(pairs[i])] = order.JSON(pairs[i+1])
		}
		return m
	}
	deep := strings.Repeat("[", 9999) + strings.Repeat("]", 9999)
	for _, c := range []struct {
		name    string
		members string // beside id and type
		outputs map[order.Step]order.JSON
		inputs  map[order.Step]order.JSON
	}{
		{name: "nothing more"},
		{name: "members that are no step's are skipped", members: `,"_links":{},"Mail":1,"MAIL":2,"order":3,"best_mail":4,"events":["A"],"meta":{},"":5,"1":6,"\ud800":7,"ſ":8`},
		{name: "any other may be a step's", members: `,"shipping":1,"a1":2`, outputs: outputs("SHIPPING", "1", "A1", "2")},
		{name: "an output is kept as it is, but for white space", members: `,"mail": { "b" : [ 1 , "< \u003c" ] , "a" : 0.10 }`, outputs: outputs("MAIL", `{"b":[1,"< \u003c"],"a":0.10}`)},
		{name: "an output may be anything", members: `,"detail":null,"payment":false,"mail":"x"`, outputs: outputs("ORDER", "null", "PAYMENT", "false", "MAIL", `"x"`)},
		{name: "of a member that is there twice the last counts", members: `,"mail":1,"mail":2`, outputs: outputs("MAIL", "2")},
		{name: "also inside of an output all stay", members: `,"mail":{"a":1,"a":2}`, outputs: outputs("MAIL", `{"a":1,"a":2}`)},
		{name: "numbers of any size", members: `,"mail":[1e999999,-123456789012345678901234567890.5]`, outputs: outputs("MAIL", "[1e999999,-123456789012345678901234567890.5]")},
		{name: "depth", members: `,"mail":` + deep, outputs: outputs("MAIL", deep)},
		{name: "what is no UTF-8 is replaced", members: ",\"mail\":\"a\xff\xfeb\xc3\"", outputs: outputs("MAIL", "\"a\ufffdb\ufffd\"")},
		{name: "an escape that is no character stays one", members: `,"mail":"\ud800\u0000"`, outputs: outputs("MAIL", `"\ud800\u0000"`)},
		{name: "names may be escaped", members: `,"m\u0061il":1`, outputs: outputs("MAIL", "1")},
		{name: "inputs stand under the names of outputs", members: `,"inputs":{"detail":1,"shipping":[ ],"order":2,"Mail":3}`, inputs: outputs("ORDER", "1", "SHIPPING", "[]")},
		{name: "no inputs", members: `,"inputs":{}`},
		{name: "inputs that are null, as Java writes what is not there", members: `,"inputs":null,"payment":null`, outputs: outputs("PAYMENT", "null")},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := order.Event{OrderID: id, Type: "?", Outputs: c.outputs, Inputs: c.inputs}
			got := decoded(t, codecs.Event{}, []byte(` { "id" : "ORD-B384F", "type":"?"`+c.members+"}\n"))
			if diff := cmp.Diff(any(want), got); diff != "" {
				t.Errorf("the event (-want +got):\n%s", diff)
			}
		})
	}
}

// A type is known by being listed: none is refused.
func TestAnUnknownTypeIsAnEvent(t *testing.T) {
	for value, want := range map[string]order.Type{
		`"ORDER_PAUSED"`: "ORDER_PAUSED", `"\u0000 < é"`: "\x00 < é", `"\ud800"`: "\ufffd", "\"\xff\"": "\ufffd",
	} {
		e, err := codecs.Read(id, []byte(`{"id":"ORD-B384F","type":`+value+`}`), nil, written)
		if err != nil || e.Type != want {
			t.Errorf("%s is of type %q, %v; want %q", value, e.Type, err, want)
		}
	}
}

func TestMembersAreWrittenInTheSeedsOrderAndOthersByName(t *testing.T) {
	all := map[order.Step]order.JSON{
		order.Mail: order.JSON("3"), "SHIPPING": order.JSON("5"), order.Payment: order.JSON("2"), order.Detail: order.JSON("1"), "CUSTOMS": order.JSON("4"),
	}
	got, err := codecs.Event{}.Encode(order.Event{OrderID: id, Type: `<"é`, Outputs: all, Inputs: all})
	const want = `{"id":"ORD-B384F","type":"\u003c\"é","detail":1,"payment":2,"mail":3,"customs":4,"shipping":5,` +
		`"inputs":{"detail":1,"payment":2,"mail":3,"customs":4,"shipping":5}}`
	if err != nil || string(got) != want {
		t.Errorf("written: %s, %v\nwant:    %s", got, err, want)
	}
}

func TestAnOutputThatIsNothingIsWrittenAsNull(t *testing.T) {
	e := order.Event{OrderID: id, Type: "A", Outputs: map[order.Step]order.JSON{order.Mail: nil}, Inputs: map[order.Step]order.JSON{order.Mail: {}}}
	got, err := codecs.Event{}.Encode(e)
	if want := `{"id":"ORD-B384F","type":"A","mail":null,"inputs":{"mail":null}}`; err != nil || string(got) != want {
		t.Errorf("written: %s, %v; want %s", got, err, want)
	}
}

func TestATimeIsWrittenInUTC(t *testing.T) {
	e := happy(nil)[0]
	e.Time = e.Time.In(time.FixedZone("", 3600))
	if got, want := string(codecs.HeadersOf(e)["ce_time"]), "2026-03-01T12:00:01.12Z"; got != want {
		t.Errorf("it is written as %s, want %s", got, want)
	}
}

// What we write, we must be able to read: a participant's reason may be any text.
func TestAReasonIsCutToWhatAHeaderMayHold(t *testing.T) {
	for name, c := range map[string]struct{ reason, want string }{
		"just as long":          {strings.Repeat("x", 4096), strings.Repeat("x", 4096)},
		"longer":                {strings.Repeat("x", 5000), strings.Repeat("x", 4096)},
		"never in a character":  {strings.Repeat("x", 4095) + "é", strings.Repeat("x", 4095)},
		"also the saga's words": {"PAYMENT: " + strings.Repeat("x", 4096), "PAYMENT: " + strings.Repeat("x", 4087)},
	} {
		e := declined()[6]
		e.Reason = c.reason
		value, err := codecs.Event{}.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codecs.Read(id, value, codecs.HeadersOf(e), written)
		if err != nil || got.Reason != c.want {
			t.Errorf("%s: %d bytes become %d, %v; want %d", name, len(c.reason), len(got.Reason), err, len(c.want))
		}
	}
}

// The limits leave room for what is derived: no event that is accepted makes the
// saga say what is not.
func TestWhatTheSagaSaysOfTheLongestEventCanBeRead(t *testing.T) {
	e := declined()[3]
	h := codecs.HeadersOf(e)
	h["ce_id"] = []byte(strings.Repeat("i", 1024))
	h["reason"] = []byte(strings.Repeat("r", 4096))
	value, err := codecs.Event{}.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	before := maps.Clone(h)
	no, err := codecs.Read(id, value, h, written)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, h); diff != "" {
		t.Errorf("reading changed the headers (-before +after):\n%s", diff)
	}
	mustReadWhatTheSagaSays(t, append(happy(nil)[:3], no))

	h = codecs.HeadersOf(ordered(order.Pause, 5))
	h["ce_id"] = []byte(strings.Repeat("i", 1024))
	pause, err := codecs.Read(id, []byte(`{"id":"ORD-B384F","type":"ORDER_PAUSE_REQUESTED"}`), h, written)
	if err != nil {
		t.Fatal(err)
	}
	mustReadWhatTheSagaSays(t, append(happy(nil)[:3], pause)) // it is paused
	mustReadWhatTheSagaSays(t, []order.Event{pause})          // there is no such order
}
