package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachWayToFailHasAnExitCode(t *testing.T) {
	for status, want := range map[int]int{
		400: 2, 401: 6, 403: 6, 404: 3, 405: 1, 409: 4, 422: 4, 429: 5, 500: 1, 502: 5, 503: 5, 504: 5,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"detail":"so it is"}`)
		}))
		for _, args := range [][]string{{"order", "get", "ORD-00001"}, {"order", "watch"}, {"order", "place", "-n", "2"}, {"deadletters", "list"}, {"topics", "list"}} {
			if code, _, log := simplecqrs(t, append(args, "-url", s.URL)...); code != want || !strings.Contains(log, "so it is") {
				t.Errorf("%d, %q: exit code %d, log %s", status, args, code, log)
			}
		}
		s.Close()
	}
}

func TestARequestThatWasOneTooManyIsSentAgainWhenItsTurnHasCome(t *testing.T) {
	for _, c := range []struct {
		turn string
		code int
		asks int
	}{{"1", 0, 2}, {"16", 5, 1}, {"1000000000000", 5, 1}, {"-1", 5, 1}, {"", 5, 1}, {"Mon, 30 Nov 2026 08:00:00 GMT", 5, 1}} {
		asks := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			check(t, err)
			if asks++; asks == 1 || string(body) != `{"mail":1}` || r.Header.Get("Idempotency-Key") != `"k"` {
				w.Header().Set("Retry-After", c.turn)
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = io.WriteString(w, `{"detail":"too many"}`)
				return
			}
			_, _ = io.WriteString(w, `{"id":"ORD-00001"}`)
		}))
		code, answer, log := simplecqrs(t, "order", "place", "-o", "json", "-key", "k", "-inputs", `{"mail":1}`, "-url", s.URL)
		s.Close()
		if code != c.code || asks != c.asks || strings.Contains(answer, "too many") != (c.code == 5) {
			t.Errorf("Retry-After: %s: exit code %d, asked %d times, answer %s, log %s", c.turn, code, asks, answer, log)
		}
	}
}

// doorkeeper is an edge that lets nobody in, and tells what it was shown.
func doorkeeper(start func(http.Handler) *httptest.Server) (*httptest.Server, <-chan string) {
	shown := make(chan string, 1)
	return start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized)
	})), shown
}

func TestATokenIsTakenFromAFlagTheEnvironmentOrAFile(t *testing.T) {
	s, shown := doorkeeper(httptest.NewServer)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "token")
	check(t, os.WriteFile(file, []byte("from-file\n"), 0o600))
	for _, c := range []struct {
		args     []string
		variable string
		want     string
	}{
		{nil, "", ""},
		{[]string{"-token", "from-flag"}, "", "Bearer from-flag"},
		{nil, "from-env", "Bearer from-env"},
		{[]string{"-token", "from-flag"}, "from-env", "Bearer from-flag"},
		{[]string{"-token-file", file}, "", "Bearer from-file"},
	} {
		t.Setenv("SIMPLECQRS_TOKEN", c.variable)
		for _, what := range []string{"list", "watch"} {
			if code, _, log := simplecqrs(t, append([]string{"order", what, "-url", s.URL}, c.args...)...); code != 6 {
				t.Errorf("%q: exit code %d, log %s", c.args, code, log)
			}
			if got := <-shown; got != c.want {
				t.Errorf("%q, %s: shows %q", c.args, c.variable, got)
			}
		}
	}
}

func TestAnEdgeIsTrustedByTheCertificatesThatAreNamed(t *testing.T) {
	s, shown := doorkeeper(httptest.NewTLSServer)
	defer s.Close()
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the handshake that fails
	file := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	if code, _, log := simplecqrs(t, "order", "list", "-url", s.URL, "-cacert", file, "-token", "x"); code != 6 {
		t.Errorf("exit code %d, log %s", code, log)
	} else if got := <-shown; got != "Bearer x" {
		t.Errorf("shows %q", got)
	}
	if code, _, log := simplecqrs(t, "order", "list", "-url", s.URL, "-token", "x"); code != 5 || !strings.Contains(log, "certificate") {
		t.Errorf("a stranger: exit code %d, log %s", code, log)
	}
}

func TestSecretsThatCannotBeReadAreAMistakeInTheArguments(t *testing.T) {
	empty := settingsFile(t, "")
	for want, args := range map[string][]string{
		"-token and -token-file do not go together": {"-token", "x", "-token-file", empty},
		"-token-file: open none":                    {"-token-file", "none"},
		"-cacert: open none":                        {"-cacert", "none"},
		"there is no certificate in it":             {"-cacert", empty},
	} {
		code, _, log := simplecqrs(t, append([]string{"order", "list", "-url", "http://127.0.0.1:1"}, args...)...)
		if code != 2 || !strings.Contains(log, want) {
			t.Errorf("%q: exit code %d, log %s", args, code, log)
		}
	}
}
