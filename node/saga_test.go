package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// scripted is a participant that does as the test says, order by order, and what Echo
// does otherwise.
type scripted struct {
	mu   sync.Mutex
	do   map[string]func(processors.Request) (order.JSON, error)
	undo map[string]func(processors.Request) error
	keys []string // of all that was done and undone
}

func newScripted() *scripted {
	return &scripted{do: map[string]func(processors.Request) (order.JSON, error){}, undo: map[string]func(processors.Request) error{}}
}

func (s *scripted) Do(ctx context.Context, r processors.Request) (order.JSON, error) {
	s.mu.Lock()
	f := s.do[r.OrderID]
	s.keys = append(s.keys, r.Key())
	s.mu.Unlock()
	if f == nil {
		return processors.Echo{}.Do(ctx, r)
	}
	return f(r)
}

func (s *scripted) Undo(_ context.Context, r processors.Request) error {
	s.mu.Lock()
	f := s.undo[r.OrderID]
	s.keys = append(s.keys, "undo "+r.Key())
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(r)
}

// on has an order's work and its undoing done by the functions; nil does what Echo does.
func (s *scripted) on(id string, do func(processors.Request) (order.JSON, error), undo func(processors.Request) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do[id], s.undo[id] = do, undo
}

func declines(processors.Request) (order.JSON, error) {
	return nil, &processors.Declined{Reason: "no money"}
}

// brisk is the seed's plan with waits that suit a test, and two attempts for everything.
func brisk() saga.Definition {
	d := saga.Default()
	for i := range d.Steps {
		s := &d.Steps[i]
		s.Retry = saga.Retry{Attempts: 2, First: 10 * time.Millisecond, Factor: 2, Cap: time.Second}
		if s.Compensation.Possible {
			s.Compensation.Retry = s.Retry
		}
	}
	return d
}

// sagaWorld is a world whose payment is as the test says: scripted, or another
// service's for which the test answers.
type sagaWorld struct {
	*world
	payment *scripted
	config  func(*Config)
}

func newSagaWorld(t *testing.T, change func(*saga.Definition), external bool) *sagaWorld {
	w := &sagaWorld{world: newWorld(t), payment: newScripted()}
	d := brisk()
	if change != nil {
		change(&d)
	}
	dir := t.TempDir()
	w.config = func(c *Config) {
		c.Definition, c.Query, c.DataDir = d, QueryLocal, dir
		c.Participants = map[order.Step]processors.Participant{order.Detail: w.payment, order.Mail: processors.Echo{}}
		if !external {
			c.Participants[order.Payment] = w.payment
		}
	}
	return w
}

// say answers as a service would that takes part on the log.
func (w *sagaWorld) say(e order.Event, cause string) {
	w.t.Helper()
	value := fmt.Sprintf(`{"id":%q,"type":%q}`, e.OrderID, e.Type)
	if strings.HasSuffix(string(e.Type), "COMPLETED") {
		value = fmt.Sprintf(`{"id":%q,"type":%q,"payment":{"by":"another"}}`, e.OrderID, e.Type)
	}
	r := &kgo.Record{Key: []byte(e.OrderID), Value: []byte(value), Partition: stream.Partition(e.OrderID, partitions)}
	for name, v := range map[string]string{
		"ce_id": e.ID, "causation": cause, "attempt": fmt.Sprint(max(e.Attempt, 1)), "reason": e.Reason,
	} {
		if v != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(v)})
		}
	}
	w.produce(r)
}

// until waits for an order's row to be so.
func (r *running) until(id, state string, holds func(order.Row) bool) order.Row {
	r.w.t.Helper()
	row, err := r.Rows().Await(r.w.context(), id, holds)
	if err != nil {
		r.w.t.Fatalf("%s: gave up waiting for %s: %v; its events are %v, it is %s", id, state, err, row.Events(), row.Meta.Shown())
	}
	return row
}

func (r *running) shown(id string, s order.Status) order.Row {
	r.w.t.Helper()
	return r.until(id, string(s), func(row order.Row) bool { return row.Meta.Shown() == s })
}

