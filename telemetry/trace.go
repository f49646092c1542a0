package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const scope = "simplecqrs"

// The attributes that are our own; the others are those of the semantic conventions.
const (
	// OrderID is the order that a span is about.
	OrderID = attribute.Key("order.id")
	// Role is which of the system's parts did the work.
	Role = attribute.Key("simplecqrs.role")
)

// Tracing makes spans. A nil one makes none.
type Tracing struct {
	provider   trace.TracerProvider
	tracer     trace.Tracer
	attributes []attribute.KeyValue // of every span
}

// New gives nil for a nil provider.
func New(p trace.TracerProvider) *Tracing {
	if p == nil {
		return nil
	}
	return &Tracing{provider: p, tracer: p.Tracer(scope)}
}

// With adds attributes to every span that is made by what it gives.
func (t *Tracing) With(attributes ...attribute.KeyValue) *Tracing {
	if t == nil {
		return nil
	}
	more := *t
	more.attributes = append(append([]attribute.KeyValue{}, t.attributes...), attributes...)
	return &more
}

// Start begins a span below that of ctx. It must not be called on nil.
func (t *Tracing) Start(ctx context.Context, name string, kind trace.SpanKind, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	options = append(options, trace.WithSpanKind(kind), trace.WithAttributes(t.attributes...))
	return t.tracer.Start(ctx, name, options...)
}

// About notes on the span of ctx which order it is about.
func About(ctx context.Context, orderID string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(OrderID.String(orderID))
	}
}

// End ends a span, of what failed if err is not nil.
func End(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// The names of the headers.
const (
	Traceparent = "traceparent"
	tracestate  = "tracestate"
	// maxTracestate bounds, in bytes, what is passed on of a tracestate; a longer one is
	// dropped as a whole. It is what the standard asks for, and fits a record's header.
	maxTracestate = 512
)

var propagator propagation.TraceContext

// headers are those of a record, as a propagator takes them.
type headers map[string][]byte

func (h headers) Get(name string) string {
	value := h[name]
	if name == tracestate && len(value) > maxTracestate {
		return ""
	}
	return string(value)
}

func (h headers) Set(name, value string) { h[name] = []byte(value) }

func (h headers) Keys() []string { return []string{Traceparent, tracestate} }

// From gives ctx with the trace that a record's headers name, if they do.
func From(ctx context.Context, record map[string][]byte) context.Context {
	if len(record[Traceparent]) == 0 {
		return ctx
	}
	return propagator.Extract(ctx, headers(record))
}

// Into has a record's headers name the trace of ctx, if it has one.
func Into(ctx context.Context, record map[string][]byte) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		delete(record, tracestate) // of what led to the record
		propagator.Inject(ctx, headers(record))
	}
}

// Observe notes a time, and with it the trace of ctx as an example of such. One below
// zero, of two clocks that do not agree, counts as zero: a histogram's sum may not fall.
func Observe(ctx context.Context, h prometheus.Observer, d time.Duration) {
	d = max(d, 0)
	if e, ok := h.(prometheus.ExemplarObserver); ok {
		e.ObserveWithExemplar(d.Seconds(), Exemplar(ctx)) // as without one if that is nil
		return
	}
	h.Observe(d.Seconds())
}

// Exemplar gives the labels by which a figure points at the trace of ctx; nil if there
// is none, or it is not kept.
func Exemplar(ctx context.Context) map[string]string {
	s := trace.SpanContextFromContext(ctx)
	if !s.IsSampled() {
		return nil
	}
	return map[string]string{"trace_id": s.TraceID().String()}
}
