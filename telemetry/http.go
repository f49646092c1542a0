package telemetry

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// requests passes on what a request says of a trace, within the bounds of a record's.
type requests struct{ propagation.TraceContext }

func (p requests) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	sent := headers{}
	for _, name := range sent.Keys() {
		sent.Set(name, c.Get(name))
	}
	return p.TraceContext.Extract(ctx, sent)
}

// Handler has requests that are answered by h take part in the trace that their clients
// name, or begin one. The route is their path's template.
func (t *Tracing) Handler(route string, h http.Handler) http.Handler {
	if t == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, sent := r.Header["Traceparent"]; sent {
				r = r.WithContext(requests{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
			}
			h.ServeHTTP(w, r)
		})
	}
	return otelhttp.NewHandler(h, route,
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()), // the metrics are Prometheus's
		otelhttp.WithPropagators(requests{}),
		otelhttp.WithSpanNameFormatter(func(route string, r *http.Request) string { return r.Method + " " + route }),
		otelhttp.WithSpanOptions(trace.WithAttributes(semconv.HTTPRoute(route)), trace.WithAttributes(t.attributes...)),
	)
}

// Pass has a request to another service name the trace of its context, if it has one.
func Pass(r *http.Request) {
	propagator.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
}
