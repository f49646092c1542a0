package edge

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"simplecqrs/order"
)

// callers knows tokens that say what their holder may do, as in "ann:query,command".
type callers struct{}

func (callers) Authenticate(_ context.Context, token string) (string, []string, error) {
	switch token {
	case "away":
		return "", nil, &order.Error{Kind: order.Unavailable, Detail: "the issuer is away"}
	case "broken":
		return "", nil, context.Canceled
	}
	subject, all, found := strings.Cut(token, ":")
	if !found {
		return "", nil, &order.Error{Kind: order.Invalid, Detail: "the token is unknown"}
	}
	return subject, strings.Split(all, ","), nil
}

func newLockedWorld(t *testing.T) *world { return newGuardedWorld(t, Guard{Callers: callers{}}) }

func holding(token string) []string { return []string{"Authorization", "Bearer " + token} }

// routesOf gives a request for each route of a world's handler, and its template.
func (w *world) routesOf() map[*http.Request]string {
	w.t.Helper()
	all := map[*http.Request]string{}
	check(w.t, w.handler.(*router).Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, err := route.GetPathTemplate()
		check(w.t, err)
		methods, err := route.GetMethods()
		check(w.t, err)
		path := strings.NewReplacer("{id}", seedID, anyVerb, "pause", anyResolution, "redrive", anyLetter, "saga~store.order~0~0", "{role}", "table", "{key}", seedID).Replace(template)
		for _, m := range methods {
			all[w.request(m, path, "")] = template
		}
		return nil
	}))
	if len(all) < 10 {
		w.t.Fatalf("found %d routes", len(all))
	}
	return all
}

// Whatever becomes a route is tried here, so that none is left open.
func TestEachRouteIsForThoseWhoHaveItsScopeAlone(t *testing.T) {
	open := []string{"/healthz", "/readyz"}
	w := newLockedWorld(t)
	for r, template := range w.routesOf() {
		scope := scopeOf(template)
		if isOpen := template == open[0] || template == open[1]; isOpen != (scope == forAll) {
			t.Errorf("%s needs the scope %q", template, scope)
		}
		if first := strings.Split(template, "/")[1]; first == "command" && scope != ScopeCommand ||
			(first == "deadletters" || first == "monitor") && scope != ScopeAdmin {
			t.Errorf("%s needs the scope %q", template, scope)
		}
		for _, c := range []struct {
			name, authorization string
			status              int
		}{
			{"none", "", http.StatusUnauthorized},
			{"one that is not good", "Bearer nonsense", http.StatusUnauthorized},
			{"an empty one", "Bearer ", http.StatusUnauthorized},
			{"another scheme", "Digest ann:" + scope, http.StatusUnauthorized},
			{"no scope", "Bearer ann:", http.StatusForbidden},
			{"the other scopes", "Bearer ann:" + strings.ReplaceAll("command,query,admin,", scope+",", ""), http.StatusForbidden},
			{"one that cannot be judged", "Bearer away", http.StatusServiceUnavailable},
			{"a failure of ours", "Bearer broken", http.StatusInternalServerError},
			{"the right one", "Bearer ann:" + scope, 0},
		} {
			again := r.Clone(t.Context())
			again.Body = http.NoBody
			if c.authorization != "" {
				again.Header.Set("Authorization", c.authorization)
			}
			got := w.serve(again)
			refused := got.StatusCode == http.StatusUnauthorized || got.StatusCode == http.StatusForbidden
			if want := c.status; scope == forAll && refused || scope != forAll && (want != 0 && got.StatusCode != want || want == 0 && refused) {
				t.Errorf("%s %s with %s: answered %d %s", r.Method, template, c.name, got.StatusCode, got.body)
			}
		}
	}
}

