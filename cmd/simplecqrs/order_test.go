package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/user"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

func TestAnOrderIsPlacedFromTheCommandLine(t *testing.T) {
	s := openShop(t)
	code, answer, log := s.order(t, "place", "-inputs", `{"payment":{"amount":5}}`)
	if code != 0 || log != "" {
		t.Fatalf("exit code %d, log %s", code, log)
	}
	first := s.events()[0]
	if answer != first.OrderID+"\n" || string(first.Inputs[order.Payment]) != `{"amount":5}` || !first.StartAt.IsZero() {
		t.Errorf("answer %q, event %+v", answer, first)
	}
	code, answer, _ = s.order(t, "place", "-at", "2999-01-01T00:00:00Z", "-o", "json")
	second := s.events()[1]
	if want := `{"id": "` + second.OrderID + `", "_query": "` + s.url + "/query/" + second.OrderID + `"}` + "\n"; code != 0 || answer != want {
		t.Errorf("exit code %d, answer %s", code, answer)
	}
	if second.StartAt.Year() != 2999 || second.Type != order.OrderScheduled {
		t.Errorf("event %+v", second)
	}
	code, answer, log = s.order(t, "place", "-wait", "1s")
	if third := s.events()[2]; code != 1 || answer != third.OrderID+"\n" || !strings.Contains(log, third.OrderID+" has not ended within 1s; it is running\n") {
		t.Errorf("exit code %d, answer %s, log %s", code, answer, log)
	}
	if got := s.asks[2]; got != "POST /command wait=1" {
		t.Errorf("it asks %s", got)
	}
}

