package codecs

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-json"

	"simplecqrs/order"
)

// Malformed is what a codec returns for bytes that it cannot read.
type Malformed struct {
	Raw []byte
	Err error
}

var (
	errNotJSON = errors.New("not a JSON object")
	null       = order.JSON("null")
)

// valid checks a JSON text by the standard library before the fast decoder, which
// is made of unsafe code, sees it. It replaces what is not UTF-8: every decoder and
// store behind us would do that or refuse it, each in its way.
func valid(data []byte) ([]byte, error) {
	if !stdjson.Valid(data) {
		return nil, errNotJSON
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd"))
	}
	return data, nil
}

// members splits a JSON object into its members.
func members(data []byte) (map[string]json.RawMessage, error) {
	data, err := valid(data)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil || all == nil {
		return nil, errNotJSON
	}
	return all, nil
}

// text reads a member that must be a string.
func text(all map[string]json.RawMessage, name string) (string, error) {
	raw, found := all[name]
	if !found {
		return "", fmt.Errorf("member %q is missing", name)
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", fmt.Errorf("member %q: want a string", name)
	}
	return *s, nil
}

// compact copies a valid JSON value without its white space.
func compact(raw []byte) order.JSON {
	var b bytes.Buffer
	b.Grow(len(raw))
	if err := stdjson.Compact(&b, raw); err != nil {
		return null // not reached: members has checked it
	}
	return b.Bytes()
}

// seedMembers are the names that the seed gives to the output of its steps; any
// other step's is its own in lower case.
var seedMembers = map[order.Step]string{order.Detail: "detail"}

// Member is the name under which a step's output stands in an event and a row.
func Member(s order.Step) string {
	if name, found := seedMembers[s]; found {
		return name
	}
	return strings.ToLower(string(s))
}

// StepOf is the inverse of Member. It reports false for a name that is no step's.
func StepOf(member string) (order.Step, bool) {
	for s, name := range seedMembers {
		if name == member {
			return s, true
		}
	}
	s := order.Step(strings.ToUpper(member))
	return s, order.ValidStep(string(s)) && Member(s) == member
}

// seedOrder is the order in which the seed shows its steps; others follow by name.
var seedOrder = []order.Step{order.Detail, order.Payment, order.Mail}

func stepsInOrder(outputs map[order.Step]order.JSON) []order.Step {
	rank := func(s order.Step) int {
		if i := slices.Index(seedOrder, s); i >= 0 {
			return i
		}
		return len(seedOrder)
	}
	return slices.SortedFunc(maps.Keys(outputs), func(a, b order.Step) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(string(a), string(b))
	})
}

// object writes a JSON object with its members in the order of the calls.
type object struct{ b []byte }

func (o *object) raw(name string, value []byte) {
	if o.b == nil {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
	o.b = append(append(o.b, quote(name)...), ':')
	if len(value) == 0 {
		value = null
	}
	o.b = append(o.b, value...)
}

func (o *object) text(name, value string) { o.raw(name, quote(value)) }

func (o *object) bytes() []byte { return append(o.b, '}') }

// quote is s as a JSON string.
func quote(s string) []byte {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return r < 0x20 || r > 0x7e || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&'
	}) < 0
	if plain {
		return append(append([]byte{'"'}, s...), '"')
	}
	b, err := stdjson.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("codecs: a string that is no JSON: %v", err)) // encoding/json takes any string
	}
	return b
}

// outputsObject is outputs as a JSON object under their member names.
func outputsObject(outputs map[order.Step]order.JSON) []byte {
	o := object{b: nil}
	for _, s := range stepsInOrder(outputs) {
		o.raw(Member(s), outputs[s])
	}
	if o.b == nil {
		return []byte("{}")
	}
	return o.bytes()
}

// outputsOf reads the members of all that are steps' outputs.
func outputsOf(all map[string]json.RawMessage) map[order.Step]order.JSON {
	var outputs map[order.Step]order.JSON
	for name, raw := range all {
		s, ok := StepOf(name)
		if !ok {
			continue
		}
		if outputs == nil {
			outputs = make(map[order.Step]order.JSON, 1)
		}
		outputs[s] = compact(raw)
	}
	return outputs
}

// instants turns times to UTC, as they are written. It complains of one that
// RFC 3339 cannot write.
func instants(times ...*time.Time) error {
	for _, t := range times {
		*t = t.UTC()
		if y := t.Year(); y < 0 || y > 9999 {
			return fmt.Errorf("the time is %v: want a year from 0 to 9999", *t)
		}
	}
	return nil
}

// some and orZero turn a time that may be none into a member that may be missing, and back.
func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
