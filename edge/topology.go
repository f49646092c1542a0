package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// topologyAge is how old an answer to a question about the topology may be. So the
// brokers are asked once in that time, however many watch.
const topologyAge = time.Second

// topology tells how far all roles are, wherever they run: GET /query/stats/topology.
func (e *edge) topology() handler {
	s := shared{ask: e.Topology, turn: make(chan struct{}, 1)}
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := s.get(r.Context())
		if err != nil {
			return err
		}
		send(w, http.StatusOK, "application/json", body)
		return nil
	}
}

// shared is an answer that those share who ask at about the same time. One of them
// asks, and the others wait for the answer, or for the failure.
type shared struct {
	ask  func(ctx context.Context) (any, error)
	turn chan struct{} // holds an entry for the one who has what follows

	asked time.Time
	body  []byte
	err   error
}

func (s *shared) get(ctx context.Context) ([]byte, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.turn }()
	if time.Since(s.asked) < topologyAge {
		return s.body, s.err
	}
	body, err := s.fresh(ctx)
	if ctx.Err() == nil { // else the next asks for itself
		s.asked, s.body, s.err = time.Now(), body, err
	}
	return body, err
}

func (s *shared) fresh(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	answer, err := s.ask(ctx)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(answer)
	return slices.Clip(body), err // several send it, each with a line's end
}
