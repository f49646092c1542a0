package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
)

// topology tells how far all roles are, wherever they run: GET /query/stats/topology.
// The brokers are asked once in a while, however many watch.
func (e *edge) topology() handler {
	s := share(func(ctx context.Context) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, queryTime)
		defer cancel()
		answer, err := e.Topology(ctx)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(answer)
		return slices.Clip(body), err // several send it, each with a line's end
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := s.get(r.Context())
		if err != nil {
			return err
		}
		send(w, http.StatusOK, "application/json", body)
		return nil
	}
}
