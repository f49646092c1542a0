package edge

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"simplecqrs/order"
)

// shown finds the row of the order that the path names, as the request wants it: of at
// least a version, which is waited for, or perhaps, if the client waits, with an event.
func (e *edge) shown(w http.ResponseWriter, r *http.Request) (row order.Row, err error) {
	id := mux.Vars(r)["id"]
	if err := orderID(id); err != nil {
		return row, err
	}
	q, err := parametersOf(r, "version", "until")
	if err != nil {
		return row, err
	}
	version, err := q.version()
	if err != nil {
		return row, err
	}
	until, sent := q["until"]
	if sent && until == "" {
		return row, fail(http.StatusBadRequest, "the parameter \"until\" is empty: want an event's type such as MAIL_COMPLETED")
	}
	wait, err := waitOf(r.Header)
	if err != nil {
		return row, err
	}
	preferred := wait > 0 && (version > 0 || sent)
	if version > 0 && wait == 0 {
		wait = queryTime
	}
	if version == 0 && !preferred {
		return e.find(r.Context(), id)
	}
	row, err = e.waitFor(r, id, wait, func(row order.Row) bool {
		return row.Meta.Version >= version && (!preferred || !sent || slices.Contains(row.Events(), order.Type(until)))
	})
	if err != nil {
		return row, err
	}
	if preferred {
		w.Header().Set("Preference-Applied", applied(wait))
	}
	switch there := row.ID != ""; {
	case !there && version > 0:
		return row, behind("there is no order %s yet, of which version %d is wanted: ask again later", id, version)
	case !there:
		return row, order.NoSuchOrder(id)
	case row.Meta.Version < version:
		return row, behind("there is version %d of order %s, and %d is wanted: ask again later", row.Meta.Version, id, version)
	}
	return row, nil
}

func behind(format string, args ...any) error {
	return &order.Error{Kind: order.Unavailable, Detail: fmt.Sprintf(format, args...)}
}

// version reads the parameter of that name; 0 without one.
func (p parameters) version() (int64, error) {
	text, sent := p["version"]
	if !sent {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != text {
		return 0, fail(http.StatusBadRequest, "the parameter \"version\" is %q: want a whole number from 1", text)
	}
	return n, nil
}

// waitFor gives the first row of an order for which until holds or, when the time is over
// or the server stops, the latest; the zero Row if there is none.
func (e *edge) waitFor(r *http.Request, id string, wait time.Duration, until func(order.Row) bool) (order.Row, error) {
	ctx, cancel := waiting(r, wait)
	defer cancel()
	row, err := e.Rows.Await(ctx, id, until)
	if over := ctx.Err(); over != nil && errors.Is(err, over) && r.Context().Err() == nil {
		err = nil
	}
	return row, err
}

// sendRow answers with something that an order's row is made to, unless the client has it.
func sendRow(w http.ResponseWriter, r *http.Request, row order.Row, made func() ([]byte, error)) error {
	h := w.Header()
	tag := tagOf(row)
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache") // to be kept, and asked about each time
	if status := row.Meta.Shown(); status != "" {
		h.Set("Order-Status", string(status))
	}
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body, err := made()
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "application/json", body)
	return nil
}

// matches reports whether the lists of a header If-None-Match have an entity tag, be it
// weak, or all.
func matches(lists []string, tag string) bool {
	for _, list := range lists {
		for _, one := range split(list, ',') {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
