package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestACommandWritesOneEventAndTellsWhereToAskForTheOrder(t *testing.T) {
	for _, c := range []struct {
		method      string
		status      int
		deprecation string
	}{
		{http.MethodPost, http.StatusAccepted, ""},
		{http.MethodGet, http.StatusOK, deprecated}, // the seed's
	} {
		t.Run(c.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where time stands still
				w := newWorld(t)
				got := w.do(c.method, "/command")
				id := w.placed()
				got.want(t, c.status, acceptedBody(id, "http://"+site))
				got.wantHeaders(t, "Location", "/query/"+id, "Deprecation", c.deprecation,
					"Content-Location", "", "Preference-Applied", "")
				want := order.Event{
					OrderID: id, Type: "ORDER_REQUESTED", ID: id + "/ORDER_REQUESTED/1", Attempt: 1, Round: 1,
					Source: "edge", Time: time.Now().UTC(), Deadline: time.Now().UTC().Add(saga.Default().Steps[0].Timeout),
				}
				if diff := cmp.Diff(want, w.events()[0]); diff != "" {
					t.Errorf("event (-want +got):\n%s", diff)
				}
				if !order.ValidID(id) {
					t.Errorf("%q is no order id", id)
				}
				w.wantNothingLogged()
			})
		})
	}
}

func TestLinksBeginAsTheOperatorSays(t *testing.T) {
	w := newWorld(t)
	w.get = has(fitting[order.Pause].row)
	w.handler = New(Config{
		Emit: w.Emit, Rows: w, Definition: saga.Default(), PublicURL: "https://shop.example:444",
		Health: Health{Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Guard: w.guard},
	})
	got := w.post("")
	got.want(t, http.StatusAccepted, acceptedBody(w.placed(), "https://shop.example:444"))
	const links = `"_query":"https://shop.example:444/query/ORD-B384F","_history":"https://shop.example:444/query/ORD-B384F/history"`
	if got := w.command(seedID+"/pause", ""); !strings.Contains(got.body, links) {
		t.Errorf("answered %s", got.body)
	}
}

func TestTheAnswerToACommandNamesTheHostThatTheClientUsed(t *testing.T) {
	for _, c := range []struct {
		host   string
		secure bool
		base   string
	}{
		{"localhost:8080", false, "http://localhost:8080"},
		{"edge_1", false, "http://edge_1"},
		{"10.0.0.1", false, "http://10.0.0.1"},
		{"[::1]:8080", false, "http://[::1]:8080"},
		{"shop.example", true, "https://shop.example"},
	} {
		w := newGuardedWorld(t, Guard{Hosts: []string{"edge_1", "10.0.0.1", "Shop.Example"}})
		r := w.request(http.MethodPost, "/command", "")
		r.Host = c.host
		if c.secure {
			r.TLS = &tls.ConnectionState{}
		}
		w.serve(r).want(t, http.StatusAccepted, acceptedBody(w.placed(), c.base))
	}
}

func TestACommandWhoseHostMakesNoLinkIsRefused(t *testing.T) {
	for host, detail := range map[string]string{
		"":                  `the header Host is "": want a host, and a port if need be`,
		`a"b`:               `the header Host is "a\"b": want a host, and a port if need be`,
		"a<b>":              `the header Host is "a<b>": want a host, and a port if need be`,
		"\xff":              `the header Host is "\xff": want a host, and a port if need be`,
		"shop.example/evil": `the header Host is "shop.example/evil": want a host, and a port if need be`,
		"me@shop.example":   `the header Host is "me@shop.example": want a host, and a port if need be`,
		"shop.example:http": `the header Host is "shop.example:http": want a host, and a port if need be`,
		"shop.example\n":    `the header Host is "shop.example\n": want a host, and a port if need be`,
		"::1":               `the header Host is "::1": want a host, and a port if need be`,
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			w := newWorld(t)
			r := w.request(method, "/command", "")
			r.Host = host
			w.serve(r).wantProblem(t, http.StatusBadRequest, detail)
			w.wantNothingEmitted()
		}
	}
}

