package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/telemetry"
)

// bug makes the fold or the decision fail at an event of one order until it is mended.
type bug struct {
	order  atomic.Pointer[string]
	all    bool // of all orders
	mended atomic.Bool
	at     order.Type
}

func (b *bug) of(id string) *bug { b.order.Store(&id); return b }

func (b *bug) strikes(id string) {
	if victim := b.order.Load(); (b.all || victim != nil && *victim == id) && !b.mended.Load() {
		panic("no such thing")
	}
}

// inFold and inDecision plant it.
func (b *bug) inFold(c *Config) {
	c.fold = func(r order.Row, e order.Event) order.Row {
		if e.Type == b.at {
			b.strikes(e.OrderID)
		}
		return order.Fold(r, e)
	}
}

func (b *bug) inDecision(c *Config) {
	c.decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
		if done, ok := in.(saga.StepCompleted); ok && order.TypeOf(done.Step, order.Completed) == b.at {
			b.strikes(done.OrderID)
		}
		return saga.Decide(s, in)
	}
}

// local has a node answer from its own table and keep no store.
func storeless(c *Config) {
	c.Query, c.Roles = QueryLocal, slices.DeleteFunc(AllRoles(saga.Default()), func(r string) bool { return r == "sink" })
}

// shown is a letter as the edge shows it.
type shown struct {
	ID, Order, Role, Reason, Topic string
	Parked                         bool
	Tries                          int
	Headers                        map[string]string
	Value                          string
}

func (r *running) deadletters(query string) []shown {
	r.w.t.Helper()
	status, body := r.get("/deadletters" + query)
	var page struct{ Letters []shown }
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
		r.w.t.Fatalf("%d: %s", status, body)
	}
	return page.Letters
}

// deadlettersOf waits until so many letters of an order are open.
func (r *running) deadlettersOf(id string, n int) (all []shown) {
	r.w.t.Helper()
	r.w.await(fmt.Sprintf("%d letters of %s", n, id), func() bool {
		all = r.deadletters("?order=" + id)
		return len(all) == n
	})
	return all
}

func (r *running) post(path, body string, headers ...string) (int, string) {
	r.w.t.Helper()
	q, err := http.NewRequest(http.MethodPost, r.url(path), strings.NewReader(body))
	check(r.w.t, err)
	q.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(q)
	check(r.w.t, err)
	said, err := io.ReadAll(answer.Body)
	check(r.w.t, errors.Join(err, answer.Body.Close()))
	return answer.StatusCode, string(said)
}

func (r *running) wantPost(status int, path, body string, headers ...string) string {
	r.w.t.Helper()
	got, said := r.post(path, body, headers...)
	if got != status {
		r.w.t.Fatalf("POST %s: %d %s, want %d", path, got, said, status)
	}
	return said
}

// undisturbed is a row without what parking adds to it, and all that differs from one
// order to another.
func undisturbed(r order.Row) order.Row {
	text := func(s string) string { return strings.ReplaceAll(s, r.ID, "ORD") }
	outputs := map[order.Step]order.JSON{}
	for s, o := range r.Outputs {
		outputs[s] = order.JSON(text(string(o)))
	}
	m := order.Meta{Status: r.Meta.Status, Paused: r.Meta.Paused, Final: r.Meta.Final, Outcome: r.Meta.Outcome, Parked: r.Meta.Parked, Waiting: r.Meta.Waiting}
	for _, e := range r.Meta.History {
		m.History = append(m.History, order.Entry{
			ID: text(e.ID), Type: e.Type, Attempt: e.Attempt, Causation: text(e.Causation), Status: e.Status, Reason: e.Reason,
		})
	}
	return order.Row{Type: r.Type, Outputs: outputs, Meta: m}
}

