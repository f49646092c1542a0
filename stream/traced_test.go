package stream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kgo"
	otel "go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"simplecqrs/telemetry"
)

// sender is the span that the tests' records come from.
const (
	senderTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	senderSpan  = "00f067aa0ba902b7"
	sender      = "00-" + senderTrace + "-" + senderSpan + "-01"
)

// watched has a process make spans.
func watched(p *process) *tracetest.InMemoryExporter {
	spans := tracetest.NewInMemoryExporter()
	p.client.config.Tracing = telemetry.New(sdk.NewTracerProvider(sdk.WithSyncer(spans)))
	p.client.config.KeyName = "order.id"
	return spans
}

// writeTraced appends a record that is part of a trace; with an empty parent it is of none.
func (w *world) writeTraced(topic goka.Stream, key, value, parent string) {
	w.t.Helper()
	r := &kgo.Record{Topic: string(topic), Key: []byte(key), Value: []byte(value)}
	if parent != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "traceparent", Value: []byte(parent)})
	}
	check(w.t, w.kafka.ProduceSync(w.context(), r).FirstErr())
}

func headerOf(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// writer writes in each way that there is, with headers of its own.
type writer struct {
	in, out     goka.Stream
	group       goka.Group
	table, loop string
}

func newWriter(w *world) writer {
	return writer{
		in: w.stream("in", 1), out: w.stream("out", 1), group: w.group("writer", 1),
		table: w.name + "writer-table", loop: w.topic("writer-loop", 1, "delete"),
	}
}

func (x writer) spec(lanes int) Processor {
	own := goka.WithCtxEmitHeaders(goka.Headers{"ce_type": []byte("OWN"), "traceparent": []byte("of another")})
	return Processor{
		Role: "writer", Lanes: lanes,
		Graph: goka.DefineGroup(x.group,
			goka.Input(x.in, new(codec.String), Traced(func(ctx goka.Context, msg any) {
				key := ctx.Key()
				ctx.SetValue(msg, own)
				ctx.Loopback(key, msg)
				ctx.Emit(x.out, key, []byte(msg.(string)), own)
				Later(ctx, func(context.Context) []Emission {
					return []Emission{{Topic: x.out, Key: key, Value: []byte(msg.(string) + " later")}}
				})
			})),
			goka.Loop(new(codec.String), Traced(func(ctx goka.Context, msg any) { ctx.Delete() })),
			goka.Output(x.out, new(codec.Bytes)),
			goka.Persist(new(codec.String)),
		),
	}
}

func TestWhatAHandlerWritesGoesOnWithTheTraceOfItsRecord(t *testing.T) {
	oursOnly(t)
	for _, c := range []struct {
		name    string
		lanes   int
		watched bool
	}{
		{"on", 0, true},
		{"on, with lanes", 2, true},
		{"off", 0, false},
		{"off, with lanes", 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			x, p := newWriter(w), w.process("")
			spans := tracetest.NewInMemoryExporter()
			if c.watched {
				spans = watched(p)
			}
			task := p.processor(x.spec(c.lanes))
			w.writeTraced(x.in, "k", "v", sender)
			written := func() (all []*kgo.Record) {
				for _, topic := range []string{string(x.out), x.table, x.loop} {
					all = append(all, w.records(topic)...)
				}
				return all
			}
			w.await("all to be written", func() bool { return len(written()) == 5 }) // two, and two of the table
			task.stop()
			sent := map[string]string{} // by span, the span that it is below
			process := map[string]bool{}
			for _, s := range spans.GetSpans() {
				if s.SpanContext.TraceID().String() != senderTrace {
					t.Errorf("%s is part of trace %s", s.Name, s.SpanContext.TraceID())
				}
				switch s.SpanKind {
				case trace.SpanKindProducer:
					sent["00-"+senderTrace+"-"+s.SpanContext.SpanID().String()+"-01"] = s.Parent.SpanID().String()
				case trace.SpanKindConsumer:
					process[s.SpanContext.SpanID().String()] = true
				default:
					t.Errorf("%s is of kind %s", s.Name, s.SpanKind)
				}
			}
			for _, r := range written() {
				names := headerOf(r, "traceparent")
				if !c.watched {
					if names != sender {
						t.Errorf("%s: %s is passed on as %q", r.Topic, sender, names)
					}
					continue
				}
				if parent, ok := sent[names]; !ok || !process[parent] {
					t.Errorf("%s has traceparent %q, which is no span's that is below a handler's", r.Topic, names)
				}
				delete(sent, names)
			}
			if len(sent) > 0 {
				t.Errorf("spans of records that are not there: %v", sent)
			}
		})
	}
}

