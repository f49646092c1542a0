package simplecqrs_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"simplecqrs/node"
	"simplecqrs/saga"
)

const composeFile = "docker-compose.yml"

func TestComposeFile(t *testing.T) {
	text, err := os.ReadFile(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range composeComplaints(t, text) {
		t.Error(c)
	}
}

// Each rule is broken once, so that its test is seen to fail.
func TestComposeRules(t *testing.T) {
	for _, rule := range []struct {
		name, replace, by string
		complaint         string // a part of it
	}{
		{
			"the file is valid",
			"stop_grace_period: 1m", "stop_grace_time: 1m",
			"stop_grace_time",
		},
		{
			"what is waited for exists",
			"mongo: {condition", "mongodb: {condition",
			`depends on undefined service "mongodb"`,
		},
		{
			"no role is missing",
			"-roles mail ", "-roles order ",
			"role mail has 0 services",
		},
		{
			"no role is there twice",
			"-roles mail ", "-roles mail,payment ",
			"role payment has 2 services",
		},
		{
			"a version is named",
			"image: mongo:8", "image: mongo",
			"mongo: the image mongo names no version",
		},
		{
			"the latest is not a version",
			"image: mongo:8", "image: mongo:latest",
			"mongo: the image mongo:latest names no version",
		},
		{
			"a broker keeps its data",
			`volumes: ["kafka:/var/lib/kafka/data"]`, "",
			"kafka: no named volume",
		},
		{
			"a database keeps its data where others find it",
			`["mongo:/data/db"]`, `["./mongo:/data/db"]`,
			"mongo: no named volume",
		},
		{
			"a role keeps its tables",
			`["saga:/data"]`, `["saga:/tables"]`,
			"saga: no named volume at /data",
		},
		{
			"a role with a table has a directory for it",
			"-roles aggregate -brokers kafka:9092 -data /data", "-roles aggregate -brokers kafka:9092",
			"aggregate: keeps its tables in memory",
		},
		{
			"a volume has one owner",
			`["sink:/data"]`, `["saga:/data"]`,
			"the volume saga is used by saga and sink",
		},
		{
			"what runs can be asked how it is",
			"[CMD, mongosh, ", "[NONE, ",
			"mongo: no health check",
		},
	} {
		t.Run(rule.name, func(t *testing.T) {
			text, err := os.ReadFile(composeFile)
			if err != nil {
				t.Fatal(err)
			}
			broken := strings.ReplaceAll(string(text), rule.replace, rule.by)
			if broken == string(text) {
				t.Fatalf("the file does not say %s", rule.replace)
			}
			found := composeComplaints(t, []byte(broken))
			if !slices.ContainsFunc(found, func(c string) bool { return strings.Contains(c, rule.complaint) }) {
				t.Errorf("found %q, want %q", found, rule.complaint)
			}
		})
	}
}

// composeComplaints tells what is wrong with a compose file.
func composeComplaints(t *testing.T, text []byte) (found []string) {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  ".",
		ConfigFiles: []types.ConfigFile{{Filename: composeFile, Content: text}},
	})
	if err != nil {
		return []string{err.Error()}
	}
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	players := map[string]int{}
	owner := map[string]string{}
	once := oneShots(project)
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		for role := range strings.SplitSeq(argument(s, "-roles"), ",") {
			players[role]++
		}
		if _, version, _ := strings.Cut(s.Image, ":"); version == "" || version == "latest" {
			complain("%s: the image %s names no version", name, s.Image)
		}
		if !once[name] && (s.HealthCheck == nil || s.HealthCheck.Disable || s.HealthCheck.Test[0] == "NONE") {
			complain("%s: no health check", name)
		}
		for _, v := range s.Volumes {
			if other := owner[v.Source]; other != "" {
				complain("the volume %s is used by %s and %s", v.Source, other, name)
			}
			owner[v.Source] = name
		}
		ours := s.Build != nil
		data := argument(s, "-data")
		switch hasTable := slices.Contains([]string{"saga", "aggregate", "sink"}, argument(s, "-roles")); {
		case !ours && !hasVolume(s, ""):
			complain("%s: no named volume", name)
		case data != "" && !hasVolume(s, data):
			complain("%s: no named volume at %s", name, data)
		case data == "" && hasTable:
			complain("%s: keeps its tables in memory", name)
		}
	}
	for _, role := range node.AllRoles(saga.Default()) {
		if n := players[role]; n != 1 {
			complain("role %s has %d services", role, n)
		}
	}
	return found
}

// oneShots are the services that others wait for to end.
func oneShots(project *types.Project) map[string]bool {
	once := map[string]bool{}
	for _, s := range project.Services {
		for name, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionCompletedSuccessfully {
				once[name] = true
			}
		}
	}
	return once
}

// argument is the value of a flag of a service's command; empty if it is not given.
func argument(s types.ServiceConfig, flag string) string {
	if i := slices.Index(s.Command, flag); i >= 0 && i+1 < len(s.Command) {
		return s.Command[i+1]
	}
	return ""
}

// hasVolume says whether a service has a named volume at a path; empty: anywhere.
func hasVolume(s types.ServiceConfig, path string) bool {
	return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeVolume && v.Source != "" && (path == "" || v.Target == path)
	})
}
