package edge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"simplecqrs/order"
)

// newHastyWorld is one in which a client may give 2 commands a second, and 4 at once. Its
// clock stands still until the test moves it.
func newHastyWorld(t *testing.T, c Callers) (w *world, pass func(time.Duration)) {
	w = newGuardedWorld(t, Guard{Callers: c, Hosts: []string{nameIn(site)}, CommandRate: 2, CommandBurst: 4})
	w.get = func(_ context.Context, id string) (order.Row, error) {
		return order.Row{ID: id, Meta: order.Meta{Status: order.StatusRunning}}, nil
	}
	now := began
	l := w.handler.(*router).door.limits
	l.now = func() time.Time { return now }
	return w, func(d time.Duration) { now = now.Add(d) }
}

func (w *world) wantHasty(retryAfter string, headers ...string) {
	w.t.Helper()
	a := w.post("", headers...)
	a.wantProblem(w.t, http.StatusTooManyRequests, "these are more commands than a client may give; the next may come in "+a.Header.Get("Retry-After")+" s")
	a.wantHeaders(w.t, "Retry-After", retryAfter)
}

func (w *world) wantTaken(headers ...string) {
	w.t.Helper()
	if a := w.post("", headers...); a.StatusCode != http.StatusAccepted {
		w.t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
}

func TestAClientMayGiveSoManyCommandsAndOthersMayStill(t *testing.T) {
	w, pass := newHastyWorld(t, callers{})
	ann, bob := holding("ann:command,query"), holding("bob:command")
	for range 4 {
		w.wantTaken(ann...)
	}
	w.wantHasty("1", ann...)
	w.wantTaken(bob...)
	if a := w.do(http.MethodGet, "/query", ann...); a.StatusCode != http.StatusOK {
		t.Errorf("a query is answered %d", a.StatusCode)
	}
	if a := w.do(http.MethodGet, "/command", ann...); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("another way to give a command is answered %d", a.StatusCode)
	}
	pass(500 * time.Millisecond)
	w.wantTaken(ann...)
	w.wantHasty("1", ann...)
	if n := len(w.events()); n != 6 {
		t.Errorf("%d commands were given", n)
	}
}

func TestWhoIsNotLetInIsNotCounted(t *testing.T) {
	w, _ := newHastyWorld(t, callers{})
	for range 10 {
		w.post("", holding("nonsense")...)
		w.post("", holding("ann:query")...)
	}
	if n := len(w.handler.(*router).door.limits.clients); n != 0 {
		t.Errorf("%d clients are counted", n)
	}
}

func TestManyOrdersAtOnceCountAsSoManyCommands(t *testing.T) {
	w, pass := newHastyWorld(t, nil)
	var ids []string
	for i := range 11 {
		ids = append(ids, fmt.Sprintf(`"ORD-0000%X"`, i))
	}
	if a := w.command("pause", `{"ids":[`+strings.Join(ids, ",")+`]}`); a.StatusCode != http.StatusOK {
		t.Fatalf("answered %d %s", a.StatusCode, a.body)
	}
	if n := len(w.events()); n != 11 {
		t.Errorf("%d commands were given", n)
	}
	w.wantHasty("4") // 7 in debt, and one more
	pass(3500 * time.Millisecond)
	w.wantHasty("1")
	pass(500 * time.Millisecond)
	w.wantTaken()
}

func TestStrangersAreCountedByTheirAddressOrNetwork(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"[::ffff:192.0.2.1]:1", "192.0.2.1:1", true},
		{"[2001:db8::1]:1", "[2001:db8::ffff:2]:1", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
	} {
		one, other := http.Request{RemoteAddr: c.one}, http.Request{RemoteAddr: c.other}
		if same := clientOf(&one) == clientOf(&other); same != c.same {
			t.Errorf("%s and %s are the same: %v", c.one, c.other, same)
		}
	}
}

func TestClientsThatAreIdleAreForgottenAndTheOthersAreBounded(t *testing.T) {
	l := newLimits(2, 4)
	now := began
	l.now = func() time.Time { return now }
	from := func(i int) *http.Request {
		return &http.Request{RemoteAddr: fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)}
	}
	for i := range maxClients {
		check(t, l.take(from(i)))
	}
	for i := range 4 {
		check(t, l.take(from(maxClients+i)))
	}
	if err := l.take(from(maxClients + 4)); err == nil || len(l.clients) != maxClients {
		t.Errorf("of %d clients those beyond are counted each by itself: %v", len(l.clients), err)
	}
	check(t, l.take(from(0)))
	l.more(from(1), 10)
	now = now.Add(2500 * time.Millisecond) // when all but one are as if they were new
	check(t, l.take(from(maxClients+4)))
	if n := len(l.clients); n != 2 || l.take(from(1)) == nil {
		t.Errorf("%d clients are remembered", n)
	}
}

func TestWithoutARateCommandsAreNotCounted(t *testing.T) {
	w := newWorld(t)
	for range 200 {
		w.wantTaken()
	}
	if w.handler.(*router).door.limits != nil {
		t.Error("they are counted")
	}
	if l := newLimits(2.5, 0); l.burst != 3 {
		t.Errorf("%d may come at once", l.burst)
	}
}
