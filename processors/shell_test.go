package processors

import (
	"context"
	"log"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/tester"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// known and other are two orders. In a log of two partitions known is at home in
// the first, the only one that goka's tester has, and stray is not.
const (
	known = "ORD-B384F"
	other = "ORD-00002"
	stray = "ORD-00001"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// config is for shells on goka's tester.
func config() Config { return Config{Partitions: 1, Now: atNoon} }

// shell is a processor on goka's tester, which gives it one record after the
// other and passes what it emits to store.order back to it.
type shell struct {
	t                  *testing.T
	tester             *tester.Tester
	table              goka.Table // none for a worker
	log, dead, changes *tester.QueueTracker
	stop               context.CancelFunc
	ended              chan error
}

func start(t *testing.T, p stream.Processor) *shell {
	t.Helper()
	s := &shell{t: t, tester: tester.New(t), ended: make(chan error, 1)}
	processor, err := goka.NewProcessor(nil, p.Graph, goka.WithTester(s.tester),
		goka.WithNilHandling(goka.NilProcess), goka.WithLogger(log.New(t.Output(), "", 0)))
	check(t, err)
	s.log = s.tester.NewQueueTracker(codecs.StoreOrder)
	s.dead = s.tester.NewQueueTracker(codecs.DeadletterOrder)
	if table := p.Graph.GroupTable(); table != nil {
		s.table = goka.Table(table.Topic())
		s.changes = s.tester.NewQueueTracker(table.Topic())
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	go func() { s.ended <- processor.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		check(t, <-s.ended)
	})
	return s
}

// crash gives the shell after one: its table is kept, and the log read from its beginning.
func (s *shell) crash(p stream.Processor) *shell {
	s.t.Helper()
	next := start(s.t, p)
	for _, id := range []string{known, other} {
		if value := s.tester.TableValue(s.table, id); value != nil {
			next.tester.SetTableValue(s.table, id, value)
		}
	}
	return next
}

// record is one of store.order.
type record struct {
	key     string
	value   []byte
	headers codecs.Headers
	written time.Time
}

// recordOf is an event as we write it.
func recordOf(e order.Event) record {
	value, err := codecs.Event{}.Encode(e)
	if err != nil {
		panic(err) // it takes any event
	}
	return record{key: e.OrderID, value: value, headers: codecs.HeadersOf(e), written: e.Time}
}

// did is what a shell did about a record.
type did struct {
	emitted  []order.Event
	letters  []codecs.Letter
	resolved []codecs.Letter // of those that it says are
	stored   [][]byte
}

func (s *shell) hear(e order.Event) did {
	s.t.Helper()
	return s.take(recordOf(e))
}

func (s *shell) take(r record) did {
	s.t.Helper()
	var value any
	if r.value != nil {
		value = r.value
	}
	if r.written.IsZero() {
		r.written = noon
	}
	s.tester.Consume(codecs.StoreOrder, r.key, value, tester.WithHeaders(r.headers), tester.WithTime(r.written))
	s.log.NextRaw() // the record itself
	return s.outcome()
}

// outcome gives what the shell did since it was last asked.
func (s *shell) outcome() (d did) {
	s.t.Helper()
	for {
		headers, key, value, more := s.log.NextRawWithHeaders()
		if !more {
			break
		}
		e, err := codecs.Read(key, value, headers, noon)
		check(s.t, err)
		d.emitted = append(d.emitted, e)
	}
	for {
		headers, key, value, more := s.dead.NextRawWithHeaders()
		if !more {
			break
		}
		l, err := codecs.LetterOf(key, value, headers)
		check(s.t, err)
		if l.Resolved == "" {
			d.letters = append(d.letters, l)
		} else {
			d.resolved = append(d.resolved, l)
		}
	}
	for s.changes != nil {
		_, value, more := s.changes.NextRaw()
		if !more {
			break
		}
		d.stored = append(d.stored, value)
	}
	return d
}

// letter gives the one letter that is all that the shell did, but for storing, and for
// saying of an order that the saga parks that it is stuck.
func (d did) letter(t *testing.T) codecs.Letter {
	t.Helper()
	said := 0
	if len(d.letters) == 1 && d.letters[0].Role == RoleSaga && len(d.stored) > 0 {
		said = 1
	}
	for _, e := range d.emitted {
		if e.Type != order.OrderStuck || e.Status != order.StatusStuck || !strings.HasPrefix(e.Reason, "no longer decided for: ") {
			t.Errorf("said is %+v", e)
		}
	}
	if len(d.letters) != 1 || len(d.emitted) != said {
		t.Fatalf("%d letters and %d events, want one letter", len(d.letters), len(d.emitted))
	}
	return d.letters[0]
}

// event gives the one event that the shell emitted, without any letter.
func (d did) event(t *testing.T) order.Event {
	t.Helper()
	if len(d.letters) != 0 || len(d.emitted) != 1 {
		t.Fatalf("letters %v, events %v, want one event", d.letters, d.emitted)
	}
	return d.emitted[0]
}

// nothing holds what the shell did to nothing at all.
func (d did) nothing(t *testing.T) {
	t.Helper()
	if len(d.letters)+len(d.resolved)+len(d.emitted)+len(d.stored) > 0 {
		t.Errorf("letters %v, resolved %v, events %v, stored %q, want nothing", d.letters, d.resolved, d.emitted, d.stored)
	}
}

// request, completion and failure are what is heard of a step's first attempt.
func request(id string, s order.Step) order.Event {
	return happened(id, order.TypeOf(s, order.Requested), "")
}

func completion(id string, s order.Step) order.Event {
	e := happened(id, order.TypeOf(s, order.Completed), request(id, s).ID)
	e.Outputs = map[order.Step]order.JSON{s: order.JSON(`{"done":true}`)}
	return e
}

func failure(id string, s order.Step, reason string) order.Event {
	e := happened(id, order.TypeOf(s, order.Failed), request(id, s).ID)
	e.Reason = reason
	return e
}

// undoing is the first request to undo a step.
func undoing(id string, s order.Step) order.Event {
	return happened(id, order.TypeOf(s, order.CompensationRequested), "")
}

func happened(id string, t order.Type, cause string) order.Event {
	return order.Event{
		OrderID: id, Type: t, ID: order.EventID(id, t, 1),
		Time: noon, Source: "test", Attempt: 1, Round: 1, Causation: cause,
	}
}

// plan is the seed's of a step.
func plan(name order.Step) saga.Step {
	for _, s := range saga.Default().Steps {
		if s.Name == name {
			return s
		}
	}
	panic("the seed has no step " + name)
}

func differ(t *testing.T, what string, want, found any) {
	t.Helper()
	if reflect.DeepEqual(want, found) {
		return // at once, also where it is megabytes
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("%s (-want +found):\n%s", what, diff)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// figures gives what is counted, by name and label.
func figures(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	check(t, err)
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if value := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()); value > 0 {
				all[name] = value
			}
		}
	}
	return all
}
