package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	folder    = "../../deploy/kubernetes"
	namespace = "simplecqrs"
	example   = "secrets.example.yaml"
)

// empty gives a new value for each kind that a manifest may have.
var empty = map[string]func() metav1.Object{
	"v1/Namespace":                       func() metav1.Object { return new(corev1.Namespace) },
	"v1/ConfigMap":                       func() metav1.Object { return new(corev1.ConfigMap) },
	"v1/Secret":                          func() metav1.Object { return new(corev1.Secret) },
	"v1/Service":                         func() metav1.Object { return new(corev1.Service) },
	"apps/v1/Deployment":                 func() metav1.Object { return new(appsv1.Deployment) },
	"apps/v1/StatefulSet":                func() metav1.Object { return new(appsv1.StatefulSet) },
	"batch/v1/Job":                       func() metav1.Object { return new(batchv1.Job) },
	"policy/v1/PodDisruptionBudget":      func() metav1.Object { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy": func() metav1.Object { return new(networkingv1.NetworkPolicy) },
}

// read gives the manifests by the names of their files.
func read(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(text)
	}
	return files
}

func TestManifests(t *testing.T) {
	for _, c := range complaints(read(t)) {
		t.Error(c)
	}
}

// Each rule is broken once, so that its test is seen to fail.
func TestRules(t *testing.T) {
	for _, rule := range []struct{ name, file, replace, by, complaint string }{
		{"a member is one that the kind has", "edge.yaml", "readinessProbe:", "readyProbe:", `edge.yaml: error unmarshaling JSON: while decoding JSON: json: unknown field "readyProbe"`},
		{"a member has its type", "edge.yaml", "replicas: 2", "replicas: two", "edge.yaml: error unmarshaling JSON"},
		{"a member stands once", "saga.yaml", "replicas: 2", "replicas: 2\n  replicas: 2", `mapping key "replicas" already defined`},
		{"a kind is known", "edge.yaml", "kind: Deployment", "kind: Deploy", "edge.yaml: the kind apps/v1/Deploy is unknown"},
		{"a file is applied", "kustomization.yaml", "  - sink.yaml\n", "", "sink.yaml is not applied"},
		{"the example is not applied", "kustomization.yaml", "  - sink.yaml\n", "  - sink.yaml\n  - secrets.example.yaml\n", "secrets.example.yaml is applied"},
		{"what is applied exists", "kustomization.yaml", "  - sink.yaml\n", "  - sink.yaml\n  - bin.yaml\n", "bin.yaml"},
		{"an image has a tag", "kustomization.yaml", "newTag: 0.1.0", "newTag: latest", "Deployment edge: the image registry.example.com/simplecqrs:latest names no version"},
		{"all is in the namespace", "saga.yaml", "namespace: simplecqrs", "namespace: default", "saga.yaml: saga is in the namespace default"},
		{"a name is there once", "workers.yaml", "name: mail", "name: order", "may not add resource with an already registered id: Deployment.v1.apps/order"},
		{"a selector finds its own pods", "saga.yaml", "selector: {matchLabels: {app.kubernetes.io/name: saga}}\n  template", "selector: {matchLabels: {app.kubernetes.io/name: sage}}\n  template", "StatefulSet saga: its selector does not match its pods"},
		{"a service finds pods", "edge.yaml", "  selector: {app.kubernetes.io/name: edge}", "  selector: {app.kubernetes.io/name: ege}", "Service edge: it finds the pods of []"},
		{"a service leads to a port", "edge.yaml", "port: 80, targetPort: http", "port: 80, targetPort: web", "Service edge: the pods of edge have no port web"},
		{"pods that are to be told apart have a service without an address", "saga.yaml", "  clusterIP: None\n", "", "StatefulSet saga: the service saga has an address"},
		{"pods that are to be told apart have a service", "saga.yaml", "serviceName: saga", "serviceName: sagas", "StatefulSet saga: there is no service sagas"},
		{"a budget is of some pods", "saga.yaml", "  maxUnavailable: 1\n  selector: {matchLabels: {app.kubernetes.io/name: saga}}", "  maxUnavailable: 1\n  selector: {matchLabels: {app.kubernetes.io/name: sagas}}", "PodDisruptionBudget saga: it finds the pods of []"},
		{"a budget lets some go", "saga.yaml", "maxUnavailable: 1", "maxUnavailable: 0", "PodDisruptionBudget saga: no pod may ever go"},
		{"what runs has a budget", "saga.yaml", "kind: PodDisruptionBudget\nmetadata:\n  name: saga\n  namespace: simplecqrs\n  labels: {app.kubernetes.io/name: saga}\nspec:\n  maxUnavailable: 1\n  selector: {matchLabels: {app.kubernetes.io/name: saga}}", "kind: PodDisruptionBudget\nmetadata:\n  name: saga\n  namespace: simplecqrs\nspec:\n  maxUnavailable: 1\n  selector: {matchLabels: {app.kubernetes.io/name: edge}}", "StatefulSet saga: 0 budgets"},
		{"pods are spread among their own", "saga.yaml", "labelSelector: {matchLabels: {app.kubernetes.io/name: saga}}", "labelSelector: {matchLabels: {app.kubernetes.io/name: edge}}", "StatefulSet saga: spread among others"},
		{"a policy is of some pods", "network.yaml", "podSelector: {matchLabels: {app.kubernetes.io/name: edge}}", "podSelector: {matchLabels: {app.kubernetes.io/name: ege}}", "NetworkPolicy edge: it finds the pods of []"},
		{"a policy opens a port that is there", "network.yaml", "port: http}]\n---", "port: web}]\n---", "NetworkPolicy edge: the pods of edge have no port web"},
		{"a probe asks a port that is there", "edge.yaml", "livenessProbe:\n            httpGet: {path: /healthz, port: http}", "livenessProbe:\n            httpGet: {path: /healthz, port: web}", "Deployment edge: the liveness probe asks the port web"},
		{"what serves is probed", "edge.yaml", "          readinessProbe: # ready means caught up\n            httpGet: {path: /readyz, port: http}\n            periodSeconds: 5\n            timeoutSeconds: 5\n", "", "Deployment edge: no readiness probe"},
		{"settings are there", "edge.yaml", "configMapRef: {name: settings}", "configMapRef: {name: setting}", "Deployment edge: there is no ConfigMap setting"},
		{"secrets are shown", "edge.yaml", "secretRef: {name: store}", "secretRef: {name: mongo}", "Deployment edge: there is no Secret mongo"},
		{"mounted secrets are shown", "edge.yaml", "secretName: tokens", "secretName: token", "Deployment edge: there is no Secret token"},
		{"what is mounted is a volume", "saga.yaml", "        name: data\n", "        name: date\n", "StatefulSet saga: there is no volume data"},
		{"not as root", "edge.yaml", "        runAsNonRoot: true\n", "", "Deployment edge: it may run as root"},
		{"nothing is written where the image lies", "edge.yaml", "            readOnlyRootFilesystem: true\n", "", "Deployment edge: it may write to its image"},
		{"no more rights than are needed", "edge.yaml", "            capabilities: {drop: [ALL]}\n", "", "Deployment edge: it keeps rights"},
		{"no more rights later", "topics.yaml", "            allowPrivilegeEscalation: false\n", "", "Job topics: it may get rights"},
		{"the cluster is not theirs to ask", "topics.yaml", "      automountServiceAccountToken: false\n", "", "Job topics: it is given a token of the cluster"},
		{"no variables of services, which are named as ours", "edge.yaml", "      enableServiceLinks: false\n", "", "Deployment edge: it is given variables of services"},
		{"the most memory is said", "edge.yaml", "            limits: {memory: 512Mi}\n", "", "Deployment edge: no limit of memory"},
		{"what is needed is said", "edge.yaml", "            requests: {cpu: 100m, memory: 128Mi}\n", "", "Deployment edge: no requests"},
		{"there is time to finish", "edge.yaml", "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 10", "Deployment edge: 10 s are less than what it takes to finish"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			files := read(t)
			broken := strings.Replace(files[rule.file], rule.replace, rule.by, 1)
			if broken == files[rule.file] {
				t.Fatalf("%s does not say %s", rule.file, rule.replace)
			}
			files[rule.file] = broken
			found := complaints(files)
			if !slices.ContainsFunc(found, func(c string) bool { return strings.Contains(c, rule.complaint) }) {
				t.Errorf("found %q, want %q", found, rule.complaint)
			}
		})
	}
}

