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

// askFor asks a path with a query and headers.
func (w *world) askFor(path, query string, headers ...string) answer {
	w.t.Helper()
	r := w.request(http.MethodGet, path, "", headers...)
	r.URL.RawQuery = query
	return w.serve(r)
}

func TestAnOrderIsShownWithItsVersionAndItsStatus(t *testing.T) {
	for row, status := range map[*order.Row]string{
		{}: "completed", ptr(paused(standing(seedID, order.StatusRunning))): "paused",
	} {
		if row.ID == "" {
			*row = complete(seedID)
		}
		for _, path := range queries {
			w := newWorld(t)
			w.get = has(*row)
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				w.do(method, fmt.Sprintf(path, seedID)).wantHeaders(t, "ETag", fmt.Sprintf(`"%d"`, row.Meta.Version),
					"Order-Status", status, "Cache-Control", "private, no-cache", "Preference-Applied", "")
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestAClientThatHasTheOrderIsNotSentItAgain(t *testing.T) {
	for tags, same := range map[string]bool{
		`"6"`: true, `W/"6"`: true, `*`: true, ` "1" ,"6"`: true, `"a,\"6", W/"6"`: true,
		`"5"`: false, `6`: false, `"06"`: false, `""`: false, `w/"6"`: false, `"1,"6""`: false, ``: false,
	} {
		for _, path := range queries {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				w := newWorld(t)
				w.get = has(complete(seedID))
				got := w.do(method, fmt.Sprintf(path, seedID), "If-None-Match", "x", "If-None-Match", tags)
				if same != (got.StatusCode == http.StatusNotModified) || same && got.body != "" {
					t.Errorf("%s: answered %s %s", tags, got.Status, got.body)
				}
				got.wantHeaders(t, "ETag", `"6"`, "Order-Status", "completed", "Cache-Control", "private, no-cache")
			}
		}
	}
	w := newWorld(t)
	w.do(http.MethodGet, "/query/"+seedID, "If-None-Match", "*").wantProblem(t, http.StatusNotFound, "no order found for ORD-B384F")
}

func TestWhatAQueryCannotBeAskedIsRefused(t *testing.T) {
	for query, detail := range map[string]string{
		"v=1":                         `the parameter "v" is unknown; known are version, until`,
		"version=1&version=1":         `the parameter "version" stands twice`,
		"version=":                    `the parameter "version" is "": want a whole number from 1`,
		"version=0":                   `the parameter "version" is "0": want a whole number from 1`,
		"version=-1":                  `the parameter "version" is "-1": want a whole number from 1`,
		"version=01":                  `the parameter "version" is "01": want a whole number from 1`,
		"version=9223372036854775808": `the parameter "version" is "9223372036854775808": want a whole number from 1`,
		"until=":                      `the parameter "until" is empty: want an event's type such as MAIL_COMPLETED`,
	} {
		for _, path := range queries {
			w := newWorld(t)
			w.askFor(fmt.Sprintf(path, seedID), query).wantProblem(t, http.StatusBadRequest, detail)
		}
	}
	newWorld(t).askFor("/query/"+seedID, "", "Prefer", "wait=x").wantProblem(t, http.StatusBadRequest,
		"the header Prefer has wait=x: want whole seconds")
}

// growing plays the order that goes through, an event a second from now on.
func (w *world) growing() {
	start := time.Now()
	row := func() order.Row {
		full, row := complete(seedID), order.Row{}
		for i, e := range full.Meta.History {
			if time.Since(start) < time.Duration(i+1)*time.Second {
				break
			}
			row = order.Fold(row, order.Event{OrderID: seedID, Type: e.Type, ID: e.ID, Time: e.Time})
		}
		return row
	}
	w.get = func(context.Context, string) (order.Row, error) {
		if r := row(); r.ID != "" {
			return r, nil
		}
		return order.Row{}, order.NoSuchOrder(seedID)
	}
	w.await = func(ctx context.Context, _ string, until func(order.Row) bool) (order.Row, error) {
		for {
			if r := row(); r.ID != "" && until(r) {
				return r, nil
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return row(), ctx.Err()
			}
		}
	}
}

func TestAQueryWaitsForWhatTheClientWants(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name, query, prefer string
		after               time.Duration // from the start at which nothing is there
		status              int
		tag, applied        string
		waits               time.Duration
		detail              string
	}{
		{name: "nothing", after: 2 * s, status: 200, tag: `"2"`},
		{name: "a wait for nothing", prefer: "wait=9", after: 2 * s, status: 200, tag: `"2"`},
		{name: "a version that is there", query: "version=2", after: 4 * s, status: 200, tag: `"4"`},
		{name: "a version to come", query: "version=3", status: 200, tag: `"3"`, waits: 3 * s},
		{
			name: "a version far off", query: "version=9", after: s, status: 503, waits: 5 * s,
			detail: "there is version 6 of order ORD-B384F, and 9 is wanted: ask again later",
		},
		{
			name: "a version farther than the client waits", query: "version=6", prefer: "wait=2", status: 503, waits: 2 * s, applied: "wait=2",
			detail: "there is version 2 of order ORD-B384F, and 6 is wanted: ask again later",
		},
		{
			name: "a version of none", query: "version=1", prefer: "wait=0", after: -9 * s, status: 503, waits: 5 * s,
			detail: "there is no order ORD-B384F yet, of which version 1 is wanted: ask again later",
		},
		{name: "an event to come", query: "until=PAYMENT_REQUESTED", prefer: "wait=5", status: 200, tag: `"3"`, waits: 3 * s, applied: "wait=5"},
		{name: "an event that is past", query: "until=ORDER_REQUESTED", prefer: "wait=5", after: 4 * s, status: 200, tag: `"4"`, applied: "wait=5"},
		{name: "an event that comes late", query: "until=MAIL_COMPLETED", prefer: "wait=2", after: s, status: 200, tag: `"3"`, waits: 2 * s, applied: "wait=2"},
		{name: "an event, without a wait", query: "until=MAIL_COMPLETED", after: s, status: 200, tag: `"1"`},
		{
			name: "an event of none", query: "until=MAIL_COMPLETED", prefer: "wait=2", after: -9 * s, status: 404, waits: 2 * s, applied: "wait=2",
			detail: "no order found for ORD-B384F",
		},
		{name: "both", query: "until=ORDER_COMPLETED&version=4", prefer: "wait=9", status: 200, tag: `"4"`, waits: 4 * s, applied: "wait=9"},
		{name: "a version, and an event that comes late", query: "until=X&version=2", prefer: "wait=3", status: 200, tag: `"3"`, waits: 3 * s, applied: "wait=3"},
	} {
		for _, path := range queries {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if c.after < 0 {
					<-time.After(0)
					w.await = nil
				} else {
					w.growing()
					<-time.After(c.after)
				}
				var headers []string
				if c.prefer != "" {
					headers = []string{"Prefer", c.prefer}
				}
				start := time.Now()
				got := w.askFor(fmt.Sprintf(path, seedID), c.query, headers...)
				if waited := time.Since(start); waited != c.waits {
					t.Errorf("%s: answered after %v", c.name, waited)
				}
				if got.StatusCode != c.status {
					t.Errorf("%s: answered %s %s", c.name, got.Status, got.body)
				}
				got.wantHeaders(t, "ETag", c.tag, "Preference-Applied", c.applied)
				if c.detail != "" {
					got.wantProblem(t, c.status, c.detail)
				}
				if c.status == http.StatusServiceUnavailable {
					got.wantHeaders(t, "Retry-After", "1")
				}
				w.wantNothingLogged()
			})
		}
	}
}

func TestAWaitThatTheReadSideFailsIsNoAnswer(t *testing.T) {
	for status, err := range map[int]error{
		http.StatusServiceUnavailable:  &order.Error{Kind: order.Unavailable, Detail: "the read store is away"},
		http.StatusInternalServerError: errors.New("a row is no row"),
	} {
		w := newWorld(t)
		w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) { return order.Row{}, err }
		if got := w.askFor("/query/"+seedID, "version=1"); got.StatusCode != status {
			t.Errorf("answered %s %s", got.Status, got.body)
		}
	}
}

func TestNoQueryWaitsForAClientThatWentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, leave := context.WithCancel(t.Context())
		r := w.request(http.MethodGet, "/query/"+seedID, "").WithContext(ctx)
		r.URL.RawQuery = "version=1"
		done := make(chan struct{})
		go func() { w.serve(r); close(done) }()
		synctest.Wait()
		leave()
		<-done
		w.wantNothingLogged()
		w.wantCounted(`simplecqrs_http_request_seconds_count{code="499",method="get",route="/query/{id}"} 1`)
	})
}
