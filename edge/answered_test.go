package edge

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"simplecqrs/order"
)

// tally is which statuses the tests were answered with, by operation.
type tally struct {
	mu   sync.Mutex
	seen map[string]bool
}

var noted = tally{seen: map[string]bool{}}

func (a *tally) add(o *openapi3.Operation, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[fmt.Sprint(o.OperationID, " ", status)] = true
}

// unseen gives the statuses that are described, and that no test was answered with.
func (a *tally) unseen() (all []string, err error) {
	doc, err := loaded()
	if err != nil {
		return nil, err
	}
	for _, item := range doc.Paths.Map() {
		for _, o := range item.Operations() {
			for status := range o.Responses.Map() {
				if one := o.OperationID + " " + status; !a.seen[one] {
					all = append(all, one)
				}
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

// Once all tests have run, none of the statuses that are described may be an invention.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && all() {
		if unseen, err := noted.unseen(); err != nil || len(unseen) > 0 {
			fmt.Printf("these are described, and no test was answered so, %v:\n%s\n", err, strings.Join(unseen, "\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// all reports whether all tests were asked for.
func all() bool {
	return !slices.ContainsFunc([]string{"test.run", "test.skip", "test.list", "test.fuzz"}, func(name string) bool {
		return flag.Lookup(name).Value.String() != ""
	})
}

// eachOperation gives a request for each operation that is described.
func (w *world) eachOperation(body string, headers ...string) map[*openapi3.Operation]*http.Request {
	w.t.Helper()
	each := map[*openapi3.Operation]*http.Request{}
	for path, item := range document(w.t).Paths.Map() {
		for _, p := range item.Parameters {
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", fmt.Sprint(p.Value.Example))
		}
		for method, o := range item.Operations() {
			each[o] = w.request(method, path, body, headers...)
		}
	}
	return each
}

func TestWhatManyOperationsAnswerIsAnsweredByEachOfThem(t *testing.T) {
	forSome := func(o *openapi3.Operation) bool { return len(*o.Security) > 0 }
	takesBody := func(o *openapi3.Operation) bool { return o.RequestBody != nil }
	counted := func(o *openapi3.Operation) bool { return slices.Contains(o.Tags, "commands") }
	typed := []string{"Content-Type", "application/json"}
	for name, c := range map[string]struct {
		world   func(t *testing.T) *world
		host    string
		body    string
		headers []string
		status  int
		by      func(*openapi3.Operation) bool
	}{
		"a stranger":               {newLockedWorld, site, "", nil, http.StatusUnauthorized, forSome},
		"without the scope":        {newLockedWorld, site, "", holding("ann:"), http.StatusForbidden, forSome},
		"under another name":       {newWorld, "evil.example", "", nil, http.StatusMisdirectedRequest, forSome},
		"who cannot be judged":     {newLockedWorld, site, "", holding("away"), http.StatusServiceUnavailable, forSome},
		"a failure of ours":        {newLockedWorld, site, "", holding("broken"), http.StatusInternalServerError, forSome},
		"too large a body":         {newWorld, site, strings.Repeat(" ", maxBody+1), typed, http.StatusRequestEntityTooLarge, takesBody},
		"a body of another type":   {newWorld, site, "{}", nil, http.StatusUnsupportedMediaType, takesBody},
		"a member that is unknown": {newWorld, site, `{"nonsense":1}`, typed, http.StatusBadRequest, takesBody},
		"more than may be given":   {newSpentWorld, site, "", nil, http.StatusTooManyRequests, counted},
	} {
		t.Run(name, func(t *testing.T) {
			w := c.world(t)
			w.get = nil
			w.await = func(_ context.Context, id string, _ func(order.Row) bool) (order.Row, error) {
				return order.Row{}, order.NoSuchOrder(id)
			}
			w.topology = func(context.Context) (any, error) { return seenTopology(1), nil }
			w.stats = func(context.Context) any { return seenStats }
			w.entry = func(string, string) (Entry, error) { return Entry{Here: true, Recovered: true}, nil }
			for o, r := range w.eachOperation(c.body, c.headers...) {
				r.Host = c.host
				if a := w.serve(r); (a.StatusCode == c.status) != c.by(o) {
					t.Errorf("%s answered %d %s", o.OperationID, a.StatusCode, a.body)
				}
			}
		})
	}
}

// newSpentWorld is one in which clients have given all the commands that they may for now.
func newSpentWorld(t *testing.T) *world {
	w, _ := newHastyWorld(t, nil)
	for range 4 {
		w.wantTaken()
	}
	return w
}

func TestAReadSideThatIsAwayIsToldOfByAllThatNeedsIt(t *testing.T) {
	away := &order.Error{Kind: order.Unavailable, Detail: "the read side is away"}
	w := newWorld(t)
	w.get = func(context.Context, string) (order.Row, error) { return order.Row{}, away }
	w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) { return order.Row{}, away }
	w.list = func(context.Context, order.Filter, order.Page) ([]order.Row, order.Place, error) {
		return nil, order.Place{}, away
	}
	w.kept = func(context.Context, string) (Sources, error) { return Sources{}, away }
	w.topology = func(context.Context) (any, error) { return nil, away }
	w.entry = func(string, string) (Entry, error) { return Entry{}, away }
	want := func(a answer) {
		t.Helper()
		a.wantProblem(t, http.StatusServiceUnavailable, away.Detail)
		a.wantHeaders(t, "Retry-After", retryAfter)
	}
	const one = "/query/" + seedID
	for _, path := range []string{
		"/query", "/query/stuck", one, one + "/history", one + "/sources", one + "/stream", "/query/stats/topology", "/monitor/table/saga/" + seedID,
	} {
		want(w.do(http.MethodGet, path))
	}
	want(w.post("", headerKey, "k"))
	for _, verb := range order.Commands() {
		want(w.command(seedID+"/"+string(verb), fitting[verb].body))
		want(w.command(string(verb), fitting[verb].with(`"filter":{"status":"running"}`)))
	}
	w.wantNothingEmitted()
}

// Some of it is said of one command alone elsewhere, and more closely.
func TestEachCommandIsAnsweredInAllWays(t *testing.T) {
	for _, verb := range order.Commands() {
		t.Run(string(verb), func(t *testing.T) {
			row, body := fitting[verb].row, fitting[verb].body
			w := newWorld(t)
			want := func(status int, path, body string, headers ...string) {
				t.Helper()
				if a := w.command(path, body, headers...); a.StatusCode != status {
					t.Errorf("answered %d %s, want %d", a.StatusCode, a.body, status)
				}
			}
			one, several := seedID+"/"+string(verb), string(verb)
			w.get = has(row)
			w.answering(0, row, order.OrderResumed, "")
			want(http.StatusOK, one, body, "Prefer", "wait=5")
			want(http.StatusOK, several, fitting[verb].with(`"ids":["`+seedID+`"]`))
			want(http.StatusPreconditionFailed, one, body, headerMatch, `"99"`)
			w.get = has(complete(seedID))
			want(http.StatusConflict, one, body)
			another := commandID(seedID, command{verb: verb, key: "k", print: "-00000000"})
			w.get = has(given(row, another, verb, "", ""))
			want(http.StatusUnprocessableEntity, one, body, headerKey, "k")
		})
	}
}