func TestTheSpanOfAHandlerSaysWhereItsRecordLay(t *testing.T) {
	oursOnly(t)
	w := newWorld(t)
	in, p := w.stream("in", 1), w.process("")
	spans := watched(p)
	group := w.name + "g"
	p.processor(Processor{Role: "reader", Graph: goka.DefineGroup(goka.Group(group),
		goka.Input(in, new(codec.String), Traced(func(goka.Context, any) {})))})
	w.writeTraced(in, "ORD-B384F", "v", "") // of no trace: it begins one
	w.await("the span", func() bool { return len(spans.GetSpans()) == 1 })
	s, got := spans.GetSpans()[0], map[string]string{}
	for _, a := range s.Attributes {
		got[string(a.Key)] = a.Value.String()
	}
	if diff := cmp.Diff(map[string]string{
		"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": string(in), "messaging.destination.partition.id": "0", "messaging.kafka.offset": "0",
		"messaging.kafka.message.key": "ORD-B384F", "messaging.consumer.group.name": group,
		"order.id": "ORD-B384F", "simplecqrs.role": "reader",
	}, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if s.Name != "process "+string(in) || s.Parent.IsValid() {
		t.Errorf("it is %s, below %v", s.Name, s.Parent.SpanID())
	}
}

func TestAHandlerThatFailsIsSeenInItsTrace(t *testing.T) {
	oursOnly(t)
	for name, c := range map[string]struct {
		lanes int
		fail  func(goka.Context)
		want  string
	}{
		"a panic":   {0, func(goka.Context) { panic("no") }, "the handler panicked"},
		"a failure": {0, func(ctx goka.Context) { ctx.Fail(errors.New("no")) }, "the handler panicked"},
		"later":     {1, func(ctx goka.Context) { Later(ctx, func(context.Context) []Emission { panic("no") }) }, "panic in the work of k: no"},
		"an emission": {1, func(ctx goka.Context) {
			Later(ctx, func(context.Context) []Emission { return []Emission{{Topic: "nowhere"}} })
		}, "emitting to nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in, p := w.stream("in", 1), w.process("")
			spans := watched(p)
			p.processor(Processor{Role: "r", Lanes: c.lanes, Graph: goka.DefineGroup(goka.Group(w.name+"g"),
				goka.Input(in, new(codec.String), Traced(func(ctx goka.Context, _ any) { c.fail(ctx) })))})
			w.writeTraced(in, "k", "v", sender)
			w.await("the handler's span", func() bool {
				for _, s := range spans.GetSpans() {
					if s.SpanKind == trace.SpanKindConsumer {
						return s.Status.Code == otel.Error && strings.HasPrefix(s.Status.Description, c.want)
					}
				}
				return false
			})
		})
	}
}

func TestAViewsRecordIsPartOfItsTraceUntilItIsFinished(t *testing.T) {
	oursOnly(t)
	w := newWorld(t)
	table, p := w.topic("t", 1, "compact"), w.process("")
	spans := watched(p)
	finish := make(chan func() error, 1)
	const old = "written before the process began"
	check(t, w.kafka.ProduceSync(w.context(), &kgo.Record{
		Topic: table, Key: []byte("k"), Value: []byte(old), Timestamp: p.client.began.Add(-time.Millisecond),
		Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte(sender)}},
	}).FirstErr())
	p.view(View{
		Role: "sink", Table: goka.Table(table), Codec: new(codec.String),
		Deferred: func(ctx goka.UpdateContext, _ string, value []byte, finished func() error) error {
			s := trace.SpanContextFromContext(TraceOf(t.Context(), ctx))
			if string(value) == old {
				if s.IsValid() {
					t.Error("what is old is part of a trace")
				}
				return finished()
			}
			if s.TraceID().String() != senderTrace || s.SpanID().String() == senderSpan {
				t.Errorf("the callback is part of span %s of trace %s", s.SpanID(), s.TraceID())
			}
			finish <- finished
			return nil
		},
	})
	w.writeTraced(goka.Stream(table), "k", "v", sender)
	finished := <-finish
	if n := len(spans.GetSpans()); n > 0 {
		t.Errorf("%d spans ended before the record was finished", n)
	}
	check(t, finished())
	all := spans.GetSpans()
	if len(all) != 1 || all[0].Name != "process "+table || all[0].Parent.SpanID().String() != senderSpan {
		t.Errorf("the spans are %v", all)
	}
}

