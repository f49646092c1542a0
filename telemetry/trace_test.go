package telemetry

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

const (
	clients = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unkept  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestATraceGoesFromRecordToRecordWithinItsBounds(t *testing.T) {
	for _, c := range []struct {
		name       string
		sent, want map[string][]byte
	}{
		{"none", map[string][]byte{"ce_id": []byte("x")}, map[string][]byte{}},
		{"one", map[string][]byte{Traceparent: []byte(clients)}, map[string][]byte{Traceparent: []byte(clients)}},
		{"one that is not kept", map[string][]byte{Traceparent: []byte(unkept)}, map[string][]byte{Traceparent: []byte(unkept)}},
		{
			"one with a state",
			map[string][]byte{Traceparent: []byte(clients), tracestate: []byte("vendor=value")},
			map[string][]byte{Traceparent: []byte(clients), tracestate: []byte("vendor=value")},
		},
		{
			"one with a state that is too long for a record",
			map[string][]byte{Traceparent: []byte(clients), tracestate: []byte("a=" + strings.Repeat("x", 200) + ",b=" + strings.Repeat("y", 200) + ",c=" + strings.Repeat("z", 200))},
			map[string][]byte{Traceparent: []byte(clients)},
		},
		{"garbage", map[string][]byte{Traceparent: []byte("00-garbage")}, map[string][]byte{}},
		{"nothing but zeros", map[string][]byte{Traceparent: []byte("00-" + strings.Repeat("0", 32) + "-" + strings.Repeat("0", 16) + "-01")}, map[string][]byte{}},
		{"a state alone", map[string][]byte{tracestate: []byte("vendor=value")}, map[string][]byte{}},
	} {
		got := map[string][]byte{}
		Into(From(t.Context(), c.sent), got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheStateOfAnotherTraceDoesNotStay(t *testing.T) {
	record := map[string][]byte{Traceparent: []byte(unkept), tracestate: []byte("vendor=value")}
	Into(From(t.Context(), map[string][]byte{Traceparent: []byte(clients)}), record)
	if diff := cmp.Diff(map[string][]byte{Traceparent: []byte(clients)}, record); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyATraceThatIsKeptIsAnExample(t *testing.T) {
	for sent, want := range map[string]map[string]string{
		clients: {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}, unkept: nil, "": nil,
	} {
		got := Exemplar(From(t.Context(), map[string][]byte{Traceparent: []byte(sent)}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", sent, diff)
		}
	}
}

func TestATimeBelowZeroCountsAsZero(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x"})
	reg.MustRegister(h)
	Observe(t.Context(), h, -time.Second)
	Observe(t.Context(), h, 2*time.Second)
	families, err := reg.Gather()
	check(t, err)
	if got := families[0].GetMetric()[0].GetHistogram(); got.GetSampleSum() != 2 || got.GetSampleCount() != 2 {
		t.Errorf("the histogram has %v", got)
	}
}

func TestWithoutAProviderThereIsNoTracing(t *testing.T) {
	if New(nil).With(Role.String("saga")) != nil {
		t.Error("it is there")
	}
	About(t.Context(), "ORD-B384F")
	if trace.SpanContextFromContext(From(t.Context(), nil)).IsValid() {
		t.Error("a trace comes from nowhere")
	}
}
