package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// bare takes away what the environment of the test says.
func bare(t *testing.T) {
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
	} {
		t.Setenv(name, "")
	}
}

func TestTheEnvironmentSaysWhetherThereIsTracing(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want bool
		err  string
	}{
		{"nothing", nil, false, ""},
		{"a place", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, true, ""},
		{"a place for traces", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, true, ""},
		{"the default place", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		{"a place, and no traces", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, false, ""},
		{"a place, and nothing at all", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, false, ""},
		{"an exporter that we have not", map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, `OTEL_TRACES_EXPORTER is "zipkin": want otlp or none`},
		{
			"a protocol that we have not",
			map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
			false, `OTEL_EXPORTER_OTLP_PROTOCOL is "http/json": want http/protobuf or grpc`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bare(t)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			p, end, err := FromEnvironment(t.Context(), slog.New(slog.DiscardHandler))
			if (p != nil) != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("provider %v, error %v", p, err)
			}
			end()
		})
	}
}

// received is where spans are sent to, by either protocol.
type received struct {
	collector.UnimplementedTraceServiceServer
	requests chan *collector.ExportTraceServiceRequest
}

func (r received) Export(_ context.Context, q *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.requests <- q
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r received) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || q.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.requests <- &request
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func TestSpansAreSentByTheProtocolThatIsAskedFor(t *testing.T) {
	for protocol, start := range map[string]func(t *testing.T, to received) (url string){
		"http/protobuf": func(t *testing.T, to received) string {
			s := httptest.NewServer(to)
			t.Cleanup(s.Close)
			return s.URL
		},
		"grpc": func(t *testing.T, to received) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			s := grpc.NewServer()
			collector.RegisterTraceServiceServer(s, to)
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(l) }()
			t.Cleanup(func() { s.Stop(); check(t, <-ended) })
			return "http://" + l.Addr().String()
		},
	} {
		for name, want := range map[string]string{"": "simplecqrs", "shop": "shop"} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				bare(t)
				to := received{requests: make(chan *collector.ExportTraceServiceRequest, 1)}
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", start(t, to))
				t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
				t.Setenv("OTEL_SERVICE_NAME", name)
				p, end, err := FromEnvironment(t.Context(), slog.New(slog.DiscardHandler))
				check(t, err)
				_, span := New(p).Start(t.Context(), "process store.order", 0)
				span.End()
				end() // sends it
				got := (<-to.requests).ResourceSpans[0]
				if s := got.ScopeSpans[0].Spans[0]; s.Name != "process store.order" {
					t.Errorf("the span is %s", s.Name)
				}
				for _, a := range got.Resource.Attributes {
					if a.Key == "service.name" && a.Value.GetStringValue() != want {
						t.Errorf("the service is %s, want %s", a.Value.GetStringValue(), want)
					}
				}
			})
		}
	}
}

func TestThatSpansCannotBeSentIsSaidOnceAndThatTheyCan(t *testing.T) {
	bare(t)
	away := true
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away {
			w.WriteHeader(http.StatusBadRequest) // which is not tried again
		}
	}))
	defer s.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	x, err := exporter(t.Context())
	check(t, err)
	one := &told{SpanExporter: x, log: log}
	for range 3 {
		check(t, one.ExportSpans(t.Context(), spans(t)))
	}
	away = false
	for range 3 {
		check(t, one.ExportSpans(t.Context(), spans(t)))
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "cannot be sent") || !strings.Contains(lines[1], "sent again") {
		t.Errorf("it said %q", lines)
	}
	check(t, x.Shutdown(t.Context()))
}

// spans gives one that has ended.
func spans(t *testing.T) []sdk.ReadOnlySpan {
	kept := tracetest.NewSpanRecorder()
	_, span := New(sdk.NewTracerProvider(sdk.WithSpanProcessor(kept))).Start(t.Context(), "x", 0)
	span.End()
	return kept.Ended()
}
