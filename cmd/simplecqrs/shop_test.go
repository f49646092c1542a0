package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// shop is an edge whose log and rows are a map, with a saga that answers at once.
type shop struct {
	url string
	// saga gives what it has to say to an event; by default it carries out pauses, rejects
	// cancels and leaves all else alone.
	saga func(order.Event) []order.Event

	mu      sync.Mutex
	changed chan struct{} // closed at the next event
	rows    map[string]order.Row
	known   any // of the topology
	log     []order.Event
	asks    []string // paths and queries
	closed  bool     // to whom asks for anything but commands
	streams int      // how many were begun; each breaks after cut messages, if that is set
	cut     int
	watched chan struct{} // closed when the first has begun
}

func openShop(t *testing.T, rows ...order.Row) *shop {
	s := &shop{rows: map[string]order.Row{}, changed: make(chan struct{}), watched: make(chan struct{}), saga: pauses}
	for _, r := range rows {
		s.rows[r.ID] = r
	}
	handler := edge.New(edge.Config{Emit: s.Emit, Rows: s, Definition: saga.Default(), Topology: s.Topology, Health: edge.Health{
		Ready: func() []edge.Component { return nil }, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asks = append(s.asks, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+r.Header.Get("Prefer")))
		s.mu.Unlock()
		if s.closed && r.Method == http.MethodGet {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if id, found := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/query/"), "/stream"); found {
			s.stream(w, r, id, handler)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// stream sends each state of an order, as the edge's history shows it, until it has
// ended or the client goes.
func (s *shop) stream(w http.ResponseWriter, r *http.Request, id string, edge http.Handler) {
	s.mu.Lock()
	if s.streams++; s.streams == 1 {
		close(s.watched)
	}
	s.mu.Unlock()
	last, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64) // 0 for none
	for sent := 0; s.cut == 0 || sent < s.cut; {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		answer := httptest.NewRecorder()
		edge.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost/query/"+id+"/history", nil))
		var h struct{ Version int64 }
		if err := json.Unmarshal(answer.Body.Bytes(), &h); err != nil || answer.Code != http.StatusOK {
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
			return
		}
		if h.Version > last {
			last, sent = h.Version, sent+1
			_, _ = fmt.Fprintf(w, ": a comment\nretry: 1000\nid: %d\nevent: order\ndata: %s\n\n", last, bytes.TrimSpace(answer.Body.Bytes()))
			w.(http.Flusher).Flush()
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func pauses(e order.Event) []order.Event {
	if e.Type == order.Pause.Type() {
		return []order.Event{{Type: order.OrderPaused, Reason: "because"}}
	}
	if e.Type == order.Cancel.Type() {
		return []order.Event{{Type: order.OrderCommandRejected, Reason: "because"}}
	}
	return nil
}

func (s *shop) Emit(_ context.Context, e order.Event) error {
	said := s.saga(e)
	for i := range said {
		said[i].ID, said[i].Causation = fmt.Sprintf("%s/said%d", e.ID, i), e.ID
	}
	s.happen(e, said...)
	return nil
}

// happen folds an event, and what else is said of that order, into its row.
func (s *shop) happen(e order.Event, more ...order.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, e)
	for _, one := range append([]order.Event{e}, more...) {
		one.OrderID, one.Attempt = e.OrderID, max(one.Attempt, 1)
		if one.Time.IsZero() {
			one.Time = e.Time
		}
		s.rows[e.OrderID] = order.Fold(s.rows[e.OrderID], one)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shop) Get(_ context.Context, id string) (order.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, found := s.rows[id]
	if !found {
		return row, order.NoSuchOrder(id)
	}
	return row, nil
}

func (s *shop) Await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
	for {
		s.mu.Lock()
		row, changed := s.rows[id], s.changed
		s.mu.Unlock()
		if until(row) {
			return row, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return row, ctx.Err()
		}
	}
}

// List gives two orders a page, however many are asked for.
func (s *shop) List(_ context.Context, f order.Filter, p order.Page) (rows []order.Row, next order.Place, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(s.rows)) // they are placed in this order
	if p.Newest {
		slices.Reverse(ids)
	}
	for _, id := range ids {
		row := s.rows[id]
		past := p.After.ID == "" || (id < p.After.ID) == p.Newest && id != p.After.ID
		switch {
		case !past || !f.Matches(row):
		case len(rows) == min(p.Limit, 2):
			return rows, order.PlaceOf(rows[len(rows)-1]), nil
		default:
			rows = append(rows, row)
		}
	}
	return rows, order.Place{}, nil
}

func (s *shop) Topology(context.Context) (any, error) { return s.known, nil }

func (s *shop) events() []order.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// order runs simplecqrs order against the shop.
func (s *shop) order(t *testing.T, args ...string) (code int, answer, log string) {
	t.Helper()
	return simplecqrs(t, append([]string{"order"}, append(args, "-url", s.url)...)...)
}

var opened = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func rowWith(id string, status order.Status, events ...order.Event) order.Row {
	row := order.Fold(order.Row{}, order.Event{
		OrderID: id, Type: "ORDER_REQUESTED", ID: id + "/0", Time: opened, Attempt: 1, Status: status,
	})
	for i, e := range events {
		e.OrderID, e.ID, e.Attempt = id, fmt.Sprintf("%s/%d", id, i+1), max(e.Attempt, 1)
		e.Time = opened.Add(time.Duration(i+1) * time.Second)
		row = order.Fold(row, e)
	}
	return row
}
