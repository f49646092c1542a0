package edge

import (
	"encoding/json"
	"net/http"
)

// healthz says that the process lives: GET /healthz.
func healthz(w http.ResponseWriter, _ *http.Request) error {
	send(w, http.StatusOK, "application/json", []byte(`{"status":"alive"}`))
	return nil
}

// readyz says whether all parts of the process have caught up: GET /readyz.
func readyz(components func() []Component) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		answer := struct {
			Status     string      `json:"status"`
			Components []Component `json:"components"`
		}{"ready", components()}
		status := http.StatusOK
		for _, c := range answer.Components {
			if !c.Ready {
				answer.Status, status = "not ready", http.StatusServiceUnavailable
			}
		}
		body, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		send(w, status, "application/json", body)
		return nil
	}
}
