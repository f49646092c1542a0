package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

// ask asks a path with a query.
func (w *world) ask(path, query string) answer {
	w.t.Helper()
	r := w.request(http.MethodGet, path, "")
	r.URL.RawQuery = query
	return w.serve(r)
}

// holding plays a list, and gives what was asked of it.
func (w *world) holding(next string, rows ...order.Row) (asked *order.Filter, page *order.Page) {
	asked, page = new(order.Filter), new(order.Page)
	w.list = func(_ context.Context, f order.Filter, p order.Page) ([]order.Row, order.Place, error) {
		*asked, *page = f, p
		return rows, placeOf(next), nil
	}
	return asked, page
}

// placeOf is the place of an order of these tests; zero for none.
func placeOf(id string) order.Place {
	if id == "" {
		return order.Place{}
	}
	return order.Place{CreatedAt: began, ID: id}
}

func TestAListShowsOrdersAndWhereItGoesOn(t *testing.T) {
	w := newWorld(t)
	later := order.Fold(order.Row{}, order.Event{
		OrderID: running, Type: order.OrderScheduled, ID: "1", Time: began, StartAt: began.Add(time.Hour),
	})
	w.holding(isPaused, later, order.Park(paused(standing(isPaused, order.StatusRunning)), isPaused, "store.order/0/7", "a bug"))
	w.ask("/query", "").want(t, http.StatusOK, `{"orders":[`+
		`{"id":"ORD-00001","status":"scheduled","type":"ORDER_SCHEDULED","version":1,`+
		`"createdAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:05Z","startAt":"2026-01-02T04:04:05Z"},`+
		`{"id":"ORD-00002","status":"paused","type":"ORDER_PAUSED","version":3,`+
		`"createdAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:05Z","parked":"a bug"}],`+
		`"next":"`+placeOf(isPaused).String()+`"}`+"\n")
	w.holding("")
	w.ask("/query", "").want(t, http.StatusOK, `{"orders":[]}`+"\n")
}

func TestAListIsOfWhatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	f, page := w.holding("")
	for _, c := range []struct {
		query string
		want  order.Filter
		page  order.Page
	}{
		{"", order.Filter{}, order.Page{Limit: 50}},
		{"status=paused", order.Filter{Status: order.StatusPaused}, order.Page{Limit: 50}},
		{"type=ORDER_STUCK&limit=500&sort=newest", order.Filter{Type: order.OrderStuck}, order.Page{Newest: true, Limit: 500}},
		{
			"since=2026-01-02T04:04:05%2B01:00&until=2026-01-02T04:04:05Z&limit=1&sort=oldest&after=" + placeOf(seedID).String(),
			order.Filter{Since: began, Until: began.Add(time.Hour)},
			order.Page{After: placeOf(seedID), Limit: 1},
		},
	} {
		w.ask("/query", c.query)
		if diff := cmp.Diff(c.want, *f); diff != "" || *page != c.page {
			t.Errorf("%s: page %+v, filter (-want +got):\n%s", c.query, *page, diff)
		}
	}
}

// No order has changed before then, and one who asks for none is not to get all.
func TestTheFirstOfAllTimesBoundsAFilterAsAnyOtherDoes(t *testing.T) {
	const first = "0001-01-01T00:00:00Z"
	w := newWorld(t)
	f, _ := w.holding("")
	w.ask("/query", "since="+first+"&until="+first)
	if f.Since.IsZero() || f.Until.IsZero() || f.Until.UnixMilli() != (time.Time{}).UnixMilli() {
		t.Errorf("a list is asked for by %+v", f)
	}
	for _, bound := range []string{"since", "until"} {
		*f = order.Filter{}
		got := w.command("cancel", `{"filter":{"`+bound+`":"`+first+`"}}`)
		if got.StatusCode != http.StatusOK || *f == (order.Filter{}) {
			t.Errorf("%s: answered %d %s, and asked for %+v", bound, got.StatusCode, got.body, f)
		}
	}
}

func TestWhatAListCannotBeAskedIsRefused(t *testing.T) {
	for _, c := range []struct{ path, query, detail string }{
		{"/query", "state=x", `the parameter "state" is unknown; known are status, type, since, until, after, sort, limit`},
		{"/query", "for=1m", `the parameter "for" is unknown; known are status, type, since, until, after, sort, limit`},
		{"/query", "status=running&status=stuck", `the parameter "status" stands twice`},
		{"/query", "status=lost", `the parameter "status" is "lost"; known are unknown, scheduled, running, paused, compensating, stuck, completed, failed, cancelled`},
		{"/query", "status=", `the parameter "status" is ""; known are unknown, scheduled, running, paused, compensating, stuck, completed, failed, cancelled`},
		{"/query", "type=", `the parameter "type" is empty`},
		{"/query", "since=now", `the parameter "since" is "now": want a time such as 2026-01-02T15:04:05Z`},
		{"/query", "limit=0", `the parameter "limit" is "0": want a number from 1 to 500`},
		{"/query", "limit=501", `the parameter "limit" is "501": want a number from 1 to 500`},
		{"/query", "limit=", `the parameter "limit" is "": want a number from 1 to 500`},
		{"/query", "until=", `the parameter "until" is "": want a time such as 2026-01-02T15:04:05Z`},
		{"/query", "sort=id", `the parameter "sort" is "id"; known are oldest, newest`},
		{"/query", "sort=", `the parameter "sort" is ""; known are oldest, newest`},
		{"/query", "after=ORD-B384F", `"ORD-B384F" is no place in a list: want what a page gave as next`},
		{"/query", "%zz", `the query cannot be read: invalid URL escape "%zz"`},
		{"/query/stuck", "status=x", `the parameter "status" is unknown; known are for, after, limit`},
		{"/query/stuck", "for=10", `the parameter "for" is "10": want a duration of a second or more, such as 10m`},
		{"/query/stuck", "for=-1m", `the parameter "for" is "-1m": want a duration of a second or more, such as 10m`},
		{"/query/stuck", "for=00h1m", `the parameter "for" is "00h1m": want a duration of a second or more, such as 10m`},
		{"/query/stuck", "for=999ms", `the parameter "for" is "999ms": want a duration of a second or more, such as 10m`},
		{"/query", "limit=05", `the parameter "limit" is "05": want a number from 1 to 500`},
		{"/query/stuck", "for=0s", `the parameter "for" is "0s": want a duration of a second or more, such as 10m`},
		{"/query/stuck", "after=", `"" is no place in a list: want what a page gave as next`},
		{"/query/stuck", "limit=x", `the parameter "limit" is "x": want a number from 1 to 500`},
	} {
		w := newWorld(t)
		w.list = func(context.Context, order.Filter, order.Page) ([]order.Row, order.Place, error) {
			t.Errorf("%s?%s was looked for", c.path, c.query)
			return nil, order.Place{}, nil
		}
		w.ask(c.path, c.query).wantProblem(t, http.StatusBadRequest, c.detail)
	}
}

