package stream

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"simplecqrs/telemetry"
)

// Traced has what a handler writes go on with the trace that the handled record is part
// of: emissions, its table's records, and what [Later] gives. With tracing on, the
// handling is a span of the trace, and so is each record that is written.
func Traced(handle goka.ProcessCallback) goka.ProcessCallback {
	return func(ctx goka.Context, msg any) {
		c, ok := ctx.(failing)
		if !ok { // goka's tester
			handle(ctx, msg)
			return
		}
		record := received{topic: string(ctx.Topic()), key: ctx.Key(), partition: ctx.Partition(), offset: ctx.Offset()}
		if c.part = c.tracer.begin(record, ctx.Headers()); c.part == nil {
			handle(ctx, msg)
			return
		}
		through := false
		defer func() { c.part.handled(through) }()
		handle(c, msg)
		through = true
	}
}

// TraceOf gives ctx with the trace of what a callback of goka is called for.
func TraceOf(ctx context.Context, of interface{ Headers() goka.Headers }) context.Context {
	switch of := of.(type) {
	case failing:
		return of.part.in(ctx)
	case tracedUpdate:
		return of.part.in(ctx)
	}
	return telemetry.From(ctx, of.Headers())
}

// tracer makes the spans of a role; one without tracing passes on what it finds.
type tracer struct {
	tracing *telemetry.Tracing
	group   string    // of the consumers; empty for none
	keyName string    // see Config
	began   time.Time // the process did
}

func (c *Client) tracer(role, group string) *tracer {
	return &tracer{c.config.Tracing.With(telemetry.Role.String(role)), group, c.config.KeyName, c.began}
}

// emitting is that of the emitters, which belong to no role.
func (c *Client) emitting() *tracer {
	return &tracer{tracing: c.config.Tracing, keyName: c.config.KeyName}
}

func (t *tracer) off() bool { return t == nil || t.tracing == nil }

// received is the place of a record.
type received struct {
	topic     string
	key       string
	partition int32
	offset    int64
}

// part is that of a handler in a trace. It is nil for none.
type part struct {
	ctx  context.Context // is in the trace
	span trace.Span      // nil with tracing off

	once    sync.Once
	headers goka.Headers // by which the trace goes on; see its method

	later bool // the work goes on after the handler is through
}

// begin gives nil if there is nothing to pass on.
func (t *tracer) begin(r received, headers goka.Headers) *part {
	ctx := telemetry.From(context.Background(), headers)
	if t.off() {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return nil
		}
		return &part{ctx: ctx}
	}
	attributes := append(t.about(r.topic, r.key, headers),
		semconv.MessagingOperationName("process"), semconv.MessagingOperationTypeProcess,
		semconv.MessagingDestinationPartitionID(strconv.Itoa(int(r.partition))), semconv.MessagingKafkaOffset(int(r.offset)))
	if t.group != "" {
		attributes = append(attributes, semconv.MessagingConsumerGroupName(t.group))
	}
	ctx, span := t.tracing.Start(ctx, "process "+r.topic, trace.SpanKindConsumer, trace.WithAttributes(attributes...))
	return &part{ctx: ctx, span: span}
}

// about are the attributes that a record's spans have in common. What headers of
// CloudEvents it has is told in their words.
func (t *tracer) about(topic, key string, headers goka.Headers) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, 12)
	all = append(all, semconv.MessagingSystemKafka, semconv.MessagingDestinationName(topic), semconv.MessagingKafkaMessageKey(key))
	if t.keyName != "" {
		all = append(all, attribute.String(t.keyName, key))
	}
	for name, attr := range map[string]attribute.Key{
		"ce_id": semconv.CloudEventsEventIDKey, "ce_type": semconv.CloudEventsEventTypeKey, "ce_source": semconv.CloudEventsEventSourceKey,
	} {
		if value, sent := headers[name]; sent {
			all = append(all, attr.String(string(value)))
		}
	}
	return all
}

// in gives ctx with the part's trace.
func (p *part) in(ctx context.Context) context.Context {
	if p == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(p.ctx))
}