// A prober may speak HTTP/1.0, which has no Host.
func TestARequestThatIsAnsweredWithoutALinkNeedsNoHost(t *testing.T) {
	w := newWorld(t)
	r := w.request(http.MethodGet, "/healthz", "")
	r.Host = ""
	w.serve(r).want(t, http.StatusOK, `{"status":"alive"}`+"\n")
}

func TestACommandIsAnsweredOnlyOnceTheLogHasAcknowledgedIt(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
	}{{http.MethodPost, http.StatusAccepted}, {http.MethodGet, http.StatusOK}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			acknowledged := make(chan struct{})
			w.emit = func(context.Context, order.Event) error { <-acknowledged; return nil }
			got := make(chan answer, 1)
			go func() { got <- w.do(c.method, "/command") }()
			synctest.Wait()
			select {
			case early := <-got:
				t.Fatalf("answered %s before the log had the event", early.Status)
			default:
			}
			w.wantCounted("simplecqrs_orders_accepted_total 0")
			id := w.placed()
			close(acknowledged)
			(<-got).want(t, c.status, acceptedBody(id, "http://"+site))
			w.wantCounted("simplecqrs_orders_accepted_total 1")
		})
	}
}

func TestACommandThatTheLogDoesNotAcknowledgeMayBeTriedAgain(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		w := newWorld(t)
		w.emit = func(context.Context, order.Event) error { return errors.New("10.0.0.7 says no") }
		got := w.do(method, "/command", "Prefer", "wait=5")
		id := w.placed()
		got.wantProblem(t, http.StatusServiceUnavailable, "the log has not acknowledged order "+id+"; it may still come to be")
		got.wantHeaders(t, "Retry-After", "1", "Location", "")
		w.wantCounted("simplecqrs_orders_accepted_total 0")
		w.wantLogged("10.0.0.7 says no")
		w.wantLogged(id)
	}
}

func TestTheWaitForTheLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.emit = func(ctx context.Context, _ order.Event) error { <-ctx.Done(); return ctx.Err() }
		start := time.Now()
		got := w.do(http.MethodPost, "/command")
		got.wantProblem(t, http.StatusServiceUnavailable, "the log has not acknowledged order "+w.placed()+"; it may still come to be")
		if waited := time.Since(start); waited != emitTime {
			t.Errorf("waited %v, want %v", waited, emitTime)
		}
	})
}

func TestAClientThatGoesAwayDoesNotTakeItsCommandBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		acknowledged := make(chan struct{})
		w.emit = func(ctx context.Context, _ order.Event) error {
			select {
			case <-acknowledged:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		got := make(chan answer, 1)
		go func() { got <- w.serve(w.request(http.MethodPost, "/command", "").WithContext(ctx)) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		close(acknowledged)
		<-got
		w.wantCounted("simplecqrs_orders_accepted_total 1")
		w.wantNothingLogged()
	})
}

func TestAPageOfAnotherSiteMayNotPlaceOrders(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		refused bool
	}{
		{"no browser", nil, false},
		{"an address that was typed", []string{"Sec-Fetch-Site", "none"}, false},
		{"a page of ours", []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"a page of ours, an older browser", []string{"Origin", "http://" + site}, false},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"a site beside ours", []string{"Sec-Fetch-Site", "same-site"}, true},
		{"another site, an older browser", []string{"Origin", "http://evil.example"}, true},
		{"a page of no site", []string{"Origin", "null"}, true},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			t.Run(method+" "+c.name, func(t *testing.T) {
				w := newWorld(t)
				got := w.do(method, "/command", c.headers...)
				if !c.refused {
					got.wantHeaders(t, "Location", "/query/"+w.placed())
					return
				}
				got.wantProblem(t, http.StatusForbidden, "a page of another site may not give commands")
				w.wantNothingEmitted()
			})
		}
	}
}

func TestNoTwoOrdersShareAnID(t *testing.T) {
	seen := map[string]bool{}
	for range 20_000 {
		id := NewID()
		if seen[id] || !order.ValidID(id) {
			t.Fatalf("%q: there already %t, valid %t", id, seen[id], order.ValidID(id))
		}
		seen[id] = true
	}
}
