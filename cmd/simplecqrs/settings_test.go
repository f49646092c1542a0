package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// settingsFile writes a file for -config.
func settingsFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	check(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestAFlagGoesBeforeTheEnvironmentAndThatBeforeTheFile(t *testing.T) {
	file := settingsFile(t, "# of all commands\nbrokers: [k1:9092, k2:9092]\npartitions: 3\nmongo: mongodb://m1/db\nreplication: 2\n")
	t.Setenv("SIMPLECQRS_CONFIG", file)
	t.Setenv("SIMPLECQRS_PARTITIONS", "4")
	t.Setenv("SIMPLECQRS_REPLICATION", "") // as a template may leave it
	f := flagsOf("topics", "create")
	rest, err := parseMixed(f, nil, output{})
	check(t, err)
	if len(rest) > 0 {
		t.Errorf("arguments %q", rest)
	}
	for name, want := range map[string]string{"brokers": "k1:9092,k2:9092", "partitions": "4", "replication": "2"} {
		if got := f.Lookup(name).Value.String(); got != want {
			t.Errorf("-%s is %s, want %s", name, got, want)
		}
	}
	f = flagsOf("topics", "create")
	if _, err := parseMixed(f, []string{"-partitions", "5"}, output{}); err != nil || f.Lookup("partitions").Value.String() != "5" {
		t.Errorf("-partitions is %s, error %v", f.Lookup("partitions").Value, err)
	}
}

func TestAValueThatIsWrongIsToldWithWhereItIsFrom(t *testing.T) {
	for _, c := range []struct{ variable, file, want string }{
		{"0", "", "SIMPLECQRS_PARTITIONS: want a whole number from 1 to 10000"},
		{"", "brokers: k1:9092\npartitions: 0", ":2: partitions: want a whole number from 1 to 10000"},
		{"", "brokers:\n- k1", `:1: brokers: "k1" is no address: want host:port`},
		{"", "brokers:\n- [k1]", ":1: brokers: want a list of plain values"},
		{"", "brokers:\n- a:1,b:2", ":1: brokers: want a list of plain values"},
		{"", "partition: 3", `:1: no command has a flag "partition"`},
		{"", "partitions: 3\npartitions: 4", ":2: partitions: it may not stand here, or not twice"},
		{"", "config: other.yaml", ":1: config: it may not stand here"},
		{"", "partitions:", ":1: partitions: want a value"},
		{"", "partitions: {a: 3}", ":1: partitions: want a value"},
		{"", "- partitions", ":1: want lines of flag: value"},
		{"", "a: b: c", "mapping values are not allowed"},
	} {
		t.Setenv("SIMPLECQRS_PARTITIONS", c.variable)
		code, _, log := simplecqrs(t, "topics", "check", "-brokers", "127.0.0.1:1", "-config", settingsFile(t, c.file))
		if strings.HasPrefix(c.file, "brokers:\n") {
			code, _, log = simplecqrs(t, "topics", "check", "-config", settingsFile(t, c.file))
		}
		if code != 2 || !strings.Contains(log, c.want) || c.file != "" && !strings.Contains(log, "settings.yaml") {
			t.Errorf("%q, %q: exit code %d, log %s", c.variable, c.file, code, log)
		}
	}
	if code, _, log := simplecqrs(t, "topics", "check", "-config", "none.yaml"); code != 2 || !strings.Contains(log, "-config: open none.yaml") {
		t.Errorf("no file: exit code %d, log %s", code, log)
	}
}

func TestAFileThatSaysNothingIsNoMistake(t *testing.T) {
	for _, text := range []string{"", "# later\n", "{}\n"} {
		f := flagsOf("topics", "check")
		if _, err := parseMixed(f, []string{"-config", settingsFile(t, text)}, output{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestHelpNamesTheVariableOfEachFlag(t *testing.T) {
	for _, path := range commandPaths() {
		_, answer, _ := simplecqrs(t, append(path, "-h")...)
		for name := range everyFlag() {
			if f := flagsOf(path...); f.Lookup(name) != nil && settable(f, name) && strings.Count(answer, "["+variable(name)+"]") != 1 {
				t.Errorf("%q does not tell of %s once:\n%s", path, variable(name), answer)
			}
		}
	}
}

func TestWhatIsMeantAndDoneIsSaidOnTheCommandLineAlone(t *testing.T) {
	s := openShop(t, rowWith("ORD-00001", ""))
	t.Setenv("SIMPLECQRS_STATUS", "running")
	t.Setenv("SIMPLECQRS_N", "7")
	t.Setenv("SIMPLECQRS_WAIT", "60s")
	t.Setenv("SIMPLECQRS_ROLE", "saga")
	for _, args := range [][]string{{"order", "cancel"}, {"deadletters", "discard"}} {
		if code, _, log := simplecqrs(t, append(args, "-url", s.url)...); code != 2 || !strings.Contains(log, "or say by -") {
			t.Errorf("%q: exit code %d, log %s", args, code, log)
		}
	}
	if code, _, log := s.order(t, "place"); code != 0 || len(s.events()) != 1 {
		t.Errorf("place: exit code %d, log %s, %d orders", code, log, len(s.events()))
	}
	if code, _, log := s.order(t, "cancel", "-config", settingsFile(t, "status: running")); code != 2 || !strings.Contains(log, `no command has a flag "status" that a file can give`) {
		t.Errorf("by a file: exit code %d, log %s", code, log)
	}
	if _, answer, _ := simplecqrs(t, "order", "cancel", "-h"); strings.Contains(answer, "SIMPLECQRS_STATUS") || !strings.Contains(answer, "SIMPLECQRS_URL") {
		t.Errorf("help:\n%s", answer)
	}
}
