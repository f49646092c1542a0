package main

import (
	"regexp"
	"strings"
	"testing"

	"simplecqrs/embedded"
)

func TestBenchPrintsAllFigures(t *testing.T) {
	store, err := embedded.StartStore("")
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	const (
		figures = `^orders +N
errors +0
orders/s +\d+
command → row in the view +p50 [\d.]+m?s +p99 [\d.]+m?s +max [\d.]+m?s
(STORE)CPU seconds an order +0\.\d{6}
$`
		storeFigures = `command → row in the read store +p50 [\d.]+m?s +p99 [\d.]+m?s +max [\d.]+m?s
`
	)
	for _, c := range []struct {
		name, n, store string
		args           []string
	}{
		{"a burst", "200", "", []string{"-rate", "0"}},
		{"at a rate", "200", "", []string{"-rate", "500"}},
		{"a burst, and a read store", "50", storeFigures, []string{"-mongo", store.URI()}},
		{"at a rate, and a read store", "20", storeFigures, []string{"-mongo", store.URI(), "-rate", "50"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			broker := startBroker(t, 0)
			code, answer, log := simplecqrs(t, append([]string{
				"bench", "-brokers", broker, "-partitions", "4", "-n", c.n, "-patience", "2m", "-data", t.TempDir(),
			}, c.args...)...)
			if code != 0 || log != "" {
				t.Errorf("exit code %d, log %s", code, log)
			}
			want := strings.NewReplacer("N\n", c.n+"\n", "STORE", c.store).Replace(figures)
			if !regexp.MustCompile(want).MatchString(answer) {
				t.Errorf("answer:\n%s\nwant:\n%s", answer, want)
			}
		})
	}
}

func TestBenchTakesTheTopicsThatAreThere(t *testing.T) {
	broker := startBroker(t, 2)
	if code, _, log := simplecqrs(t, "bench", "-brokers", broker, "-n", "1"); code != 0 {
		t.Errorf("exit code %d, log %s", code, log)
	}
}

func TestBenchFailsIfOrdersGoWrong(t *testing.T) {
	// No acknowledgement is that fast.
	code, answer, log := simplecqrs(t, "bench", "-brokers", startBroker(t, 2), "-n", "2", "-patience", "1ns")
	if code != 1 || !strings.Contains(answer, "2 not acknowledged") || !strings.Contains(log, "2 of 2 orders went wrong") {
		t.Errorf("exit code %d, answer %s, log %s", code, answer, log)
	}
}
