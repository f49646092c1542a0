package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokensThatAreMadeAgainKeepWhatWasAddedByHand(t *testing.T) {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	text := func(name string) string {
		b, err := os.ReadFile(file(name))
		check(t, err)
		return string(b)
	}
	run := func() string {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "sh", root+"/deploy/tokens", folder).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return text("tokens")
	}
	line := func(name, rest string) string {
		return fmt.Sprintf("sha256:%x %s\n", sha256.Sum256([]byte(text(name))), rest)
	}
	made := run()
	operator, prometheus := line("operator-token", "operator command,query,admin"), line("metrics-token", "prometheus query")
	if made != operator+prometheus {
		t.Errorf("made:\n%s", made)
	}
	// By hand: another holder, and the operator may do less.
	ann := "# the operator of the night\nsha256:" + strings.Repeat("0", 64) + " ann query\n"
	byHand := strings.Replace(made, "command,query,admin", "query", 1) + ann
	check(t, os.WriteFile(file("tokens"), []byte(byHand), 0o600))
	if got := run(); got != byHand {
		t.Errorf("made again:\n%s", got)
	}
	check(t, os.Remove(file("operator-token")))
	if got, want := run(), prometheus+ann+line("operator-token", "operator command,query,admin"); got != want {
		t.Errorf("after a token was removed:\n%s\nwant\n%s", got, want)
	}
}
