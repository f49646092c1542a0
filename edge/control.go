package edge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/telemetry"
)

const (
	// maxReason and maxActor bound what a command says, in characters, and maxKey its key.
	maxReason = 1000
	maxActor  = 200
	maxKey    = 255
)

// anyVerb is the part of a route that names a command.
var anyVerb = func() string {
	var verbs []string
	for _, c := range order.Commands() {
		verbs = append(verbs, string(c))
	}
	return "{verb:" + strings.Join(verbs, "|") + "}"
}()

// control gives a command to an order: POST /command/{id}/{verb}.
func (e *edge) control(w http.ResponseWriter, r *http.Request) error {
	asked, err := askingOf(w, r)
	if err != nil {
		return err
	}
	id := mux.Vars(r)["id"]
	if err := orderID(id); err != nil {
		return err
	}
	telemetry.About(r.Context(), id)
	c, err := commandIn(r, asked)
	if err != nil {
		return err
	}
	if c.versions, err = versionsOf(r.Header); err != nil {
		return err
	}
	row, err := e.find(r.Context(), id)
	if err != nil {
		return err
	}
	ctx, cancel := acting(r)
	defer cancel()
	given, err := e.give(ctx, row, c)
	if err != nil {
		return err
	}
	if c.key != "" && firstUnderKey(row, given) == "" {
		comparing, over := waiting(r, queryTime)
		defer over()
		if err := e.compared(comparing, id, given); err != nil {
			return err
		}
	}
	location := "/query/" + id
	if asked.wait > 0 {
		if row, seen := e.awaitRow(w, r, id, asked.wait, answers(given)); seen {
			if err := verdict(row, given); err != nil {
				return err
			}
			w.Header().Set("Content-Location", location)
			w.Header().Set("Order-Status", string(row.Meta.Shown()))
			send(w, http.StatusOK, "application/json", codecs.Answer(row))
			return nil
		}
	}
	w.Header().Set("Location", location)
	return sendJSON(w, http.StatusAccepted, struct {
		ID      string `json:"id"`
		Command string `json:"command"`
		Query   string `json:"_query"`
		History string `json:"_history"`
	}{id, given, e.base(r) + location, e.base(r) + location + "/history"})
}

// command is what a client asks of an order, or of several.
type command struct {
	verb    order.Command
	reason  string
	actor   string
	output  order.JSON
	startAt time.Time
	client  string // who asks, see asking
	key     string
	print   string // of what the request says, by which its copies are known from another's
	at      time.Time

	versions []string // of which the row is to be; see versionsOf
}

// commandIn reads a command. Its body may have further members, that are known to the caller.
func commandIn(r *http.Request, asked asking, further ...string) (c command, err error) {
	all := asked.all
	c.client, c.key = asked.client, asked.key
	c.verb, c.at = order.Command(mux.Vars(r)["verb"]), now()
	known := append([]string{"reason", "actor"}, further...)
	if c.verb == order.Skip {
		known = append(known, "output")
	}
	if c.verb == order.Schedule {
		known = append(known, memberStartAt)
	}
	if err := all.known(known...); err != nil {
		return c, err
	}
	if c.reason, err = all.text("reason", maxReason); err != nil {
		return c, err
	}
	if c.actor, err = all.text("actor", maxActor); err != nil {
		return c, err
	}
	c.actor = actorOf(r, c.actor)
	if c.output, err = all.value("output"); err != nil {
		return c, err
	}
	if string(c.output) == "null" { // as the log has it
		c.output = nil
	}
	startAt, sent, err := all.startAt(c.at)
	if err != nil {
		return c, err
	}
	if c.startAt = startAt; c.verb == order.Schedule && !sent {
		return c, fail(http.StatusBadRequest, "the body's member %q is missing: when is the order to begin?", memberStartAt)
	}
	c.print = fingerprint(all)
	if _, filtered := all["filter"]; filtered && c.key != "" {
		return c, fail(http.StatusBadRequest,
			"the header Idempotency-Key does not go with a filter, which finds other orders the next time: give the ids")
	}
	return c, nil
}