func TestAnOrderIsPlacedOnceForAKeyHoweverOftenItIsPlaced(t *testing.T) {
	s := openShop(t)
	// What stands before the edge gives up on the first, which arrives all the same.
	shop, err := url.Parse(s.url)
	check(t, err)
	first := true
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(shop) },
		ModifyResponse: func(r *http.Response) error {
			if first {
				r.StatusCode = http.StatusGatewayTimeout
			}
			first = false
			return nil
		},
	})
	defer proxy.Close()
	const key = `of May, 7th; "first"\`
	place := func(more ...string) (int, string, string) {
		return simplecqrs(t, append([]string{"order", "place", "-url", proxy.URL}, more...)...)
	}
	inputs := []string{"-key", key, "-inputs", `{"payment":5}`}
	if code, answer, log := place(inputs...); code != 5 || answer != "" || !strings.Contains(log, "504 Gateway Timeout") {
		t.Errorf("the first: exit code %d, answer %s, log %s", code, answer, log)
	}
	id := s.events()[0].OrderID
	for range 2 {
		if code, answer, log := place(inputs...); code != 0 || answer != id+"\n" || log != "" {
			t.Errorf("again: exit code %d, answer %s, log %s", code, answer, log)
		}
	}
	if code, answer, log := place("-key", key); code != 4 || answer != "" ||
		log != "simplecqrs order: the Idempotency-Key was given before with another body, for order "+id+
			": send that body again, or this one with another key\n" {
		t.Errorf("another body: exit code %d, answer %s, log %s", code, answer, log)
	}
	if len(s.events()) != 1 {
		t.Errorf("events %+v", s.events())
	}
	if code, _, log := place("-key", "another"); code != 0 || len(s.events()) != 2 {
		t.Errorf("another key: exit code %d, log %s, events %+v", code, log, s.events())
	}
}

func TestAnOrderIsShownForPeople(t *testing.T) {
	row := rowWith("ORD-00001", "", order.Event{
		Type: "ORDER_COMPLETED", Outputs: map[order.Step]order.JSON{order.Detail: order.JSON(`{"a":1}`)},
	})
	s := openShop(t, row)
	code, answer, _ := s.order(t, "get", "ORD-00001")
	const want = "ORD-00001  running  ORDER_COMPLETED\n  detail  {\"a\":1}\n  events  ORDER_REQUESTED, ORDER_COMPLETED\n"
	if diff := cmp.Diff(want, answer); diff != "" || code != 0 {
		t.Errorf("exit code %d, answer (-want +got):\n%s", code, diff)
	}
	if _, answer, _ = s.order(t, "get", "ORD-00001", "-o", "json"); answer !=
		`{"id":"ORD-00001","type":"ORDER_COMPLETED","detail":{"a":1},"events":["ORDER_REQUESTED","ORDER_COMPLETED"]}`+"\n" {
		t.Errorf("as JSON: %s", answer)
	}
}

func TestAnOrderThatFailedOrIsStuckIsShownWithWhy(t *testing.T) {
	s := openShop(t, rowWith("ORD-00001", "", order.Event{Type: order.OrderStuck, Status: order.StatusStuck, Reason: "PAYMENT: no\x1b funds"}))
	code, answer, _ := s.order(t, "get", "ORD-00001")
	const want = "ORD-00001  stuck  ORDER_STUCK\n  why     PAYMENT: no  funds\n  events  ORDER_REQUESTED, ORDER_STUCK\n"
	if diff := cmp.Diff(want, answer); diff != "" || code != 0 {
		t.Errorf("exit code %d, answer (-want +got):\n%s", code, diff)
	}
}

func TestAScheduledOrderIsShownWithWhenItBegins(t *testing.T) {
	row := order.Fold(order.Row{}, order.Event{OrderID: "ORD-00001", Type: order.OrderScheduled, ID: "1", Time: opened, StartAt: opened.Add(time.Hour)})
	s := openShop(t, order.Fold(row, order.Event{OrderID: "ORD-00001", Type: order.OrderCommandRejected, ID: "2", Time: opened, Reason: "no"}))
	code, answer, _ := s.order(t, "get", "ORD-00001")
	const want = "ORD-00001  scheduled  ORDER_COMMAND_REJECTED\n  why     begins at 2026-01-02T04:04:05.000Z\n" +
		"  events  ORDER_SCHEDULED, ORDER_COMMAND_REJECTED\n"
	if diff := cmp.Diff(want, answer); diff != "" || code != 0 {
		t.Errorf("exit code %d, answer (-want +got):\n%s", code, diff)
	}
}

func TestAHistoryIsShownForPeopleAndDoesNothingToTheirTerminal(t *testing.T) {
	s := openShop(t, order.Park(rowWith("ORD-00001", "",
		order.Event{Type: order.Cancel.Type(), Actor: "ann", Reason: "no \x1b[2J\nmoney"},
		order.Event{Type: order.OrderCancelled, Causation: "ORD-00001/1", Status: order.StatusCancelled, Reason: "cancelled"},
	), "ORD-00001", "store.order/0/7", "a bug"))
	code, answer, _ := s.order(t, "history", "ORD-00001")
	want := `ORD-00001  cancelled  parked: a bug

