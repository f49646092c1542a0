package codecs

import (
	stdjson "encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

func TestAStepStandsUnderItsNameAndTheFirstUnderTheSeeds(t *testing.T) {
	for step, member := range map[order.Step]string{
		order.Detail: "detail", order.Payment: "payment", order.Mail: "mail", "SHIPPING": "shipping", "A1": "a1",
	} {
		if got := Member(step); got != member {
			t.Errorf("%s stands under %q, want %q", step, got, member)
		}
		if got, ok := StepOf(member); got != step || !ok {
			t.Errorf("under %q stands %q, %v, want %s", member, got, ok, step)
		}
	}
	for _, member := range []string{
		"", "order", "id", "type", "inputs", "events", "meta", "Mail", "MAIL", "best_mail", "1", "é",
		"ı", "ſ", "\u212a", // in capitals these are I, S and K, or look like it
	} {
		if step, ok := StepOf(member); ok {
			t.Errorf("under %q stands %s", member, step)
		}
	}
}

// The short way must not be taken for a character too many.
func TestTextIsQuotedAsTheStandardLibraryDoes(t *testing.T) {
	for r := range rune(0x3000) {
		s := "a" + string(r) + "b"
		want, err := stdjson.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendQuoted(nil, s)); got != string(want) {
			t.Errorf("%q is quoted as %s, want %s", s, got, want)
		}
	}
}

// The fast splitter is held against the standard decoder, which it must be a copy of.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"a":null," b " : [ {} , "\ud800" ] }`, `{"\u0069d":"x","":0,"\ud83d\ude00":-1.5e+9}`, "{\"\xff\":\"\xc3\"}",
		`{"a":[01]}`, `{"a":{"b":tru}}`, `{"a":[1 2]}`, `{"a":{"b" 1}}`, `{"a":[}]}`, `{"a":1.}`, `{"a":"\x"}`, "{\"a\":[\"\x01\"]}",
		`{"a":"\u2028<>&\\\"\/"}`, "{\"a\x00\":1}", `null`, `[]`, `{"a":tru}`, "\ufeff{}", "{}\x00", "{\"a\":1}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := membersOf(data)
		var want map[string]stdjson.RawMessage
		wantErr := stdjson.Unmarshal(data, &want)
		if (err != nil) != (wantErr != nil || want == nil) {
			t.Fatalf("%q: %v, and the standard library says %v", data, err, wantErr)
		}
		if err != nil {
			return
		}
		// What is no UTF-8 is replaced before, and not in a name alone.
		clean, _ := valid(data)
		want = nil
		if err := stdjson.Unmarshal(clean, &want); err != nil {
			t.Fatalf("%q cleaned to %q: %v", data, clean, err)
		}
		texts := map[string]string{}
		for _, one := range got {
			name := one.name
			texts[name] = string(compact(one.raw))
			if s, err := got.text(name); err == nil {
				var std string
				if err := stdjson.Unmarshal(want[name], &std); err != nil || s != std {
					t.Errorf("%q: %q is %q, and the standard library says %q, %v", data, name, s, std, err)
				}
			}
		}
		wantTexts := map[string]string{}
		for name, raw := range want {
			wantTexts[name] = string(compact(string(raw)))
		}
		if diff := cmp.Diff(wantTexts, texts); diff != "" {
			t.Errorf("%q (-standard +ours):\n%s", data, diff)
		}
	})
}

// Of all short texts of the characters that JSON is made of, alone and within others, the
// same are valid.
func TestTextIsValidIfTheStandardLibrarySaysSo(t *testing.T) {
	const alphabet = `{}[]",:-+.019abeEunltrfs\/` + " \t\r\n\x00\x7f\xc3"
	judge := func(text []byte) {
		if _, err := valid(text); (err == nil) != stdjson.Valid(text) {
			t.Errorf("%.99q: %v, and the standard library says %v", text, err, stdjson.Valid(text))
		}
	}
	for _, around := range []string{"?", "[1,?]", `{"a":?}`, `{"a"?`, `"\u?"`, `-?`, `1.?`, `1e?`, `"?"`, "[?", "t?e", "n?l", "f?e", `"\?"`, `{?:1}`} {
		before, after, _ := strings.Cut(around, "?")
		var fill func(middle []byte)
		fill = func(middle []byte) {
			judge(slices.Concat([]byte(before), middle, []byte(after)))
			if len(middle) < 3 {
				for _, c := range []byte(alphabet) {
					fill(append(middle, c))
				}
			}
		}
		fill(make([]byte, 0, 3))
	}
	for _, depth := range []int{standardDepth - 1, standardDepth, standardDepth + 1, 10 * standardDepth} {
		judge([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)))
		judge([]byte(strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)))
	}
}

// An event's id and type go into rows, which are kept, and its text must not with them.
func TestAnEventsIDKeepsNoneOfTheRestOfIt(t *testing.T) {
	const events, size = 200, 200 << 10
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	var kept []any
	for range events {
		value := []byte(`{"id":"ORD-00001","type":"A","mail":"` + strings.Repeat("x", size) + `"}`)
		e, err := decodeEvent(value)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, e.OrderID, e.Type)
	}
	if grown := heap() - before; grown > events*size/10 {
		t.Errorf("the ids and types of %d events of %d bytes keep %d bytes", events, size, grown)
	}
	runtime.KeepAlive(kept)
}
