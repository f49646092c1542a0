package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// world is an edge and what it stands between: the log, and the rows. Of these it
// plays what a test sets; the rest does its work at once, and has no rows.
type world struct {
	t       *testing.T
	handler http.Handler

	emit  func(context.Context, order.Event) error
	get   func(ctx context.Context, id string) (order.Row, error)
	await func(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error)
	list  func(ctx context.Context, f order.Filter, p order.Page) ([]order.Row, order.Place, error)
	ready []Component
	feed  feed                                                  // what those who follow all are told
	kept  func(ctx context.Context, id string) (Sources, error) // where orders are kept
	away  bool                                                  // the log's brokers do not answer
	guard Guard                                                 // set before the handler is made

	topology func(ctx context.Context) (any, error)
	stats    func(ctx context.Context) any
	entry    func(role, key string) (Entry, error)

	registry *prometheus.Registry
	mu       sync.Mutex
	emitted  []order.Event
	logged   bytes.Buffer
}

func newWorld(t *testing.T) *world {
	return newGuardedWorld(t, Guard{Hosts: []string{nameIn(site)}})
}

func newGuardedWorld(t *testing.T, g Guard) *world {
	w := &world{t: t, guard: g, registry: prometheus.NewRegistry()}
	h := w.health()
	h.Monitor = Monitor{
		Stats: func(ctx context.Context) any { return w.stats(ctx) },
		Entry: func(role, key string) (Entry, error) { return w.entry(role, key) },
	}
	w.handler = New(Config{
		Emit: w.Emit, Rows: w, Definition: saga.Default(), Health: h, Log: w,
		Sources:  func(ctx context.Context, id string) (Sources, error) { return w.kept(ctx, id) },
		Topology: func(ctx context.Context) (any, error) { return w.topology(ctx) },
		Letters:  letters{&box{world: w}},
	})
	w.handler.(*router).Use(described(t))
	return w
}

func (w *world) health() Health {
	return Health{
		Ready:    func() []Component { return w.ready },
		Registry: w.registry,
		Logger:   slog.New(slog.NewTextHandler(w, nil)),
		Guard:    w.guard,
		Level:    new(slog.LevelVar),
	}
}

func (w *world) Follow(place string) (Following, error) {
	if w.away {
		return silent{}, nil
	}
	return w.feed.Follow(place)
}

func (w *world) Emit(ctx context.Context, e order.Event) error {
	w.mu.Lock()
	w.emitted = append(w.emitted, e)
	w.mu.Unlock()
	if w.emit == nil {
		return nil
	}
	return w.emit(ctx, e)
}

func (w *world) Get(ctx context.Context, id string) (order.Row, error) {
	if w.get == nil {
		return order.Row{}, order.NoSuchOrder(id)
	}
	return w.get(ctx, id)
}

func (w *world) Await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
	if w.await == nil {
		<-ctx.Done()
		return order.Row{}, ctx.Err()
	}
	return w.await(ctx, id, until)
}

func (w *world) List(ctx context.Context, f order.Filter, p order.Page) ([]order.Row, order.Place, error) {
	if w.list == nil {
		return nil, order.Place{}, nil
	}
	return w.list(ctx, f, p)
}

// Write takes what is logged.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logged.Write(line)
}

func (w *world) events() []order.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.emitted)
}

func (w *world) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logged.String()
}

// site is the host that the tests' client uses.
const site = "shop.example:8080"

// request is one to the site. Headers are pairs of name and value.
func (w *world) request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://"+site, strings.NewReader(body))
	r.URL.Path = path
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func read(t *testing.T, r *http.Response) answer {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	check(t, err)
	check(t, r.Body.Close())
	return answer{r, string(body)}
}

func (w *world) serve(r *http.Request) answer {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	return read(w.t, recorder.Result())
}

func (w *world) do(method, path string, headers ...string) answer {
	w.t.Helper()
	return w.serve(w.request(method, path, "", headers...))
}

// post places an order with a body of JSON.
func (w *world) post(body string, headers ...string) answer {
	w.t.Helper()
	return w.serve(w.request(http.MethodPost, "/command", body, append(headers, "Content-Type", "application/json")...))
}