func TestARouteNeedsTheScopeOfItsFirstPart(t *testing.T) {
	for route, want := range map[string]string{
		"/healthz": forAll, "/readyz": forAll,
		"/command": ScopeCommand, "/command/{id}/pause": ScopeCommand,
		"/query": ScopeQuery, "/query/{id}/stream": ScopeQuery, "/query/stats/topology": ScopeQuery, "/metrics": ScopeQuery,
		"/": ScopeQuery, "/assets/": ScopeQuery, "/openapi.yaml": ScopeQuery, "/docs": ScopeQuery,
		"/deadletters": ScopeAdmin, "/deadletters/{id}/redrive": ScopeAdmin,
		"/monitor": ScopeAdmin, "/monitor/stats": ScopeAdmin, "/monitor/log": ScopeAdmin,
	} {
		if got := scopeOf(route); got != want {
			t.Errorf("%s needs %q, want %q", route, got, want)
		}
	}
}

func TestARouteThatNothingIsSaidOfIsFoundBeforeItIsServed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it is served")
		}
	}()
	newRouter(newWorld(t).health()).handle("/secrets", healthz, http.MethodGet)
}

func TestWhoIsNotKnownIsToldHowToBe(t *testing.T) {
	w := newLockedWorld(t)
	const asks = `|Basic realm="simplecqrs", charset="UTF-8"`
	a := w.do(http.MethodGet, "/query")
	a.wantProblem(t, http.StatusUnauthorized, "this needs a token: send the header Authorization with Bearer and a token")
	a.wantHeaders(t, "WWW-Authenticate", `Bearer realm="simplecqrs"`+asks)
	w.do(http.MethodGet, "/query", holding("")...).wantHeaders(t, "WWW-Authenticate", `Bearer realm="simplecqrs"`+asks)
	a = w.do(http.MethodGet, "/query", holding("nonsense")...)
	a.wantProblem(t, http.StatusUnauthorized, "the token is unknown")
	a.wantHeaders(t, "WWW-Authenticate", `Bearer realm="simplecqrs", error="invalid_token"`+asks)
	a = w.do(http.MethodGet, "/query", holding("ann:command")...)
	a.wantProblem(t, http.StatusForbidden, "this needs the scope query, which the token does not have")
	a.wantHeaders(t, "WWW-Authenticate", `Bearer realm="simplecqrs", error="insufficient_scope", scope="query"`)
	a = w.do(http.MethodGet, "/query", holding("away")...)
	a.wantProblem(t, http.StatusServiceUnavailable, "the issuer is away")
	a.wantHeaders(t, "Retry-After", "1", "WWW-Authenticate", "")
	w.wantNothingEmitted()
}

func TestABrowsersPasswordIsTheToken(t *testing.T) {
	w := newLockedWorld(t)
	for password, status := range map[string]int{
		"me:ann:query":  http.StatusOK,
		":ann:query":    http.StatusOK,
		"ann:query":     http.StatusUnauthorized, // the token is query
		"me:":           http.StatusUnauthorized,
		"me":            http.StatusUnauthorized,
		"me:ann:admin":  http.StatusForbidden,
		"me:ann:query ": http.StatusForbidden, // a scope that there is not
	} {
		encoded := base64.StdEncoding.EncodeToString([]byte(password))
		if a := w.do(http.MethodGet, "/query", "Authorization", "basic "+encoded); a.StatusCode != status {
			t.Errorf("%q: answered %d, want %d", password, a.StatusCode, status)
		}
	}
	if a := w.do(http.MethodGet, "/query", "Authorization", "Basic ann:query"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("not encoded: answered %d", a.StatusCode)
	}
}

func TestStrangersAreToldWhetherAProcessIsReadyAndNoMore(t *testing.T) {
	w := newLockedWorld(t)
	w.ready = []Component{{Name: "saga", State: "disconnected", Detail: "10.0.0.7 is away"}}
	for _, token := range []string{"", "nonsense", "away"} {
		w.do(http.MethodGet, "/readyz", holding(token)...).want(t, http.StatusServiceUnavailable, `{"status":"not ready"}`+"\n")
	}
	a := w.do(http.MethodGet, "/readyz", holding("ann:")...)
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "10.0.0.7") {
		t.Errorf("one who is known is answered %d %s", a.StatusCode, a.body)
	}
}