func (r *running) heard(id string, t order.Type) order.Row {
	r.w.t.Helper()
	return r.until(id, string(t), func(row order.Row) bool { return slices.Contains(row.Events(), t) })
}

// command gives a command and returns its answer's status and body.
func (r *running) command(id string, c order.Command, body string) (int, string) {
	r.w.t.Helper()
	answer, err := http.Post(r.url("/command/"+id+"/"+string(c)), "application/json", strings.NewReader(body))
	check(r.w.t, err)
	text, err := io.ReadAll(answer.Body)
	check(r.w.t, errors.Join(err, answer.Body.Close()))
	return answer.StatusCode, string(text)
}

func (r *running) accepted(id string, c order.Command, body string) {
	r.w.t.Helper()
	if status, answer := r.command(id, c, body); status != http.StatusAccepted {
		r.w.t.Fatalf("%s %s is answered %d: %s", c, id, status, answer)
	}
}

// placeWith places an order with a body.
func (r *running) placeWith(body string) string {
	r.w.t.Helper()
	answer, err := http.Post(r.url("/command"), "application/json", bytes.NewBufferString(body))
	check(r.w.t, err)
	var placed struct {
		ID string `json:"id"`
	}
	check(r.w.t, errors.Join(json.NewDecoder(answer.Body).Decode(&placed), answer.Body.Close()))
	return placed.ID
}

// begin places an order on an edge alone, so that the test can say first how it goes.
func (w *sagaWorld) prepared(n *running, do func(processors.Request) (order.JSON, error), undo func(processors.Request) error) string {
	w.t.Helper()
	id := fmt.Sprintf("ORD-%05X", time.Now().UnixNano()&0xfffff)
	w.payment.on(id, do, undo)
	w.produce(&kgo.Record{
		Key: []byte(id), Partition: stream.Partition(id, partitions),
		Value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id),
	})
	return id
}

func wantEvents(t *testing.T, row order.Row, want ...order.Type) {
	t.Helper()
	if !slices.Equal(row.Events(), want) {
		t.Errorf("its events are %v,\nwant %v", row.Events(), want)
	}
}

// paymentOnly applies a script to the step PAYMENT alone.
func paymentOnly(f func(processors.Request) (order.JSON, error)) func(processors.Request) (order.JSON, error) {
	return func(r processors.Request) (order.JSON, error) {
		if r.Step != order.Payment {
			return processors.Echo{}.Do(context.Background(), r)
		}
		return f(r)
	}
}

func TestADeclinedStepHasTheOrderUndone(t *testing.T) {
	w := newSagaWorld(t, nil, false)
	n := w.start(w.config).ready()
	id := w.prepared(n, paymentOnly(declines), nil)
	row := n.shown(id, order.StatusFailed)
	wantEvents(t, row, "ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_FAILED",
		"ORDER_COMPENSATION_REQUESTED", "ORDER_COMPENSATED", "ORDER_FAILED")
	if last := row.Meta.History[len(row.Meta.History)-1]; !strings.Contains(last.Reason, "PAYMENT: no money") {
		t.Errorf("the reason is %q", last.Reason)
	}
}

func TestAStepIsTriedAgain(t *testing.T) {
	w := newSagaWorld(t, nil, false)
	n := w.start(w.config).ready()
	id := w.prepared(n, paymentOnly(func(r processors.Request) (order.JSON, error) {
		if r.Attempt == 1 {
			return nil, &processors.Failed{Reason: "busy"}
		}
		return order.JSON(`{"attempt":2}`), nil
	}), nil)
	row := n.shown(id, order.StatusCompleted)
	wantEvents(t, row, "ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_FAILED",
		"PAYMENT_REQUESTED", "PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED", "ORDER_FINISHED")
	w.payment.mu.Lock()
	defer w.payment.mu.Unlock()
	var keys []string
	for _, k := range w.payment.keys {
		if strings.HasPrefix(k, id+"/PAYMENT") {
			keys = append(keys, k)
		}
	}
	if want := []string{id + "/PAYMENT/1", id + "/PAYMENT/1"}; !slices.Equal(keys, want) {
		t.Errorf("the payment's keys are %v, want %v", keys, want)
	}
}

