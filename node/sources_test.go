package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"simplecqrs/codecs"
	"simplecqrs/embedded"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/views"
)

// sides are an order's sources.
type sides struct {
	Events []struct {
		Partition int32
		Offset    int64
		Headers   map[string]string
		Value     struct{ ID, Type string }
	}
	Row      json.RawMessage
	Document *struct {
		ID    string `json:"_id"`
		Order struct{ Version int64 }
	}
	Notes map[string]string
}

func (r *running) sides(id string) (s sides) {
	r.w.t.Helper()
	status, body := r.get("/query/" + id + "/sources")
	if status != http.StatusOK {
		r.w.t.Fatalf("the sources of %s: %d %s", id, status, body)
	}
	check(r.w.t, json.Unmarshal([]byte(body), &s))
	return s
}

func (s sides) types() (all []order.Type) {
	for _, e := range s.Events {
		all = append(all, order.Type(e.Value.Type))
	}
	return all
}

// versions are those of the row and of the document; 0 of one that is not there.
func (s sides) versions() (row, document int64) {
	if s.Document != nil {
		document = s.Document.Order.Version
	}
	return rowIn(s.Row).Meta.Version, document
}

func (r *running) wantNoSuchOrder() {
	r.w.t.Helper()
	if status, body := r.get("/query/ORD-B384F/sources"); status != http.StatusNotFound {
		r.w.t.Errorf("the sources of an unknown order: %d %s", status, body)
	}
}

