package node

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
)

// shop is a service that does the work of all steps, as services do: it fails, is slow,
// and says that it has failed when it has not. Its ledger is what is true.
type shop struct {
	*httptest.Server
	failing, slow, lying, declining float64 // shares of the calls
	slowness                        time.Duration

	mu     sync.Mutex
	random *rand.Rand
	ledger map[string]*entry // by the key of the piece of work
	calls  int
	stop   chan struct{}
}

// entry is one piece of work in the ledger.
type entry struct {
	effects  int  // how often it took effect
	undone   bool // for good: whatever comes later is refused
	declined bool
}

func newShop(t *testing.T) *shop {
	s := &shop{
		failing: 0.20, slow: 0.05, lying: 0.02, declining: 0.02, slowness: 2 * time.Second,
		random: rand.New(rand.NewPCG(1, 2)), ledger: map[string]*entry{}, stop: make(chan struct{}),
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { close(s.stop); s.Close() })
	return s
}

// mood is how a call goes.
type mood struct{ fails, lies, slow, declines bool }

func (s *shop) mood() mood {
	return mood{
		fails: s.random.Float64() < s.failing, lies: s.random.Float64() < s.lying,
		slow: s.random.Float64() < s.slow, declines: s.random.Float64() < s.declining,
	}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		ID, Step string
		Round    int
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	key := fmt.Sprintf("%s/%s/%d", asked.ID, asked.Step, max(asked.Round, 1))
	undo := strings.HasSuffix(r.URL.Path, "/undo")
	status, slow := s.handle(key, undo, r.Header.Get("Idempotency-Key"))
	if slow {
		select {
		case <-time.After(s.slowness):
		case <-s.stop:
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"key":%q}`, key) // a client that has gone is part of the game
}

func (s *shop) handle(key string, undo bool, named string) (status int, slow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	m := s.mood()
	if !strings.Contains(named, key) {
		return http.StatusBadRequest, false
	}
	if m.fails {
		return http.StatusServiceUnavailable, m.slow
	}
	e := s.ledger[key]
	if e == nil {
		e = &entry{}
		s.ledger[key] = e
	}
	switch {
	case undo:
		e.undone = true
	case e.undone:
		return http.StatusGone, false
	case e.declined || e.effects == 0 && m.declines:
		e.declined = true
		return http.StatusPaymentRequired, m.slow
	case e.effects == 0:
		e.effects++
	}
	if m.lies {
		return http.StatusInternalServerError, m.slow
	}
	return http.StatusOK, m.slow
}

// participants has the shop do every step.
func (c child) participants() (map[order.Step]processors.Participant, error) {
	all := map[order.Step]processors.Participant{}
	for _, step := range saga.Default().Names() {
		p, err := processors.NewHTTP(processors.HTTPConfig{
			URL: c.Shop, UndoURL: c.Shop + "/undo", Timeout: time.Second,
		})
		if err != nil {
			return nil, err
		}
		all[step] = p
	}
	return all, nil
}

// flakyPlan is the seed's, with waits that suit a test. A mail can be undone here, too,
// so that the ledger has to be even.
func flakyPlan() saga.Definition {
	d := saga.Default()
	for i := range d.Steps {
		s := &d.Steps[i]
		s.Timeout = 10 * time.Second
		s.Retry = saga.Retry{Attempts: 4, First: 100 * time.Millisecond, Factor: 2, Cap: time.Second}
		s.Compensation = saga.Compensation{Possible: true, Timeout: 10 * time.Second, Retry: s.Retry}
	}
	return d
}

// Participants that fail, are slow and lie, and a process that is killed in the middle
// of it all, again and again: in the end each order has ended, and what the shop has in
// its ledger is what the rows say.
func TestAShopThatFailsAndAProcessThatIsKilled(t *testing.T) {
	w := newWorld(t)
	s := newShop(t)
	w.shop = s.URL
	dir := t.TempDir()
	c := w.killed(dir)
	n := w.start(func(c *Config) {
		c.Query, c.DataDir, c.Definition = QueryLocal, dir, flakyPlan()
		var err error
		c.Participants, err = child{Shop: s.URL}.participants()
		check(t, err)
	}).ready()
	ends := map[order.Status]int{}
	for _, id := range c.accepted {
		ends[n.settled(id).Meta.Status]++
	}
	placed := map[string]bool{} // more than the client was told to be accepted
	for _, r := range w.records(codecs.StoreOrder) {
		placed[string(r.Key)] = true
	}
	for id := range placed {
		n.settled(id)
	}
	letters := w.letters()
	if len(letters) > 0 {
		t.Errorf("%d dead letters, the first: %+v", len(letters), letters[0])
	}
	rows := w.tableRows()
	w.audit(s, rows)
	store := w.reader()
	for _, id := range c.accepted {
		row, err := store.Await(w.context(), id, func(r order.Row) bool { return r.Meta.Version >= rows[id].Meta.Version })
		if err != nil || row.Meta.Status != rows[id].Meta.Status {
			t.Errorf("the read store has %s as %s, view.order as %s: %v", id, row.Meta.Status, rows[id].Meta.Status, err)
		}
	}
	events, repeated, most := w.repeats()
	t.Logf("%d orders accepted, %d refused: %v; %d calls of the shop; %d events, %d records repeat one, at most %d copies",
		len(c.accepted), c.refused, ends, s.calls, events, repeated, most)
}

// settled waits for an order's end, and has an operator retry it whenever it is stuck.
func (r *running) settled(id string) order.Row {
	r.w.t.Helper()
	var version int64
	for {
		row := r.until(id, "an end, or being stuck", func(row order.Row) bool {
			return row.Meta.Version > version && (row.Meta.Status.Ended() || row.Meta.Status == order.StatusStuck)
		})
		if row.Meta.Status.Ended() {
			return row
		}
		version = row.Meta.Version
		// A late answer of the shop may have moved it on meanwhile.
		if status, answer := r.command(id, order.Retry, `{"actor":"the test"}`); status != http.StatusAccepted && status != http.StatusConflict {
			r.w.t.Fatalf("the retry of %s is answered %d: %s", id, status, answer)
		}
	}
}

// audit holds the shop's ledger against the rows.
func (w *world) audit(s *shop, rows map[string]order.Row) {
	w.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, row := range rows {
		if !row.Meta.Status.Ended() {
			w.t.Errorf("%s is %s: %v", id, row.Meta.Shown(), row.Events())
		}
	}
	stands := map[string]int{} // by order and step: pieces of work that took effect and were left so
	for key, e := range s.ledger {
		if e.effects > 1 {
			w.t.Errorf("%s took effect %d times", key, e.effects)
		}
		if e.effects > 0 && !e.undone {
			stands[key[:strings.LastIndex(key, "/")]]++
		}
	}
	for id, row := range rows {
		for _, step := range saga.Default().Names() {
			want := 0
			if row.Meta.Status == order.StatusCompleted {
				want = 1
			}
			if have := stands[fmt.Sprintf("%s/%s", id, step)]; have != want {
				w.t.Errorf("%s is %s, and its %s stands %d times: %v", id, row.Meta.Status, step, have, row.Events())
			}
		}
	}
}
