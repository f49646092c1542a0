package codecs

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
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
	Key       string
	Value     []byte // nil for a record without a value
	Headers   Headers
}

const letterPrefix = "deadletter_"

// ID names the letter: the role and the place, so that the same failure met
// again is the same letter.
func (l Letter) ID() string {
	return fmt.Sprintf("%s/%s/%d/%d", l.Role, l.Topic, l.Partition, l.Offset)
}

// HeadersOfLetter gives the headers under which a letter is written.
func HeadersOfLetter(l Letter) Headers {
	h := maps.Clone(l.Headers)
	if h == nil {
		h = Headers{}
	}
	written := l.Written
	if instants(&written) != nil { // a record's timestamp is any number, and the letter must be readable
		written = time.Time{}
	}
	for name, value := range map[string]string{
		"id": l.ID(), "role": l.Role, "reason": cut(l.Reason), "topic": l.Topic,
		"partition": strconv.Itoa(int(l.Partition)), "offset": strconv.FormatInt(l.Offset, 10),
		"written": written.Format(time.RFC3339Nano),
	} {
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
	l.Role, l.Reason, l.Topic = own["role"], own["reason"], own["topic"]
	l.Partition, l.Offset, l.Written = int32(partition), offset, written
	return l, nil
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
