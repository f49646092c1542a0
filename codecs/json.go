package codecs

import (
	"bytes"
	"cmp"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

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

// standardDepth is how deep the standard library lets values lie in each other.
const standardDepth = 10_000

// valid checks a JSON text. It says what the standard library says, and sooner; the tests
// hold it to that, as what comes behind it, of which some is made of unsafe code, takes
// the text for sound. It replaces what is not UTF-8: every decoder and store behind us
// would do that or refuse it, each in its way.
func valid(data []byte) ([]byte, error) {
	check := gjson.ValidBytes
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) > standardDepth {
		check = stdjson.Valid // the other goes as deep as it is led
	}
	if !check(data) {
		return nil, errNotJSON
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\ufffd"))
	}
	return data, nil
}

// member is one of a JSON object's, its value as it stands there.
type member struct{ name, raw string }

// members are a JSON object's, in its order. Of two with one name the latter counts, as
// the standard library has it.
type members []member

func membersOf(data []byte) (members, error) {
	data, err := valid(data)
	if err != nil {
		return nil, err
	}
	return membersIn(string(data))
}

// membersIn splits an object that stands in a text that was checked.
func membersIn(text string) (members, error) {
	object := gjson.Parse(text)
	if !object.IsObject() {
		return nil, errNotJSON
	}
	all := make(members, 0, 8)
	object.ForEach(func(name, value gjson.Result) bool {
		all = append(all, member{unquoted(name.Raw), value.Raw})
		return true
	})
	return all, nil
}

// unquoted is the text of a JSON string.
func unquoted(raw string) string {
	if !strings.Contains(raw, `\`) {
		return raw[1 : len(raw)-1]
	}
	var s string
	if err := stdjson.Unmarshal([]byte(raw), &s); err != nil {
		return "" // not reached: it was checked
	}
	return s
}

// find gives a member as it stands there; empty for none. It goes through all, which are
// a handful.
func (all members) find(name string) string {
	for _, one := range slices.Backward(all) {
		if one.name == name {
			return one.raw
		}
	}
	return ""
}

// optional gives a member, for which null is the same as none.
func (all members) optional(name string) string {
	if raw := all.find(name); raw != "null" {
		return raw
	}
	return ""
}

// text reads a member that must be a string.
func (all members) text(name string) (string, error) {
	switch raw := all.find(name); {
	case raw == "":
		return "", fmt.Errorf("member %q is missing", name)
	case raw[0] != '"':
		return "", fmt.Errorf("member %q: want a string", name)
	default:
		return strings.Clone(unquoted(raw)), nil // who keeps it is not to keep the whole text
	}
}

// compact copies a valid JSON value without its white space.
func compact(raw string) order.JSON {
	if !strings.ContainsAny(raw, " \t\r\n") {
		return order.JSON(raw)
	}
	var b bytes.Buffer
	b.Grow(len(raw))
	if err := stdjson.Compact(&b, []byte(raw)); err != nil {
		return null // not reached: it was checked
	}
	return b.Bytes()
}

// detailMember is the name that the seed gives to the output of its first step; any
// other step's is its own in lower case.
const detailMember = "detail"

// Member is the name under which a step's output stands in an event and a row.
func Member(s order.Step) string {
	if s == order.Detail {
		return detailMember
	}
	return strings.ToLower(string(s))
}

// StepOf is the inverse of Member. It reports false for a name that is no step's.
func StepOf(member string) (order.Step, bool) {
	if member == detailMember {
		return order.Detail, true
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
	steps := slices.AppendSeq(make([]order.Step, 0, len(outputs)), maps.Keys(outputs))
	slices.SortFunc(steps, func(a, b order.Step) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(string(a), string(b)))
	})
	return steps
}

// object writes a JSON object with its members in the order of the calls.
type object struct{ b []byte }

// objectOf begins one that will have about so many bytes.
func objectOf(size int) object { return object{make([]byte, 0, size)} }

// name begins a member.
func (o *object) name(name string) {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
	o.b = append(appendQuoted(o.b, name), ':')
}

func (o *object) raw(name string, value []byte) {
	o.name(name)
	if len(value) == 0 {
		value = null
	}
	o.b = append(o.b, value...)
}

func (o *object) text(name, value string) {
	o.name(name)
	o.b = appendQuoted(o.b, value)
}

func (o *object) bytes() []byte { return append(o.b, '}') }

// appendQuoted appends s as a JSON string.
func appendQuoted(b []byte, s string) []byte {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return r < 0x20 || r > 0x7e || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&'
	}) < 0
	if plain {
		return append(append(append(b, '"'), s...), '"')
	}
	quoted, err := stdjson.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("codecs: a string that is no JSON: %v", err)) // encoding/json takes any string
	}
	return append(b, quoted...)
}

// outputsObject is outputs as a JSON object under their member names.
func outputsObject(outputs map[order.Step]order.JSON) []byte {
	if len(outputs) == 0 {
		return []byte("{}")
	}
	var o object
	for _, s := range stepsInOrder(outputs) {
		o.raw(Member(s), outputs[s])
	}
	return o.bytes()
}

// outputs reads the members that are steps' outputs.
func (all members) outputs() map[order.Step]order.JSON {
	var outputs map[order.Step]order.JSON
	for _, one := range all {
		s, ok := StepOf(one.name)
		if !ok {
			continue
		}
		if outputs == nil {
			outputs = make(map[order.Step]order.JSON, 1)
		}
		outputs[s] = compact(one.raw)
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