func TestAnOrderWhoseFoldFailedIsWholeOnceItsLettersAreRedriven(t *testing.T) {
	w := newWorld(t)
	b := &bug{at: "ORDER_COMPLETED"}
	r := w.start(storeless, b.inFold).ready()
	good := r.ended(r.place())
	id := "ORD-B384F"
	b.of(id)
	w.produce(&kgo.Record{Partition: stream.Partition(id, partitions), Key: []byte(id), Value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id)})
	letters := r.deadlettersOf(id, 5)
	for i, l := range letters {
		if !l.Parked || l.Role != "aggregate" || l.Order != id || (l.Tries == 1) != (i == 0) {
			t.Errorf("letter %d is %+v", i, l)
		}
	}
	// As it is, a redrive fails once more, and the letter says so.
	said := r.wantPost(http.StatusConflict, "/deadletters/"+letters[0].ID+"/redrive", "", "Prefer", "wait=60")
	if !strings.Contains(said, "no such thing") {
		t.Errorf("the first says %s", said)
	}
	if again := r.deadletters("?order=" + id); again[0].ID != letters[0].ID || again[0].Tries != 2 || len(again) != 5 {
		t.Errorf("after a try in vain the letters are %+v", again)
	}
	said = r.wantPost(http.StatusConflict, "/deadletters/"+letters[2].ID+"/redrive", "")
	if !strings.Contains(said, letters[0].ID+" goes first") {
		t.Errorf("one that is not in turn: %s", said)
	}
	b.mended.Store(true)
	r.wantPost(http.StatusOK, "/deadletters/"+letters[0].ID+"/redrive", `{"actor":"ann","reason":"mended"}`, "Prefer", "wait=60")
	if left := r.deadletters("?order=" + id); len(left) != 4 || left[0].ID != letters[1].ID {
		t.Errorf("after the first the letters are %+v", left)
	}
	said = r.wantPost(http.StatusOK, "/deadletters/redrive", `{"filter":{"order":"`+id+`"}}`, "Prefer", "wait=60")
	if strings.Count(said, `"status":200,"resolved":"redriven"`) != 4 {
		t.Errorf("the rest: %s", said)
	}
	row := r.ended(id)
	if diff := cmp.Diff(undisturbed(good), undisturbed(row)); diff != "" {
		t.Errorf("the row (-of an undisturbed order +of this):\n%s", diff)
	}
	r.deadlettersOf(id, 0)
	if status, body := r.get("/deadletters/" + letters[0].ID); status != http.StatusNotFound {
		t.Errorf("a letter that is resolved: %d %s", status, body)
	}
	// Another process finds the same.
	r.stop()
	if open := w.start(storeless).ready().deadletters(""); len(open) != 0 {
		t.Errorf("after a restart these are open: %+v", open)
	}
}

// settled are the statuses of an order's row and of the saga's state.
func (w *world) settled(id string) (row, state order.Status) {
	w.t.Helper()
	for _, r := range w.records(codecs.SagaOrder) {
		if string(r.Key) == id {
			decoded, err := codecs.State{}.Decode(r.Value)
			check(w.t, err)
			state = decoded.(saga.State).Status
		}
	}
	return w.tableRows()[id].Meta.Status, state
}

func TestAnOrderThatCouldNotBeDecidedOnGoesOnOnceItsLettersAreRedriven(t *testing.T) {
	w := newWorld(t)
	b := &bug{at: "ORDER_COMPLETED"}
	r := w.start(storeless, b.inDecision).ready()
	id := "ORD-B384F"
	b.of(id)
	w.produce(&kgo.Record{Partition: stream.Partition(id, partitions), Key: []byte(id), Value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id)})
	r.deadlettersOf(id, 1)
	stuck, err := r.Rows().Await(w.context(), id, func(row order.Row) bool { return row.Meta.Status == order.StatusStuck })
	check(t, err)
	if last := stuck.Meta.History[len(stuck.Meta.History)-1]; last.Reason != "no longer decided for: panic: no such thing" {
		t.Errorf("it is stuck for %q", last.Reason)
	}
	r.wantPost(http.StatusAccepted, "/command/"+id+"/pause", "")
	letters := r.deadlettersOf(id, 2)
	b.mended.Store(true)
	// Many redrive at once, and in any order.
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			_, err := http.Post(r.url("/deadletters/redrive"), "application/json",
				strings.NewReader(fmt.Sprintf(`{"ids":[%q,%q]}`, letters[1].ID, letters[0].ID)))
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.await("all to be redriven, also what came behind meanwhile", func() bool {
		r.wantPost(http.StatusOK, "/deadletters/redrive", `{"filter":{"order":"`+id+`"}}`, "Prefer", "wait=60")
		return len(r.deadletters("?order="+id)) == 0
	})
	row, err := r.Rows().Await(w.context(), id, func(row order.Row) bool { return row.Meta.Paused && row.Meta.Status != order.StatusStuck })
	check(t, err)
	if row.Meta.Status != order.StatusRunning || row.Meta.Shown() != order.StatusPaused {
		t.Errorf("redriven up to the pause it is %s", row.Meta.Status)
	}
	r.wantPost(http.StatusAccepted, "/command/"+id+"/resume", "")
	row = r.ended(id)
	if row.Meta.Status != order.StatusCompleted || len(row.Outputs) != 3 {
		t.Errorf("it has ended as %s: %v", row.Meta.Status, row.Events())
	}
	seen := map[string]bool{}
	for _, e := range row.Meta.History {
		if seen[e.ID] {
			t.Errorf("%s stands twice", e.ID)
		}
		seen[e.ID] = true
	}
	w.await("row and state to agree", func() bool {
		row, state := w.settled(id)
		return row == state && row == order.StatusCompleted
	})
}

