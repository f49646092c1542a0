package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/telemetry"
)

// emitTime bounds the wait for the log's acknowledgement.
const emitTime = 10 * time.Second

// deprecated is since when GET /command is (RFC 9745), in Unix seconds: since
// there is a POST.
const deprecated = "@1764547200"

// source is what the edge signs its events with.
const source = "edge"

// command accepts an order: POST /command.
func (e *edge) command(w http.ResponseWriter, r *http.Request) error {
	asked, err := askingOf(w, r)
	if err != nil {
		return err
	}
	at := now()
	p, err := e.placingIn(asked.all, at)
	if err != nil {
		return err
	}
	var id string
	if asked.key == "" {
		if !p.startAt.After(at) {
			p.startAt = time.Time{}
		}
		id = NewID()
		err = e.accept(w, r, saga.Begin(e.Definition, id, p.inputs, p.startAt, at, source))
	} else {
		id = orderIDOf(asked.client, asked.key)
		// One with a start time begins with the same event whether that has passed or not,
		// as it may have for a copy.
		begin := saga.Begin(e.Definition, id, p.inputs, p.startAt, at, source)
		begin.ID += payload(asked.all)
		err = e.acceptOnce(w, r, begin)
	}
	if err != nil {
		return err
	}
	if asked.wait > 0 {
		if row, seen := e.awaitRow(w, r, id, asked.wait, ended); seen {
			w.Header().Set("Content-Location", "/query/"+id)
			w.Header().Set("Order-Status", string(row.Meta.Shown())) // to whom may not query, too
			send(w, http.StatusOK, "application/json", codecs.Answer(row))
			return nil
		}
	}
	send(w, http.StatusAccepted, "application/json", e.acceptedAs(r, id))
	return nil
}

// commandByGet accepts an order as the seed did: GET /command.
func (e *edge) commandByGet(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Deprecation", deprecated)
	id := NewID()
	if err := e.accept(w, r, saga.Begin(e.Definition, id, nil, time.Time{}, now(), source)); err != nil {
		return err
	}
	send(w, http.StatusOK, "application/json", e.acceptedAs(r, id))
	return nil
}

// host is what a link can be made of: a name or an address, and perhaps a port.
var host = regexp.MustCompile(`^([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// admit refuses a command that a page of another site had a browser send, by an
// image, a link or a form; and one whose Host is none, as it is answered with a link.
func admit(r *http.Request) error {
	asked := *r
	asked.Method = http.MethodPost // a GET is let pass as one that changes nothing, and ours does
	if err := new(http.CrossOriginProtection).Check(&asked); err != nil {
		return fail(http.StatusForbidden, "a page of another site may not give commands")
	}
	if !host.MatchString(r.Host) {
		return fail(http.StatusBadRequest, "the header Host is %q: want a host, and a port if need be", r.Host)
	}
	return nil
}

// accept writes an order's first event to the log.
func (e *edge) accept(w http.ResponseWriter, r *http.Request, begin order.Event) error {
	ctx, cancel := acting(r)
	defer cancel()
	id := begin.OrderID
	begin.Actor = subjectOf(r)
	telemetry.About(ctx, id)
	if err := e.Emit(ctx, begin); err != nil {
		e.Health.Logger.ErrorContext(ctx, "the log has not acknowledged an order", slog.String("order", id), slog.Any("error", err))
		return &order.Error{
			Kind:   order.Unavailable,
			Detail: fmt.Sprintf("the log has not acknowledged order %s; it may still come to be", id),
		}
	}
	e.accepted.Inc()
	w.Header().Set("Location", "/query/"+id)
	return nil
}

// acceptOnce accepts an order whose id is derived from a key, unless it is there. What an
// order began with is known once its row is visible: of two that were written at the same
// time the saga takes the first in the log, and so does the row.
func (e *edge) acceptOnce(w http.ResponseWriter, r *http.Request, begin order.Event) error {
	row, err := e.find(r.Context(), begin.OrderID)
	if err != nil && order.KindOf(err) != order.NotFound {
		return err // nothing was written, so it may be tried again
	}
	if _, there := row.Began(); !there && row.Meta.Parked != "" { // another copy would wait as well
		return &order.Error{
			Kind: order.Unavailable,
			Detail: fmt.Sprintf("order %s is in the log, and its first event is a dead letter: redrive or discard that, and "+
				"send the same request again", begin.OrderID),
		}
	}
	if _, there := row.Began(); !there {
		if err := e.accept(w, r, begin); err != nil {
			return err
		}
		if row, err = e.visible(r, begin.OrderID); err != nil {
			return err
		}
	}
	if began, _ := row.Began(); began.ID != begin.ID {
		return fail(http.StatusUnprocessableEntity, "the %s was given before with another body, for order %s: "+
			"send that body again, or this one with another key", headerKey, begin.OrderID)
	}
	w.Header().Set("Location", "/query/"+begin.OrderID)
	return nil
}

// visible waits for the row of an order that was written to the log.
func (e *edge) visible(r *http.Request, id string) (order.Row, error) {
	ctx, cancel := waiting(r, queryTime)
	defer cancel()
	row, err := e.Rows.Await(ctx, id, func(row order.Row) bool { _, there := row.Began(); return there })
	switch {
	case err == nil || r.Context().Err() != nil:
		return row, err
	case ctx.Err() == nil && order.KindOf(err) == 0:
		e.Health.Logger.ErrorContext(ctx, "an order could not be waited for", slog.String("order", id), slog.Any("error", err))
	}
	return row, &order.Error{
		Kind: order.Unavailable,
		Detail: fmt.Sprintf("order %s is in the log, and cannot be seen yet to be compared with what its %s was given "+
			"with before: send the same request again, which does no harm", id, headerKey),
	}
}

// acting bounds the writing to the log. A client that goes away does not take its
// command back.
func acting(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), emitTime)
}

func ended(row order.Row) bool { return row.Meta.Status.Ended() }

// awaitRow waits for a row and reports whether it was seen. If it was not, for
// whatever reason, the command is accepted all the same.
func (e *edge) awaitRow(w http.ResponseWriter, r *http.Request, id string, wait time.Duration, until func(order.Row) bool) (order.Row, bool) {
	ctx, cancel := waiting(r, wait)
	defer cancel()
	row, err := e.Rows.Await(ctx, id, until)
	switch {
	case err == nil, errors.Is(ctx.Err(), context.DeadlineExceeded):
		w.Header().Set("Preference-Applied", applied(wait))
	case ctx.Err() == nil && order.KindOf(err) == 0:
		e.Health.Logger.ErrorContext(ctx, "an order could not be waited for", slog.String("order", id), slog.Any("error", err))
	}
	return row, err == nil
}

func applied(wait time.Duration) string { return "wait=" + strconv.Itoa(int(wait.Seconds())) }

// acceptedAs is the seed's answer to a command. Neither id nor base has anything that JSON
// would escape.
func (e *edge) acceptedAs(r *http.Request, id string) []byte {
	return fmt.Appendf(nil, `{"id": "%s", "_query": "%s/query/%[1]s"}`, id, e.base(r))
}

// base is what the links of an answer begin with.
func (e *edge) base(r *http.Request) string {
	switch {
	case e.PublicURL != "":
		return e.PublicURL
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