func soon(d *saga.Definition) { d.Steps[1].Timeout = 300 * time.Millisecond }

func TestAStepThatTimesOutIsUndoneToo(t *testing.T) {
	w := newSagaWorld(t, soon, true)
	n := w.start(w.config).ready()
	id := n.place()
	row := n.heard(id, "PAYMENT_COMPENSATION_REQUESTED")
	wantEvents(t, row, "ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_TIMED_OUT",
		"PAYMENT_REQUESTED", "PAYMENT_TIMED_OUT", "PAYMENT_COMPENSATION_REQUESTED")
	w.say(order.Event{OrderID: id, Type: "PAYMENT_COMPENSATED"}, "")
	row = n.shown(id, order.StatusFailed)
	wantEvents(t, row, "ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_TIMED_OUT",
		"PAYMENT_REQUESTED", "PAYMENT_TIMED_OUT", "PAYMENT_COMPENSATION_REQUESTED", "PAYMENT_COMPENSATED",
		"ORDER_COMPENSATION_REQUESTED", "ORDER_COMPENSATED", "ORDER_FAILED")
}

func TestALateCompletionIsUndoneEvenAfterTheEnd(t *testing.T) {
	w := newSagaWorld(t, nil, true)
	n := w.start(w.config).ready()
	id := n.place()
	n.heard(id, "PAYMENT_REQUESTED")
	w.say(order.Event{OrderID: id, Type: "PAYMENT_FAILED", Reason: "no money"}, "")
	n.shown(id, order.StatusFailed)
	w.say(order.Event{OrderID: id, Type: "PAYMENT_COMPLETED"}, "")
	n.heard(id, "PAYMENT_COMPENSATION_REQUESTED")
	n.shown(id, order.StatusCompensating)
	w.say(order.Event{OrderID: id, Type: "PAYMENT_COMPENSATED"}, "")
	row := n.shown(id, order.StatusFailed)
	wantEvents(t, row, "ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_FAILED",
		"ORDER_COMPENSATION_REQUESTED", "ORDER_COMPENSATED", "ORDER_FAILED",
		"PAYMENT_COMPLETED", "PAYMENT_COMPENSATION_REQUESTED", "PAYMENT_COMPENSATED", "ORDER_FAILED")
}

// A pause outlives the process: nothing is requested, and the clocks run again after it.
func TestAPauseOutlivesARestart(t *testing.T) {
	w := newSagaWorld(t, soon, true)
	n := w.start(w.config).ready()
	recorded, waits := n.place(), n.place()
	n.heard(recorded, "PAYMENT_REQUESTED")
	n.heard(waits, "PAYMENT_REQUESTED")
	for _, id := range []string{recorded, waits} {
		n.accepted(id, order.Pause, `{"reason":"stocktaking","actor":"ann"}`)
		n.shown(id, order.StatusPaused)
	}
	n.stop()
	w.say(order.Event{OrderID: recorded, Type: "PAYMENT_COMPLETED"}, "")
	n = w.start(w.config).ready()
	n.heard(recorded, "PAYMENT_COMPLETED")
	<-time.After(time.Second) // more than was left on the clock: what must not happen has had its time
	for _, id := range []string{recorded, waits} {
		row := n.shown(id, order.StatusPaused)
		if last := row.Type; last != "ORDER_PAUSED" && last != "PAYMENT_COMPLETED" {
			t.Errorf("%s: after the pause there came %s: %v", id, last, row.Events())
		}
		n.accepted(id, order.Resume, "")
	}
	row := n.shown(recorded, order.StatusCompleted)
	if !slices.Contains(row.Events(), "ORDER_FINISHED") {
		t.Errorf("its events are %v", row.Events())
	}
	n.heard(waits, "PAYMENT_COMPENSATION_REQUESTED") // its clocks run again
	if e := row.Meta.History[slices.Index(row.Events(), order.Pause.Type())]; e.Actor != "ann" || e.Reason != "stocktaking" {
		t.Errorf("the pause is by %q, for %q", e.Actor, e.Reason)
	}
}

