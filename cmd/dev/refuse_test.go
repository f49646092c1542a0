package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runOnce runs the command to its end.
func runOnce(ctx context.Context, args ...string) (code int, answer, log string) {
	var a, l strings.Builder
	code = run(ctx, args, &a, &l)
	return code, a.String(), l.String()
}

func TestAMistakeInTheFlagsIsToldBeforeAnythingStarts(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-partitions", "0"}, `flag -partitions: want a whole number from 1 to 1000`},
		{[]string{"-partitions", "4294967297"}, `flag -partitions: want a whole number from 1 to 1000`},
		{[]string{"-query", "nonsense"}, `invalid value "nonsense" for flag -query: want mongo or local`},
		{[]string{"-listen", "8080"}, `invalid value "8080" for flag -listen: want host:port`},
		{[]string{"-listen", "127.0.0.1:70000"}, `flag -listen: want host:port`},
		{[]string{"-brokers", "127.0.0.1:9092"}, "flag provided but not defined: -brokers"},
		{[]string{"-once", "more"}, `unexpected argument "more"`},
	} {
		data := filepath.Join(t.TempDir(), "data")
		code, answer, log := runOnce(t.Context(), append([]string{"-data", data}, c.args...)...)
		if code != 2 || answer != "" || !strings.HasPrefix(log, "dev: ") || !strings.Contains(log, c.want+"\n\nusage: dev [flags]\n") {
			t.Errorf("%v: exit code %d, answer %q, log %s", c.args, code, answer, log)
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			t.Errorf("%v: something was started: %v", c.args, err)
		}
	}
}

func TestHelpTellsOfEachFlagAndIsNoMistake(t *testing.T) {
	code, answer, log := runOnce(t.Context(), "-h")
	if code != 0 || log != "" {
		t.Errorf("exit code %d, log %s", code, log)
	}
	for _, want := range []string{"-data", "-listen", "-once", "-partitions", "-plan", "-query", "127.0.0.1:8080"} {
		if !strings.Contains(answer, want) {
			t.Errorf("help does not tell of %s:\n%s", want, answer)
		}
	}
}

func TestAMistakeInThePlanIsToldBeforeAnythingStarts(t *testing.T) {
	dir := t.TempDir()
	data, plan := filepath.Join(dir, "data"), filepath.Join(dir, "plan.yaml")
	check(t, os.WriteFile(plan, []byte("version: 1\nsteps: []\n"), 0o600))
	code, answer, log := runOnce(t.Context(), "-data", data, "-plan", plan)
	if code != 1 || answer != "" || !strings.HasPrefix(log, "dev: "+plan+":2: the first step must be ORDER") {
		t.Errorf("exit code %d, answer %q, log %s", code, answer, log)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("something was started: %v", err)
	}
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { check(t, l.Close()) }()
	code, answer, log := runOnce(t.Context(), "-listen", l.Addr().String())
	if code != 1 || answer != "" || !strings.Contains(log, l.Addr().String()) || !strings.Contains(log, "-listen") {
		t.Errorf("exit code %d, answer %q, log %s", code, answer, log)
	}
}

func TestWhatAnybodyMayCommandIsNotServedBeyondLoopback(t *testing.T) {
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		data := filepath.Join(t.TempDir(), "data")
		code, answer, log := runOnce(t.Context(), "-once", "-data", data, "-listen", listen)
		if code != 1 || answer != "" || !strings.Contains(log, "-listen") || !strings.Contains(log, "-tokens") {
			t.Errorf("%s: exit code %d, answer %q, log %s", listen, code, answer, log)
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			t.Errorf("%s: something was started: %v", listen, err)
		}
	}
}

func TestDataIsOfOneProcessAlone(t *testing.T) {
	data := t.TempDir()
	release, err := settings{data: data}.own()
	check(t, err)
	code, answer, log := runOnce(t.Context(), "-listen", "127.0.0.1:0", "-once", "-data", data)
	if code != 1 || answer != "" || !strings.Contains(log, data) || !strings.Contains(log, "one process alone") {
		t.Errorf("exit code %d, answer %q, log %s", code, answer, log)
	}
	if found, err := os.ReadDir(data); err != nil || len(found) != 1 {
		t.Errorf("beside the lock there is %v, %v", found, err)
	}
	check(t, release())
	if code, _, log := runOnce(t.Context(), "-listen", "127.0.0.1:0", "-once", "-data", data); code != 0 {
		t.Errorf("exit code %d once the other has gone, log %s", code, log)
	}
}

func TestPartitionsOtherThanThoseOfTheDataAreRefused(t *testing.T) {
	data := t.TempDir()
	args := []string{"-listen", "127.0.0.1:0", "-once", "-data", data, "-partitions"}
	if code, _, log := runOnce(t.Context(), append(args, "2")...); code != 0 {
		t.Fatalf("exit code %d, log %s", code, log)
	}
	code, _, log := runOnce(t.Context(), append(args, "3")...)
	if code != 1 || !strings.Contains(log, "topic store.order: partitions is 2, wanted 3") || !strings.Contains(log, "leave -partitions out") {
		t.Errorf("exit code %d, log %s", code, log)
	}
}

func TestAnInterruptBeforeItServesIsNoFailureButWithOnce(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	for want, args := range [][]string{
		{"-listen", "127.0.0.1:0"},
		{"-listen", "127.0.0.1:0", "-once"}, // whoever asked for a row did not get it
	} {
		if code, answer, log := runOnce(ctx, args...); code != want || answer != "" {
			t.Errorf("%v: exit code %d, want %d; answer %q, log %s", args, code, want, answer, log)
		}
	}
}

func TestAFirstOrderThatIsStuckIsToldWithItsReason(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.yaml")
	check(t, os.WriteFile(plan, []byte("version: 1\nsteps:\n  - {name: ORDER, participant: echo}\n"+
		"  - {name: PAYMENT, participant: {http: {url: \"http://127.0.0.1:1/x\"}}, retry: {attempts: 1}, compensation: none, onFailure: stick}\n"+
		"  - {name: MAIL, participant: echo}\n"), 0o600))
	code, answer, log := runOnce(t.Context(), "-once", "-listen", "127.0.0.1:0", "-plan", plan)
	if code != 1 || !strings.Contains(answer, "ms  ORDER_STUCK: PAYMENT: ") || !strings.HasSuffix(log, " is stuck\n") {
		t.Errorf("exit code %d, answer %q, log %s", code, answer, log)
	}
}