func TestAnOrdersHistoryTellsWhoDiscardedAnEventAndWhy(t *testing.T) {
	w := newWorld(t)
	b := &bug{at: "ORDER_COMPLETED"}
	r := w.start(storeless, b.inDecision).ready()
	id := "ORD-B384F"
	b.of(id)
	w.produce(&kgo.Record{Partition: stream.Partition(id, partitions), Key: []byte(id), Value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id)})
	r.deadlettersOf(id, 1)
	_, err := r.Rows().Await(w.context(), id, func(row order.Row) bool { return row.Meta.Version > 0 })
	check(t, err)
	r.wantPost(http.StatusAccepted, "/command/"+id+"/pause", "")
	letters := r.deadlettersOf(id, 2)
	r.wantPost(http.StatusOK, "/deadletters/"+letters[0].ID+"/discard", `{"actor":"ann","reason":"nobody's"}`, "Prefer", "wait=60")
	r.wantPost(http.StatusOK, "/deadletters/"+letters[1].ID+"/discard", `{"actor":"bob","reason":"too late"}`, "Prefer", "wait=60")
	_, err = r.Rows().Await(w.context(), id, func(row order.Row) bool { return slices.Contains(row.Events(), order.OrderUnparked) })
	check(t, err)
	_, body := r.get("/query/" + id + "/history")
	type entry struct{ Type, Actor, Reason, After string }
	var got struct{ History []entry }
	check(t, json.Unmarshal([]byte(body), &got))
	got.History = slices.DeleteFunc(got.History, func(e entry) bool {
		return e.Type != string(order.OrderStuck) && e.Type != string(order.OrderUnparked)
	})
	want := []entry{
		{"ORDER_STUCK", "", "no longer decided for: panic: no such thing", "stuck"},
		{"ORDER_UNPARKED", "bob", "discarded: too late", "running"},
	}
	if diff := cmp.Diff(want, got.History); diff != "" {
		t.Errorf("the history (-want +got):\n%s\n%s", diff, body)
	}
}

// The aggregate says no word about it, but the log has it, however much later it was asked for.
func TestAnOrdersSourcesTellWhoDiscardedAnEventOfItsRowAndWhy(t *testing.T) {
	w := newWorld(t)
	b := &bug{at: "ORDER_COMPLETED"}
	r := w.start(func(c *Config) { c.Query, c.Roles = QueryLocal, []string{RoleEdge, "aggregate"} }, b.inFold).ready()
	id, before := "ORD-B384F", time.Now().Add(-time.Hour)
	b.of(id)
	for _, event := range []string{"ORDER_REQUESTED", "ORDER_COMPLETED"} {
		w.produce(&kgo.Record{
			Partition: stream.Partition(id, partitions), Key: []byte(id), Value: fmt.Appendf(nil, `{"id":%q,"type":%q}`, id, event), Timestamp: before,
		})
	}
	letter := r.deadlettersOf(id, 1)[0]
	sawTo := func() (who []string) {
		_, body := r.get("/query/" + id + "/sources")
		var got struct {
			Events []struct{ Headers map[string]string }
		}
		check(t, json.Unmarshal([]byte(body), &got))
		for _, e := range got.Events {
			if role := e.Headers[codecs.HeaderRedrive]; role != "" {
				who = append(who, fmt.Sprint(role, " ", e.Headers["redrive_actor"], " ", e.Headers["deadletter_reason"], " ", e.Headers["redrive_discard"]))
			}
		}
		return who
	}
	want := []string{"aggregate ann mended ", "aggregate bob nobody's true"}
	r.wantPost(http.StatusConflict, "/deadletters/"+letter.ID+"/redrive", `{"actor":"ann","reason":"mended"}`, "Prefer", "wait=60")
	if diff := cmp.Diff(want[:1], sawTo()); diff != "" {
		t.Errorf("while it is parked (-want +got):\n%s", diff)
	}
	r.wantPost(http.StatusOK, "/deadletters/"+letter.ID+"/discard", `{"actor":"bob","reason":"nobody's"}`, "Prefer", "wait=60")
	_, err := r.Rows().Await(w.context(), id, func(row order.Row) bool { return row.Meta.Parked == "" })
	check(t, err)
	if diff := cmp.Diff(want, sawTo()); diff != "" {
		t.Errorf("once it is not (-want +got):\n%s", diff)
	}
}