// command gives a command with a body of JSON.
func (w *world) command(path, body string, headers ...string) answer {
	w.t.Helper()
	return w.serve(w.request(http.MethodPost, "/command/"+path, body, append(headers, "Content-Type", "application/json")...))
}

// placed gives the id of the one order that was emitted.
func (w *world) placed() string {
	w.t.Helper()
	all := w.events()
	if len(all) != 1 {
		w.t.Fatalf("%d events were emitted, want 1: %+v", len(all), all)
	}
	return all[0].OrderID
}

func (w *world) wantNothingEmitted() {
	w.t.Helper()
	if all := w.events(); len(all) > 0 {
		w.t.Errorf("emitted: %+v", all)
	}
}

func (w *world) wantLogged(what string) {
	w.t.Helper()
	if log := w.log(); !strings.Contains(log, what) {
		w.t.Errorf("%q was not logged, but: %s", what, log)
	}
}

func (w *world) wantNothingLogged() {
	w.t.Helper()
	if log := w.log(); log != "" {
		w.t.Errorf("logged: %s", log)
	}
}

func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("answered %d, want %d", a.StatusCode, status)
	}
	if diff := cmp.Diff(body, a.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	cached := "no-store"
	if a.Header.Get("ETag") != "" {
		cached = "private, no-cache"
	}
	a.wantHeaders(t, "Content-Type", "application/json", "X-Content-Type-Options", "nosniff", "Cache-Control", cached)
}

// wantProblem holds the answer to a problem whose members are all there.
func (a answer) wantProblem(t *testing.T, status int, detail string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("answered %d, want %d", a.StatusCode, status)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	want := map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": float64(status),
		"detail": detail, "error": detail,
	}
	if detail == "" { // there is nothing to tell, and the seed's member is never empty
		want["error"] = want["title"]
		delete(want, "detail")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
	a.wantHeaders(t, "Content-Type", "application/problem+json", "X-Content-Type-Options", "nosniff", "Cache-Control", "no-store")
}

// wantHeaders holds headers to pairs of name and value; no value, no header.
func (a answer) wantHeaders(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := strings.Join(a.Header.Values(pairs[i]), "|"); got != pairs[i+1] {
			t.Errorf("header %s is %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

// seedID is the seed's order.
const seedID = "ORD-B384F"

// began is when the orders of these tests were placed.
var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// complete is an order that went through, one step a second.
func complete(id string) order.Row {
	var row order.Row
	for i, t := range []order.Type{
		"ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED",
		"PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED",
	} {
		e := order.Event{
			OrderID: id, Type: t, ID: order.EventID(id, t, 1), Attempt: 1,
			Time: began.Add(time.Duration(i) * time.Second),
		}
		if step, phase, _ := t.Split(); phase == order.Completed {
			e.Outputs = map[order.Step]order.JSON{step: order.JSON(`{"body":"` + id + "_" + string(t) + `"}`)}
		}
		if i > 0 {
			e.Causation = row.Meta.History[i-1].ID
		}
		if t == "MAIL_REQUESTED" {
			e.Outcome = order.StatusCompleted
		}
		row = order.Fold(row, e)
	}
	return row
}

// completeBody is the answer to a query for it, as the seed has it.
func completeBody(id string) string {
	return strings.ReplaceAll(`{"id":"ID","type":"MAIL_COMPLETED",`+
		`"detail":{"body":"ID_ORDER_COMPLETED"},"payment":{"body":"ID_PAYMENT_COMPLETED"},"mail":{"body":"ID_MAIL_COMPLETED"},`+
		`"events":["ORDER_REQUESTED","ORDER_COMPLETED","PAYMENT_REQUESTED","PAYMENT_COMPLETED","MAIL_REQUESTED","MAIL_COMPLETED"]}`+
		"\n", "ID", id)
}

// acceptedBody is the answer to a command, as the seed has it.
func acceptedBody(id, base string) string {
	return `{"id": "` + id + `", "_query": "` + base + "/query/" + id + `"}` + "\n"
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// decode reads the body of an answer that went well.
func (a answer) decode(t *testing.T, to any) {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("answered %d, %s", a.StatusCode, a.body)
	}
	check(t, json.Unmarshal([]byte(a.body), to))
}
