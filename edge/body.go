package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

const (
	// maxBody bounds a command's body, in bytes.
	maxBody = 64 << 10
	// maxDepth bounds how deep a body's objects and arrays may lie in each other.
	maxDepth = 32
)

// bodyOf reads the body of a command; nil for none.
func bodyOf(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, fail(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	case err != nil:
		return nil, fail(http.StatusBadRequest, "the body could not be read")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	contentType := r.Header.Get("Content-Type")
	if t, _, err := mime.ParseMediaType(contentType); err != nil || t != "application/json" {
		return nil, fail(http.StatusUnsupportedMediaType, "the body is %q: want application/json", contentType)
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" {
		return nil, fail(http.StatusUnsupportedMediaType, "the body is encoded with %q: want it as it is", coding)
	}
	return body, nil
}

// asking is what all requests that command have in common.
type asking struct {
	wait   time.Duration // for what comes of it
	client string        // who asks, as far as that has been proved; see subjectOf
	key    string        // the same for each copy of the same request; may be empty
	all    members       // of the body; nil for none
}

// askingOf reads a request that commands.
func askingOf(w http.ResponseWriter, r *http.Request) (a asking, err error) {
	if a.wait, err = waitOf(r.Header); err != nil {
		return a, err
	}
	if a.key, err = keyOf(r.Header); err != nil {
		return a, err
	}
	a.client = subjectOf(r)
	body, err := bodyOf(w, r)
	if err != nil {
		return a, err
	}
	a.all, err = membersOf(body)
	return a, err
}

// members are those of a JSON object.
type members map[string]json.RawMessage

// membersOf reads a body that means the same to all its readers; nil for none.
func membersOf(body []byte) (members, error) {
	if body == nil {
		return nil, nil
	}
	if !utf8.Valid(body) {
		return nil, fail(http.StatusBadRequest, "the body is not UTF-8")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fail(http.StatusBadRequest, "the body is no JSON: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // else a number beyond a float64 is an error
	if err := unambiguous(d, maxDepth); err != nil {
		return nil, err
	}
	var all members
	if err := json.Unmarshal(body, &all); err != nil || all == nil {
		return nil, fail(http.StatusBadRequest, "the body is no JSON object")
	}
	return all, nil
}

// known refuses members of other names.
func (m members) known(names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(names, name) {
			return fail(http.StatusBadRequest, "the body's member %q is unknown; known are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// text gives a member that is a string of at most so many characters; empty for none.
func (m members) text(name string, most int) (string, error) {
	raw, sent := m[name]
	if !sent {
		return "", nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", fail(http.StatusBadRequest, "the body's member %q is no string", name)
	}
	if n := utf8.RuneCountInString(*s); n > most {
		return "", fail(http.StatusBadRequest, "the body's member %q has %d characters; %d are allowed", name, n, most)
	}
	return *s, nil
}

// value gives a member as it is, without white space; nil for none.
func (m members) value(name string) (order.JSON, error) {
	raw, sent := m[name]
	if !sent {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// startAt gives the member of that name. A time that has passed is now.
func (m members) startAt(now time.Time) (at time.Time, sent bool, err error) {
	if _, sent := m[memberStartAt]; !sent {
		return at, false, nil
	}
	text, err := m.text(memberStartAt, maxText)
	if err != nil {
		return at, false, err
	}
	at, err = timeOf("the body's member \""+memberStartAt+"\"", text)
	if at.Before(now) {
		at = now
	}
	return at, true, err
}

const (
	memberStartAt = "startAt" // no step's input: their names have no capitals
	// maxText bounds texts that are to be parsed.
	maxText = 64
)

// timeOf reads a time that all of ours can tell of.
func timeOf(what, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if at = at.UTC(); err != nil || at.Year() < 0 || at.Year() > 9999 {
		return at, fail(http.StatusBadRequest, "%s is %q: want a time such as 2026-01-02T15:04:05Z", what, text)
	}
	return at, nil
}

// placing is what a client says of an order that it places.
type placing struct {
	inputs  map[order.Step]order.JSON // for the steps; nil for no body
	startAt time.Time                 // when it is to begin, not before now; zero if that is not said
}

// placingIn reads the body of a command that places an order.
func (e *edge) placingIn(all members, now time.Time) (p placing, err error) {
	if all == nil {
		return p, nil
	}
	steps := e.Definition.Names()
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = codecs.Member(s)
	}
	if err := all.known(append(names, memberStartAt)...); err != nil {
		return p, err
	}
	p.inputs = make(map[order.Step]order.JSON, len(all))
	for i, s := range steps {
		input, err := all.value(names[i])
		if err != nil {
			return p, err
		}
		if input != nil {
			p.inputs[s] = input
		}
	}
	p.startAt, _, err = all.startAt(now)
	return p, err
}

// unambiguous reads a value and refuses what is JSON by its grammar, but which
// readers take differently or not at all: a member that stands twice, and values
// nested deeper than depth.
func unambiguous(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	opening, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth == 0 {
		return fail(http.StatusBadRequest, "the body is nested deeper than %d levels", maxDepth)
	}
	seen := map[json.Token]bool{}
	for d.More() {
		if opening == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			if seen[name] {
				return fail(http.StatusBadRequest, "the body's member %q stands twice", name)
			}
			seen[name] = true
		}
		if err := unambiguous(d, depth-1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing one
	return err
}
