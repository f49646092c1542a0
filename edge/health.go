package edge

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthz says that the process lives: GET /healthz.
func healthz(w http.ResponseWriter, _ *http.Request) error {
	send(w, http.StatusOK, "application/json", []byte(`{"status":"alive"}`))
	return nil
}

// readyz says whether all parts of the process have caught up, and to those who are
// known which: GET /readyz. Anybody may ask, so the parts are asked once in a while.
func readyz(d door, components func() []Component) handler {
	s := share(func(context.Context) ([]Component, error) { return components(), nil })
	return func(w http.ResponseWriter, r *http.Request) error {
		parts, err := s.get(r.Context())
		if err != nil {
			return err
		}
		answer := struct {
			Status     string      `json:"status"`
			Components []Component `json:"components,omitzero"`
		}{"ready", append([]Component{}, parts...)} // [] for none, not null
		status := http.StatusOK
		for _, c := range answer.Components {
			if !c.Ready {
				answer.Status, status = "not ready", http.StatusServiceUnavailable
			}
		}
		if strange(r) || d.Callers == nil && !d.ours(r.Host) { // a page's whose name leads here
			answer.Components = nil
		}
		return sendJSON(w, status, answer)
	}
}

// metrics tells what the process has counted: GET /metrics. What cannot be
// gathered is logged, and the rest is told.
func metrics(h Health) handler {
	gathered := promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{
		Registry:      h.Registry,
		ErrorLog:      slog.NewLogLogger(h.Logger.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError,
		// The format that has exemplars; a client that does not ask for it gets the other.
		EnableOpenMetrics: true,
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		gathered.ServeHTTP(w, r)
		return nil
	}
}