func TestOrdersThatAnOperatorShouldLookAtAreShownWithSinceWhenAndWhy(t *testing.T) {
	stuck := func(reasons ...string) order.Row {
		row := standing("ORD-00001", order.StatusRunning)
		for i, reason := range reasons {
			row = order.Fold(row, order.Event{
				OrderID: row.ID, Type: order.OrderStuck, ID: reason, Reason: reason, Status: order.StatusStuck,
				Time: began.Add(time.Duration(i+1) * time.Hour),
			})
		}
		return order.Fold(row, order.Event{OrderID: row.ID, Type: "X_Y", ID: "x", Time: began.Add(9 * time.Hour)})
	}
	at := func(row order.Row, types ...order.Type) order.Row {
		for _, t := range types {
			row = order.Fold(row, order.Event{OrderID: row.ID, Type: t, ID: string(t), Time: began.Add(time.Minute)})
		}
		return row
	}
	fresh := standing("ORD-00001", order.StatusRunning)
	const idle = "no progress since 2026-01-02T03:05:05Z: "
	for _, c := range []struct {
		row           order.Row
		since, reason string
	}{
		{stuck("no funds", "no mail"), "2026-01-02T05:04:05Z", "no mail"},
		{order.Park(stuck("no funds"), "ORD-00001", "store.order/0/7", "a bug"), "2026-01-02T12:04:05Z", "parked: a bug"},
		{at(fresh, "ORDER_COMPLETED", "PAYMENT_REQUESTED"), "2026-01-02T03:05:05Z", idle + "waiting for PAYMENT_COMPLETED"},
		{at(fresh, "PAYMENT_COMPENSATION_REQUESTED"), "2026-01-02T03:05:05Z", idle + "waiting for PAYMENT_COMPENSATED"},
		{at(fresh, "PAYMENT_FAILED"), "2026-01-02T03:05:05Z", idle + "nothing came after PAYMENT_FAILED"},
		{at(order.Row{ID: "ORD-00001"}, "ORDER_PAUSE_REQUESTED"), "2026-01-02T03:05:05Z", idle + "nothing has begun the order"},
		{
			order.Fold(order.Row{}, order.Event{OrderID: "ORD-00001", Type: order.OrderScheduled, ID: "1", Time: began, StartAt: began.Add(time.Minute)}),
			"2026-01-02T03:05:05Z", idle + "it was to begin then",
		},
	} {
		w := newWorld(t)
		w.holding("ORD-00009", c.row)
		got := w.ask("/query/stuck", "")
		var page struct {
			Orders []struct{ ID, Status, Since, Reason string }
			Next   string
		}
		got.decode(t, &page)
		if len(page.Orders) != 1 || page.Orders[0].Since != c.since || page.Orders[0].Reason != c.reason ||
			page.Orders[0].ID != "ORD-00001" || page.Orders[0].Status != string(c.row.Meta.Shown()) || page.Next != placeOf("ORD-00009").String() {
			t.Errorf("want since %s: %s, got %s", c.since, c.reason, got.body)
		}
	}
}

func TestForHowLongAnOrderMayStandStillIsForTheClientToSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f, page := w.holding("")
		for query, idle := range map[string]time.Duration{"": 15 * time.Minute, "for=90s": 90 * time.Second, "limit=7&for=2h&after=" + placeOf(seedID).String(): 2 * time.Hour} {
			w.ask("/query/stuck", query)
			if diff := cmp.Diff(order.Filter{Stalled: time.Now().UTC().Add(-idle)}, *f); diff != "" {
				t.Errorf("%s: filter (-want +got):\n%s", query, diff)
			}
			if strings.Contains(query, "after") && *page != (order.Page{After: placeOf(seedID), Limit: 7}) {
				t.Errorf("%s: page %+v", query, *page)
			}
		}
	})
}

func TestTheWaitForAListIsBounded(t *testing.T) {
	for _, path := range []string{"/query", "/query/stuck"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.list = func(ctx context.Context, _ order.Filter, _ order.Page) ([]order.Row, order.Place, error) {
				<-ctx.Done()
				return nil, order.Place{}, ctx.Err()
			}
			start := time.Now()
			w.ask(path, "").wantProblem(t, http.StatusServiceUnavailable, "the read side has not answered within 5s")
			if waited := time.Since(start); waited != queryTime {
				t.Errorf("answered after %v", waited)
			}
		})
	}
}
