package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// queryTime bounds the wait for the read side.
const queryTime = 5 * time.Second

// orderID refuses what is no order's id.
func orderID(id string) error {
	if !order.ValidID(id) {
		return fail(http.StatusBadRequest, "%q is no order id: want ORD- and 26 characters of a ULID, or 5 hex digits, in capitals", id)
	}
	return nil
}

func (e *edge) find(ctx context.Context, id string) (row order.Row, err error) {
	err = reading(ctx, func(ctx context.Context) error {
		row, err = e.Rows.Get(ctx, id)
		return err
	})
	return row, err
}

// reading bounds what is asked of the read side.
func reading(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	err := ask(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return &order.Error{Kind: order.Unavailable, Detail: "the read side has not answered within " + queryTime.String()}
	}
	return err
}

// query shows an order in the seed's shape: GET /query/{id}.
func (e *edge) query(w http.ResponseWriter, r *http.Request) error {
	row, err := e.shown(w, r)
	if err != nil {
		return err
	}
	return sendRow(w, r, row, func() ([]byte, error) { return codecs.Answer(row), nil })
}

// history is what happened to an order, when and why.
type history struct {
	ID        string       `json:"id"`
	Status    order.Status `json:"status"` // as entries have it
	Version   int64        `json:"version"`
	CreatedAt time.Time    `json:"createdAt"`
	UpdatedAt time.Time    `json:"updatedAt"`
	StartAt   time.Time    `json:"startAt,omitzero"`
	Parked    string       `json:"parked,omitempty"`
	History   []entry      `json:"history"`
}

type entry struct {
	ID        string     `json:"id"`
	Type      order.Type `json:"type"`
	Time      time.Time  `json:"time"`
	Attempt   int        `json:"attempt"`
	Causation string     `json:"causation,omitempty"`
	Cause     *cause     `json:"cause,omitempty"`
	Actor     string     `json:"actor,omitempty"`
	Reason    string     `json:"reason,omitempty"`

	Before order.Status `json:"before"` // empty before the first event
	After  order.Status `json:"after"`
}

// cause is what led to an event: another event, a command, a timer of the saga, or a
// client by itself, which has no id.
type cause struct {
	ID   string     `json:"id,omitempty"`
	Kind string     `json:"kind"`
	Type order.Type `json:"type,omitempty"` // of an event that the history has, too
}

// causeOf explains an event's cause; nil if nobody has told of one.
func causeOf(row order.Row, e order.Entry) *cause {
	if e.Causation == "" {
		if _, command := e.Type.Command(); command || e.Type.Begins() {
			return &cause{Kind: "client"}
		}
		return nil
	}
	c := &cause{ID: e.Causation, Kind: "event"}
	for _, one := range row.Meta.History {
		if one.ID == e.Causation {
			c.Type = one.Type
		}
	}
	if _, command := c.Type.Command(); command {
		c.Kind = "command"
	}
	if strings.HasPrefix(e.Causation, strings.TrimSuffix(saga.TimerID(row.ID, 0), "0")) {
		c.Kind = "timer"
	}
	return c
}

// history shows what happened to an order: GET /query/{id}/history.
func (e *edge) history(w http.ResponseWriter, r *http.Request) error {
	row, err := e.shown(w, r)
	if err != nil {
		return err
	}
	return sendRow(w, r, row, func() ([]byte, error) { return historyOf(row) })
}

// historyOf gives the history of an order as JSON, on one line.
func historyOf(row order.Row) ([]byte, error) {
	m := row.Meta
	h := history{
		ID: row.ID, Status: m.Shown(), Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, StartAt: m.StartAt,
		Parked: m.Parked, History: make([]entry, len(m.History)),
	}
	var status order.Status
	for i, one := range m.History {
		h.History[i] = entry{
			ID: one.ID, Type: one.Type, Time: one.Time, Attempt: one.Attempt, Causation: one.Causation, Cause: causeOf(row, one),
			Actor: one.Actor, Reason: one.Reason, Before: status, After: cmp.Or(one.Status, status),
		}
		status = h.History[i].After
	}
	return json.Marshal(h)
}
