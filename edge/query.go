package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

// queryTime bounds the wait for the read side.
const queryTime = 5 * time.Second

// row finds the row of the order that the path names.
func (e *edge) row(r *http.Request) (order.Row, error) {
	id := mux.Vars(r)["id"]
	if !order.ValidID(id) {
		return order.Row{}, fail(http.StatusBadRequest, "%q is no order id: want ORD- and 26 characters of a ULID, or 5 hex digits", id)
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTime)
	defer cancel()
	row, err := e.Rows.Get(ctx, id)
	if errors.Is(err, context.DeadlineExceeded) {
		return row, &order.Error{Kind: order.Unavailable, Detail: "the read side has not answered within " + queryTime.String()}
	}
	return row, err
}

// query shows an order in the seed's shape: GET /query/{id}.
func (e *edge) query(w http.ResponseWriter, r *http.Request) error {
	row, err := e.row(r)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "application/json", codecs.Answer(row))
	return nil
}

// history is what happened to an order, when and why.
type history struct {
	ID        string       `json:"id"`
	Status    order.Status `json:"status"` // as entries have it
	Version   int64        `json:"version"`
	CreatedAt time.Time    `json:"createdAt"`
	UpdatedAt time.Time    `json:"updatedAt"`
	Parked    string       `json:"parked,omitempty"`
	History   []entry      `json:"history"`
}

type entry struct {
	ID        string     `json:"id"`
	Type      order.Type `json:"type"`
	Time      time.Time  `json:"time"`
	Attempt   int        `json:"attempt"`
	Causation string     `json:"causation,omitempty"`
	Actor     string     `json:"actor,omitempty"`
	Reason    string     `json:"reason,omitempty"`

	Before order.Status `json:"before"` // empty before the first event
	After  order.Status `json:"after"`
}

// history shows what happened to an order: GET /query/{id}/history.
func (e *edge) history(w http.ResponseWriter, r *http.Request) error {
	row, err := e.row(r)
	if err != nil {
		return err
	}
	m := row.Meta
	h := history{
		ID: row.ID, Status: m.Shown(), Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
		Parked: m.Parked, History: make([]entry, len(m.History)),
	}
	var status order.Status
	for i, one := range m.History {
		h.History[i] = entry{
			ID: one.ID, Type: one.Type, Time: one.Time, Attempt: one.Attempt, Causation: one.Causation,
			Actor: one.Actor, Reason: one.Reason, Before: status, After: cmp.Or(one.Status, status),
		}
		status = h.History[i].After
	}
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	send(w, http.StatusOK, "application/json", body)
	return nil
}
