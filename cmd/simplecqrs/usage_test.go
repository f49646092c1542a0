package main

import (
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestAMistakeInTheArgumentsIsToldBeforeAnythingStarts(t *testing.T) {
	// Nobody is there, so that whatever is started fails, and that is another code.
	nobody := []string{"-brokers", "127.0.0.1:1"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"brew"}, `simplecqrs: unknown command "brew"`},
		{[]string{"topics"}, "simplecqrs topics: say create, check or list"},
		{[]string{"topics", "delete"}, `simplecqrs topics: unexpected argument "delete"`},
		{[]string{"topics", "list", "store.order"}, `simplecqrs topics: unexpected argument "store.order"`},
		{[]string{"topics", "list", "-brokers", "127.0.0.1:1"}, "flag provided but not defined: -brokers"},
		{append([]string{"topics", "create", "-partitions", "0"}, nobody...), "flag -partitions: want a whole number from 1 to 10000"},
		{append([]string{"topics", "check", "-replication", "-1"}, nobody...), "flag -replication: want a whole number from 1 to 100"},
		{[]string{"topics", "check", "-brokers", "kafka"}, `flag -brokers: "kafka" is no address: want host:port`},
		{[]string{"topics", "check", "-brokers", ""}, `flag -brokers: "" is no address: want host:port`},
		{append([]string{"serve", "-roles", "edge,cook"}, nobody...), `flag -roles: "cook" is unknown; known are edge, order, payment, mail, saga, aggregate, sink`},
		{append([]string{"serve", "-roles", ""}, nobody...), `flag -roles: "" is unknown`},
		{append([]string{"serve", "-query", "nonsense"}, nobody...), `flag -query: "nonsense" is unknown; known are mongo, local`},
		{append([]string{"serve", "-listen", "8080"}, nobody...), `flag -listen: "8080" is no address: want host:port`},
		{append([]string{"serve", "-listen", ":http"}, nobody...), `flag -listen: ":http" is no address: want host:port`},
		{append([]string{"serve", "-mongo", "127.0.0.1:27017"}, nobody...), "flag -mongo: want mongodb://host:port/database"},
		{append([]string{"serve", "-roles", "shipping"}, nobody...), `flag -roles: "shipping" is unknown; known are edge, order, payment, mail, saga, aggregate, sink`},
		{append([]string{"serve", "-plan", "../../docs/shipping.yaml", "-roles", "cook"}, nobody...), `flag -roles: "cook" is unknown; known are edge, order, payment, shipping, mail, saga, aggregate, sink`},
		{append([]string{"serve", "-role", "edge"}, nobody...), "flag provided but not defined: -role"},
		{append([]string{"serve", "edge"}, nobody...), `unexpected argument "edge"`},
		{append([]string{"bench", "-n", "0"}, nobody...), "flag -n: want a whole number from 1 to 100000000"},
		{append([]string{"bench", "-rate", "-1"}, nobody...), "flag -rate: want a number, at least 0"},
		{append([]string{"bench", "-rate", "NaN"}, nobody...), "flag -rate: want a number, at least 0"},
		{append([]string{"bench", "-patience", "0s"}, nobody...), "-patience: want more than 0"},
		{[]string{"completion"}, "say which shell: bash, zsh, fish"},
		{[]string{"completion", "csh"}, "say which shell: bash, zsh, fish"},
		{[]string{"plan"}, "say check and a file"},
		{[]string{"plan", "check"}, "say check and a file"},
		{[]string{"plan", "check", "a.yaml", "b.yaml"}, `unexpected argument "b.yaml"`},
		{[]string{"healthcheck", "-url", "127.0.0.1:8080"}, "flag -url: want http://host:port/path"},
	} {
		code, answer, log := simplecqrs(t, c.args...)
		if code != 2 || answer != "" || !strings.Contains(log, c.want) || strings.Count(log, "\n") != 1 {
			t.Errorf("%q: exit code %d, answer %q, log %s", c.args, code, answer, log)
		}
		hint := regexp.MustCompile("; simplecqrs ([a-z ]*)-h tells").FindStringSubmatch(log)
		if hint == nil {
			t.Fatalf("%q: does not tell how to find out more: %s", c.args, log)
		}
		if code, _, log := simplecqrs(t, append(strings.Fields(hint[1]), "-h")...); code != 0 {
			t.Errorf("%q: what it says to find out more: exit code %d, log %s", c.args, code, log)
		}
	}
	if code, answer, log := simplecqrs(t); code != 2 || answer != "" || log != usage {
		t.Errorf("without arguments: exit code %d, answer %q, log %s", code, answer, log)
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-h"}, slices.Collect(maps.Keys(commands()))},
		{[]string{"help"}, slices.Collect(maps.Keys(commands()))},
		{[]string{"serve", "-h"}, []string{"-roles", "-plan", "-brokers", "-mongo", "-listen", "-data", "-query", "edge,order,payment,mail,saga,aggregate,sink"}},
		{[]string{"topics", "-h"}, []string{"create", "check", "list", "-brokers", "-partitions", "-replication"}},
		{[]string{"topics", "list", "-h"}, []string{"-url", "-token", "-o", "5 the edge is not there"}},
		{[]string{"topics", "create", "--help"}, []string{"-brokers", "-partitions", "-replication"}},
		{[]string{"bench", "-h"}, []string{"-brokers", "-mongo", "-n", "-rate", "burst"}},
		{[]string{"plan", "-h"}, []string{"plan check FILE", "line"}},
		{[]string{"plan", "check", "-h"}, []string{"plan check FILE", "line"}},
		{[]string{"completion", "-h"}, shells},
		{[]string{"healthcheck", "-h"}, []string{"-url"}},
	} {
		code, answer, log := simplecqrs(t, c.args...)
		if code != 0 || log != "" {
			t.Errorf("%q: exit code %d, log %s", c.args, code, log)
		}
		for _, want := range c.want {
			if !strings.Contains(answer, want) {
				t.Errorf("%q does not tell of %s:\n%s", c.args, want, answer)
			}
		}
	}
}

func TestTheVersionIsTold(t *testing.T) {
	code, answer, log := simplecqrs(t, "version")
	if words := strings.Fields(answer); code != 0 || len(words) != 3 || words[0] != "simplecqrs" || words[2] != runtime.Version() || log != "" {
		t.Errorf("exit code %d, answer %q, log %s", code, answer, log)
	}
}

func TestAMistakeInASecretDoesNotTellIt(t *testing.T) {
	for _, value := range []string{"mongo://bob:s3cret@h/db", `mongo://bob:"s3cret\"@h/db`, "mongo://bob:\ns3cret@h/db"} {
		for _, command := range []string{"serve", "bench"} {
			code, _, log := simplecqrs(t, command, "-mongo", value)
			if code != 2 || !strings.Contains(log, "flag -mongo: want mongodb://host:port/database") || strings.Contains(log, "s3cret") {
				t.Errorf("exit code %d, log %s", code, log)
			}
		}
	}
	t.Setenv("SIMPLECQRS_MONGO", "mongo://bob:s3cret@h/db")
	if code, _, log := simplecqrs(t, "serve"); code != 2 || strings.Contains(log, "s3cret") {
		t.Errorf("from the environment: exit code %d, log %s", code, log)
	}
}
