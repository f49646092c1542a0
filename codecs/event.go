package codecs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"simplecqrs/order"
)

// Headers are the headers of a record; the type of goka's, without its name.
type Headers = map[string][]byte

// Event is the codec of store.order's values. It reads and writes the seed's
// JSON; [HeadersOf] and [Complete] do the rest of an event.
type Event struct{}

// Encode takes an order.Event.
func (Event) Encode(value any) ([]byte, error) {
	e, ok := value.(order.Event)
	if !ok {
		return nil, fmt.Errorf("codecs: %T is not an order.Event", value)
	}
	o := objectOf(512)
	o.text("id", e.OrderID)
	o.text("type", string(e.Type))
	for _, s := range stepsInOrder(e.Outputs) {
		o.raw(Member(s), e.Outputs[s])
	}
	if len(e.Inputs) > 0 {
		o.raw("inputs", outputsObject(e.Inputs))
	}
	if e.Output != nil {
		o.raw("output", e.Output)
	}
	if !e.StartAt.IsZero() {
		o.raw("startAt", e.StartAt.UTC().AppendFormat([]byte{'"'}, `2006-01-02T15:04:05.999999999Z07:00"`))
	}
	return o.bytes(), nil
}

// Decode gives an order.Event without what its headers say, or Malformed. The
// outputs are those of the steps' names; members that are no step's are skipped.
func (Event) Decode(data []byte) (any, error) {
	e, err := decodeEvent(data)
	if err != nil {
		return Malformed{Raw: data, Err: err}, nil
	}
	return e, nil
}

// MaxEvent is the size in bytes up to which an event's value is accepted, so that
// the row of an order, which holds the outputs of all its events, fits a record.
const MaxEvent = 256 << 10

func decodeEvent(data []byte) (order.Event, error) {
	if len(data) == 0 {
		return order.Event{}, errors.New("the value is empty")
	}
	if len(data) > MaxEvent {
		return order.Event{}, fmt.Errorf("the value has %d bytes; %d are allowed", len(data), MaxEvent)
	}
	all, err := membersOf(data)
	if err != nil {
		return order.Event{}, err
	}
	id, err := all.text("id")
	if err != nil {
		return order.Event{}, err
	}
	t, err := all.text("type")
	if err != nil {
		return order.Event{}, err
	}
	if t == "" || len(t) > maxType {
		return order.Event{}, fmt.Errorf("member \"type\": want 1 to %d bytes", maxType)
	}
	e := order.Event{OrderID: id, Type: order.Type(t)}
	if raw := all.optional("inputs"); raw != "" {
		inputs, err := membersIn(raw)
		if err != nil {
			return order.Event{}, fmt.Errorf("member \"inputs\": %w", err)
		}
		e.Inputs = inputs.outputs()
	}
	if raw := all.optional("output"); raw != "" {
		e.Output = compact(raw)
	}
	if all.find("startAt") != "" {
		at, err := all.text("startAt")
		if err != nil {
			return order.Event{}, err
		}
		if e.StartAt, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return order.Event{}, fmt.Errorf("member \"startAt\" is %q: want RFC 3339", at)
		}
		if err := instants(&e.StartAt); err != nil {
			return order.Event{}, err
		}
	}
	e.Outputs = all.outputs()
	return e, nil
}

// Names of headers. Those that begin with ce_ are CloudEvents attributes.
const (
	headerSpec      = "ce_specversion"
	headerID        = "ce_id"
	headerType      = "ce_type"
	headerSource    = "ce_source"
	headerTime      = "ce_time"
	headerSubject   = "ce_subject"
	headerContent   = "content-type"
	headerAttempt   = "attempt"
	headerCausation = "causation"
	headerReason    = "reason"
	headerOutcome   = "outcome"

	headerActor      = "actor"
	headerRound      = "round"
	headerDeadline   = "deadline"
	headerRetryable  = "retryable"
	headerRetryAfter = "retry-after"
	headerStatus     = "status"

	// HeaderMoved is on a record that was sent on from a partition that its key
	// does not belong to. It names that place.
	HeaderMoved = "moved"

	// maxHeader bounds what a header may add to a row's history, in bytes.
	maxHeader = 4 << 10
	// maxID bounds an event's id, and maxType what an id is derived from, so that
	// there is room for the ids that the saga derives from it.
	maxID   = 1 << 10
	maxType = 512
	// maxHeaders bounds all of a record's, so that it can be sent on.
	maxHeaders = 64 << 10
)

// TypeIn reads an event's type from the headers alone; empty where a producer
// sent none. The function gives the value of a header by its name.
func TypeIn(header func(name string) []byte) order.Type { return order.Type(header(headerType)) }

// SaidBySaga reports, by the headers alone, whether an event is the saga's word on where
// an order stands, which it need not hear.
func SaidBySaga(header func(name string) []byte) bool { return len(header(headerStatus)) > 0 }