TIME                      EVENT                   ATTEMPT  STATUS     CAUSE                           ACTOR  REASON
2026-01-02T03:04:05.000Z  ORDER_REQUESTED         1        running    client
2026-01-02T03:04:06.000Z  ORDER_CANCEL_REQUESTED  1                   client                          ann    no  [2J money
2026-01-02T03:04:07.000Z  ORDER_CANCELLED         1        cancelled  command ORDER_CANCEL_REQUESTED         cancelled
`
	if diff := cmp.Diff(want, answer); diff != "" || code != 0 {
		t.Errorf("exit code %d, answer (-want +got):\n%s", code, diff)
	}
}

func TestListsAreShownForPeopleAndTellHowToGoOn(t *testing.T) {
	stuck := order.Event{Type: order.OrderStuck, Status: order.StatusStuck, Reason: "PAYMENT: no funds"}
	rows := []order.Row{rowWith("ORD-00001", "")}
	for i := range 3 {
		rows = append(rows, rowWith(fmt.Sprintf("ORD-0000%d", i+2), "", stuck))
	}
	for i := range rows {
		rows[i].Meta.CreatedAt = time.Now().Add(-150 * time.Minute)
		rows[i].Meta.UpdatedAt = rows[i].Meta.CreatedAt.Add(time.Duration(min(i, 1)) * time.Hour)
		rows[i].Meta.History[len(rows[i].Meta.History)-1].Time = rows[i].Meta.UpdatedAt
	}
	s, second := openShop(t, rows...), order.PlaceOf(rows[1]).String()
	for _, c := range []struct {
		args        []string
		answer, log string
	}{
		{
			[]string{"list", "-status", "running"},
			"ORDER      STATUS   LAST EVENT       PLACED       CHANGED\n" +
				"ORD-00001  running  ORDER_REQUESTED  2 hours ago  2 hours ago\n", "",
		},
		{
			[]string{"list", "-type", "ORDER_STUCK", "-since", "2026-01-01T00:00:00Z", "-limit", "1"},
			"ORDER      STATUS  LAST EVENT   PLACED       CHANGED\n" +
				"ORD-00002  stuck   ORDER_STUCK  2 hours ago  1 hour ago\n", "there may be more: -after " + second + "\n",
		},
		{
			[]string{"list", "-since", "2h", "-limit", "1"},
			"ORDER      STATUS  LAST EVENT   PLACED       CHANGED\n" +
				"ORD-00002  stuck   ORDER_STUCK  2 hours ago  1 hour ago\n", "there may be more: -after " + second + "\n",
		},
		{
			[]string{"list", "-until", "2h"},
			"ORDER      STATUS   LAST EVENT       PLACED       CHANGED\n" +
				"ORD-00001  running  ORDER_REQUESTED  2 hours ago  2 hours ago\n", "",
		},
		{
			[]string{"stuck", "-for", "1000h", "-after", second},
			"ORDER      STATUS  SINCE       WHY\n" +
				"ORD-00003  stuck   1 hour ago  PAYMENT: no funds\n" +
				"ORD-00004  stuck   1 hour ago  PAYMENT: no funds\n", "",
		},
	} {
		code, answer, log := s.order(t, c.args...)
		if diff := cmp.Diff(c.answer, answer); diff != "" || code != 0 || log != c.log {
			t.Errorf("%q: exit code %d, log %q, answer (-want +got):\n%s", c.args, code, log, diff)
		}
	}
	var page struct{ Orders []struct{ ID string } }
	_, answer, _ := s.order(t, "stuck", "-o", "json")
	check(t, json.Unmarshal([]byte(answer), &page))
	if len(page.Orders) != 2 {
		t.Errorf("as JSON: %s", answer)
	}
}

func TestACommandTellsWhatCameOfItAndByItsExitCodeToo(t *testing.T) {
	const ended, runs, stands, none = "ORD-0000E", "ORD-00001", "ORD-00005", "ORD-00009"
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string // of answer and log
	}{
		{"accepted", []string{"cancel", runs}, 0, []string{runs + "  accepted  CMD-"}},
		{"done", []string{"pause", runs, "-wait", "5s"}, 0, []string{runs + "  done\n"}},
		{"accepted though it waits for an operator", []string{"retry", stands}, 0, []string{stands + "  accepted  CMD-"}},
		{"not answered", []string{"retry", "-wait", "1s", stands}, 1, []string{stands + "  accepted", stands + " has not answered within 1s"}},
		{"rejected", []string{"cancel", "-wait", "5s", runs}, 4, []string{"simplecqrs order: because"}},
		{"refused", []string{"pause", ended}, 4, []string{"simplecqrs order: the order is completed"}},
		{"not there", []string{"pause", none}, 3, []string{"simplecqrs order: no order found for " + none}},
		{"not there, to be shown", []string{"get", none}, 3, []string{"no order found for " + none}},
		{"not there, as JSON", []string{"history", none, "-o", "json"}, 3, []string{`"status":404`}},
		{"several", []string{"pause", runs, none, ended}, 3, []string{
			runs + "  accepted  CMD-", none + "  refused   no order found", ended + "  refused   the order is completed",
			"2 of 3 went wrong, the first with: no order found",
		}},
		{"several, of which one is refused first", []string{"pause", ended, none}, 4, []string{"2 of 2 went wrong, the first with: the order is completed"}},
		{"several, all well", []string{"cancel", runs, stands, "-o", "json"}, 0, []string{`"status":202`}},
		{"several, waited for", []string{"pause", runs, stands, "-wait", "5s"}, 0, []string{runs + "  done\n", stands + "  done\n"}},
	} {
		s := openShop(t, rowWith(runs, ""), rowWith(stands, order.StatusStuck), rowWith(ended, order.StatusCompleted))
		code, answer, log := s.order(t, c.args...)
		if code != c.code {
			t.Errorf("%s: exit code %d", c.name, code)
		}
		for _, want := range c.says {
			if !strings.Contains(answer+log, want) {
				t.Errorf("%s: it does not say %q, but %s%s", c.name, want, answer, log)
			}
		}
	}
}

func TestACommandGoesToAllOrdersThatAreSo(t *testing.T) {
	var rows []order.Row
	for i := range 5 {
		rows = append(rows, rowWith(fmt.Sprintf("ORD-0000%d", i), ""))
	}
	s := openShop(t, append(rows, rowWith("ORD-00005", order.StatusStuck))...)
	code, answer, log := s.order(t, "cancel", "-status", "running", "-reason", "flood")
	if code != 0 || log != "" || strings.Count(answer, "accepted") != 5 {
		t.Errorf("exit code %d, answer %s, log %s", code, answer, log)
	}
	var ids []string
	for _, e := range s.events() {
		if e.Reason != "flood" {
			t.Errorf("event %+v", e)
		}
		ids = append(ids, e.OrderID)
	}
	slices.Sort(ids) // the edge deals with many at once
	if diff := cmp.Diff([]string{"ORD-00000", "ORD-00001", "ORD-00002", "ORD-00003", "ORD-00004"}, ids); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

func TestACommandGoesToOrdersThatHaveNotChangedSinceATime(t *testing.T) {
	change := order.Event{Type: order.OrderStuck, Status: order.StatusStuck}
	s := openShop(t, rowWith("ORD-00001", "", change), rowWith("ORD-00002", "", change, change)) // a second later
	until := opened.Add(2 * time.Second).Format(time.RFC3339)
	if code, answer, log := s.order(t, "retry", "-status", "stuck", "-until", until, "-dry-run"); code != 0 || log != "" ||
		!strings.Contains(answer, "ORD-00001") || strings.Contains(answer, "ORD-00002") {
		t.Errorf("a dry run: exit code %d, answer %s, log %s", code, answer, log)
	}
	if code, answer, log := s.order(t, "retry", "-until", until); code != 0 || log != "" || strings.Count(answer, "accepted") != 1 {
		t.Errorf("exit code %d, answer %s, log %s", code, answer, log)
	}
	if all := s.events(); len(all) != 1 || all[0].OrderID != "ORD-00001" {
		t.Errorf("events %+v", all)
	}
}

func TestADryRunListsWhatIsMeantAndDoesNothing(t *testing.T) {
	var rows []order.Row
	for i := range 5 {
		rows = append(rows, rowWith(fmt.Sprintf("ORD-0000%d", i), ""))
	}
	s := openShop(t, append(rows, rowWith("ORD-00005", order.StatusStuck))...)
	code, answer, log := s.order(t, "cancel", "-status", "running", "-dry-run")
	if code != 0 || log != "" || strings.Count(answer, "  running  ") != 5 || strings.Count(answer, "LAST EVENT") != 1 || strings.Contains(answer, "ORD-00005") {
		t.Errorf("exit code %d, answer %s, log %s", code, answer, log)
	}
	if code, _, log := s.order(t, "pause", "ORD-00001", "-dry-run"); code != 2 || !strings.Contains(log, "-dry-run is for what is meant by flags") {
		t.Errorf("of one: exit code %d, log %s", code, log)
	}
	if len(s.events()) > 0 {
		t.Errorf("events %+v", s.events())
	}
}

func TestACommandCarriesWhatTheCommandLineSays(t *testing.T) {
	me, err := user.Current()
	check(t, err)
	s := openShop(t, rowWith("ORD-00001", order.StatusStuck), rowWith("ORD-00002", order.StatusScheduled))
	s.order(t, "skip", "ORD-00001", "-reason", "paid", "-output", `{"by":"cash"}`)
	s.order(t, "schedule", "-at", "2999-01-01T00:00:00Z", "ORD-00002", "-actor", "ann")
	events := s.events()
	if len(events) != 2 {
		t.Fatalf("events: %+v", events)
	}
	if e := events[0]; e.Reason != "paid" || e.Actor != me.Username || string(e.Output) != `{"by":"cash"}` {
		t.Errorf("skip: %+v", e)
	}
	if e := events[1]; e.Reason != "" || e.Actor != "ann" || e.StartAt.Year() != 2999 {
		t.Errorf("schedule: %+v", e)
	}
}

func TestTheServerIsTakenFromTheEnvironmentUnlessItIsSaid(t *testing.T) {
	s := openShop(t, rowWith("ORD-00001", ""))
	t.Setenv("SIMPLECQRS_URL", s.url+"/")
	if code, _, log := simplecqrs(t, "order", "get", "ORD-00001"); code != 0 {
		t.Errorf("exit code %d, log %s", code, log)
	}
	t.Setenv("SIMPLECQRS_URL", "http://127.0.0.1:1")
	if code, _, log := s.order(t, "get", "ORD-00001"); code != 0 {
		t.Errorf("exit code %d, log %s", code, log)
	}
	if code, _, log := simplecqrs(t, "order", "get", "ORD-00001"); code != 5 || !strings.Contains(log, "refused\nIs that where an edge listens? -url says.") {
		t.Errorf("nobody there: exit code %d, log %s", code, log)
	}
	t.Setenv("SIMPLECQRS_URL", "nowhere")
	if code, _, log := simplecqrs(t, "order", "list"); code != 2 || !strings.Contains(log, "SIMPLECQRS_URL: want http://host:port") {
		t.Errorf("no URL: exit code %d, log %s", code, log)
	}
}

func TestWhatIsNotFromAnEdgeIsToldToBeNone(t *testing.T) {
	answer, status := "", 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, err := w.Write([]byte(answer))
		check(t, err)
	}))
	defer s.Close()
	for _, c := range []struct {
		answer, log  string
		status, code int
	}{
		{"<html>bad gateway", ": it answers 502 Bad Gateway <html>bad gateway", 502, 5},
		{"", "simplecqrs order: this is no edge at http://127.0.0.1", 503, 5},
		{"404 page not found", ": it answers 404 Not Found 404 page", 404, 5},
		{`{"error":"forbidden"}`, "this is no edge", 403, 6},
		{"hello", ": it answers 200 OK hello", 200, 5},
		{`{"status":404,"detail":"nothing is served at /query"}`, "this is no edge at " + s.URL + ": nothing is served at /query", 404, 5},
	} {
		answer, status = c.answer, c.status
		if code, _, log := simplecqrs(t, "order", "list", "-url", s.URL); code != c.code || !strings.Contains(log, c.log) {
			t.Errorf("%d %q: exit code %d, log %s", c.status, c.answer, code, log)
		}
	}
}

func TestAMistakeAboutOrdersIsToldBeforeAnythingIsAsked(t *testing.T) {
	s := openShop(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"get"}, "name one order"},
		{[]string{"history", "ORD-00001", "ORD-00002"}, "name one order"},
		{[]string{"get", "ORD-1"}, `"ORD-1" is no order id`},
		{[]string{"pause"}, "name orders, or say by -status, -type, -since or -until which are meant"},
		{[]string{"pause", "ORD-00001", "-status", "running"}, "orders are named, or meant by -status, -type, -since and -until: not both"},
		{[]string{"schedule", "ORD-00001"}, "say when, with -at"},
		{[]string{"schedule", "-at", "soon", "ORD-00001"}, "flag -at: want a time such as"},
		{[]string{"pause", "-at", "2999-01-01T00:00:00Z", "ORD-00001"}, "flag provided but not defined: -at"},
		{[]string{"skip", "-output", "{", "ORD-00001"}, "flag -output: want JSON"},
		{[]string{"retry", "-wait", "1.5s", "ORD-00001"}, "flag -wait: want whole seconds up to 60s, such as 5s"},
		{[]string{"retry", "-wait", "61s", "ORD-00001"}, "flag -wait: want whole seconds up to 60s, such as 5s"},
		{[]string{"place", "ORD-00001"}, "an order's id is not for you to say"},
		{[]string{"place", "-inputs", "[]"}, "-inputs: want a JSON object"},
		{[]string{"place", "-inputs", "null"}, "-inputs: want a JSON object"},
		{[]string{"place", "-key", ""}, "flag -key: want 1 to 255 visible ASCII characters or spaces"},
		{[]string{"place", "-key", "é"}, "flag -key: want 1 to 255 visible ASCII characters or spaces"},
		{[]string{"place", "-key", strings.Repeat("k", 256)}, "flag -key: want 1 to 255 visible ASCII characters or spaces"},
		{[]string{"place", "-key", "k", "-n", "2"}, "-key is of one order, and does not go with -n"},
		{[]string{"list", "ORD-00001"}, "get shows one"},
		{[]string{"list", "-status", "lost"}, `flag -status: "lost" is unknown`},
		{[]string{"list", "-limit", "501"}, "flag -limit: want a whole number from 1 to 500"},
		{[]string{"stuck", "-for", "0s"}, "-for: want more than 0"},
		{[]string{"list", "-o", "yaml"}, `flag -o: "yaml" is unknown; known are text, json`},
	} {
		code, answer, log := s.order(t, c.args...)
		if code != 2 || answer != "" || !strings.Contains(log, c.want) || !strings.Contains(log, "; simplecqrs order "+c.args[0]+" -h tells more\n") {
			t.Errorf("%q: exit code %d, answer %q, log %s", c.args, code, answer, log)
		}
	}
	if code, _, log := simplecqrs(t, "order"); code != 2 || !strings.Contains(log, "say what to do") {
		t.Errorf("nothing: exit code %d, log %s", code, log)
	}
	if code, _, log := simplecqrs(t, "order", "brew"); code != 2 || !strings.Contains(log, `"brew" is unknown; known are cancel, get, history, `) {
		t.Errorf("what is unknown: exit code %d, log %s", code, log)
	}
	if len(s.asks) > 0 {
		t.Errorf("asked: %s", s.asks)
	}
}

func TestHelpTellsOfAllThatCanBeDoneWithOrdersAndOfTheExitCodes(t *testing.T) {
	for _, args := range [][]string{{"order", "-h"}, {"order", "pause", "ORD-00001", "-h"}} {
		code, answer, log := simplecqrs(t, args...)
		for _, want := range []string{"0 all went well", "3 there is no such thing", "4 refused as things stand", "7 the order has ended otherwise"} {
			if code != 0 || log != "" || !strings.Contains(answer, want) {
				t.Errorf("%q: exit code %d, log %s, answer %s", args, code, log, answer)
			}
		}
	}
	_, answer, _ := simplecqrs(t, "order", "-h")
	for verb := range orderVerbs() {
		if !strings.Contains(answer, verb) {
			t.Errorf("it does not tell of %s", verb)
		}
	}
}
