package node

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
	"simplecqrs/views"
)

// journey is the trace of an order that goes well: who did what, below what led to it.
const journey = `
POST /command [edge]
  send store.order ORDER_REQUESTED
    process store.order [aggregate] ORDER_REQUESTED
      send view.order [aggregate]
        process view.order [sink]
          bulkWrite orders [sink]
    process store.order [order] ORDER_REQUESTED
      send store.order [order] ORDER_COMPLETED
        process store.order [aggregate] ORDER_COMPLETED
          send view.order [aggregate]
            process view.order [sink]
              bulkWrite orders [sink]
        process store.order [saga] ORDER_COMPLETED
          send saga.order [saga]
          send store.order [saga] PAYMENT_REQUESTED
            process store.order [aggregate] PAYMENT_REQUESTED
              send view.order [aggregate]
                process view.order [sink]
                  bulkWrite orders [sink]
            process store.order [payment] PAYMENT_REQUESTED
              send store.order [payment] PAYMENT_COMPLETED
                process store.order [aggregate] PAYMENT_COMPLETED
                  send view.order [aggregate]
                    process view.order [sink]
                      bulkWrite orders [sink]
                process store.order [saga] PAYMENT_COMPLETED
                  send saga.order [saga]
                  send store.order [saga] MAIL_REQUESTED
                    process store.order [aggregate] MAIL_REQUESTED
                      send view.order [aggregate]
                        process view.order [sink]
                          bulkWrite orders [sink]
                    process store.order [mail] MAIL_REQUESTED
                      send store.order [mail] MAIL_COMPLETED
                        process store.order [aggregate] MAIL_COMPLETED
                          send view.order [aggregate]
                            process view.order [sink]
                              bulkWrite orders [sink]
                        process store.order [saga] MAIL_COMPLETED
                          send saga.order [saga]
    process store.order [saga] ORDER_REQUESTED
      send saga.order [saga]
`

// traced is where the spans of a test's nodes go.
type traced struct{ *tracetest.InMemoryExporter }

func newTraced() traced { return traced{tracetest.NewInMemoryExporter()} }

// provider is that of one process.
func (x traced) provider(t *testing.T) trace.TracerProvider {
	p := sdk.NewTracerProvider(sdk.WithSyncer(x))
	t.Cleanup(func() { check(t, p.Shutdown(context.WithoutCancel(t.Context()))) })
	return p
}

// of gives the spans of a trace.
func (x traced) of(id trace.TraceID) tracetest.SpanStubs {
	return slices.DeleteFunc(x.GetSpans(), func(s tracetest.SpanStub) bool { return s.SpanContext.TraceID() != id })
}

func attributeOf(s tracetest.SpanStub, name attribute.Key) string {
	for _, a := range s.Attributes {
		if a.Key == name {
			return a.Value.String()
		}
	}
	return ""
}