func TestADiscardedEventIsPassedOver(t *testing.T) {
	w := newWorld(t)
	b := &bug{at: "PAYMENT_REQUESTED"}
	r := w.start(storeless, b.inFold).ready()
	id := "ORD-B384F"
	b.of(id)
	w.produce(&kgo.Record{Partition: stream.Partition(id, partitions), Key: []byte(id), Value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id)})
	letters := r.deadlettersOf(id, 4)
	if said := r.wantPost(http.StatusConflict, "/deadletters/"+letters[1].ID+"/discard", ""); !strings.Contains(said, "goes first") {
		t.Errorf("out of turn it says %s", said)
	}
	said := r.wantPost(http.StatusOK, "/deadletters/"+letters[0].ID+"/discard", `{"actor":"ann"}`, "Prefer", "wait=60")
	if !strings.Contains(said, `"resolved":"discarded"`) {
		t.Errorf("it says %s", said)
	}
	r.wantPost(http.StatusOK, "/deadletters/redrive", `{"filter":{"order":"`+id+`","role":"aggregate"}}`, "Prefer", "wait=60")
	row := r.ended(id)
	if want := slices.DeleteFunc(slices.Clone(happy), func(t order.Type) bool { return t == b.at }); !slices.Equal(row.Events(), want) {
		t.Errorf("the row has %v, want %v", row.Events(), want)
	}
	r.deadlettersOf(id, 0)
	if got := r.wantPost(http.StatusNotFound, "/deadletters/"+letters[0].ID+"/redrive", ""); !strings.Contains(got, "no dead letter of this id is open") {
		t.Errorf("once more: %s", got)
	}
}

func TestWhatARoleSaysOfAPoisonedRecordNamesItsOrderAndItsTrace(t *testing.T) {
	w := newWorld(t)
	const id, trace = "ORD-B384F", "4bf92f3577b34da6a3ce929d0e0e4736"
	var said bytes.Buffer
	r := w.start(storeless, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&said, nil)) }).ready()
	w.produce(&kgo.Record{Partition: stream.Partition(id, partitions), Key: []byte(id), Value: []byte("garbage"), Headers: []kgo.RecordHeader{
		{Key: telemetry.Traceparent, Value: []byte("00-" + trace + "-00f067aa0ba902b7-01")},
	}})
	r.deadlettersOf(id, 1)
	r.stop()
	_, line, _ := strings.Cut(said.String(), "is a dead letter")
	line, _, _ = strings.Cut(line, "\n")
	if !strings.Contains(line, " order="+id+" ") || !strings.Contains(line, " trace_id="+trace+" ") {
		t.Errorf("it says %q of:\n%s", line, said.String())
	}
}

