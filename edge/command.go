package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

const (
	// maxBody bounds a command's body, in bytes.
	maxBody = 64 << 10
	// emitTime bounds the wait for the log's acknowledgement.
	emitTime = 10 * time.Second
)

// deprecated is since when GET /command is (RFC 9745), in Unix seconds: since
// there is a POST.
const deprecated = "@1764547200"

// source is what the edge signs its events with.
const source = "edge"

// command accepts an order: POST /command.
func (e *edge) command(w http.ResponseWriter, r *http.Request) error {
	wait, err := waitOf(r.Header)
	if err != nil {
		return err
	}
	inputs, err := e.inputs(w, r)
	if err != nil {
		return err
	}
	id, err := e.accept(w, r, inputs)
	if err != nil {
		return err
	}
	if wait > 0 {
		applied(w, wait)
		ctx, cancel := waiting(r, wait)
		defer cancel()
		row, err := e.Rows.Await(ctx, id, func(row order.Row) bool { return row.Meta.Status.Ended() })
		if err == nil {
			w.Header().Set("Content-Location", "/query/"+id)
			send(w, http.StatusOK, "application/json", codecs.Answer(row))
			return nil
		}
		// The order is accepted, whatever kept its end from being seen.
	}
	send(w, http.StatusAccepted, "application/json", accepted(r, id))
	return nil
}

// commandByGet accepts an order as the seed did: GET /command.
func (e *edge) commandByGet(w http.ResponseWriter, r *http.Request) error {
	// A page of another site must not place orders with a mere image or link.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return fail(http.StatusForbidden, "a page of another site may not place orders")
	}
	if r.Method == http.MethodHead {
		return &failure{
			status: http.StatusMethodNotAllowed, detail: "HEAD changes nothing, and this would",
			header: http.Header{"Allow": {"GET, POST"}},
		}
	}
	w.Header().Set("Deprecation", deprecated)
	id, err := e.accept(w, r, nil)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "application/json", accepted(r, id))
	return nil
}

// accept writes the order's first event to the log.
func (e *edge) accept(w http.ResponseWriter, r *http.Request, inputs map[order.Step]order.JSON) (id string, err error) {
	id = NewID()
	// A client that goes away does not take its command back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), emitTime)
	defer cancel()
	if err := e.Emit(ctx, saga.Begin(e.Definition, id, inputs, now(), source)); err != nil {
		return "", errors.Join(err, &order.Error{
			Kind:   order.Unavailable,
			Detail: fmt.Sprintf("the log has not acknowledged order %s; it may still come to be", id),
		})
	}
	e.accepted.Inc()
	w.Header().Set("Location", "/query/"+id)
	return id, nil
}

// accepted is the seed's answer to a command.
func accepted(r *http.Request, id string) []byte {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	query := fmt.Sprintf("%s://%s/query/%s", scheme, r.Host, id)
	return fmt.Appendf(nil, `{"id": %q, "_query": %q}`, id, query)
}

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
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, fail(http.StatusUnsupportedMediaType, "the body is %q: want application/json", r.Header.Get("Content-Type"))
	}
	return e.inputsOf(body)
}

func (e *edge) inputsOf(body []byte) (map[order.Step]order.JSON, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, fail(http.StatusBadRequest, "the body is no JSON object")
	}
	known := make(map[string]order.Step, len(e.Definition.Steps))
	var names []string
	for _, s := range e.Definition.Steps {
		known[codecs.Member(s)] = s
		names = append(names, codecs.Member(s))
	}
	inputs := make(map[order.Step]order.JSON, len(members))
	for name, value := range members {
		step, ok := known[name]
		if !ok {
			return nil, fail(http.StatusBadRequest, "the body's member %q is unknown; known are %s", name, strings.Join(names, ", "))
		}
		var b bytes.Buffer
		if err := json.Compact(&b, value); err != nil {
			return nil, fail(http.StatusBadRequest, "the body's member %q is no JSON", name)
		}
		inputs[step] = b.Bytes()
	}
	return inputs, nil
}