// state gives what the saga knows of an order.
func (w *world) state(id string) (s saga.State) {
	w.t.Helper()
	for _, r := range w.records(codecs.SagaOrder) {
		if string(r.Key) == id {
			decoded, err := codecs.State{}.Decode(r.Value)
			check(w.t, err)
			s = decoded.(saga.State)
		}
	}
	return s
}

// What was spent before the pause is gone, and the pause costs nothing.
func TestAPauseKeepsWhatIsLeftOnTheClocks(t *testing.T) {
	w := newSagaWorld(t, func(d *saga.Definition) { d.Steps[1].Timeout, d.Deadline = time.Hour, 2*time.Hour }, true)
	n := w.start(w.config).ready()
	id := n.place()
	n.heard(id, "PAYMENT_REQUESTED")
	const spent = 300 * time.Millisecond
	began := time.Now()
	w.await("some of the time to be spent", func() bool { return time.Since(began) > spent })
	before := w.state(id)
	n.accepted(id, order.Pause, "")
	n.shown(id, order.StatusPaused)
	n.stop()
	n = w.start(w.config).ready()
	n.accepted(id, order.Resume, "")
	row := n.heard(id, order.OrderResumed)
	var after saga.State
	w.await("the clocks to run again", func() bool {
		after = w.state(id)
		return !after.Paused && !after.Open.Due.IsZero() && !after.Deadline.IsZero()
	})
	said := func(e order.Type) time.Time { return row.Meta.History[slices.Index(row.Events(), e)].Time }
	paused, resumed := said(order.OrderPaused), said(order.OrderResumed)
	if whole := said("PAYMENT_REQUESTED").Add(time.Hour).Sub(before.Open.Due).Abs(); whole > time.Millisecond {
		t.Errorf("before the pause the step's time is %v off an hour", whole)
	}
	for name, due := range map[string]struct{ before, after time.Time }{
		"step": {before.Open.Due, after.Open.Due}, "order": {before.Deadline, after.Deadline},
	} {
		left, kept := due.before.Sub(paused), due.after.Sub(resumed)
		if (left - kept).Abs() > spent/10 {
			t.Errorf("of the %s's time %v were left at the pause, and %v after it", name, left, kept)
		}
	}
}

func TestACancelWhileTheOrderIsUndoneIsRejected(t *testing.T) {
	w := newSagaWorld(t, nil, false)
	n := w.start(w.config).ready()
	hold, held := make(chan struct{}), make(chan struct{}, 8)
	id := w.prepared(n, paymentOnly(declines), func(processors.Request) error {
		held <- struct{}{}
		<-hold
		return nil
	})
	<-held
	n.shown(id, order.StatusCompensating)
	if status, answer := n.command(id, order.Cancel, ""); status != http.StatusConflict || !strings.Contains(answer, "undone already") {
		t.Errorf("it is answered %d: %s", status, answer)
	}
	close(hold)
	n.shown(id, order.StatusFailed)
}

func TestARunningOrderIsCancelled(t *testing.T) {
	w := newSagaWorld(t, nil, true)
	n := w.start(w.config).ready()
	id := n.place()
	n.heard(id, "PAYMENT_REQUESTED")
	n.accepted(id, order.Pause, "")
	n.shown(id, order.StatusPaused)
	n.accepted(id, order.Cancel, `{"reason":"changed my mind","actor":"bob"}`)
	n.heard(id, "PAYMENT_COMPENSATION_REQUESTED")
	w.say(order.Event{OrderID: id, Type: "PAYMENT_COMPENSATED"}, "")
	row := n.shown(id, order.StatusCancelled)
	wantEvents(t, row, "ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "ORDER_PAUSE_REQUESTED", "ORDER_PAUSED",
		"ORDER_CANCEL_REQUESTED", "ORDER_RESUMED", "PAYMENT_COMPENSATION_REQUESTED", "PAYMENT_COMPENSATED",
		"ORDER_COMPENSATION_REQUESTED", "ORDER_COMPENSATED", "ORDER_CANCELLED")
	if last := row.Meta.History[len(row.Meta.History)-1]; last.Reason != "cancelled: changed my mind" {
		t.Errorf("the reason is %q", last.Reason)
	}
}

