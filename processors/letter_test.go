package processors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/telemetry"
)

func size(l codecs.Letter) int {
	n := len(l.Key) + len(l.Value)
	for name, value := range codecs.HeadersOfLetter(l) {
		n += len(name) + len(value) + headerMargin
	}
	return n
}

// Brokers bound a batch as it is sent: a compressed one may hold a record that is
// larger than any topic takes, and its letter must be taken all the same.
func TestALetterFitsItsTopic(t *testing.T) {
	filled := func(n int) []byte { return []byte(strings.Repeat("x", n)) }
	crowd := codecs.Headers{}
	for i := range 100_000 {
		crowd[fmt.Sprint(i)] = []byte("0123456789012345678901234")
	}
	for name, one := range map[string]struct {
		letter codecs.Letter
		cut    string // what the reason then begins with
	}{
		"the largest that a topic takes": {
			codecs.Letter{Key: "k", Value: filled(maxStored), Headers: codecs.Headers{"h": filled(100)}}, "",
		},
		"the largest that fits": {codecs.Letter{Value: filled(maxKept)}, ""},
		"one byte more": {
			codecs.Letter{Value: filled(maxKept + 1), Headers: codecs.Headers{}},
			fmt.Sprintf("cut from a key of 0, a value of %d and headers of 0 bytes: ", maxKept+1),
		},
		"a large key": {
			codecs.Letter{Key: string(filled(9 << 20)), Value: filled(9 << 20), Headers: codecs.Headers{"who": filled(8)}},
			"cut from a key of 9437184, a value of 9437184 and headers of 27 bytes: ",
		},
		"a large header": {
			codecs.Letter{Key: "k", Headers: codecs.Headers{"h": filled(9 << 20)}},
			"cut from a key of 1, a value of 0 and headers of 9437201 bytes: ",
		},
		"a crowd of headers": {codecs.Letter{Headers: crowd}, "cut from a key of 0, a value of 0 and headers of 4588890 bytes: "},
	} {
		t.Run(name, func(t *testing.T) {
			l := one.letter
			l.Reason = strings.Repeat("r", 9<<10)
			got := fitting(l)
			if !strings.HasPrefix(got.Reason, one.cut+"rrr") {
				t.Errorf("the reason begins with %.100q", got.Reason)
			}
			if size(got) > maxLetter-recordMargin/2 {
				t.Errorf("the letter has %d bytes, its topic takes %d", size(got), maxLetter)
			}
			if !strings.HasPrefix(l.Key, got.Key) || !strings.HasPrefix(string(l.Value), string(got.Value)) {
				t.Error("what is left is not the beginning")
			}
			if (got.Value == nil) != (l.Value == nil) {
				t.Error("no value and an empty one are not the same")
			}
			if small := size(codecs.Letter{Headers: l.Headers}) < maxKept/3; small {
				differ(t, "small headers", l.Headers, got.Headers)
			}
			if one.cut == "" {
				differ(t, "the letter", l, got)
			}
		})
	}
}

func TestTheLineAboutALetterNamesItsOrderAndItsTrace(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	var said bytes.Buffer
	c := config()
	c.Logger = telemetry.Logger(slog.New(slog.NewTextHandler(&said, nil)))
	ill := does(func(context.Context, Request) (order.JSON, error) { panic("no such thing") })
	for name, p := range map[string]stream.Processor{
		"aggregate": Aggregate(c, func(order.Row, order.Event) order.Row { panic("no such thing") }),
		"saga":      Saga(c, saga.Default(), func(saga.State, saga.Input) (saga.State, []saga.Effect) { panic("no such thing") }),
		"worker":    Worker(c, plan(order.Detail), ill),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, p)
			traced := func(r record) record {
				r.headers = maps.Clone(r.headers)
				if r.headers == nil {
					r.headers = codecs.Headers{}
				}
				r.headers[telemetry.Traceparent] = []byte("00-" + trace + "-00f067aa0ba902b7-01")
				return r
			}
			wantSaid := func(what string) {
				t.Helper()
				line := said.String()
				said.Reset()
				for _, part := range []string{"is a dead letter", " order=" + known + " ", what, "trace_id=" + trace} {
					if strings.Count(line, part) != 1 {
						t.Errorf("%q is not in one line of %q", part, line)
					}
				}
			}
			l := s.take(traced(recordOf(request(known, order.Detail)))).letters[0]
			wantSaid("no such thing")
			s.redrive(l)
			wantSaid("no such thing")
			if name == "aggregate" {
				s.take(traced(record{key: known, value: []byte("garbage")}))
				wantSaid("not a JSON object")
			}
		})
	}
}

func TestClip(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"no funds":                           "no funds",
		"a\xffb":                             "a\uFFFDb",
		strings.Repeat("x", maxReason):       strings.Repeat("x", maxReason),
		strings.Repeat("x", maxReason+1):     strings.Repeat("x", maxReason-3) + "…",
		strings.Repeat("€", maxReason):       strings.Repeat("€", 340) + "…",
		"a" + strings.Repeat("€", maxReason): "a" + strings.Repeat("€", 340) + "…",
	} {
		differ(t, fmt.Sprintf("%.20q", text), want, clip(text))
	}
	short := func(s string, times uint16) bool {
		c := clip(strings.Repeat(s, int(times)))
		return len(c) <= maxReason && utf8.ValidString(c)
	}
	if err := quick.Check(short, nil); err != nil {
		t.Error(err)
	}
}

func TestAPanicIsAnErrorThatTellsWhere(t *testing.T) {
	_, err := guarded(func() int { panic(errors.New("no")) })
	if err == nil || err.Error() != "panic: no" || !strings.Contains(reasonOf(fmt.Errorf("folding: %w", err)), "letter_test.go") {
		t.Errorf("%v, with the reason %.200q", err, reasonOf(err))
	}
	if n, err := guarded(func() int { return 7 }); n != 7 || err != nil {
		t.Errorf("gave %d, %v", n, err)
	}
}