// event is the command as the log has it.
func (c command) event(id, orderID string) order.Event {
	return order.Event{
		OrderID: orderID, Type: c.verb.Type(), ID: id, Time: c.at, Source: source, Actor: c.actor,
		Reason: c.reason, Output: c.output, StartAt: c.startAt, Attempt: 1, Round: 1,
	}
}

// give writes a command to the log, unless it is known already that the order will not
// take it, and gives its id. The saga has the last word: the order may have moved since.
func (e *edge) give(ctx context.Context, row order.Row, c command) (id string, err error) {
	id = commandID(row.ID, c)
	if err := notAnother(row, id); err != nil {
		return "", err
	}
	if row.Holds(id) { // with a key: it was given before, and acts once
		return id, verdict(row, id)
	}
	refused := saga.Refuses(row.Meta.Status, row.Meta.Paused, c.verb)
	if refused == "" && row.StuckUndone() {
		refused = saga.RefusesUndone(c.verb, c.output != nil)
	}
	switch {
	case row.Meta.Status == "" || row.Meta.Status == order.StatusUnknown:
		return "", order.NoSuchOrder(row.ID)
	case refused != "":
		return "", &order.Error{Kind: order.Conflict, Detail: refused}
	}
	// RFC 9110, 13.2.1: a condition counts only for what would have gone well without it.
	if err := atVersion(row, c.versions); err != nil {
		return "", err
	}
	if err := e.Emit(ctx, c.event(id, row.ID)); err != nil {
		e.Health.Logger.ErrorContext(ctx, "the log has not acknowledged a command",
			slog.String("order", row.ID), slog.String("command", id), slog.Any("error", err))
		return "", &order.Error{
			Kind:   order.Unavailable,
			Detail: fmt.Sprintf("the log has not acknowledged command %s; it may still act", id),
		}
	}
	return id, nil
}

// firstUnderKey finds which of the commands that were given under one key an order takes:
// by the saga's verdict or, as long as there is none, the first in the log, as the saga
// will. Empty: none is in the row, or the command has no key.
func firstUnderKey(row order.Row, id string) string {
	shared, keyed := saga.UnderKey(id)
	if !keyed {
		return ""
	}
	first := ""
	for _, one := range row.Meta.History {
		if one.Causation == id {
			if another, told := strings.CutPrefix(one.Reason, saga.AnotherBody); told && one.Type == order.OrderCommandRejected {
				return another
			}
			return id
		}
		if under, ok := saga.UnderKey(one.ID); ok && under == shared && first == "" {
			first = one.ID
		}
	}
	return first
}

// notAnother refuses a command whose key the order knows from another.
func notAnother(row order.Row, id string) error {
	if first := firstUnderKey(row, id); first != "" && first != id {
		return fail(http.StatusUnprocessableEntity, saga.AnotherBody+"%s: send that body again, or this one with another key", first)
	}
	return nil
}

// compared waits for the row that has a command which was written with a key, to see that
// no other under that key was before it in the log.
func (e *edge) compared(ctx context.Context, orderID, id string) error {
	row, err := e.awaitRowOf(ctx, orderID, func(row order.Row) bool { return firstUnderKey(row, id) != "" })
	if err == nil {
		return notAnother(row, id)
	}
	if ctx.Err() == nil && order.KindOf(err) == 0 {
		e.Health.Logger.ErrorContext(ctx, "a command could not be waited for",
			slog.String("order", orderID), slog.String("command", id), slog.Any("error", err))
	}
	return &order.Error{
		Kind: order.Unavailable,
		Detail: fmt.Sprintf("command %s is in the log, and cannot be seen yet to be compared with what its %s was given "+
			"with before: send the same request again, which does no harm", id, headerKey),
	}
}

// answers reports whether the saga has answered a command: whatever comes of one, it
// says something that the command is the cause of.
func answers(id string) func(order.Row) bool {
	return func(row order.Row) bool {
		return slices.ContainsFunc(row.Meta.History, func(e order.Entry) bool { return e.Causation == id })
	}
}

// verdict says why the saga has rejected a command; nil if it has not.
func verdict(row order.Row, id string) error {
	for _, one := range row.Meta.History {
		if one.Causation == id && one.Type == order.OrderCommandRejected {
			return &order.Error{Kind: order.Conflict, Detail: one.Reason}
		}
	}
	return nil
}
