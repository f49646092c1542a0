package edge

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"simplecqrs/order"
)

// Sources are an order as it lies where it is kept.
type Sources struct {
	Events   []Record          `json:"events"`   // of the log
	Row      json.RawMessage   `json:"row"`      // of the aggregate's table, as this process has it
	Document json.RawMessage   `json:"document"` // of the read store, as extended JSON
	Notes    map[string]string `json:"notes"`    // why a member is incomplete or null
}

// Record is a record of the log.
type Record struct {
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Time      time.Time         `json:"time"` // when it was written
	Headers   map[string]string `json:"headers"`
	Value     json.RawMessage   `json:"value"` // a string if it is no JSON
}

// JSON gives bytes as a JSON value: as they are, or else as a string.
func JSON(value []byte) json.RawMessage {
	if json.Valid(value) {
		return bytes.ToValidUTF8(value, []byte("\ufffd"))
	}
	text, err := json.Marshal(string(value))
	if err != nil {
		panic(err) // of a string, which cannot be
	}
	return text
}

const (
	// maxLooking bounds for how many clients the log is looked through at once; the
	// others wait.
	maxLooking = 2
	// lookTime bounds that, the wait included.
	lookTime = 10 * time.Second
)

// sources shows an order as it lies in the log, the table and the read store:
// GET /query/{id}/sources.
func (e *edge) sources(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	if err := orderID(id); err != nil {
		return err
	}
	ctx, cancel := waiting(r, lookTime)
	defer cancel()
	late := &order.Error{Kind: order.Unavailable, Detail: "the order's sources were not found within " + lookTime.String()}
	select {
	case e.looking <- struct{}{}:
		defer func() { <-e.looking }()
	case <-ctx.Done():
		return late
	}
	found, err := e.Sources(ctx, id)
	switch {
	case err != nil && ctx.Err() != nil && r.Context().Err() == nil:
		return late
	case err != nil:
		return err
	}
	return sendJSON(w, http.StatusOK, found)
}
