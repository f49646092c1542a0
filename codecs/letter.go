package codecs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"simplecqrs/order"
)

// Letter is a record that could not be handled, with where it lay and why. On
// deadletter.order it keeps its own key, bytes and headers; the rest stands in
// headers of its own, whose names begin with deadletter_.
type Letter struct {
	Role      string // which role could not handle it
	Reason    string
	Topic     string
	Partition int32
	Offset    int64
	Written   time.Time // when the record was written, to the millisecond
	Tries     int       // how often the role has tried and failed; 0: it waits behind another
	Parked    bool      // it has its turn among the letters for which its order waits
	Key       string
	Value     []byte // nil for a record without a value
	Headers   Headers

	// Resolved is what became of it, on a record that follows the letter under the same
	// id and has none of its bytes: the letter is then closed, unless it stays. Reason,
	// Actor and Time say why, by whom and when.
	Resolved Resolution
	Actor    string
	Time     time.Time
}

// Resolution is what became of a letter.
type Resolution string

// The resolutions. A letter without one is open.
const (
	Redriven  Resolution = "redriven"
	Discarded Resolution = "discarded"
	Stays     Resolution = "stays" // it was to be discarded, could not be, and is as open as before
)

// NotOpen says that there is no such letter.
func NotOpen() error {
	return &order.Error{
		Kind: order.NotFound, Detail: "no dead letter of this id is open: it was redriven or discarded, or never was one",
	}
}

const letterPrefix = "deadletter_"

// Place is where the record lay.
func (l Letter) Place() string { return fmt.Sprintf("%s/%d/%d", l.Topic, l.Partition, l.Offset) }

// ID names the letter: the role and the place, so that the same failure met
// again is the same letter.
func (l Letter) ID() string { return l.Role + "/" + l.Place() }

// LetterNamed gives the role and the place that a letter's id names; false for what is
// no id.
func LetterNamed(id string) (l Letter, ok bool) {
	parts := strings.Split(id, "/")
	if len(parts) != 4 || parts[0] == "" || parts[1] == "" {
		return l, false
	}
	partition, err := strconv.ParseInt(parts[2], 10, 32)
	if err != nil {
		return l, false
	}
	offset, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return l, false
	}
	l = Letter{Role: parts[0], Topic: parts[1], Partition: int32(partition), Offset: offset}
	return l, l.ID() == id
}

// HeadersOfLetter gives the headers under which a letter is written.
func HeadersOfLetter(l Letter) Headers {
	h := maps.Clone(l.Headers)
	if h == nil {
		h = Headers{}
	}
	maps.DeleteFunc(h, func(name string, _ []byte) bool { return strings.HasPrefix(name, letterPrefix) }) // another's
	written := l.Written
	if instants(&written) != nil { // a record's timestamp is any number, and the letter must be readable
		written = time.Time{}
	}
	own := map[string]string{
		"id": l.ID(), "role": l.Role, "reason": cut(l.Reason), "topic": l.Topic,
		"partition": strconv.Itoa(int(l.Partition)), "offset": strconv.FormatInt(l.Offset, 10),
		"written": written.Format(time.RFC3339Nano), "tries": strconv.Itoa(l.Tries),
	}
	if l.Parked {
		own["parked"] = "true"
	}
	if l.Resolved != "" {
		own["resolved"], own["actor"] = string(l.Resolved), cut(l.Actor)
		own["time"] = l.Time.UTC().Format(time.RFC3339Nano)
	}
	for name, value := range own {
		h[letterPrefix+name] = []byte(value)
	}
	return h
}

// LetterOf reads a letter back from its record.
func LetterOf(key string, value []byte, headers Headers) (Letter, error) {
	l := Letter{Key: key, Value: value, Headers: Headers{}}
	own := map[string]string{}
	for name, v := range headers {
		if field, ours := strings.CutPrefix(name, letterPrefix); ours {
			own[field] = string(v)
		} else {
			l.Headers[name] = v
		}
	}
	partition, err := strconv.ParseInt(own["partition"], 10, 32)
	if err != nil {
		return l, fmt.Errorf("codecs: a letter's partition: %w", err)
	}
	offset, err := strconv.ParseInt(own["offset"], 10, 64)
	if err != nil {
		return l, fmt.Errorf("codecs: a letter's offset: %w", err)
	}
	written, err := time.Parse(time.RFC3339Nano, own["written"])
	if err != nil {
		return l, fmt.Errorf("codecs: a letter's time: %w", err)
	}
	l.Tries = 1 // what letters were before they could be redriven
	if tries, found := own["tries"]; found {
		if l.Tries, err = strconv.Atoi(tries); err != nil {
			return l, fmt.Errorf("codecs: a letter's tries: %w", err)
		}
	}
	l.Role, l.Reason, l.Topic = own["role"], own["reason"], own["topic"]
	l.Partition, l.Offset, l.Written, l.Parked = int32(partition), offset, written, own["parked"] == "true"
	if l.Resolved = Resolution(own["resolved"]); l.Resolved != "" {
		l.Actor = own["actor"]
		if l.Time, err = time.Parse(time.RFC3339Nano, own["time"]); err != nil {
			return l, fmt.Errorf("codecs: the time at which a letter was resolved: %w", err)
		}
	}
	return l, nil
}

