package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"simplecqrs/order"
)

// has plays rows of one order.
func has(row order.Row) func(context.Context, string) (order.Row, error) {
	return func(_ context.Context, id string) (order.Row, error) {
		if id != row.ID {
			return order.Row{}, order.NoSuchOrder(id)
		}
		return row, nil
	}
}

func TestAQueryShowsTheOrderAsTheSeedDoes(t *testing.T) {
	for _, id := range []string{seedID, "ORD-01ARZ3NDEKTSV4RRFFQ69G5FAV"} {
		w := newWorld(t)
		w.get = has(complete(id))
		w.do(http.MethodGet, "/query/"+id).want(t, http.StatusOK, completeBody(id))
	}
}

func TestAnOrderThatBeganShowsWhatThereIs(t *testing.T) {
	w := newWorld(t)
	w.get = has(order.Fold(order.Row{}, order.Event{OrderID: seedID, Type: "ORDER_REQUESTED", ID: "1", Time: began, Attempt: 1}))
	w.do(http.MethodGet, "/query/"+seedID).want(t, http.StatusOK,
		`{"id":"ORD-B384F","type":"ORDER_REQUESTED","events":["ORDER_REQUESTED"]}`+"\n")
}

func TestTheHistoryTellsWhatHappenedWhenAndWhy(t *testing.T) {
	w := newWorld(t)
	row := order.Row{}
	for i, e := range []order.Event{
		{Type: "ORDER_REQUESTED", ID: "1"},
		{Type: "ORDER_COMPLETED", ID: "2"}, // a foreign service tells of no cause
		{Type: "PAYMENT_REQUESTED", ID: "3", Causation: "2", Status: order.StatusRunning},
		{Type: "PAYMENT_TIMED_OUT", ID: "4", Causation: seedID + "/timer/3"},
		{Type: "ORDER_CANCEL_REQUESTED", ID: "5", Actor: "ann", Reason: "no <stock>"},
		{Type: "PAYMENT_COMPENSATION_REQUESTED", ID: "6", Causation: "5", Status: order.StatusCompensating},
		{Type: "PAYMENT_COMPENSATED", ID: "7", Causation: "6"},
		{Type: "ORDER_CANCELLED", ID: "8", Causation: "7", Status: order.StatusCancelled, Reason: "cancelled: no <stock>"},
		{Type: "ORDER_COMMAND_REJECTED", ID: "9", Causation: "elsewhere", Status: order.StatusCancelled},
	} {
		e.OrderID, e.Attempt, e.Time = seedID, i+1, began.Add(time.Duration(i)*1500*time.Millisecond)
		row = order.Fold(row, e)
	}
	w.get = has(row)
	const entries = `"history":[` +
		`{"id":"1","type":"ORDER_REQUESTED","time":"2026-01-02T03:04:05Z","attempt":1,` +
		`"cause":{"kind":"client"},"before":"","after":"running"},` +
		`{"id":"2","type":"ORDER_COMPLETED","time":"2026-01-02T03:04:06.5Z","attempt":2,"before":"running","after":"running"},` +
		`{"id":"3","type":"PAYMENT_REQUESTED","time":"2026-01-02T03:04:08Z","attempt":3,"causation":"2",` +
		`"cause":{"id":"2","kind":"event","type":"ORDER_COMPLETED"},"before":"running","after":"running"},` +
		`{"id":"4","type":"PAYMENT_TIMED_OUT","time":"2026-01-02T03:04:09.5Z","attempt":4,"causation":"ORD-B384F/timer/3",` +
		`"cause":{"id":"ORD-B384F/timer/3","kind":"timer"},"before":"running","after":"running"},` +
		`{"id":"5","type":"ORDER_CANCEL_REQUESTED","time":"2026-01-02T03:04:11Z","attempt":5,` +
		`"cause":{"kind":"client"},"actor":"ann","reason":"no \u003cstock\u003e","before":"running","after":"running"},` +
		`{"id":"6","type":"PAYMENT_COMPENSATION_REQUESTED","time":"2026-01-02T03:04:12.5Z","attempt":6,"causation":"5",` +
		`"cause":{"id":"5","kind":"command","type":"ORDER_CANCEL_REQUESTED"},"before":"running","after":"compensating"},` +
		`{"id":"7","type":"PAYMENT_COMPENSATED","time":"2026-01-02T03:04:14Z","attempt":7,"causation":"6",` +
		`"cause":{"id":"6","kind":"event","type":"PAYMENT_COMPENSATION_REQUESTED"},"before":"compensating","after":"compensating"},` +
		`{"id":"8","type":"ORDER_CANCELLED","time":"2026-01-02T03:04:15.5Z","attempt":8,"causation":"7",` +
		`"cause":{"id":"7","kind":"event","type":"PAYMENT_COMPENSATED"},"reason":"cancelled: no \u003cstock\u003e",` +
		`"before":"compensating","after":"cancelled"},` +
		`{"id":"9","type":"ORDER_COMMAND_REJECTED","time":"2026-01-02T03:04:17Z","attempt":9,"causation":"elsewhere",` +
		`"cause":{"id":"elsewhere","kind":"event"},"before":"cancelled","after":"cancelled"}]}` + "\n"
	const times = `"createdAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:17Z",`
	w.do(http.MethodGet, "/query/"+seedID+"/history").want(t, http.StatusOK,
		`{"id":"ORD-B384F","status":"cancelled","version":9,`+times+entries)

	w.get = has(order.Park(row, seedID, "store.order/0/7", "a bug"))
	w.do(http.MethodGet, "/query/"+seedID+"/history").want(t, http.StatusOK,
		`{"id":"ORD-B384F","status":"cancelled","version":10,`+times+`"parked":"a bug",`+entries)
}

