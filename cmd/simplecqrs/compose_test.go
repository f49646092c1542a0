package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"simplecqrs/node"
	"simplecqrs/saga"
)

const (
	root        = "../.."
	composeFile = root + "/docker-compose.yml"
)

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
			"-roles mail", "-roles order",
			"role mail has 0 services",
		},
		{
			"no role is there twice",
			"-roles mail", "-roles mail,payment",
			"role payment has 2 services",
		},
		{
			"a version is named",
			"image: mongo:8.0", "image: mongo",
			"mongo: the image mongo names no version",
		},
		{
			"the latest is not a version",
			"image: mongo:8.0", "image: mongo:latest",
			"mongo: the image mongo:latest names no version",
		},
		{
			"a version is one that does not move on",
			"image: mongo:8.0", "image: mongo:8",
			"mongo: the image mongo:8 names no version",
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
			"-roles aggregate -data /data", "-roles aggregate",
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
		{
			"who waits for another waits until that can be used",
			"kafka: {condition: service_healthy}", "kafka: {condition: service_started}",
			"topics: waits for kafka to be service_started",
		},
		{
			"a command has the flags that it is given",
			"-roles edge -query mongo", "-roles edge -query mongo -tables /data",
			"edge: flag provided but not defined: -tables",
		},
		{
			"a flag takes the value that it is given",
			"-roles edge -query mongo", "-roles edge -query redis",
			`edge: invalid value "redis" for flag -query`,
		},
		{
			"a command's arguments are its flags",
			"command: serve -roles mail", "command: serve mail",
			"mail: the argument mail is none",
		},
		{
			"a command is one",
			"command: serve -roles mail", "command: server -roles mail",
			"mail: there is no command server",
		},
		{
			"a variable is that of a flag",
			"SIMPLECQRS_BROKERS: ", "SIMPLECQRS_BROKER: ",
			"mail: no flag is given by SIMPLECQRS_BROKER",
		},
		{
			"a variable has a value that its flag takes",
			"SIMPLECQRS_BROKERS: kafka:9092", "SIMPLECQRS_BROKERS: kafka",
			"mail: SIMPLECQRS_BROKERS: ",
		},
		{
			"the health check has the flags that it is given",
			"healthcheck, -url,", "healthcheck, -from,",
			"mail: the health check: flag provided but not defined: -from",
		},
		{
			"what is reached from beyond the container asks for a token",
			"SIMPLECQRS_TOKENS: ", "#SIMPLECQRS_TOKENS: ",
			"mail: it listens to all and asks for no token",
		},
		{
			"a client's commands are bounded",
			"SIMPLECQRS_COMMAND_RATE: ", "#SIMPLECQRS_COMMAND_RATE: ",
			"edge: a client may give any number of commands",
		},
		{
			"the edge can be told what clients call it",
			"SIMPLECQRS_PUBLIC_URL: ", "#SIMPLECQRS_PUBLIC_URL: ",
			"edge: SIMPLECQRS_PUBLIC_URL is https://shop.example on this machine, and \"\" in the container",
		},
		{
			"a file that is named is there",
			"SIMPLECQRS_TOKENS: /run/secrets/tokens", "SIMPLECQRS_TOKENS: /run/secrets/token",
			"mail: nothing is at /run/secrets/token",
		},
		{
			"this machine alone reaches what is published",
			`"127.0.0.1:3000:3000"`, `"3000:3000"`,
			"grafana: the port 3000 is published beyond this machine",
		},
		{
			"what is mounted exists",
			"./deploy/prometheus:", "./deploy/metrics:",
			"prometheus: there is no deploy/metrics",
		},
		{
			"a secret is one of those that deploy/tokens makes",
			"file: deploy/secrets/metrics-token", "file: deploy/secrets/prometheus-token",
			"the secret metrics-token: deploy/tokens makes no prometheus-token",
		},
		{
			"metrics are fetched with a token that is there",
			"secrets: [metrics-token]", "secrets: []",
			"prometheus: it has no secret for /run/secrets/metrics-token",
		},
		{
			"metrics are fetched from each role",
			"  payment:\n", "  paying:\n",
			"metrics are fetched from [aggregate edge mail order payment saga sink], want [aggregate edge mail order paying saga sink]",
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

// publicURLVariable is one that this machine may have, and site what it may be.
const (
	publicURLVariable = "SIMPLECQRS_PUBLIC_URL"
	site              = "https://shop.example"
)

// composeComplaints tells what is wrong with a compose file.
func composeComplaints(t *testing.T, text []byte) (found []string) {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root,
		Environment: types.Mapping{publicURLVariable: site},
		ConfigFiles: []types.ConfigFile{{Filename: composeFile, Content: text}},
	}, loader.WithProfiles([]string{"*"}))
	if err != nil {
		return []string{err.Error()}
	}
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	players := map[string]int{}
	owner := map[string]string{}
	once := oneShots(project)
	var served []string
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		for role := range strings.SplitSeq(argument(s, "-roles"), ",") {
			players[role]++
		}
		if _, version, _ := strings.Cut(s.Image, ":"); !fixedVersion.MatchString(version) && s.Build == nil {
			complain("%s: the image %s names no version", name, s.Image)
		}
		if !once[name] && (s.HealthCheck == nil || s.HealthCheck.Disable || s.HealthCheck.Test[0] == "NONE") {
			complain("%s: no health check", name)
		}
		for other, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionStarted {
				complain("%s: waits for %s to be %s", name, other, d.Condition)
			}
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				complain("%s: the port %s is published beyond this machine", name, p.Published)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				if _, err := os.Stat(v.Source); err != nil {
					complain("%s: there is no %s", name, strings.TrimPrefix(v.Source, project.WorkingDir+"/"))
				}
				continue
			}
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
		if !ours {
			continue
		}
		env := map[string]string{}
		for variable, value := range s.Environment {
			env[variable] = *value
		}
		if argument(s, "-roles") == node.RoleEdge && env[publicURLVariable] != site {
			complain("%s: %s is %s on this machine, and %q in the container", name, publicURLVariable, site, env[publicURLVariable])
		}
		for _, c := range commandComplaints(s.Command, env, func(file string) bool {
			return slices.ContainsFunc(s.Secrets, func(one types.ServiceSecretConfig) bool { return secretPath(one) == file })
		}) {
			complain("%s: %s", name, c)
		}
		if s.HealthCheck != nil && len(s.HealthCheck.Test) > 2 {
			for _, c := range commandComplaints(s.HealthCheck.Test[2:], nil, nil) {
				complain("%s: the health check: %s", name, c)
			}
		}
		if !once[name] {
			served = append(served, name)
		}
	}
	for _, role := range node.AllRoles(saga.Default()) {
		if n := players[role]; n != 1 {
			complain("role %s has %d services", role, n)
		}
	}
	return slices.Concat(found, secretComplaints(t, project), scrapeComplaints(t, project, served))
}