func TestAScheduleOutlivesARestart(t *testing.T) {
	w := newSagaWorld(t, nil, false)
	n := w.start(w.config).ready()
	due := time.Now().Add(2 * time.Second)
	id := n.placeWith(fmt.Sprintf(`{"startAt":%q,"payment":{"amount":1}}`, due.Format(time.RFC3339Nano)))
	never := n.placeWith(`{"startAt":"2199-01-01T00:00:00Z"}`)
	forward := n.placeWith(`{"startAt":"2199-01-01T00:00:00Z"}`)
	for _, one := range []string{id, never, forward} {
		n.shown(one, order.StatusScheduled)
	}
	n.stop()
	n = w.start(w.config).ready()
	row := n.shown(id, order.StatusCompleted)
	wantEvents(t, row, append([]order.Type{"ORDER_SCHEDULED"}, happy...)...)
	if began := row.Meta.History[1].Time; began.Before(due) {
		t.Errorf("it began %v early", due.Sub(began))
	} else {
		t.Logf("it began %v late", began.Sub(due))
	}
	n.accepted(forward, order.Schedule, fmt.Sprintf(`{"startAt":%q}`, time.Now().Format(time.RFC3339Nano)))
	n.shown(forward, order.StatusCompleted)
	n.accepted(never, order.Cancel, "")
	n.shown(never, order.StatusCancelled)
}

func TestAStuckOrderIsRetried(t *testing.T) {
	w := newSagaWorld(t, nil, false)
	n := w.start(w.config).ready()
	var refuse sync.Map
	undo := func(r processors.Request) error {
		if _, again := refuse.LoadOrStore(r.OrderID, true); !again {
			return &processors.Declined{Reason: "the till is closed"}
		}
		return nil
	}
	id := w.prepared(n, paymentOnly(declines), undo)
	row := n.shown(id, order.StatusStuck)
	if last := row.Meta.History[len(row.Meta.History)-1]; !strings.Contains(last.Reason, "the till is closed") {
		t.Errorf("it is stuck for %q", last.Reason)
	}
	if status, answer := n.get("/query/stuck"); status != http.StatusOK || !strings.Contains(answer, id) {
		t.Errorf("the stuck list is %d: %s", status, answer)
	}
	n.accepted(id, order.Retry, "")
	n.shown(id, order.StatusFailed)
}

func TestAStuckOrderIsSkipped(t *testing.T) {
	w := newSagaWorld(t, func(d *saga.Definition) { d.Steps[1].Sticks = true }, false)
	n := w.start(w.config).ready()
	forward := w.prepared(n, paymentOnly(declines), nil)
	n.shown(forward, order.StatusStuck)
	n.accepted(forward, order.Skip, `{"output":{"paid":"in cash"},"actor":"eve"}`)
	row := n.shown(forward, order.StatusCompleted)
	wantEvents(t, row, "ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_FAILED", "ORDER_STUCK",
		"ORDER_SKIP_REQUESTED", "PAYMENT_SKIPPED", "MAIL_REQUESTED", "MAIL_COMPLETED", "ORDER_FINISHED")
	if out := string(row.Outputs[order.Payment]); out != `{"paid":"in cash"}` {
		t.Errorf("the payment is %s", out)
	}

	back := w.prepared(n, paymentOnly(declines), func(processors.Request) error { return &processors.Declined{Reason: "gone"} })
	n.shown(back, order.StatusStuck)
	n.accepted(back, order.Cancel, "")
	n.until(back, "the undoing to be stuck", func(r order.Row) bool {
		return r.Meta.Shown() == order.StatusStuck && slices.Contains(r.Events(), "ORDER_COMPENSATION_FAILED")
	})
	n.accepted(back, order.Skip, `{"reason":"done by hand"}`)
	row = n.shown(back, order.StatusCancelled)
	if !slices.Contains(row.Events(), "ORDER_COMPENSATION_SKIPPED") {
		t.Errorf("its events are %v", row.Events())
	}
}