func TestTheAuditTellsWhoWasKnownToHaveAsked(t *testing.T) {
	for _, c := range []struct{ token, comma, body, actor string }{
		{"ann:command", "", ``, "ann"},
		{"ann:command", ",", `"actor":"ann"`, "ann"},
		{"ann:command", ",", `"actor":"bob"`, "ann (for bob)"},
		{strings.Repeat("a", 200) + ":command", ",", `"actor":"` + strings.Repeat("b", 200) + `"`, strings.Repeat("a", 200) + " (for " + strings.Repeat("b", 200) + ")"},
	} {
		w := newLockedWorld(t)
		w.get = func(context.Context, string) (order.Row, error) {
			return order.Row{ID: seedID, Meta: order.Meta{Status: order.StatusRunning}}, nil
		}
		w.command(seedID+"/pause", "{"+c.body+"}", holding(c.token)...)
		w.command("pause", `{"ids":["`+seedID+`"]`+strings.Replace(","+c.body, ",", c.comma, 1)+"}", holding(c.token)...)
		all := w.events()
		if len(all) != 2 || all[0].Actor != c.actor || all[1].Actor != c.actor {
			t.Errorf("%s %s: emitted %+v", c.token, c.body, all)
		}
	}
	w := newLockedWorld(t)
	w.post(`{}`, holding("ann:command")...)
	w.post(`{"startAt":"2999-01-01T00:00:00Z"}`, holding("bob:command")...)
	w.do(http.MethodGet, "/command", holding("eve:command")...)
	for i, want := range []string{"ann", "bob", "eve"} {
		if all := w.events(); len(all) != 3 || all[i].Actor != want {
			t.Errorf("emitted %+v, want %s", all, want)
		}
	}
}

func TestWithoutAuthenticationTheBodysWordIsAllThatThereIs(t *testing.T) {
	w := newWorld(t)
	w.get = func(context.Context, string) (order.Row, error) {
		return order.Row{ID: seedID, Meta: order.Meta{Status: order.StatusRunning}}, nil
	}
	w.command(seedID+"/pause", `{"actor":"bob"}`, holding("ann:command")...)
	if all := w.events(); len(all) != 1 || all[0].Actor != "bob" {
		t.Errorf("emitted %+v", all)
	}
}

func TestTheKeysOfDifferentCallersDoNotMeet(t *testing.T) {
	ids := map[string]bool{}
	for _, subject := range []string{"", "ann", "bob"} {
		for _, key := range []string{"1", "1\x00ann"} { // no header has the second
			c := command{verb: order.Pause, key: key, client: subject, print: "-00000000"}
			ids[commandID(seedID, c)] = true
		}
	}
	if len(ids) != 6 {
		t.Errorf("%d ids", len(ids))
	}
	w := newLockedWorld(t)
	w.get = func(context.Context, string) (order.Row, error) {
		return order.Row{ID: seedID, Meta: order.Meta{Status: order.StatusRunning}}, nil
	}
	for _, token := range []string{"ann:command", "bob:command", "ann:command"} {
		w.command(seedID+"/pause", ``, append(holding(token), "Idempotency-Key", "1")...)
	}
	if all := w.events(); len(all) != 3 || all[0].ID == all[1].ID || all[0].ID != all[2].ID {
		t.Errorf("emitted %+v", all)
	}
}

func TestWithoutAuthenticationNothingIsServedUnderAStrangersName(t *testing.T) {
	w := newGuardedWorld(t, Guard{Hosts: []string{"Shop.Example"}})
	w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) {
		return order.Row{}, order.NoSuchOrder(seedID)
	}
	for host, ours := range map[string]bool{
		"localhost": true, "LOCALHOST:8080": true, "app.localhost": true, "127.0.0.1:8080": true, "127.8.9.10": true, "[::1]:8080": true, "[::1]": true,
		"shop.example": true, "SHOP.example:8080": true,
		"evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "notlocalhost": false, "192.168.0.7": false,
		"shop.example.evil.example": false, "127.0.0.1.evil.example": false, "1.shop.example": false, "[2001:db8::1]:8080": false,
	} {
		for r, template := range w.routesOf() {
			r.Host = host
			a := w.serve(r)
			if refused := a.StatusCode == http.StatusMisdirectedRequest; refused == (ours || scopeOf(template) == forAll) {
				t.Errorf("%s %s of %s: answered %d", r.Method, template, host, a.StatusCode)
			}
		}
	}
	w = newLockedWorld(t) // where the browser's page has no token for that name
	r := w.request(http.MethodGet, "/query", "", holding("ann:query")...)
	r.Host = "evil.example"
	if a := w.serve(r); a.StatusCode != http.StatusOK {
		t.Errorf("with a token: answered %d", a.StatusCode)
	}
}

