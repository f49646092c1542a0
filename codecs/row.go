package codecs

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/goccy/go-json"

	"simplecqrs/order"
)

// Row is the codec of view.order's values: the seed's shape and, under "meta",
// what it does not show.
type Row struct{}

type meta struct {
	Version   int64        `json:"version"`
	Status    order.Status `json:"status"`
	Paused    bool         `json:"paused,omitempty"`
	StartAt   *time.Time   `json:"startAt,omitempty"`
	CreatedAt time.Time    `json:"createdAt"`
	UpdatedAt time.Time    `json:"updatedAt"`
	Final     order.Step   `json:"final,omitempty"`
	Outcome   order.Status `json:"outcome,omitempty"`
	Parked    string       `json:"parked,omitempty"`
	Waiting   []string     `json:"waiting,omitempty"`
	Past      int64        `json:"past,omitempty"`
	History   []entry      `json:"history"`
}

type entry struct {
	ID        string     `json:"id"`
	Type      order.Type `json:"type"`
	Time      time.Time  `json:"time"`
	Attempt   int        `json:"attempt"`
	Causation string     `json:"causation,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Actor     string     `json:"actor,omitempty"`

	Status order.Status `json:"status,omitempty"`
}

// Encode takes an order.Row, or what it gave for one before, as Encoded.
func (Row) Encode(value any) ([]byte, error) {
	if done, ok := value.(Encoded); ok {
		return done, nil
	}
	r, ok := value.(order.Row)
	if !ok {
		return nil, fmt.Errorf("codecs: %T is not an order.Row", value)
	}
	m := meta{
		Version: r.Meta.Version, Status: r.Meta.Status, Paused: r.Meta.Paused, StartAt: some(r.Meta.StartAt),
		CreatedAt: r.Meta.CreatedAt, UpdatedAt: r.Meta.UpdatedAt,
		Final: r.Meta.Final, Outcome: r.Meta.Outcome, Parked: r.Meta.Parked, Waiting: r.Meta.Waiting, Past: r.Meta.Past,
		History: make([]entry, len(r.Meta.History)),
	}
	for i, e := range r.Meta.History {
		m.History[i] = entry(e)
	}
	encoded, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("codecs: row %s: %w", r.ID, err)
	}
	o := seedShape(r, len(encoded))
	o.raw("meta", encoded)
	return o.bytes(), nil
}

// RememberRow has a row that was encoded found again without reading its bytes, for as
// long as it is one of the latest. It must be made of what the codecs have read, which
// is what decoding it would give, and may not be changed any more.
func RememberRow(encoded Encoded, r order.Row) { recentRows.add(encoded, r) }

var recentRows = newRecent[order.Row]()

// Decode gives an order.Row, or Malformed.
func (Row) Decode(data []byte) (any, error) {
	if r, found := recentRows.find(data); found {
		return r, nil
	}
	r, err := decodeRow(data)
	if err != nil {
		return Malformed{Raw: data, Err: err}, nil
	}
	return r, nil
}

func decodeRow(data []byte) (order.Row, error) {
	all, err := membersOf(data)
	if err != nil {
		return order.Row{}, err
	}
	id, err := all.text("id")
	if err != nil {
		return order.Row{}, err
	}
	t, err := all.text("type")
	if err != nil {
		return order.Row{}, err
	}
	var m meta
	if err := json.Unmarshal([]byte(all.find("meta")), &m); err != nil {
		return order.Row{}, fmt.Errorf("member \"meta\": %w", err)
	}
	r := order.Row{
		ID: id, Type: order.Type(t), Outputs: all.outputs(),
		Meta: order.Meta{
			Version: m.Version, Status: m.Status, Paused: m.Paused, StartAt: orZero(m.StartAt),
			CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
			Final: m.Final, Outcome: m.Outcome, Parked: m.Parked, Waiting: m.Waiting, Past: m.Past,
			History: make([]order.Entry, len(m.History)),
		},
	}
	if err := instants(&r.Meta.CreatedAt, &r.Meta.UpdatedAt, &r.Meta.StartAt); err != nil {
		return order.Row{}, err
	}
	for i, e := range m.History {
		r.Meta.History[i] = order.Entry(e)
		if err := instants(&r.Meta.History[i].Time); err != nil {
			return order.Row{}, err
		}
	}
	return r, nil
}

// metaIn finds what follows on the first member's name in the member meta, which is a row's
// last; nil for what is no row. In a string the quotes would be escaped. It looks for what
// begins with a rare letter: for what begins with a comma it would take eight times as long.
func metaIn(row []byte) (meta []byte) {
	const before, first = `,"meta":{"`, `version":`
	for rest := row; ; {
		i := bytes.Index(rest, []byte(first))
		if i < 0 {
			return meta
		}
		rest = rest[i+len(first):]
		if bytes.HasSuffix(row[:len(row)-len(rest)-len(first)], []byte(before)) {
			meta = rest
		}
	}
}

// VersionOf gives the version of an encoded row without reading the rest of it; 0
// for what is none.
func VersionOf(row []byte) int64 { return leadingNumber(metaIn(row)) }

// StatusOf gives the status in an encoded row without reading the rest of it; empty
// for what is none.
func StatusOf(row []byte) order.Status {
	_, rest, _ := bytes.Cut(metaIn(row), []byte(`,"status":"`))
	return order.Status(untilQuote(rest))
}

// LastOf gives the type of the latest event in an encoded row's history, which is meta's
// last member, and whether it is the only one there, without reading the rest of it; empty
// for none. A type of ours is given as it is, a stranger's up to its first quote and
// with its escapes.
func LastOf(row []byte) (last order.Type, only bool) {
	before := []byte(`","type":"`)
	meta := metaIn(row)
	i := bytes.LastIndex(meta, before)
	if i < 0 {
		return "", false
	}
	return order.Type(untilQuote(meta[i+len(before):])), bytes.Index(meta, before) == i
}

func untilQuote(text []byte) []byte {
	text, _, _ = bytes.Cut(text, []byte{'"'})
	return text
}

// CreatedAtOf gives when an encoded row's order was placed, without reading the rest of
// it; false for what is none.
func CreatedAtOf(row []byte) (time.Time, bool) {
	text, found := createdAtIn(row)
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return at.UTC(), found && err == nil
}

// SameCreatedAt reports whether two encoded rows are of an order that was placed at the same
// time; false if one of them is none.
func SameCreatedAt(a, b []byte) bool {
	one, found := createdAtIn(a)
	other, also := createdAtIn(b)
	return found && also && bytes.Equal(one, other)
}

// createdAtIn finds the member in an encoded row, without its quotes.
func createdAtIn(row []byte) (text []byte, found bool) {
	_, rest, found := bytes.Cut(metaIn(row), []byte(`,"createdAt":"`))
	return untilQuote(rest), found
}

// leadingNumber is the number that ends with the member whose value it is; 0 for none.
func leadingNumber(text []byte) int64 {
	n, err := strconv.ParseInt(string(text[:max(bytes.IndexAny(text, ",}"), 0)]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Answer is a row in exactly the shape and member order that the seed shows.
func Answer(r order.Row) []byte {
	o := seedShape(r, 0)
	return o.bytes()
}

// seedShape begins a row's object, with room for so many bytes more.
func seedShape(r order.Row, room int) object {
	size := 512
	for _, output := range r.Outputs {
		size += len(output)
	}
	o := objectOf(size + room)
	o.text("id", r.ID)
	o.text("type", string(r.Type))
	for _, s := range stepsInOrder(r.Outputs) {
		o.raw(Member(s), r.Outputs[s])
	}
	o.name("events")
	o.b = append(o.b, '[')
	for i, t := range r.Events() {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = appendQuoted(o.b, string(t))
	}
	o.b = append(o.b, ']')
	return o
}

// Encoded is a table's value that its codec has encoded already; Encode gives it
// back as it is.
type Encoded []byte