// Redrive asks a role to handle a letter's record once more, or to let go of it. It is a
// record of store.order under the letter's key, with the letter's bytes and headers. The
// Reason of its letter is the operator's.
type Redrive struct {
	Letter
	Discard bool // then it has neither bytes nor the headers of the record
	Actor   string
}

const (
	// HeaderRedrive names the one role that a record of store.order is for. All others
	// pass over it, whatever else it has: to them it is either a copy of what they have
	// heard, or without a value.
	HeaderRedrive = "redrive"

	headerRedriveOf    = "redrive_of" // see sumOf
	headerDiscard      = "redrive_discard"
	headerRedriveActor = "redrive_actor"
)

// redriveHeaders are on no record but one that is for a role, or that somebody made of such
// a one.
var redriveHeaders = []string{HeaderRedrive, headerRedriveOf, headerDiscard, headerRedriveActor}

// sumOf binds a redrive's headers to its record. There are services that copy the headers
// of what they hear onto what they answer.
func sumOf(key string, value []byte) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s%s", len(key), key, value))
	return hex.EncodeToString(sum[:16])
}

// RedriveTo names the one role that a record of store.order is for; false for one that is
// for all, whatever headers it has.
func RedriveTo(key string, value []byte, headers Headers) (role string, ok bool) {
	to, ok := headers[HeaderRedrive]
	return string(to), ok && string(headers[headerRedriveOf]) == sumOf(key, value)
}

// The roles that keep the letters of an order in their turn. The first is also the one
// that answers for records which are nobody's, and lets go of those of roles that have no
// table.
const (
	RoleAggregate = "aggregate"
	RoleSaga      = "saga"
)

// to is the role that sees to it.
func (r Redrive) to() string {
	if r.Discard && r.Role != RoleSaga {
		return RoleAggregate
	}
	return r.Role
}

// HeadersOfRedrive gives the headers under which it is written.
func HeadersOfRedrive(r Redrive) Headers {
	l := r.Letter
	if r.Discard {
		l.Value, l.Headers = nil, nil
	}
	h := HeadersOfLetter(l)
	for _, name := range redriveHeaders {
		delete(h, name) // the letter's record may have been one
	}
	h[HeaderRedrive], h[headerRedriveOf] = []byte(r.to()), []byte(sumOf(l.Key, l.Value))
	if r.Discard {
		h[headerDiscard] = []byte("true")
	}
	if r.Actor != "" {
		h[headerRedriveActor] = []byte(cut(r.Actor))
	}
	return h
}

// RedriveOf reads a record back that is for a role.
func RedriveOf(key string, value []byte, headers Headers) (Redrive, error) {
	l, err := LetterOf(key, value, headers)
	r := Redrive{
		Letter: l, Discard: string(headers[headerDiscard]) == "true", Actor: string(headers[headerRedriveActor]),
	}
	for _, name := range redriveHeaders {
		delete(r.Headers, name)
	}
	switch to := string(headers[HeaderRedrive]); {
	case err != nil:
	case l.Role == "":
		err = errors.New("codecs: a letter without a role")
	case to != r.to():
		err = fmt.Errorf("codecs: %q is not the role that sees to a letter of %q", to, l.Role)
	}
	return r, err
}

// Redrivable says why no role would take the letter's record as it is, nor store.order
// perhaps; nil if one may.
func Redrivable(l Letter) error {
	headers := 0
	for name, value := range l.Headers {
		headers += len(name) + len(value)
	}
	if len(l.Key)+len(l.Value) > MaxEvent || headers > maxHeaders {
		return fmt.Errorf("it has %d bytes and %d in headers; %d and %d are all that a role takes",
			len(l.Key)+len(l.Value), headers, MaxEvent, maxHeaders)
	}
	return nil
}

// Bytes is the codec of values that pass through as they are.
type Bytes struct{}

// Encode takes a []byte.
func (Bytes) Encode(value any) ([]byte, error) {
	b, ok := value.([]byte)
	if !ok {
		return nil, fmt.Errorf("codecs: %T is not a []byte", value)
	}
	return b, nil
}

// Decode gives data.
func (Bytes) Decode(data []byte) (any, error) { return data, nil }