func TestAPageOfAnotherSiteChangesNothing(t *testing.T) {
	w := newLockedWorld(t)
	for r, template := range w.routesOf() {
		r.Header.Set("Authorization", "Bearer ann:command,query,admin")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		changes := !reads(r.Method) || template == "/command"
		if a := w.serve(r); (a.StatusCode == http.StatusForbidden) != changes {
			t.Errorf("%s %s: answered %d", r.Method, template, a.StatusCode)
		}
	}
	w.wantNothingEmitted()
}

func TestBrowsersAreToBeStrictWithAllThatIsServed(t *testing.T) {
	w := newLockedWorld(t)
	for _, path := range []string{"/healthz", "/query", "/nothing", "/metrics"} {
		a := w.do(http.MethodGet, path)
		a.wantHeaders(t,
			"X-Content-Type-Options", "nosniff",
			"Content-Security-Policy", "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
			"Referrer-Policy", "same-origin",
			"Cross-Origin-Opener-Policy", "same-origin", "Cross-Origin-Resource-Policy", "same-origin",
			"Strict-Transport-Security", "")
	}
	for host, want := range map[string]string{"shop.example": "max-age=31536000", "localhost:8080": "", "127.0.0.1": ""} {
		r := w.request(http.MethodGet, "/healthz", "")
		r.Host, r.TLS = host, &tls.ConnectionState{}
		w.serve(r).wantHeaders(t, "Strict-Transport-Security", want)
	}
}

func TestStrangersAreNotToldWhichRoutesThereAre(t *testing.T) {
	w := newLockedWorld(t)
	for path, method := range map[string]string{"/nowhere": http.MethodGet, "/command": http.MethodDelete, "/healthz": http.MethodPut} {
		a := w.do(method, path)
		a.wantProblem(t, http.StatusUnauthorized, "this needs a token: send the header Authorization with Bearer and a token")
		a.wantHeaders(t, "Allow", "")
		if a := w.do(method, path, holding("nonsense")...); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s: answered %d", method, path, a.StatusCode)
		}
	}
	w.do(http.MethodGet, "/nowhere", holding("ann:query")...).wantProblem(t, http.StatusNotFound, "nothing is served at /nowhere")
	w.do(http.MethodDelete, "/command", holding("ann:query")...).wantHeaders(t, "Allow", "GET, POST")
}

// counting counts how often it is asked.
type counting struct {
	callers
	asked int
}

func (c *counting) Authenticate(ctx context.Context, token string) (string, []string, error) {
	c.asked++
	return c.callers.Authenticate(ctx, token)
}

func TestAStrangersRequestTakesNoPartInATraceThatItNames(t *testing.T) {
	const sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	all := &counting{}
	w := newGuardedWorld(t, Guard{Callers: all})
	d, seen := w.handler.(*router).door, ""
	h := d.introduced("/query", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("Traceparent") + r.Header.Get("Tracestate")
	}))
	for token, want := range map[string]string{"": "", "nonsense": "", "ann:command": "", "ann:query": sent} {
		r := w.request(http.MethodGet, "/query", "", append(holding(token), "Traceparent", sent)...)
		if want == "" {
			r.Header.Set("Tracestate", "a=b")
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if seen != want {
			t.Errorf("%q: of the trace there is %q, want %q", token, seen, want)
		}
	}
	for token, status := range map[string]int{"nonsense": http.StatusUnauthorized, "ann:query": http.StatusOK} {
		all.asked = 0
		a := w.do(http.MethodGet, "/query", append(holding(token), "Traceparent", sent)...)
		if a.StatusCode != status || all.asked != 1 {
			t.Errorf("%q: answered %d, and its token was judged %d times", token, a.StatusCode, all.asked)
		}
	}
}
