package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheckTellsByItsExitCode(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asks at %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, err := w.Write([]byte("payment is starting"))
		check(t, err)
	}))
	for _, c := range []struct {
		status, code int
		log          string
	}{
		{http.StatusOK, 0, ""},
		{http.StatusServiceUnavailable, 1, "payment is starting"},
		{http.StatusNotFound, 1, "404"},
	} {
		status = c.status
		code, answer, log := simplecqrs(t, "healthcheck", "-url", s.URL+"/readyz")
		if code != c.code || answer != "" || !strings.Contains(log, c.log) {
			t.Errorf("%d: exit code %d, answer %q, log %s", c.status, code, answer, log)
		}
	}
	status = http.StatusOK
	t.Setenv("SIMPLECQRS_URL", s.URL) // as the other commands are told
	if code, _, log := simplecqrs(t, "healthcheck"); code != 0 {
		t.Errorf("no path: exit code %d, log %s", code, log)
	}
	s.Close()
	if code, _, log := simplecqrs(t, "healthcheck", "-url", s.URL+"/readyz"); code != 1 || !strings.Contains(log, "refused") {
		t.Errorf("nobody there: exit code %d, log %s", code, log)
	}
}