// HeadersOf gives the headers of an event.
func HeadersOf(e order.Event) Headers {
	h := make(Headers, 12) // most have nine or ten
	h[headerSpec] = []byte("1.0")
	h[headerID] = []byte(e.ID)
	h[headerType] = []byte(e.Type)
	h[headerSource] = []byte(e.Source)
	h[headerTime] = e.Time.UTC().AppendFormat(nil, time.RFC3339Nano)
	h[headerSubject] = []byte(e.OrderID)
	h[headerContent] = []byte("application/json")
	h[headerAttempt] = strconv.AppendInt(nil, int64(e.Attempt), 10)
	if e.Causation != "" {
		h[headerCausation] = []byte(e.Causation)
	}
	if e.Reason != "" {
		h[headerReason] = []byte(cut(e.Reason))
	}
	if e.Outcome != "" {
		h[headerOutcome] = []byte(e.Outcome)
	}
	if e.Actor != "" {
		h[headerActor] = []byte(cut(e.Actor))
	}
	if e.Round > 1 {
		h[headerRound] = strconv.AppendInt(nil, int64(e.Round), 10)
	}
	if !e.Deadline.IsZero() {
		h[headerDeadline] = e.Deadline.UTC().AppendFormat(nil, time.RFC3339Nano)
	}
	if e.Retryable {
		h[headerRetryable] = []byte("true")
	}
	if e.RetryAfter > 0 {
		h[headerRetryAfter] = []byte(e.RetryAfter.String())
	}
	if e.Status != "" {
		h[headerStatus] = []byte(e.Status)
	}
	return h
}

// Complete adds to a decoded event what its record's headers say, and holds the
// two and the key against each other. An event without headers is the first
// attempt at what it says; it happened when its record was written.
func Complete(e order.Event, key string, headers Headers, written time.Time) (order.Event, error) {
	h := sent(headers)
	if key != e.OrderID {
		return e, fmt.Errorf("the key %q is not the id %q", key, e.OrderID)
	}
	if !order.ValidID(key) {
		return e, fmt.Errorf("the key %q is no order id", key)
	}
	total := 0
	for name, value := range h {
		if len(value) > maxHeader {
			return e, fmt.Errorf("header %q has %d bytes; %d are allowed", name, len(value), maxHeader)
		}
		if total += len(name) + len(value); total > maxHeaders {
			return e, fmt.Errorf("the headers have more than %d bytes", maxHeaders)
		}
	}
	if t, found := h[headerType]; found && order.Type(t) != e.Type {
		return e, fmt.Errorf("header %s says %q, the value %q", headerType, t, e.Type)
	}
	e.Attempt, e.Round, e.Time = 1, 1, written
	if err := h.count(headerAttempt, &e.Attempt); err != nil {
		return e, err
	}
	if err := h.count(headerRound, &e.Round); err != nil {
		return e, err
	}
	if err := h.time(headerTime, &e.Time); err != nil {
		return e, err
	}
	if err := h.time(headerDeadline, &e.Deadline); err != nil {
		return e, err
	}
	if after, found := h[headerRetryAfter]; found {
		d, err := time.ParseDuration(string(after))
		if err != nil || d < 0 {
			return e, fmt.Errorf("header %s is %q: want a duration such as 1.5s", headerRetryAfter, after)
		}
		e.RetryAfter = d
	}
	e.Retryable = string(h[headerRetryable]) == "true"
	for _, name := range []string{headerID, headerCausation} {
		// In a table it would be stored as another id, and known no more.
		if !utf8.Valid(h[name]) {
			return e, fmt.Errorf("header %s is %q: want UTF-8", name, h[name])
		}
	}
	e.ID = string(h[headerID])
	if e.ID == "" {
		e.ID = order.EventID(e.OrderID, e.Type, e.Attempt)
	}
	e.Source = string(h[headerSource])
	e.Causation = string(h[headerCausation])
	e.Reason = strings.ToValidUTF8(string(h[headerReason]), "\ufffd")
	e.Actor = strings.ToValidUTF8(string(h[headerActor]), "\ufffd")
	e.Outcome, e.Status = order.Status(h[headerOutcome]), order.Status(h[headerStatus])
	if len(e.ID) > maxID && e.Status == "" { // with a status it is the saga's, and derived
		return e, fmt.Errorf("header %s has %d bytes; %d are allowed", headerID, len(e.ID), maxID)
	}
	return e, nil
}

// sent are the headers of a record that is read.
type sent Headers

// count reads a header that must be a number from 1, if it is there.
func (h sent) count(name string, n *int) error {
	text, found := h[name]
	if !found {
		return nil
	}
	v, err := strconv.Atoi(string(text))
	if err != nil || v < 1 {
		return fmt.Errorf("header %s is %q: want a number from 1", name, text)
	}
	*n = v
	return nil
}

// time reads a header that must be a time, if it is there, and turns it to UTC.
func (h sent) time(name string, t *time.Time) (err error) {
	if text, found := h[name]; found {
		if *t, err = time.Parse(time.RFC3339Nano, string(text)); err != nil {
			return fmt.Errorf("header %s is %q: want RFC 3339", name, text)
		}
	}
	return instants(t)
}

// cut shortens a reason to what a header may hold, at a character's end.
func cut(reason string) string {
	if len(reason) <= maxHeader {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxHeader], "")
}

// Read makes an event of a record. The error says why it is none.
func Read(key string, value []byte, h Headers, written time.Time) (order.Event, error) {
	e, err := decodeEvent(value)
	if err != nil {
		return e, err
	}
	return Complete(e, key, h, written)
}