func TestTheHistoryOfAnOrderThatWasScheduledTellsWhenItBegins(t *testing.T) {
	w := newWorld(t)
	row := order.Fold(order.Row{}, order.Event{
		OrderID: seedID, Type: order.OrderScheduled, ID: "1", Time: began, Attempt: 1, StartAt: began.Add(time.Hour),
	})
	w.get = has(row)
	w.do(http.MethodGet, "/query/"+seedID+"/history").want(t, http.StatusOK,
		`{"id":"ORD-B384F","status":"scheduled","version":1,"createdAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:05Z",`+
			`"startAt":"2026-01-02T04:04:05Z","history":[{"id":"1","type":"ORDER_SCHEDULED","time":"2026-01-02T03:04:05Z","attempt":1,`+
			`"cause":{"kind":"client"},"before":"","after":"scheduled"}]}`+"\n")
}

func TestTheHistoryOfAnOrderWithoutEventsIsEmpty(t *testing.T) {
	w := newWorld(t)
	w.get = has(order.Park(order.Row{}, seedID, "store.order/0/7", "a bug"))
	w.do(http.MethodGet, "/query/"+seedID+"/history").want(t, http.StatusOK,
		`{"id":"ORD-B384F","status":"unknown","version":1,"createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z",`+
			`"parked":"a bug","history":[]}`+"\n")
}

// queries are the paths that show an order.
var queries = []string{"/query/%s", "/query/%s/history"}

func TestAnOrderThatIsUnknownIsAProblemInTheSeedsWords(t *testing.T) {
	for _, path := range queries {
		w := newWorld(t)
		got := w.do(http.MethodGet, fmt.Sprintf(path, seedID))
		got.wantProblem(t, http.StatusNotFound, "no order found for ORD-B384F")
		const body = `{"type":"about:blank","title":"Not Found","status":404,` +
			`"detail":"no order found for ORD-B384F","error":"no order found for ORD-B384F"}` + "\n"
		if got.body != body {
			t.Errorf("answered %s, want %s", got.body, body)
		}
		w.wantNothingLogged()
	}
}

func TestAnIDThatIsNoneIsRefusedWithoutALook(t *testing.T) {
	for _, id := range []string{
		"1", "ORD-", "ORD-B384", "ORD-B384FF", "ORD-b384f", "ord-B384F", "ORD-B384G", "Stuck", "..", "ORD-B384F\x00",
		"ORD-01ARZ3NDEKTSV4RRFFQ69G5FAI", "ORD-01ARZ3NDEKTSV4RRFFQ69G5FAV0", `"<script>`,
	} {
		for _, path := range queries {
			w := newWorld(t)
			w.get = func(context.Context, string) (order.Row, error) {
				t.Errorf("%q was looked for", id)
				return order.Row{}, nil
			}
			w.do(http.MethodGet, fmt.Sprintf(path, id)).wantProblem(t, http.StatusBadRequest,
				fmt.Sprintf("%q is no order id: want ORD- and 26 characters of a ULID, or 5 hex digits, in capitals", id))
		}
	}
}

func TestAQueryWhileTheReadSideIsAwayMayBeTriedAgain(t *testing.T) {
	for _, path := range queries {
		w := newWorld(t)
		w.get = func(context.Context, string) (order.Row, error) {
			away := &order.Error{Kind: order.Unavailable, Detail: "the read store is away"}
			return order.Row{}, fmt.Errorf("10.0.0.7: %w", away) // what is around it is not for the caller
		}
		got := w.do(http.MethodGet, fmt.Sprintf(path, seedID))
		got.wantProblem(t, http.StatusServiceUnavailable, "the read store is away")
		got.wantHeaders(t, "Retry-After", "1")
	}
}

func TestTheWaitForTheReadSideIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get = func(ctx context.Context, _ string) (order.Row, error) { <-ctx.Done(); return order.Row{}, ctx.Err() }
		start := time.Now()
		got := w.do(http.MethodGet, "/query/"+seedID)
		got.wantProblem(t, http.StatusServiceUnavailable, "the read side has not answered within 5s")
		got.wantHeaders(t, "Retry-After", "1")
		if waited := time.Since(start); waited != queryTime {
			t.Errorf("answered after %v", waited)
		}
	})
}

func TestAClientThatDoesNotWaitForItsQueryIsNoFaultOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get = func(ctx context.Context, _ string) (order.Row, error) { <-ctx.Done(); return order.Row{}, ctx.Err() }
		ctx, leave := context.WithCancel(t.Context())
		leave()
		w.serve(w.request(http.MethodGet, "/query/"+seedID, "").WithContext(ctx))
		w.wantNothingLogged()
		w.wantCounted(`simplecqrs_http_request_seconds_count{code="499",method="get",route="/query/{id}"} 1`)
	})
}

func TestAFailureIsLoggedEvenIfItsClientIsGone(t *testing.T) {
	w := newWorld(t)
	w.get = func(context.Context, string) (order.Row, error) { return order.Row{}, errors.New("a row is no row") }
	ctx, leave := context.WithCancel(t.Context())
	leave()
	w.serve(w.request(http.MethodGet, "/query/"+seedID, "").WithContext(ctx))
	w.wantLogged("a row is no row")
}