// fixedVersion is of a release, and not of the latest of several.
var fixedVersion = regexp.MustCompile(`^v?[0-9]+\.[0-9]+`)

func secretPath(s types.ServiceSecretConfig) string {
	if s.Target != "" {
		return s.Target
	}
	return "/run/secrets/" + s.Source
}

// secretComplaints tells which secrets are not made by the script that makes them.
func secretComplaints(t *testing.T, project *types.Project) (found []string) {
	t.Helper()
	made := t.TempDir()
	for range 2 { // it makes what is missing
		if out, err := exec.CommandContext(t.Context(), "sh", root+"/deploy/tokens", made).CombinedOutput(); err != nil {
			t.Fatalf("deploy/tokens: %v: %s", err, out)
		}
	}
	for name, s := range project.Secrets {
		if _, err := os.Stat(filepath.Join(made, filepath.Base(s.File))); err != nil {
			found = append(found, fmt.Sprintf("the secret %s: deploy/tokens makes no %s", name, filepath.Base(s.File)))
		}
	}
	return found
}

// scrapeComplaints tells from whom metrics are not fetched, or not with a token.
func scrapeComplaints(t *testing.T, project *types.Project, served []string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/prometheus/prometheus.yml")
	check(t, err)
	var config struct {
		ScrapeConfigs []struct {
			Authorization struct {
				CredentialsFile string `yaml:"credentials_file"`
			}
			DNS []struct{ Names []string } `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	check(t, yaml.Unmarshal(text, &config))
	for _, c := range config.ScrapeConfigs {
		file := c.Authorization.CredentialsFile
		if !slices.ContainsFunc(project.Services["prometheus"].Secrets, func(s types.ServiceSecretConfig) bool { return secretPath(s) == file }) {
			found = append(found, "prometheus: it has no secret for "+file)
		}
		for _, d := range c.DNS {
			slices.Sort(d.Names)
			slices.Sort(served)
			if !slices.Equal(d.Names, served) {
				found = append(found, fmt.Sprintf("metrics are fetched from %v, want %v", d.Names, served))
			}
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