func TestAnOrdersSourcesAreShownSideBySide(t *testing.T) {
	w := newWorld(t)
	n := w.start().ready()
	for range 3 {
		n.ended(n.place())
	}
	id := n.place()
	row := n.ended(id)
	got := n.sides(id)
	for i, e := range got.Events {
		if e.Value.ID != id || e.Headers["ce_type"] != e.Value.Type || e.Partition != stream.Partition(id, partitions) ||
			i > 0 && e.Offset <= got.Events[i-1].Offset {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	encoded, err := codecs.Row{}.Encode(row)
	check(t, err)
	if diff := cmp.Diff(happy, got.types()); diff != "" {
		t.Errorf("the events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(string(encoded), string(got.Row)); diff != "" {
		t.Errorf("the row (-want +got):\n%s", diff)
	}
	if got.Document == nil || got.Document.ID != id || got.Document.Order.Version != row.Meta.Version || len(got.Notes) > 0 {
		t.Errorf("the document: %+v; notes %v", got.Document, got.Notes)
	}
	n.wantNoSuchOrder()

	local := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal }).ready()
	got = local.sides(id)
	if diff := cmp.Diff(map[string]string{"document": "this process has no read store"}, got.Notes); diff != "" || got.Document != nil {
		t.Errorf("without a read store: %+v; notes (-want +got):\n%s", got.Document, diff)
	}
	if diff := cmp.Diff(string(encoded), string(got.Row)); diff != "" {
		t.Errorf("the row of a copy (-want +got):\n%s", diff)
	}
	local.wantNoSuchOrder()
}

// The log and the table go on while nobody brings their rows to the store, or it is away.
func TestAnOrdersSourcesTellHowFarEachIs(t *testing.T) {
	w := newWorld(t)
	without := slices.DeleteFunc(AllRoles(saga.Default()), func(r string) bool { return r == views.RoleSink })
	n := w.start(func(c *Config) { c.Roles = without }).ready()
	sink := w.start(func(c *Config) { c.Roles = []string{views.RoleSink} }).ready()
	alone := w.start(func(c *Config) { c.Roles = []string{RoleEdge} }).ready()
	id := n.placeWith(`{"startAt":"2199-01-01T00:00:00Z"}`)
	n.shown(id, order.StatusScheduled)
	_, stored := n.sides(id).versions()
	sink.stop()
	n.accepted(id, order.Cancel, "")
	var got sides
	w.await("the table to have what the store has not", func() bool {
		got = n.sides(id)
		return rowIn(got.Row).Meta.Status == order.StatusCancelled
	})
	row, document := got.versions()
	events := rowIn(got.Row).Events()
	if row <= document || document != stored || len(got.Notes) > 0 {
		t.Errorf("the row is of version %d, the document of %d, which was %d; notes %v", row, document, stored, got.Notes)
	}
	if diff := cmp.Diff(events, got.types()); diff != "" {
		t.Errorf("the events (-row +log):\n%s", diff)
	}

	notStored := n.place()
	w.await("the table to have an order that the store has not", func() bool {
		got = n.sides(notStored)
		return rowIn(got.Row).Meta.Status.Ended()
	})
	if diff := cmp.Diff(map[string]string{"document": "the read store has no document of it yet"}, got.Notes); diff != "" || got.Document != nil {
		t.Errorf("not stored yet: %+v; notes (-want +got):\n%s", got.Document, diff)
	}
	if diff := cmp.Diff(happy, got.types()); diff != "" {
		t.Errorf("not stored yet: the events (-want +got):\n%s", diff)
	}

	elsewhere := func(id string) string {
		return fmt.Sprintf("partition %d of view.order is in no table of this process; the process that has it shows the row at "+
			"/monitor/table/aggregate/%s, and /query/stats/topology tells which that is", stream.Partition(id, partitions), id)
	}
	got = alone.sides(id)
	if diff := cmp.Diff(map[string]string{"row": elsewhere(id)}, got.Notes); diff != "" || string(got.Row) != "null" {
		t.Errorf("an edge alone: the row is %s; notes (-want +got):\n%s", got.Row, diff)
	}
	if diff := cmp.Diff(events, got.types()); diff != "" {
		t.Errorf("an edge alone: events that are newer than the document (-want +got):\n%s", diff)
	}
	got = alone.sides(notStored)
	want := map[string]string{"row": elsewhere(notStored), "document": "the read store has no document of it yet"}
	if diff := cmp.Diff(want, got.Notes); diff != "" || string(got.Row) != "null" || got.Document != nil {
		t.Errorf("an edge alone, not stored yet: row %s, document %+v; notes (-want +got):\n%s", got.Row, got.Document, diff)
	}
	if diff := cmp.Diff(happy, got.types()); diff != "" {
		t.Errorf("an edge alone, not stored yet: the events (-want +got):\n%s", diff)
	}
	alone.wantNoSuchOrder()
	old := rowIn(n.sides(notStored).Row)
	old.Meta.Version, old.Meta.Status = 1, order.StatusRunning
	old.Meta.CreatedAt = old.Meta.CreatedAt.Add(-time.Hour)
	old.Meta.UpdatedAt = old.Meta.CreatedAt
	check(t, w.reader().Write(w.context(), []order.Row{old}))
	if diff := cmp.Diff(happy, alone.sides(notStored).types()); diff != "" {
		t.Errorf("an edge alone, the document of an hour ago: the events (-want +got):\n%s", diff)
	}

	if w.store == nil {
		t.Skip("the store is not ours to take away")
	}
	addr := w.store.Addr()
	check(t, w.store.Close())
	got = n.sides(id)
	if diff := cmp.Diff(map[string]string{"document": "the read store is away"}, got.Notes); diff != "" || got.Document != nil {
		t.Errorf("while the store is away: %+v; notes (-want +got):\n%s", got.Document, diff)
	}
	if again, _ := got.versions(); again != row || len(got.Events) != len(events) {
		t.Errorf("while the store is away: version %d and %d events, want %d and %d", again, len(got.Events), row, len(events))
	}
	n.wantNoSuchOrder()
	var err error
	w.store, err = embedded.StartStoreAt(w.storeDir, addr)
	check(t, err)
}

func TestWithoutItsLogAnOrderIsShownByTheOtherSides(t *testing.T) {
	w := newWorld(t)
	if w.broker == nil {
		t.Skip("the broker is not ours to take away")
	}
	n := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal }).ready()
	works := w.start().ready()
	id := works.place()
	row := works.ended(id)
	n.ended(id)
	w.broker.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	got, err := n.sources(partitions)(ctx, id)
	if err != nil || rowIn(got.Row).Meta.Version != row.Meta.Version || len(got.Events) > 0 ||
		got.Notes["events"] != "the log was not looked through in time" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := n.sources(partitions)(ctx, "ORD-B384F"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("of an order that only the log might have: %v", err)
	}
}

func TestThatNobodyKnowsOfAnOrderIsNotSaidBeforeSomebodyWasAsked(t *testing.T) {
	w := newWorld(t)
	if w.store == nil {
		t.Skip("the store is not ours to take away")
	}
	n := w.start(func(c *Config) { c.Roles = []string{RoleEdge} }).ready()
	addr := w.store.Addr()
	check(t, w.store.Close())
	n.wantNoSuchOrder() // by the log, which has all events
	_, err := kadm.NewClient(w.kafka).DeleteTopics(w.context(), codecs.StoreOrder)
	check(t, err)
	w.await("the log to be missed", func() bool {
		status, body := n.get("/query/ORD-B384F/sources")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the log: could not be read; the log of this process tells why; "+
			"the table: partition") && strings.Contains(body, "the read store: the read store is away")
	})
	w.store, err = embedded.StartStoreAt(w.storeDir, addr)
	check(t, err)
}