// complaints tells what is wrong with manifests.
func complaints(files map[string]string) (found []string) {
	applied, err := build(files)
	if err != nil {
		return []string{err.Error()}
	}
	for name, text := range files {
		if name != "kustomization.yaml" {
			its, err := objects(name, text)
			found = append(found, split(err)...)
			for _, o := range its {
				if _, is := o.(*corev1.Namespace); !is && o.GetNamespace() != namespace {
					found = append(found, fmt.Sprintf("%s: %s is in the namespace %s", name, o.GetName(), o.GetNamespace()))
				}
			}
		}
		listed := strings.Contains(files["kustomization.yaml"], "  - "+name+"\n")
		switch {
		case name == example && listed:
			found = append(found, name+" is applied")
		case name != example && name != "kustomization.yaml" && !listed:
			found = append(found, name+" is not applied")
		}
	}
	if len(found) > 0 {
		return found // what cannot be read cannot be judged
	}
	all, err := objects("what is applied", applied)
	found = append(found, split(err)...)
	secrets, err := objects(example, files[example])
	found = append(found, split(err)...)
	w := world{all: append(all, secrets...), complain: func(format string, args ...any) {
		found = append(found, fmt.Sprintf(format, args...))
	}}
	w.judge()
	return found
}

func split(err error) []string {
	if err == nil {
		return nil
	}
	return []string{err.Error()}
}

