package edge

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestAProcessSaysThatItLives(t *testing.T) {
	newWorld(t).do(http.MethodGet, "/healthz").want(t, http.StatusOK, `{"status":"alive"}`+"\n")
}

func TestAProcessIsReadyOnceAllItsPartsAre(t *testing.T) {
	for _, c := range []struct {
		name   string
		parts  []Component
		status int
		body   string
	}{
		{"there are none", nil, http.StatusOK, `{"status":"ready","components":[]}`},
		{
			"all are ready",
			[]Component{{Name: "saga", State: "running", Ready: true}, {Name: "table", State: "running", Ready: true}},
			http.StatusOK,
			`{"status":"ready","components":[{"name":"saga","state":"running","ready":true},{"name":"table","state":"running","ready":true}]}`,
		},
		{
			"one is not",
			[]Component{{Name: "saga", State: "disconnected", Detail: "no broker"}, {Name: "table", State: "running", Ready: true}},
			http.StatusServiceUnavailable,
			`{"status":"not ready","components":[{"name":"saga","state":"disconnected","ready":false,"detail":"no broker"},` +
				`{"name":"table","state":"running","ready":true}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready = c.parts
			w.do(http.MethodGet, "/readyz").want(t, c.status, c.body+"\n")
		})
	}
}

func TestHoweverManyAskWhetherAProcessIsReadyItsPartsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		w := &world{t: t, guard: Guard{Callers: callers{}}, registry: prometheus.NewRegistry()}
		h := w.health()
		h.Ready = func() []Component {
			<-time.After(time.Second / 2)
			asked.Add(1)
			return nil
		}
		w.handler = NewHealth(h)
		ask := func(times int64) {
			t.Helper()
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { w.do(http.MethodGet, "/readyz").want(t, http.StatusOK, `{"status":"ready"}`+"\n") })
			}
			all.Wait()
			if n := asked.Load(); n != times {
				t.Errorf("asked %d times, want %d", n, times)
			}
		}
		ask(1)
		<-time.After(sharedAge - time.Millisecond)
		ask(1)
		<-time.After(time.Millisecond)
		ask(2)
	})
}

func TestAPageWhoseNameLeadsHereIsNotToldOfTheParts(t *testing.T) {
	w := newGuardedWorld(t, Guard{})
	w.ready = []Component{{Name: "saga", State: "running", Ready: true}}
	for host, body := range map[string]string{
		"localhost:8080": `{"status":"ready","components":[{"name":"saga","state":"running","ready":true}]}`,
		"127.0.0.1":      `{"status":"ready","components":[{"name":"saga","state":"running","ready":true}]}`,
		"evil.example":   `{"status":"ready"}`,
	} {
		r := w.request(http.MethodGet, "/readyz", "")
		r.Host = host
		w.serve(r).want(t, http.StatusOK, body+"\n")
	}
}

func TestAProcessThatIsNoEdgeServesHealthAlone(t *testing.T) {
	w := &world{t: t, guard: Guard{Hosts: []string{"shop.example"}}, registry: prometheus.NewRegistry()}
	w.handler = NewHealth(w.health())
	w.do(http.MethodGet, "/healthz").want(t, http.StatusOK, `{"status":"alive"}`+"\n")
	w.do(http.MethodGet, "/readyz").want(t, http.StatusOK, `{"status":"ready","components":[]}`+"\n")
	w.wantCounted(`simplecqrs_http_request_seconds_count{code="200",method="get",route="/readyz"} 1`)
	for _, path := range []string{"/command", "/query/" + seedID, "/query/" + seedID + "/history"} {
		w.do(http.MethodGet, path).wantProblem(t, http.StatusNotFound, "nothing is served at "+path)
	}
}

// wantCounted holds /metrics to a line.
func (w *world) wantCounted(line string) {
	w.t.Helper()
	got := w.do(http.MethodGet, "/metrics")
	if got.StatusCode != http.StatusOK || !strings.Contains("\n"+got.body, "\n"+line+"\n") {
		w.t.Errorf("%s is not among the metrics: %s %s", line, got.Status, got.body)
	}
}

func TestRequestsAreCountedByRouteMethodAndCode(t *testing.T) {
	w := newWorld(t)
	w.get = has(complete(seedID))
	w.post("")
	w.post("no JSON")
	w.do(http.MethodGet, "/command")
	w.do(http.MethodHead, "/command")
	w.do(http.MethodGet, "/query/"+seedID)
	w.do(http.MethodHead, "/query/"+seedID)
	w.do(http.MethodGet, "/query/ORD-00000")
	w.do(http.MethodGet, "/query/"+seedID+"/history")
	w.do(http.MethodGet, "/nowhere")
	w.do(http.MethodGet, "/healthz")
	w.do(http.MethodGet, "/readyz")
	w.do(http.MethodGet, "/metrics")
	want := []string{
		"/command get 200", "/command post 202", "/command post 400", "/healthz get 200", "/metrics get 200",
		"/query/{id} get 200", "/query/{id} get 404", "/query/{id} head 200", "/query/{id}/history get 200",
		"/readyz get 200", "none get 404", "none head 405",
	}
	if diff := cmp.Diff(want, w.series()); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

// series lists what requests are counted under.
func (w *world) series() []string {
	w.t.Helper()
	families, err := w.registry.Gather()
	check(w.t, err)
	found := map[string]bool{}
	for _, f := range families {
		if f.GetName() != "simplecqrs_http_request_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			found[labels["route"]+" "+labels["method"]+" "+labels["code"]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func TestNoClientCanMakeUpSeries(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		id := fmt.Sprintf("ORD-%05X", i)
		w.do(http.MethodGet, "/query/"+id)
		w.do(http.MethodGet, "/nowhere/"+id)
		for _, path := range []string{"/command", "/query/" + id, "/nowhere", "/metrics"} {
			w.do(fmt.Sprintf("METHOD%d", i), path)
		}
	}
	want := []string{"/query/{id} get 404", "none get 404", "none unknown 404", "none unknown 405"}
	if diff := cmp.Diff(want, w.series()); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

type brokenCollector struct{}

var broken = prometheus.NewDesc("broken", "A figure that cannot be had.", nil, nil)

func (brokenCollector) Describe(c chan<- *prometheus.Desc) { c <- broken }
func (brokenCollector) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(broken, errors.New("10.0.0.7 says no"))
}

func TestMetricsThatCannotBeHadAreLoggedAndTheRestIsTold(t *testing.T) {
	w := newWorld(t)
	w.registry.MustRegister(brokenCollector{})
	w.post("")
	w.wantCounted("simplecqrs_orders_accepted_total 1")
	w.wantLogged("10.0.0.7 says no")
	if got := w.do(http.MethodGet, "/metrics"); strings.Contains(got.body, "10.0.0.7") {
		t.Errorf("it is shown: %s", got.body)
	}
}