func TestGarbageIsShownAsItIsAndCanOnlyBeDiscarded(t *testing.T) {
	w := newWorld(t)
	r := w.start(storeless).ready()
	id := "ORD-B384F"
	w.produce(&kgo.Record{Partition: stream.Partition(id, partitions), Key: []byte(id), Value: []byte("\xffgarbage"), Headers: []kgo.RecordHeader{{Key: "who", Value: []byte("a stranger")}}})
	l := r.deadlettersOf(id, 1)[0]
	if l.Parked || l.Role != "aggregate" || l.Topic != codecs.StoreOrder {
		t.Errorf("it is %+v", l)
	}
	_, body := r.get("/deadletters/" + l.ID)
	if !strings.Contains(body, `"valueBase64":"/2dhcmJhZ2U="`) || !strings.Contains(body, `"headers":{"who":"a stranger"}`) {
		t.Errorf("it is shown as %s", body)
	}
	said := r.wantPost(http.StatusConflict, "/deadletters/"+l.ID+"/redrive", "", "Prefer", "wait=60")
	if !strings.Contains(said, "the letter stays: ") {
		t.Errorf("redriven it says %s", said)
	}
	r.stop()
	r = w.start(storeless).ready()
	if again := r.deadlettersOf(id, 1)[0]; again.ID != l.ID || again.Tries != 2 {
		t.Errorf("after a restart it is %+v", again)
	}
	r.wantPost(http.StatusOK, "/deadletters/"+l.ID+"/discard", "", "Prefer", "wait=60")
	r.deadlettersOf(id, 0)
	if row, err := r.Rows().Get(w.context(), id); order.KindOf(err) != order.NotFound {
		t.Errorf("there is now an order %+v, %v", row, err)
	}
}

// A process is killed over and over while all that a bug has left is redriven.
func TestARedriveIsWholeWheneverTheProcessIsKilled(t *testing.T) {
	const n = 24
	w := newWorld(t)
	w.bug = true
	dir := t.TempDir()
	p := w.startProcess(dir)
	<-p.ready
	var ids []string
	for range n {
		id, err := placeAt("http://" + p.addr + "/command")
		check(t, err)
		ids = append(ids, id)
	}
	open := func(p *process) (n int) {
		for page := ""; ; {
			answer, err := http.Get("http://" + p.addr + "/deadletters?limit=500" + page)
			check(t, err)
			var found struct {
				Letters []shown
				Next    string
			}
			err = json.NewDecoder(answer.Body).Decode(&found)
			check(t, errors.Join(err, answer.Body.Close()))
			n += len(found.Letters)
			if found.Next == "" {
				return n
			}
			page = "&after=" + found.Next
		}
	}
	// The fold fails at the second event, and three more come behind it: the saga fails at
	// the fourth, and says that the order is stuck.
	w.await("all letters", func() bool { return open(p) == 5*n })
	p.kill(t)
	w.bug = false
	for left := 5 * n; left > 0; {
		p = w.startProcess(dir)
		<-p.ready
		before := open(p)
		w.await("some to be redriven", func() bool {
			for _, role := range []string{"aggregate", "saga"} {
				answer, err := http.Post("http://"+p.addr+"/deadletters/redrive", "application/json", strings.NewReader(`{"filter":{"role":"`+role+`"}}`))
				check(t, err)
				check(t, answer.Body.Close())
			}
			left = open(p)
			return left < before || left == 0
		})
		if left > 0 {
			p.kill(t)
		}
	}
	reading := w.start(func(c *Config) { c.Query, c.Roles = QueryLocal, []string{RoleEdge} }).ready()
	for _, id := range ids {
		row := reading.ended(id)
		if row.Meta.Status != order.StatusCompleted || len(row.Outputs) != 3 || row.Meta.Parked != "" {
			t.Errorf("%s is %s after %v", id, row.Meta.Status, row.Events())
		}
		events := slices.DeleteFunc(row.Events(), func(t order.Type) bool {
			return t == order.OrderStuck || t == order.OrderUnparked || t == order.OrderFinished
		})
		if !slices.Equal(events, happy) {
			t.Errorf("%s has %v", id, row.Events())
		}
	}
}

// It is no event that anybody but that role should hear of.
func TestThoseWhoFollowTheLogAreToldOfNoRedrive(t *testing.T) {
	const id = "ORD-B384F"
	r := stream.Raw{
		Partition: stream.Partition(id, partitions), Key: []byte(id), Headers: map[string][]byte{},
		Value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id),
	}
	shown := (&Node{}).message(partitions)
	if shown(r) == nil {
		t.Error("an event is not shown")
	}
	r.Headers = codecs.HeadersOfRedrive(codecs.Redrive{Letter: codecs.Letter{Role: "saga", Key: id, Value: r.Value}})
	if got := shown(r); got != nil {
		t.Errorf("a redrive is shown as %s", got)
	}
}