// build is what kubectl apply -k would apply.
func build(files map[string]string) (string, error) {
	disk := filesys.MakeFsInMemory()
	for name, text := range files {
		if err := disk.WriteFile(name, []byte(text)); err != nil {
			return "", err
		}
	}
	applied, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, ".")
	if err != nil {
		return "", err
	}
	text, err := applied.AsYaml()
	return string(text), err
}

// objects reads the documents of a file, strictly.
func objects(file, text string) (all []metav1.Object, err error) {
	for d := yamlv3.NewDecoder(strings.NewReader(text)); ; {
		var document yamlv3.Node
		switch err := d.Decode(&document); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		one, err := yamlv3.Marshal(&document)
		if err != nil {
			return nil, err
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(one, &kind); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		name := kind.APIVersion + "/" + kind.Kind
		if empty[name] == nil {
			return nil, fmt.Errorf("%s: the kind %s is unknown", file, name)
		}
		object := empty[name]()
		if err := yaml.UnmarshalStrict(bytes.TrimSpace(one), object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, object)
	}
}

// world is all that is applied, and the secrets besides.
type world struct {
	all      []metav1.Object
	complain func(string, ...any)
}

// workload is what has pods.
type workload struct {
	what     string // Kind name
	object   metav1.Object
	pods     corev1.PodTemplateSpec
	selector *metav1.LabelSelector // nil for a job
	claims   []corev1.PersistentVolumeClaim
}

func kindOf(o metav1.Object) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1.")
}

func (w world) find(kind, name string) metav1.Object {
	for _, o := range w.all {
		if kindOf(o) == kind && o.GetName() == name {
			return o
		}
	}
	return nil
}

func (w world) workloads() (all []workload) {
	for _, o := range w.all {
		one := workload{what: kindOf(o) + " " + o.GetName(), object: o}
		switch o := o.(type) {
		case *appsv1.Deployment:
			one.pods, one.selector = o.Spec.Template, o.Spec.Selector
		case *appsv1.StatefulSet:
			one.pods, one.selector, one.claims = o.Spec.Template, o.Spec.Selector, o.Spec.VolumeClaimTemplates
		case *batchv1.Job:
			one.pods = o.Spec.Template
		default:
			continue
		}
		all = append(all, one)
	}
	return all
}

// finds are the names of the workloads whose pods a selector matches.
func (w world) finds(s *metav1.LabelSelector) (found []workload, names []string) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		w.complain("%v", err)
		return nil, nil
	}
	for _, one := range w.workloads() {
		if selector.Matches(labels.Set(one.pods.Labels)) {
			found, names = append(found, one), append(names, one.object.GetName())
		}
	}
	return found, names
}

func (l workload) hasPort(port intstr.IntOrString) bool {
	return slices.ContainsFunc(l.pods.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
		return port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.ContainerPort == port.IntVal
	})
}

func (w world) judge() {
	budgets := map[string]int{}
	for _, o := range w.all {
		what := kindOf(o) + " " + o.GetName()
		switch o := o.(type) {
		case *corev1.Service:
			found, names := w.finds(&metav1.LabelSelector{MatchLabels: o.Spec.Selector})
			if len(found) != 1 || len(o.Spec.Selector) == 0 {
				w.complain("%s: it finds the pods of %v", what, names)
				continue
			}
			for _, p := range o.Spec.Ports {
				if !found[0].hasPort(p.TargetPort) {
					w.complain("%s: the pods of %s have no port %s", what, names[0], p.TargetPort.String())
				}
			}
		case *policyv1.PodDisruptionBudget:
			found, names := w.finds(o.Spec.Selector)
			if len(found) != 1 {
				w.complain("%s: it finds the pods of %v", what, names)
				continue
			}
			budgets[names[0]]++
			if o.Spec.MaxUnavailable == nil || o.Spec.MaxUnavailable.IntValue() < 1 {
				w.complain("%s: no pod may ever go", what)
			}
		case *networkingv1.NetworkPolicy:
			found, names := w.finds(&o.Spec.PodSelector)
			if len(found) == 0 {
				w.complain("%s: it finds the pods of %v", what, names)
			}
			for _, rule := range o.Spec.Ingress {
				for _, p := range rule.Ports {
					for _, one := range found {
						if one.selector != nil && !one.hasPort(*p.Port) {
							w.complain("%s: the pods of %s have no port %s", what, one.object.GetName(), p.Port.String())
						}
					}
				}
			}
		}
	}
	for _, one := range w.workloads() {
		w.pods(one)
		if one.selector != nil {
			w.serving(one)
			if n := budgets[one.object.GetName()]; n != 1 {
				w.complain("%s: %d budgets", one.what, n)
			}
		}
	}
}

