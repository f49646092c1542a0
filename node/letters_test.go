package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// bug makes the fold or the decision fail at an event of one order until it is mended.
type bug struct {
	order  atomic.Pointer[string]
	mended atomic.Bool
	at     order.Type
}

func (b *bug) of(id string) *bug { b.order.Store(&id); return b }

func (b *bug) strikes(id string) {
	if victim := b.order.Load(); victim != nil && *victim == id && !b.mended.Load() {
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
func local(c *Config) {
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
	r := w.start(local, b.inFold).ready()
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
	if strings.Count(said, `"status":200`) != 4 {
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
	if open := w.start(local).ready().deadletters(""); len(open) != 0 {
		t.Errorf("after a restart these are open: %+v", open)
	}
}

var _ sync.Mutex
var _ = codecs.StoreOrder
