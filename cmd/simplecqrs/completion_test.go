package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

func completed(t *testing.T, words ...string) []string {
	t.Helper()
	code, answer, log := simplecqrs(t, append([]string{completeCommand}, words...)...)
	if code != 0 || log != "" {
		t.Errorf("%q: exit code %d, log %s", words, code, log)
	}
	return strings.Fields(answer)
}

func TestWhatMayComeNextIsCompleted(t *testing.T) {
	stuck := order.Event{Type: order.OrderStuck, Status: order.StatusStuck}
	s := openShop(t, rowWith("ORD-00001", ""), rowWith("ORD-00002", "", stuck))
	t.Setenv("SIMPLECQRS_URL", s.url)
	for _, c := range []struct {
		words string // the last is the one that is typed
		want  string
	}{
		{"", strings.Join(slices.Sorted(maps.Keys(commands())), " ")},
		{"pl", "plan"},
		{"topics ", "create check list"},
		{"topics list ", ""},
		{"topics list -", "-h -cacert -config -o -token -token-file -url"},
		{"order re", "resume retry"},
		{"order retry ", "ORD-00002"},
		{"order get ORD-00001 -", "-h -cacert -config -o -token -token-file -url"},
		{"order get -o ", "text json"},
		{"order get --o j", "json"},
		{"order list -status c", "compensating completed cancelled"},
		{"order list -so", "-sort"},
		{"order place ", ""},
		{"order get -url http://127.0.0.1:1 ", ""},
		{"order brew ", ""},
		{"serve -query ", "mongo local"},
		{"serve -roles edge,s", "edge,saga edge,sink"},
		{"serve -v -query m", "mongo"},
		{"serve -roles order,saga,", "order,saga,edge order,saga,payment order,saga,mail order,saga,aggregate order,saga,sink"},
		{"order list -status=st", "-status=stuck"},
		{"order list -status = st", "stuck"}, // as bash has it
		{"order get -o =", "text json"},
		{"order list --status=st", "--status=stuck"},
		{"order list -dry=", ""},
		{"serve -data=", ""},
		{"order list -type ORDER_P", "ORDER_PAUSED ORDER_PAUSE_REQUESTED"},
		{"order list -type SCHED", ""},
		{"deadletters discard -role s", "saga sink"},
		{"serve -data ", filesWanted},
		{"serve -listen ", ""},
		{"plan check ", filesWanted},
		{"completion ", "bash zsh fish"},
		{"brew ", ""},
	} {
		words := strings.Split(c.words, " ")
		if diff := cmp.Diff(c.want, strings.Join(completed(t, words...), " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.words, diff)
		}
	}
	if got := completed(t); len(got) != len(commands()) {
		t.Errorf("nothing typed: %q", got)
	}
}

func TestIdsOfDeadLettersAreCompleted(t *testing.T) {
	b := openLetterbox(t)
	if diff := cmp.Diff([]string{someLetter}, completed(t, "deadletters", "redrive", "-url", b.url, "sa")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each shell is given a line as if it had been typed, and asked what it may become.
var asking = map[string]string{
	"bash": `source <(simplecqrs completion bash)
complete -p simplecqrs >/dev/null || exit 1
compopt() { echo "compopt $*"; }
read -ra COMP_WORDS <<<"$LINE"
[[ $LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_simplecqrs
printf '%s\n' "${COMPREPLY[@]}"`,
	// What zsh's own editor would be told is printed instead.
	"zsh": `compdef() { : }
_files() { echo files }
compadd() { shift; printf '%s\n' "$@" | grep -- "^${words[CURRENT]}" }
source <(simplecqrs completion zsh)
words=("${(@s: :)LINE}")
CURRENT=${#words}
_simplecqrs`,
	"fish": `simplecqrs completion fish | source
complete -C "$LINE"`,
}

func TestEachShellCompletes(t *testing.T) {
	exe, err := os.Executable()
	check(t, err)
	folder := t.TempDir()
	check(t, os.Symlink(exe, filepath.Join(folder, "simplecqrs")))
	check(t, os.WriteFile(filepath.Join(folder, "plan.yaml"), nil, 0o600))
	s := openShop(t, rowWith("ORD-00001", ""))
	if diff := cmp.Diff(slices.Sorted(slices.Values(shells)), slices.Sorted(maps.Keys(asking))); diff != "" {
		t.Fatalf("shells (-want +got):\n%s", diff)
	}
	for shell, script := range asking {
		t.Run(shell, func(t *testing.T) {
			program, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not here", shell)
			}
			for line, want := range map[string]string{
				"simplecqrs heal":               "healthcheck",
				"simplecqrs order re":           "resume retry",
				"simplecqrs order list -status": "-status",
				"simplecqrs order get -o=j":     "-o=json",
				"simplecqrs order get -o ":      "text json",
				"simplecqrs order get ":         "ORD-00001",
				"simplecqrs brew ":              "",
				"simplecqrs plan check pl": map[string]string{
					"bash": "compopt -o default", "zsh": "files", "fish": "plan.yaml",
				}[shell],
			} {
				ask := exec.CommandContext(t.Context(), program, "-c", script)
				ask.Dir = folder
				ask.Env = append(os.Environ(), childEnv+"=1", "LINE="+line, "SIMPLECQRS_URL="+s.url,
					fmt.Sprintf("PATH=%s:%s", folder, os.Getenv("PATH")), "HOME="+folder)
				answer, err := ask.CombinedOutput()
				if diff := cmp.Diff(want, strings.Join(strings.Fields(string(answer)), " ")); diff != "" || err != nil && want != "" {
					t.Errorf("%q: %v (-want +got):\n%s", line, err, diff)
				}
			}
		})
	}
}