// finishTime is what a process may take at most to finish what it has begun, in seconds.
const finishTime = 30

// serving judges what runs on.
func (w world) serving(l workload) {
	own, err := metav1.LabelSelectorAsSelector(l.selector)
	if err != nil || !own.Matches(labels.Set(l.pods.Labels)) {
		w.complain("%s: its selector does not match its pods", l.what)
	}
	if s, is := l.object.(*appsv1.StatefulSet); is {
		switch service, found := w.find("Service", s.Spec.ServiceName).(*corev1.Service); {
		case !found:
			w.complain("%s: there is no service %s", l.what, s.Spec.ServiceName)
		case service.Spec.ClusterIP != corev1.ClusterIPNone:
			w.complain("%s: the service %s has an address", l.what, s.Spec.ServiceName)
		}
	}
	for _, spread := range l.pods.Spec.TopologySpreadConstraints {
		if _, names := w.finds(spread.LabelSelector); !slices.Equal(names, []string{l.object.GetName()}) {
			w.complain("%s: spread among others", l.what)
		}
	}
	if len(l.pods.Spec.TopologySpreadConstraints) == 0 {
		w.complain("%s: not spread", l.what)
	}
	c := l.pods.Spec.Containers[0]
	for name, p := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		switch {
		case p == nil || p.HTTPGet == nil:
			w.complain("%s: no %s probe", l.what, name)
		case !l.hasPort(p.HTTPGet.Port):
			w.complain("%s: the %s probe asks the port %s", l.what, name, p.HTTPGet.Port.String())
		}
	}
	if s := l.pods.Spec.TerminationGracePeriodSeconds; s == nil || *s <= finishTime {
		w.complain("%s: %d s are less than what it takes to finish", l.what, *s)
	}
}

// pods judges what is in a pod.
func (w world) pods(l workload) {
	s := l.pods.Spec
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	if len(s.Containers) != 1 {
		w.complain("%s: %d containers", l.what, len(s.Containers))
		return
	}
	c := s.Containers[0]
	if s.SecurityContext == nil || !is(s.SecurityContext.RunAsNonRoot, true) {
		w.complain("%s: it may run as root", l.what)
	}
	if !is(s.AutomountServiceAccountToken, false) {
		w.complain("%s: it is given a token of the cluster", l.what)
	}
	if !is(s.EnableServiceLinks, false) {
		w.complain("%s: it is given variables of services", l.what)
	}
	switch sc := c.SecurityContext; {
	case sc == nil || !is(sc.ReadOnlyRootFilesystem, true):
		w.complain("%s: it may write to its image", l.what)
	case sc.Capabilities == nil || !slices.Contains(sc.Capabilities.Drop, "ALL"):
		w.complain("%s: it keeps rights", l.what)
	case !is(sc.AllowPrivilegeEscalation, false):
		w.complain("%s: it may get rights", l.what)
	}
	if c.Resources.Limits.Memory().IsZero() {
		w.complain("%s: no limit of memory", l.what)
	}
	if c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
		w.complain("%s: no requests", l.what)
	}
	if _, version, _ := strings.Cut(c.Image, ":"); !strings.Contains(version, ".") {
		w.complain("%s: the image %s names no version", l.what, c.Image)
	}
	there := func(kind, name string) {
		if w.find(kind, name) == nil {
			w.complain("%s: there is no %s %s", l.what, kind, name)
		}
	}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef != nil {
			there("ConfigMap", from.ConfigMapRef.Name)
		}
		if from.SecretRef != nil {
			there("Secret", from.SecretRef.Name)
		}
	}
	volumes := map[string]bool{}
	for _, v := range s.Volumes {
		volumes[v.Name] = true
		if v.Secret != nil {
			there("Secret", v.Secret.SecretName)
		}
		if v.ConfigMap != nil {
			there("ConfigMap", v.ConfigMap.Name)
		}
	}
	for _, claim := range l.claims {
		volumes[claim.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			w.complain("%s: there is no volume %s; there are %v", l.what, m.Name, slices.Sorted(maps.Keys(volumes)))
		}
	}
}
