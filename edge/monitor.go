package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"simplecqrs/order"
)

// Monitor is what a process of any role shows of its processors, views and tables.
type Monitor struct {
	// Stats tells what they are doing, as JSON has it.
	Stats func(ctx context.Context) any
	// Entry looks a key up in this process's copy of a role's table; an *order.Error
	// if the role has none.
	Entry func(role, key string) (Entry, error)
}

// Entry is what a copy of a table has under a key.
type Entry struct {
	Topic     string
	Partition int32  // the one that the key belongs to
	Here      bool   // this process has it
	Recovered bool   // else the value may be one of before
	Value     []byte // nil: there is none
}

// watched has a process show itself.
func (r *router) watched(m Monitor) {
	if m.Stats == nil {
		return
	}
	r.handle("/monitor", monitorPage, http.MethodGet, http.MethodHead)
	r.handle("/monitor/stats", m.stats, http.MethodGet, http.MethodHead)
	r.handle("/monitor/table/{role}/{key:.+}", m.table, http.MethodGet, http.MethodHead)
}

// monitorPage shows the monitor to people: GET /monitor.
func monitorPage(w http.ResponseWriter, r *http.Request) error {
	return sendFile(w, r, "monitor.html")
}

// statsTime bounds the wait for goka's own account.
const statsTime = 5 * time.Second

// stats tells what the processors and views of the process are doing: GET /monitor/stats.
func (m Monitor) stats(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), statsTime)
	defer cancel()
	return sendJSON(w, http.StatusOK, m.Stats(ctx))
}

// entryAnswer is an Entry as JSON has it.
type entryAnswer struct {
	Role        string          `json:"role"`
	Topic       string          `json:"topic"`
	Partition   int32           `json:"partition"`
	Key         string          `json:"key"`
	Recovered   bool            `json:"recovered"`
	Value       json.RawMessage `json:"value,omitempty"`
	ValueBase64 []byte          `json:"valueBase64,omitzero"` // of a value that is no JSON
}

// table shows what the process's copy of a table has: GET /monitor/table/{role}/{key}.
func (m Monitor) table(w http.ResponseWriter, r *http.Request) error {
	role, key := mux.Vars(r)["role"], mux.Vars(r)["key"]
	e, err := m.Entry(role, key)
	if err != nil {
		return err
	}
	where := fmt.Sprintf("partition %d of %s", e.Partition, e.Topic)
	switch {
	case !e.Here:
		return &order.Error{Kind: order.NotFound, Detail: fmt.Sprintf(
			"%s would be in %s, which is not this process's: ask the one that has it; /query/stats/topology tells which", key, where)}
	case e.Value == nil && !e.Recovered:
		return &order.Error{Kind: order.Unavailable, Detail: where + " is still catching up, and has no value of " + key + " yet"}
	case e.Value == nil:
		return &order.Error{Kind: order.NotFound, Detail: where + " has no value of " + key}
	}
	answer := entryAnswer{Role: role, Topic: e.Topic, Partition: e.Partition, Key: key, Recovered: e.Recovered}
	if json.Valid(e.Value) {
		answer.Value = e.Value
	} else {
		answer.ValueBase64 = e.Value
	}
	return sendJSON(w, http.StatusOK, answer)
}