// onwards gives headers and those by which the trace goes on.
func (p *part) onwards(headers goka.Headers) goka.Headers {
	if p == nil {
		return headers
	}
	p.once.Do(func() {
		p.headers = goka.Headers{}
		telemetry.Into(p.ctx, p.headers)
	})
	return headers.Merged(p.headers)
}

// option is that of a record which a handler writes.
func (p *part) option(options []goka.ContextOption) []goka.ContextOption {
	if p == nil {
		return options
	}
	return append(options, goka.WithCtxEmitHeaders(p.onwards(nil)))
}

// goesOn has the part end later than its handler.
func (p *part) goesOn() {
	if p != nil {
		p.later = true
	}
}

// handled ends the part of a handler that has returned, or panicked.
func (p *part) handled(through bool) {
	switch {
	case p.span == nil, p.later:
	case through:
		p.span.End()
	default:
		p.end(errPanicked)
	}
}

func (p *part) end(err error) {
	if p == nil || p.span == nil {
		return
	}
	telemetry.End(p.span, err)
}

// tracedUpdate is that of a view's record with a part in a trace.
type tracedUpdate struct {
	goka.UpdateContext
	part *part
}

// traced has the time from a view's record until it is finished told as a part of its
// trace. One that was written before the process began is part of none: a view without
// a local copy reads its topic from the beginning at each start.
func (t *tracer) traced(handle Deferred) Deferred {
	if t.off() {
		return handle
	}
	return func(ctx goka.UpdateContext, key string, value []byte, finished func() error) error {
		if ctx.Timestamp().Before(t.began) {
			return handle(tracedUpdate{UpdateContext: ctx}, key, value, finished)
		}
		record := received{string(ctx.Topic()), key, ctx.Partition(), ctx.Offset()}
		p := t.begin(record, ctx.Headers())
		err := handle(tracedUpdate{ctx, p}, key, value, func() error {
			err := finished()
			p.end(err)
			return err
		})
		if err != nil {
			p.end(err)
		}
		return err
	}
}

// spanOf gives the span of ctx in little space; nil for none.
func spanOf(ctx context.Context) *trace.SpanContext {
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		return &s
	}
	return nil
}

// headersOf are those by which a trace goes on from a span.
func headersOf(s *trace.SpanContext) goka.Headers {
	if s == nil {
		return nil
	}
	h := goka.Headers{}
	telemetry.Into(trace.ContextWithSpanContext(context.Background(), *s), h)
	return h
}

func traceparentOf(s *trace.SpanContext) []byte { return headersOf(s)[telemetry.Traceparent] }

func spanNamed(traceparent []byte) *trace.SpanContext {
	return spanOf(telemetry.From(context.Background(), goka.Headers{telemetry.Traceparent: traceparent}))
}

// sending begins the span of a record that is written as part of a trace, and has its
// headers name that span. It gives nil for any other.
func (t *tracer) sending(r *kgo.Record, headers goka.Headers) trace.Span {
	if t.off() {
		return nil
	}
	ctx := telemetry.From(context.Background(), headers)
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	ctx, span := t.tracing.Start(ctx, "send "+r.Topic, trace.SpanKindProducer, trace.WithAttributes(append(
		t.about(r.Topic, string(r.Key), headers), semconv.MessagingOperationName("send"), semconv.MessagingOperationTypeSend)...))
	onwards := goka.Headers{}
	telemetry.Into(ctx, onwards)
	for i, h := range r.Headers {
		if value, ours := onwards[h.Key]; ours {
			r.Headers[i].Value = value
		}
	}
	return span
}

// written ends the span of a record that the brokers have, or will never have.
func written(span trace.Span, r *kgo.Record, err error) {
	if span == nil {
		return
	}
	if err == nil {
		span.SetAttributes(semconv.MessagingDestinationPartitionID(strconv.Itoa(int(r.Partition))), semconv.MessagingKafkaOffset(int(r.Offset)))
	}
	telemetry.End(span, err)
}
