package kubernetes

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// withComponents gives the manifests with components named in the kustomization.
func withComponents(t *testing.T, names ...string) map[string]string {
	t.Helper()
	files := read(t)
	const top = "kustomization.yaml"
	for _, name := range names {
		its, err := filepath.Glob(filepath.Join(folder, name, "*"))
		if err != nil || len(its) == 0 {
			t.Fatalf("the component %s has %d files: %v", name, len(its), err)
		}
		for _, file := range its {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			files[path.Join(name, filepath.Base(file))] = string(text)
		}
		// As one would, who reads the file.
		shown := strings.Replace(files[top], "#   - "+name+"\n", "  - "+name+"\n", 1)
		if shown == files[top] {
			t.Fatalf("%s does not show %s", top, name)
		}
		files[top] = strings.Replace(shown, "# components:\n", "components:\n", 1)
	}
	return files
}

func TestComponents(t *testing.T) {
	for _, names := range [][]string{{"kafka-tls"}, {"plan"}, {"public-url"}, {"kafka-tls", "plan", "public-url"}} {
		for _, c := range componentComplaints(withComponents(t, names...), names) {
			t.Errorf("with %v: %s", names, c)
		}
	}
}

// Each rule is broken once, so that its test is seen to fail.
func TestComponentRules(t *testing.T) {
	for _, rule := range []struct{ name, file, replace, by, complaint string }{
		{"what is mounted is shown", "kafka-tls/kustomization.yaml", "secretName: kafka}}}\n  - target: {kind: Job", "secretName: kafk}}}\n  - target: {kind: Job", "there is no Secret kafk"},
		{"a plan is generated", "plan/kustomization.yaml", "configMap: {name: plan}", "configMap: {name: plans}", "there is no ConfigMap plans"},
		{"a patch has something to patch", "kafka-tls/kustomization.yaml", "metadata: {name: settings,", "metadata: {name: setting,", "no matches for Id ConfigMap"},
		{"all are patched", "kafka-tls/kustomization.yaml", "kind: Deployment|StatefulSet", "kind: Deployment", "StatefulSet saga: no volume kafka"},
		{"the job is, too", "kafka-tls/kustomization.yaml", "kind: Job, name: topics", "kind: Job, name: topic", "Job topics: no volume kafka"},
		{"the edge is told what clients call it", "public-url/kustomization.yaml", "name: SIMPLECQRS_PUBLIC_URL", "name: SIMPLECQRS_URL", "the edge has no public URL"},
		{"it is the edge that is", "public-url/kustomization.yaml", "name: edge}", "name: order}", "the edge has no public URL"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			names := []string{path.Dir(rule.file)}
			files := withComponents(t, names...)
			broken := strings.Replace(files[rule.file], rule.replace, rule.by, 1)
			if broken == files[rule.file] {
				t.Fatalf("%s does not say %s", rule.file, rule.replace)
			}
			files[rule.file] = broken
			found := componentComplaints(files, names)
			if !slices.ContainsFunc(found, func(c string) bool { return strings.Contains(c, rule.complaint) }) {
				t.Errorf("found %q, want %q", found, rule.complaint)
			}
		})
	}
}

// componentComplaints tells what is wrong with all that is applied with components.
func componentComplaints(files map[string]string, names []string) (found []string) {
	applied, err := build(files)
	if err != nil {
		return []string{err.Error()}
	}
	all, err := objects("what is applied", applied)
	found = append(found, split(err)...)
	secrets, err := objects(example, files[example])
	found = append(found, split(err)...)
	w := world{all: append(all, secrets...), complain: func(format string, args ...any) {
		found = append(found, fmt.Sprintf(format, args...))
	}}
	w.judge()
	volumes := map[string]string{"kafka-tls": "kafka", "plan": "plan"}
	for _, l := range w.workloads() {
		for _, name := range names {
			if l.selector == nil && name == "plan" {
				continue // a job makes topics, whatever the plan
			}
			volume, mounted := volumes[name]
			if mounted && !slices.ContainsFunc(l.pods.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume }) {
				w.complain("%s: no volume %s", l.what, volume)
			}
		}
	}
	edge, is := w.find("Deployment", "edge").(*appsv1.Deployment)
	if slices.Contains(names, "public-url") && (!is || !slices.ContainsFunc(edge.Spec.Template.Spec.Containers[0].Env, func(v corev1.EnvVar) bool {
		return v.Name == "SIMPLECQRS_PUBLIC_URL" && strings.HasPrefix(v.Value, "https://")
	})) {
		w.complain("the edge has no public URL")
	}
	return found
}
