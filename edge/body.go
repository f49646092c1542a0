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

// inputs reads what the client sent along for the steps; nil for no body.
func (e *edge) inputs(w http.ResponseWriter, r *http.Request) (map[order.Step]order.JSON, error) {
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
	return e.inputsOf(body)
}

func (e *edge) inputsOf(body []byte) (map[order.Step]order.JSON, error) {
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
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, fail(http.StatusBadRequest, "the body is no JSON object")
	}
	known := make(map[string]order.Step, len(e.Definition.Steps))
	var names []string
	for _, s := range e.Definition.Names() {
		known[codecs.Member(s)] = s
		names = append(names, codecs.Member(s))
	}
	inputs := make(map[order.Step]order.JSON, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		step, ok := known[name]
		if !ok {
			return nil, fail(http.StatusBadRequest, "the body's member %q is unknown; known are %s", name, strings.Join(names, ", "))
		}
		var b bytes.Buffer
		if err := json.Compact(&b, members[name]); err != nil {
			return nil, err
		}
		inputs[step] = b.Bytes()
	}
	return inputs, nil
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
