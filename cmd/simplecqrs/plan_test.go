package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const shippingFile = "../../docs/shipping.yaml"

// broken is a plan with two mistakes.
func broken(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "broken.yaml")
	check(t, os.WriteFile(file, []byte("version: 1\nsteps:\n- {name: ORDER}\n- {name: MAIL, participant: nobody}\n"), 0o600))
	return file
}

func TestPlanCheckPrintsThePlanWithAllThatTheFileLeavesOut(t *testing.T) {
	code, answer, log := simplecqrs(t, "plan", "check", shippingFile)
	const shipping = `  - name: SHIPPING
    participant: echo
    timeout: 5m
    retry: {attempts: 5, first: 1s, factor: 2, cap: 1m}
    compensation: {timeout: 5m, retry: {attempts: 10, first: 1s, factor: 2, cap: 5m}}
    onFailure: compensate
`
	if code != 0 || log != "" || !strings.HasPrefix(answer, "version: 2\ndeadline: 24h\nsteps:\n") || !strings.Contains(answer, shipping) {
		t.Errorf("exit code %d, log %s, answer:\n%s", code, log, answer)
	}
}

func TestMistakesInAPlanAreToldBeforeAnythingStarts(t *testing.T) {
	file := broken(t)
	for _, args := range [][]string{
		{"plan", "check", file},
		{"serve", "-plan", file, "-brokers", "127.0.0.1:1", "-listen", "127.0.0.1:0"},
	} {
		code, answer, log := simplecqrs(t, args...)
		want := "simplecqrs " + args[0] + ": " + file + ":3: step ORDER: participant is missing\n" +
			file + ":4: step MAIL: participant: want one of "
		if code != 1 || answer != "" || !strings.HasPrefix(log, want) {
			t.Errorf("%v: exit code %d, answer %q, log %s", args, code, answer, log)
		}
	}
}

func TestServePlaysTheRolesOfThePlan(t *testing.T) {
	s := startServe(t, "-plan", shippingFile, "-brokers", startBroker(t, 2), "-mongo", "mongodb://127.0.0.1:1", "-query", "local")
	s.log.said(t, "msg=serving roles=edge,order,payment,shipping,mail,saga,aggregate,sink ")
	s.log.said(t, "msg=ready")
	code, answer, log := simplecqrs(t, "topics", "list", "-url", s.url)
	for _, role := range []string{"order", "payment", "shipping", "mail", "saga", "aggregate"} {
		if code != 0 || !regexp.MustCompile(`(?m)^`+role+` +Stable +1 +0`).MatchString(answer) {
			t.Errorf("topics list: exit code %d, log %s, no role %s in\n%s", code, log, role, answer)
		}
	}
	if status, body := get(t, s.url+"/readyz"); status != http.StatusOK || !strings.Contains(body, `"name":"shipping"`) {
		t.Errorf("readyz answers %d %s", status, body)
	}
}
