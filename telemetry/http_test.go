package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// answered has a request answered by a handler and gives the trace that it saw.
func answered(t *Tracing, status int, header http.Header) (seen trace.SpanContext) {
	h := t.Handler("/query/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = trace.SpanContextFromContext(r.Context())
		About(r.Context(), "ORD-B384F")
		w.WriteHeader(status)
		w.(http.Flusher).Flush() // a stream's
	}))
	r := httptest.NewRequest(http.MethodGet, "/query/ORD-B384F", nil)
	r.Header = header
	h.ServeHTTP(httptest.NewRecorder(), r)
	return seen
}

func TestARequestIsPartOfItsClientsTrace(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tracing := New(sdk.NewTracerProvider(sdk.WithSyncer(spans))).With(Role.String("edge"))
	long := http.Header{"Traceparent": {clients}, "Tracestate": {"a=" + strings.Repeat("x", 250) + ",b=" + strings.Repeat("y", 250) + ",c=" + strings.Repeat("z", 250)}}
	for name, c := range map[string]struct {
		tracing *Tracing
		header  http.Header
		trace   string
		span    string // the one that the handler sees; empty for another
		state   string
	}{
		"off":                        {nil, http.Header{"Traceparent": {clients}, "Tracestate": {"v=1"}}, "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "v=1"},
		"off, a state too long":      {nil, long, "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", ""},
		"off, garbage":               {nil, http.Header{"Traceparent": {"garbage"}}, strings.Repeat("0", 32), strings.Repeat("0", 16), ""},
		"off, a client without one":  {nil, http.Header{}, strings.Repeat("0", 32), strings.Repeat("0", 16), ""},
		"on":                         {tracing, http.Header{"Traceparent": {clients}, "Tracestate": {"v=1"}}, "4bf92f3577b34da6a3ce929d0e0e4736", "", "v=1"},
		"on, a state too long":       {tracing, long, "4bf92f3577b34da6a3ce929d0e0e4736", "", ""},
		"on, a client without one":   {tracing, http.Header{}, "", "", ""},
		"on, a client's for nothing": {tracing, http.Header{"Traceparent": {unkept}}, "4bf92f3577b34da6a3ce929d0e0e4736", "", ""},
	} {
		got := answered(c.tracing, http.StatusOK, c.header)
		if c.trace != "" && got.TraceID().String() != c.trace || c.trace == "" && !got.IsValid() {
			t.Errorf("%s: the trace is %s", name, got.TraceID())
		}
		if c.span != "" && got.SpanID().String() != c.span || c.span == "" && (!got.SpanID().IsValid() || got.IsRemote()) {
			t.Errorf("%s: the span is %s", name, got.SpanID())
		}
		if got.TraceState().String() != c.state {
			t.Errorf("%s: the state is %q", name, got.TraceState())
		}
	}
	if n := len(spans.GetSpans()); n != 3 {
		t.Errorf("%d spans, want 3: of the requests that are kept", n)
	}
	spans.Reset()
	answered(tracing, http.StatusInternalServerError, http.Header{})
	one := spans.GetSpans()[0]
	if one.Name != "GET /query/{id}" || one.SpanKind != trace.SpanKindServer || one.Status.Code != codes.Error {
		t.Errorf("the span of a request that failed is %s, %s, %v", one.Name, one.SpanKind, one.Status)
	}
	got := map[string]string{}
	for _, a := range one.Attributes {
		got[string(a.Key)] = a.Value.String()
	}
	for name, want := range map[string]string{
		"http.route": "/query/{id}", "http.response.status_code": "500", "simplecqrs.role": "edge", "order.id": "ORD-B384F",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestAnotherServiceIsToldTheTrace(t *testing.T) {
	for _, sent := range []string{clients, ""} {
		r, err := http.NewRequestWithContext(From(t.Context(), map[string][]byte{Traceparent: []byte(sent)}), http.MethodPost, "http://pay.example", nil)
		check(t, err)
		Pass(r)
		if got := r.Header.Get("Traceparent"); got != sent {
			t.Errorf("it is told %q, want %q", got, sent)
		}
	}
}
