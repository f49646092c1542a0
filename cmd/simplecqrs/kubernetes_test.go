package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v4"

	"simplecqrs/edge"
	"simplecqrs/node"
	"simplecqrs/saga"
)

// manifest is as much of one as has to do with the command line. .ci/kubernetes judges
// the rest.
type manifest struct {
	Kind       string
	Metadata   struct{ Name string }
	Data       map[string]string
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Template struct {
			Spec struct {
				Containers []container
				Volumes    []struct {
					Name   string
					Secret struct {
						SecretName string `yaml:"secretName"`
					}
				}
			}
		}
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	}
}

type container struct {
	Args    []string
	EnvFrom []struct {
		ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
		SecretRef    struct{ Name string } `yaml:"secretRef"`
	} `yaml:"envFrom"`
	Env   []struct{ Name, Value string }
	Ports []struct {
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   probe `yaml:"startupProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	VolumeMounts   []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path string } `yaml:"httpGet"`
}

func manifests(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(root + "/deploy/kubernetes/*.yaml")
	check(t, err)
	files := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		check(t, err)
		files[filepath.Base(name)] = string(text)
	}
	return files
}

func TestTheManifestsSayWhatTheCommandLineTakes(t *testing.T) {
	for _, c := range manifestComplaints(t, manifests(t)) {
		t.Error(c)
	}
}

// Each rule is broken once, so that its test is seen to fail.
func TestManifestRules(t *testing.T) {
	for _, rule := range []struct{ name, file, replace, by, complaint string }{
		{"a command has the flags that it is given", "edge.yaml", "-query, mongo", "-tables, mongo", "edge: flag provided but not defined: -tables"},
		{"a variable is that of a flag", "settings.yaml", "SIMPLECQRS_BROKERS", "SIMPLECQRS_BROKER", "saga: no flag is given by SIMPLECQRS_BROKER"},
		{"a variable has a value that its flag takes", "settings.yaml", "SIMPLECQRS_BROKERS: kafka-0.kafka.example.com:9092", "SIMPLECQRS_BROKERS: kafka", "topics: SIMPLECQRS_BROKERS: "},
		{"a secret has a value that its flag takes", "secrets.example.yaml", "mongodb://simplecqrs", "http://simplecqrs", "sink: SIMPLECQRS_MONGO: "},
		{"a client's commands are bounded", "edge.yaml", `COMMAND_RATE, value: "100"`, `COMMAND_RATE, value: "0"`, "edge: a client may give any number of commands"},
		{"a file that is named is mounted", "edge.yaml", "value: /etc/simplecqrs/tokens", "value: /etc/simplecqrs/token", "edge: nothing is at /etc/simplecqrs/token"},
		{"a role has a table's directory", "saga.yaml", ", -data, /data", "", "saga: keeps its tables in memory"},
		{"that is a volume of each process's own", "saga.yaml", "mountPath: /data", "mountPath: /tables", "saga: no volume of its own at /data"},
		{"no role is missing", "workers.yaml", "-roles, mail", "-roles, order", "role mail is played 0 times"},
		{"a role that needs the read store is told of it", "sink.yaml", "            - secretRef: {name: store}\n", "", "sink: it is not told where the read store is"},
		{"the port is the one that is listened to", "edge.yaml", "containerPort: 8080", "containerPort: 8081", "edge: it listens to :8080, and its port is 8081"},
		{"a probe asks what is answered", "edge.yaml", "path: /healthz", "path: /health", "edge: a probe asks for /health, which answers 404"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			files := manifests(t)
			broken := strings.Replace(files[rule.file], rule.replace, rule.by, 1)
			if broken == files[rule.file] {
				t.Fatalf("%s does not say %s", rule.file, rule.replace)
			}
			files[rule.file] = broken
			found := manifestComplaints(t, files)
			if !slices.ContainsFunc(found, func(c string) bool { return strings.Contains(c, rule.complaint) }) {
				t.Errorf("found %q, want %q", found, rule.complaint)
			}
		})
	}
}

func TestTheComponentsOfTheManifestsSayWhatTheCommandLineTakes(t *testing.T) {
	text, err := os.ReadFile(root + "/deploy/kubernetes/kafka-tls/kustomization.yaml")
	check(t, err)
	var component struct{ Patches []struct{ Patch string } }
	check(t, yaml.Unmarshal(text, &component))
	var settings manifest
	check(t, yaml.Unmarshal([]byte(component.Patches[0].Patch), &settings))
	if len(settings.Data) == 0 {
		t.Fatal("it sets nothing")
	}
	var secret manifest
	for d := yaml.NewDecoder(strings.NewReader(manifests(t)["secrets.example.yaml"])); secret.Metadata.Name != "kafka"; {
		secret = manifest{}
		check(t, d.Decode(&secret))
	}
	isThere := func(file string) bool {
		return path.Dir(file) == "/etc/kafka" && secret.StringData[path.Base(file)] != ""
	}
	for _, args := range [][]string{{"topics", "create", "-partitions", "12"}, {"serve", "-roles", "order"}} {
		for _, c := range commandComplaints(args, settings.Data, isThere) {
			t.Errorf("%q: %s", args, c)
		}
	}
	f := flag.NewFlagSet("", flag.ContinueOnError)
	k := kafkaFlags(f)
	f.VisitAll(func(one *flag.Flag) {
		if value := settings.Data[variable(one.Name)]; value != "" {
			check(t, one.Value.Set(value))
		}
	})
	check(t, k.check())
	text, err = os.ReadFile(root + "/deploy/kubernetes/public-url/kustomization.yaml")
	check(t, err)
	check(t, yaml.Unmarshal(text, &component))
	var added []struct{ Value struct{ Name, Value string } }
	check(t, yaml.Unmarshal([]byte(component.Patches[0].Patch), &added))
	if name := added[0].Value.Name; name != variable("public-url") {
		t.Errorf("the public URL: no flag is given by %s", name)
	}
	_, err = publicURL(added[0].Value.Value)
	check(t, err)
	if code, _, log := simplecqrs(t, "plan", "check", root+"/deploy/kubernetes/plan/plan.yaml"); code != 0 {
		t.Errorf("the plan: exit code %d, log %s", code, log)
	}
}

// manifestComplaints tells what the manifests say that the command line does not take.
func manifestComplaints(t *testing.T, files map[string]string) (found []string) {
	t.Helper()
	var all []manifest
	values := map[string]map[string]string{} // of ConfigMaps and Secrets
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for d := yaml.NewDecoder(strings.NewReader(files[name])); ; {
			var m manifest
			err := d.Decode(&m)
			if errors.Is(err, io.EOF) {
				break
			}
			check(t, err)
			all = append(all, m)
			values[m.Kind+" "+m.Metadata.Name] = m.Data
			if m.Kind == "Secret" {
				values["Secret "+m.Metadata.Name] = m.StringData
			}
		}
	}
	players := map[string]int{}
	for _, m := range all {
		for _, c := range m.Spec.Template.Spec.Containers {
			env := map[string]string{}
			for _, from := range c.EnvFrom {
				maps.Copy(env, values["ConfigMap "+from.ConfigMapRef.Name])
				maps.Copy(env, values["Secret "+from.SecretRef.Name])
			}
			for _, one := range c.Env {
				env[one.Name] = one.Value
			}
			for _, complaint := range slices.Concat(
				commandComplaints(c.Args, env, func(file string) bool { return mounts(m, c, values, file) }),
				roleComplaints(m, c, env, players),
			) {
				found = append(found, m.Metadata.Name+": "+complaint)
			}
		}
	}
	for _, role := range node.AllRoles(saga.Default()) {
		if players[role] != 1 {
			found = append(found, fmt.Sprintf("role %s is played %d times", role, players[role]))
		}
	}
	return found
}

// mounts says whether a file is one of a secret that is mounted.
func mounts(m manifest, c container, values map[string]map[string]string, file string) bool {
	for _, at := range c.VolumeMounts {
		for _, v := range m.Spec.Template.Spec.Volumes {
			_, has := values["Secret "+v.Secret.SecretName][path.Base(file)]
			if at.MountPath == path.Dir(file) && v.Name == at.Name && has {
				return true
			}
		}
	}
	return false
}

// roleComplaints tells what is wrong with a container that plays a role.
func roleComplaints(m manifest, c container, env map[string]string, players map[string]int) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	value := func(flag string) string {
		if i := slices.Index(c.Args, flag); i >= 0 && i+1 < len(c.Args) {
			return c.Args[i+1]
		}
		return ""
	}
	role := value("-roles")
	if role == "" {
		return nil
	}
	players[role]++
	if slices.Contains([]string{"edge", "sink"}, role) && env["SIMPLECQRS_MONGO"] == "" {
		complain("it is not told where the read store is")
	}
	data := value("-data")
	own := false
	for _, at := range c.VolumeMounts {
		for _, claim := range m.Spec.VolumeClaimTemplates {
			own = own || claim.Metadata.Name == at.Name && at.MountPath == data
		}
	}
	switch hasTable := slices.Contains([]string{"saga", "aggregate", "sink"}, role); {
	case hasTable && data == "":
		complain("keeps its tables in memory")
	case data != "" && !own:
		complain("no volume of its own at %s", data)
	}
	listen := env["SIMPLECQRS_LISTEN"]
	if _, port, err := net.SplitHostPort(listen); err != nil || len(c.Ports) != 1 || fmt.Sprint(c.Ports[0].ContainerPort) != port {
		complain("it listens to %s, and its port is %d", listen, c.Ports[0].ContainerPort)
	}
	health := edge.NewHealth(edge.Health{
		Ready: func() []edge.Component { return nil }, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	for _, p := range []probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		answer := httptest.NewRecorder()
		if p.HTTPGet.Path != "" {
			health.ServeHTTP(answer, httptest.NewRequest("GET", p.HTTPGet.Path, bytes.NewReader(nil)))
		}
		if answer.Code != 200 || p.HTTPGet.Path == "" {
			complain("a probe asks for %s, which answers %d", p.HTTPGet.Path, answer.Code)
		}
	}
	return found
}