// The rest of the trace is where the timer is: with whoever sends it.
func TestATimerGoesOnWithTheTraceOfTheWriteThatArmedIt(t *testing.T) {
	oursOnly(t)
	for name, c := range map[string]struct{ watched, again, copied bool }{
		"tracing on":                           {watched: true},
		"tracing off":                          {},
		"after a restart with the local table": {again: true, copied: true},
		"after a restart without":              {again: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in, group := w.stream("in", 1), w.group("clocks", 1)
			loop, dir := w.topic("clocks-loop", 1, "delete"), t.TempDir()
			stored := make(chan struct{}, 9)
			start := func(dir string) (*process, *clock, *tracetest.InMemoryExporter) {
				p, wall := w.process(dir), &clock{}
				p.client.now = wall.now
				spans := tracetest.NewInMemoryExporter()
				if c.watched {
					spans = watched(p)
				}
				p.processor(Processor{Role: "clocks", Timers: &alarms, Graph: goka.DefineGroup(group,
					goka.Input(in, new(codec.String), Traced(func(ctx goka.Context, msg any) { ctx.SetValue(msg); stored <- struct{}{} })),
					goka.Loop(new(codec.String), Traced(func(goka.Context, any) {})),
					goka.Persist(new(codec.String)))})
				return p, wall, spans
			}
			p, wall, spans := start(dir)
			later := time.Now().Add(time.Hour)
			w.writeTraced(in, "replaced", alarm(1, later), "")
			w.writeTraced(in, "replaced", alarm(2, later), sender)
			w.writeTraced(in, "traced", alarm(3, later), sender)
			w.writeTraced(in, "none now", alarm(4, later), sender)
			w.writeTraced(in, "none now", alarm(5, later), "")
			for range 5 {
				<-stored
			}
			if c.again {
				p.stop()
				if !c.copied {
					dir = t.TempDir()
				}
				_, wall, _ = start(dir)
			}
			wall.advance(2 * time.Hour)
			w.await("the timers", func() bool { return len(w.records(loop)) == 3 })
			for _, r := range w.records(loop) {
				got := headerOf(r, "traceparent")
				switch inTrace := strings.HasPrefix(got, "00-"+senderTrace+"-"); {
				case string(r.Key) == "none now" && inTrace, string(r.Key) != "none now" && !inTrace, !c.watched && inTrace && got != sender:
					t.Errorf("the timer of %q has traceparent %q", r.Key, got)
				}
			}
			if !c.watched {
				return
			}
			w.await("the spans of both timers in the trace", func() bool {
				sent, handled := map[trace.SpanID]bool{}, 0
				for _, s := range spans.GetSpans() {
					if s.SpanContext.TraceID().String() == senderTrace && s.Name == "send "+loop {
						sent[s.SpanContext.SpanID()] = true
					}
				}
				for _, s := range spans.GetSpans() { // of which one may have ended before it was known to be sent
					if s.Name == "process "+loop && sent[s.Parent.SpanID()] {
						handled++
					}
				}
				return handled == 2
			})
		})
	}
}

// handled is a goka.Context of a record.
type handled struct {
	gokaContext
	headers goka.Headers
}

func (h handled) Topic() goka.Stream    { return "store.order" }
func (h handled) Key() string           { return "ORD-B384F" }
func (h handled) Partition() int32      { return 1 }
func (h handled) Offset() int64         { return 1 }
func (h handled) Headers() goka.Headers { return h.headers }

// BenchmarkTraced is what tracing costs a record: nothing is the handler alone.
func BenchmarkTraced(b *testing.B) {
	plainly := goka.Headers{"ce_id": []byte("x"), "ce_type": []byte("ORDER_REQUESTED")}
	sent := goka.Headers{"ce_id": []byte("x"), "ce_type": []byte("ORDER_REQUESTED"), "traceparent": []byte(sender)}
	on := telemetry.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(tracetest.NewSpanRecorder())))
	never := telemetry.New(sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample())))
	for _, c := range []struct {
		name    string
		tracing *telemetry.Tracing
		headers goka.Headers
		wrap    func(goka.ProcessCallback) goka.ProcessCallback
	}{
		{"nothing", nil, plainly, func(h goka.ProcessCallback) goka.ProcessCallback { return h }},
		{"off", nil, plainly, Traced},
		{"off, and a client's trace", nil, sent, Traced},
		{"on, and not kept", never, plainly, Traced},
		{"on", on, sent, Traced},
	} {
		b.Run(c.name, func(b *testing.B) {
			handle := c.wrap(func(goka.Context, any) {})
			var wrapped goka.Context = failing{gokaContext: handled{headers: c.headers}, tracer: &tracer{tracing: c.tracing}}
			b.ReportAllocs()
			for b.Loop() {
				handle(wrapped, nil)
			}
		})
	}
}

func TestTracingThatIsOffTakesNoMemory(t *testing.T) {
	handle := Traced(func(goka.Context, any) {})
	var ctx goka.Context = failing{gokaContext: handled{headers: goka.Headers{"ce_id": []byte("x")}}, tracer: &tracer{}}
	if n := testing.AllocsPerRun(100, func() { handle(ctx, nil) }); n > 0 {
		t.Errorf("a record without a trace takes %v allocations", n)
	}
}
