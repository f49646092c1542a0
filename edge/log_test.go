package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/telemetry"
)

// leveled is a world whose log level can be set.
func leveled(t *testing.T) (*world, *slog.LevelVar) {
	w := newWorld(t)
	level := new(slog.LevelVar)
	h := w.health()
	h.Registry, h.Level = prometheus.NewRegistry(), level
	h.Logger = telemetry.Logger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})))
	w.handler = New(Config{Emit: w.Emit, Rows: w, Definition: saga.Default(), Health: h})
	w.handler.(*router).Use(described(t))
	return w, level
}

func (w *world) put(body string, headers ...string) answer {
	w.t.Helper()
	return w.serve(w.request(http.MethodPut, "/monitor/log", body, append(headers, "Content-Type", "application/json")...))
}

func TestTheLogLevelIsToldAndSet(t *testing.T) {
	w, level := leveled(t)
	w.do(http.MethodGet, "/monitor/log").want(t, http.StatusOK, `{"level":"INFO"}`+"\n")
	for _, step := range []struct {
		asked string
		want  slog.Level
	}{{"DEBUG", slog.LevelDebug}, {"ERROR", slog.LevelError}, {"WARN", slog.LevelWarn}} {
		was := len(w.log())
		w.put(`{"level":"`+step.asked+`"}`).want(t, http.StatusOK, `{"level":"`+step.want.String()+`"}`+"\n")
		w.do(http.MethodGet, "/monitor/log").want(t, http.StatusOK, `{"level":"`+step.want.String()+`"}`+"\n")
		if level.Level() != step.want {
			t.Errorf("%s: the level is %v", step.asked, level.Level())
		}
		if line := w.log()[was:]; !strings.Contains(line, "the log level was changed") || !strings.Contains(line, "to="+step.want.String()) {
			t.Errorf("%s: it is not logged, but %q", step.asked, line)
		}
	}
}

func TestWhoSetsTheLogLevelIsLogged(t *testing.T) {
	w := newLockedWorld(t)
	r := w.request(http.MethodPut, "/monitor/log", `{"level":"DEBUG"}`, append(holding("ann:"+ScopeAdmin), "Content-Type", "application/json")...)
	w.serve(r).want(t, http.StatusOK, `{"level":"DEBUG"}`+"\n")
	w.wantLogged("from=INFO to=DEBUG actor=ann")
}

func TestWhatIsNoLogLevelChangesNone(t *testing.T) {
	w, level := leveled(t)
	for body, want := range map[string]int{
		`{"level":"LOUD"}`: http.StatusBadRequest, `{"level":"INFO+2"}`: http.StatusBadRequest, `{"level":4}`: http.StatusBadRequest, `{"level":null}`: http.StatusBadRequest,
		`{}`: http.StatusBadRequest, ``: http.StatusBadRequest, `no JSON`: http.StatusBadRequest,
		`{"level":"DEBUG","for":"1h"}`: http.StatusBadRequest,
	} {
		if got := w.put(body); got.StatusCode != want || got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%q: %s %s", body, got.Status, got.body)
		}
	}
	if got := w.put(`{"level":"DEBUG"}`, "Sec-Fetch-Site", "cross-site"); got.StatusCode != http.StatusForbidden {
		t.Errorf("of a page of another site: %s", got.Status)
	}
	if level.Level() != slog.LevelInfo {
		t.Errorf("the level is %v", level.Level())
	}
}

func TestALevelThatIsNobodysToSetIsNotServed(t *testing.T) {
	w := newWorld(t)
	h := w.health()
	h.Registry, h.Level = prometheus.NewRegistry(), nil
	w.handler = NewHealth(h)
	if got := w.do(http.MethodGet, "/monitor/log"); got.StatusCode != http.StatusNotFound {
		t.Errorf("it is answered with %s", got.Status)
	}
}

func TestALineAboutAnOrderNamesItAndItsTrace(t *testing.T) {
	w, _ := leveled(t)
	w.emit = func(context.Context, order.Event) error { return errors.New("nobody answers") }
	w.post("", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	w.wantLogged("order=" + w.placed())
	w.wantLogged("trace_id=4bf92f3577b34da6a3ce929d0e0e4736")
}

func TestMetricsPointAtTracesForThoseWhoAskForThat(t *testing.T) {
	w, _ := leveled(t)
	w.post("", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	const example = `# {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"}`
	open := w.do(http.MethodGet, "/metrics", "Accept", "application/openmetrics-text; version=1.0.0")
	if !strings.Contains(open.body, example) || !strings.HasPrefix(open.Header.Get("Content-Type"), "application/openmetrics-text") {
		t.Errorf("OpenMetrics: %s %s", open.Header.Get("Content-Type"), open.body)
	}
	if plain := w.do(http.MethodGet, "/metrics"); strings.Contains(plain.body, example) || !strings.HasPrefix(plain.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("Prometheus' text: %s %s", plain.Header.Get("Content-Type"), plain.body)
	}
}
