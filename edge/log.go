package edge

import (
	"log/slog"
	"net/http"
	"slices"
)

// logLevels are those that can be asked for.
var logLevels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// logLevel is how much is logged, by its name.
type logLevel struct {
	Level slog.Level `json:"level"`
}

// showLevel tells how much is logged: GET /monitor/log.
func showLevel(h Health) handler {
	return func(w http.ResponseWriter, _ *http.Request) error { return sendLevel(w, h) }
}

// setLevel changes how much is logged from now on: PUT /monitor/log.
func setLevel(h Health) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := bodyOf(w, r)
		if err != nil {
			return err
		}
		all, err := membersOf(body)
		if err != nil {
			return err
		}
		if err := all.known("level"); err != nil {
			return err
		}
		name, err := all.text("level", maxReason)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(logLevels, func(l slog.Level) bool { return l.String() == name })
		if i < 0 {
			return fail(http.StatusBadRequest, "the body's member \"level\" is no level: want DEBUG, INFO, WARN or ERROR")
		}
		was, asked := h.Level.Level(), logLevels[i]
		h.Level.Set(asked)
		// At a level that is logged by the one and the other.
		h.Logger.Log(r.Context(), max(was, asked, slog.LevelWarn), "the log level was changed",
			slog.String("from", was.String()), slog.String("to", asked.String()), slog.String("actor", subjectOf(r)))
		return sendLevel(w, h)
	}
}

func sendLevel(w http.ResponseWriter, h Health) error {
	return sendJSON(w, http.StatusOK, logLevel{h.Level.Level()})
}