// treeOf draws the spans below a parent, those beside each other by their names. A span
// is told by its name, its role and the event.
func treeOf(spans tracetest.SpanStubs, parent trace.SpanID, indent string) string {
	var lines []string
	for _, s := range spans {
		if s.Parent.SpanID() != parent {
			continue
		}
		line := indent + s.Name
		if role := attributeOf(s, "simplecqrs.role"); role != "" {
			line += " [" + role + "]"
		}
		if event := attributeOf(s, "cloudevents.event_type"); event != "" {
			line += " " + event
		}
		lines = append(lines, line+"\n"+treeOf(spans, s.SpanContext.SpanID(), indent+"  "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func TestAnOrderIsOneTraceThroughAllRolesAndProcesses(t *testing.T) {
	all := AllRoles(saga.Default())
	for name, processes := range map[string][][]string{
		"one process":   {all},
		"two processes": {{RoleEdge, "payment", processors.RoleAggregate}, {"order", "mail", processors.RoleSaga, views.RoleSink}},
		"a process for each": func() (each [][]string) {
			for _, role := range all {
				each = append(each, []string{role})
			}
			return each
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			w, spans := newWorld(t), newTraced()
			var edge *running
			for _, roles := range processes {
				n := w.start(func(c *Config) { c.Roles, c.Tracing = roles, spans.provider(t) })
				edge = cmp.Or(edge, n) // the first has it
				n.ready()
			}
			// As a client does that has a trace of its own.
			const trace64, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
			r, err := http.NewRequest(http.MethodPost, edge.url("/command"), nil)
			check(t, err)
			r.Header.Set("Traceparent", "00-"+trace64+"-"+parent+"-01")
			answer, err := http.DefaultClient.Do(r)
			check(t, err)
			check(t, answer.Body.Close())
			id := strings.TrimPrefix(answer.Header.Get("Location"), "/query/")
			traceID, err := trace.TraceIDFromHex(trace64)
			check(t, err)
			clients, err := trace.SpanIDFromHex(parent)
			check(t, err)

			var tree string
			w.await("the trace to be whole", func() bool {
				tree = "\n" + treeOf(spans.of(traceID), clients, "")
				return strings.Count(tree, "\n") >= strings.Count(journey, "\n")
			})
			if diff := gocmp.Diff(journey, tree); diff != "" {
				t.Errorf("the trace differs (-want +got):\n%s", diff)
			}
			t.Log(timed(spans.of(traceID), clients))
			for _, s := range spans.of(traceID) {
				if got := attributeOf(s, "order.id"); got != id {
					t.Errorf("%s is about order %q, want %s", s.Name, got, id)
				}
			}
			w.wantHappy("read store", id, edge.ended(id))
			if rest := len(spans.GetSpans()) - len(spans.of(traceID)); rest > 0 {
				t.Errorf("%d spans are part of no order's trace", rest)
			}
		})
	}
}

// timed draws a trace for people: when each span began, in milliseconds, and how long it took.
func timed(spans tracetest.SpanStubs, parent trace.SpanID) string {
	slices.SortFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	var b strings.Builder
	var draw func(parent trace.SpanID, depth int)
	draw = func(parent trace.SpanID, depth int) {
		for _, s := range spans {
			if s.Parent.SpanID() != parent {
				continue
			}
			fmt.Fprintf(&b, "%7.1f ms %6.1f ms  %s%s %s %s\n",
				float64(s.StartTime.Sub(spans[0].StartTime).Microseconds())/1000, float64(s.EndTime.Sub(s.StartTime).Microseconds())/1000,
				strings.Repeat("  ", depth), s.Name, attributeOf(s, "simplecqrs.role"), attributeOf(s, "cloudevents.event_type"))
			draw(s.SpanContext.SpanID(), depth+1)
		}
	}
	draw(parent, 0)
	return "\n" + b.String()
}

// A process that is not watched does no more than to pass on what a client sent.
func TestATraceIsPassedOnWithTracingOff(t *testing.T) {
	w := newWorld(t)
	n := w.start().ready()
	const sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	r, err := http.NewRequest(http.MethodPost, n.url("/command"), nil)
	check(t, err)
	r.Header.Set("Traceparent", sent)
	r.Header.Set("Tracestate", "vendor=value")
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	check(t, answer.Body.Close())
	n.ended(strings.TrimPrefix(answer.Header.Get("Location"), "/query/"))
	n.ended(n.place())
	for _, topic := range []string{"store.order", "view.order", "saga.order"} {
		with, without := 0, 0
		for _, r := range w.records(topic) {
			switch [2]string{header(r, "traceparent"), header(r, "tracestate")} {
			case [2]string{sent, "vendor=value"}:
				with++
			case [2]string{}:
				without++
			default:
				t.Errorf("a record of %s has the headers %v", topic, r.Headers)
			}
		}
		if with == 0 || with != without {
			t.Errorf("of the records of %s %d have the trace, %d have none; want as many", topic, with, without)
		}
	}
	if letters := w.letters(); len(letters) > 0 {
		t.Errorf("dead letters: %+v", letters)
	}
}

// wary is a participant that fails once and remembers in which traces it was asked.
type wary struct {
	mu     sync.Mutex
	traces []trace.TraceID
}

func (p *wary) Do(ctx context.Context, _ processors.Request) (order.JSON, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traces = append(p.traces, trace.SpanContextFromContext(ctx).TraceID())
	if len(p.traces) == 1 {
		return nil, &processors.Failed{Reason: "not now"}
	}
	return order.JSON(`{"paid":true}`), nil
}

func (*wary) Undo(context.Context, processors.Request) error { return nil }

func TestWhatATimerLeadsToIsPartOfItsOrdersTrace(t *testing.T) {
	w, spans, payment := newWorld(t), newTraced(), &wary{}
	n := w.start(clerks, func(c *Config) {
		c.Tracing = spans.provider(t)
		c.Participants[order.Payment] = payment
		c.Definition = saga.Default()
		c.Definition.Steps[1].Retry = saga.Retry{Attempts: 3, First: 20 * time.Millisecond, Factor: 1, Cap: 20 * time.Millisecond}
	}).ready()
	n.ended(n.place())
	asked := payment.traces
	if len(asked) != 2 || !asked[0].IsValid() || asked[0] != asked[1] {
		t.Fatalf("the participant was asked in the traces %v, want the same twice", asked)
	}
	var tree string
	w.await("the trace to be whole", func() bool {
		tree = strings.ReplaceAll(treeOf(spans.of(asked[0]), trace.SpanID{}, ""), "  ", "")
		return strings.Count(tree, "bulkWrite orders [sink]") == 9
	})
	if want := `
send saga.timers [saga]
process saga.timers [saga]
send saga.order [saga]
send store.order [saga] PAYMENT_REQUESTED
`; !strings.Contains(tree, want) {
		t.Errorf("the timer is not where it was armed:\n%s", tree)
	}
}
