package edge

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

func TestAnOrdersSourcesAreShownAsTheyAre(t *testing.T) {
	w := newWorld(t)
	w.kept = func(_ context.Context, id string) (Sources, error) {
		return Sources{
			Events: []Record{
				{3, 42, began, map[string]string{"ce_type": "X"}, JSON([]byte(`{"id":"` + id + `"}`))},
				{3, 43, began, map[string]string{}, JSON([]byte(`no "JSON"`))},
				{3, 44, began, map[string]string{}, JSON(nil)},
			},
			Row: JSON([]byte(`{"b":1,"a":2}`)), Notes: map[string]string{"events": "some", "row": "old", "document": "why"},
		}, nil
	}
	w.do(http.MethodGet, "/query/"+seedID+"/sources").want(t, http.StatusOK, `{"events":[`+
		`{"partition":3,"offset":42,"time":"2026-01-02T03:04:05Z","headers":{"ce_type":"X"},"value":{"id":"ORD-B384F"}},`+
		`{"partition":3,"offset":43,"time":"2026-01-02T03:04:05Z","headers":{},"value":"no \"JSON\""},`+
		`{"partition":3,"offset":44,"time":"2026-01-02T03:04:05Z","headers":{},"value":""}],`+
		`"row":{"b":1,"a":2},"document":null,"notes":{"document":"why","events":"some","row":"old"}}`+"\n")
}

func TestTheSourcesOfWhatIsNoOrderAreNotLookedFor(t *testing.T) {
	w := newWorld(t)
	w.kept = func(context.Context, string) (Sources, error) {
		t.Error("looked for")
		return Sources{}, nil
	}
	w.do(http.MethodGet, "/query/x/sources").wantProblem(t, http.StatusBadRequest,
		`"x" is no order id: want ORD- and 26 characters of a ULID, or 5 hex digits, in capitals`)
}

// Where queries are answered from is one of the sides, and nobody whom the others wait for.
func TestAnOrdersSourcesAreShownWhileTheReadSideIsAway(t *testing.T) {
	w := newWorld(t)
	w.get = func(context.Context, string) (order.Row, error) {
		return order.Row{}, &order.Error{Kind: order.Unavailable, Detail: "the read store is away"}
	}
	w.kept = func(context.Context, string) (Sources, error) {
		return Sources{Events: []Record{}, Row: JSON([]byte(`{"a":1}`)), Notes: map[string]string{"document": "away"}}, nil
	}
	w.do(http.MethodGet, "/query/"+seedID+"/sources").want(t, http.StatusOK,
		`{"events":[],"row":{"a":1},"document":null,"notes":{"document":"away"}}`+"\n")

	w.kept = func(_ context.Context, id string) (Sources, error) { return Sources{}, order.NoSuchOrder(id) }
	w.do(http.MethodGet, "/query/"+seedID+"/sources").wantProblem(t, http.StatusNotFound, "no order found for "+seedID)
}

func TestTheLogIsLookedThroughForAFewClientsAtOnceAndForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var now, most atomic.Int64
		w.kept = func(ctx context.Context, _ string) (Sources, error) {
			for n, m := now.Add(1), most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				continue
			}
			<-ctx.Done()
			now.Add(-1)
			return Sources{}, ctx.Err()
		}
		got := make(chan answer)
		start := time.Now()
		const clients = 3 * maxLooking
		for range clients {
			go func() { got <- w.do(http.MethodGet, "/query/"+seedID+"/sources") }()
			synctest.Wait()
		}
		for range clients {
			(<-got).wantProblem(t, http.StatusServiceUnavailable, "the order's sources were not found within 10s")
		}
		if took := time.Since(start); took != lookTime || most.Load() != maxLooking {
			t.Errorf("answered after %v; %d were looked for at once", took, most.Load())
		}
		w.wantNothingLogged()
	})
}

// What was found when the time was over is shown.
func TestSourcesThatWereFoundInPartAreShownThoughTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kept = func(ctx context.Context, _ string) (Sources, error) {
			<-ctx.Done()
			return Sources{Events: []Record{}, Row: JSON([]byte(`{"a":1}`)), Notes: map[string]string{"events": "late"}}, nil
		}
		w.do(http.MethodGet, "/query/"+seedID+"/sources").want(t, http.StatusOK,
			`{"events":[],"row":{"a":1},"document":null,"notes":{"events":"late"}}`+"\n")
	})
}

func TestSourcesThatCannotBeHadAreOurFailure(t *testing.T) {
	w := newWorld(t)
	w.kept = func(context.Context, string) (Sources, error) { return Sources{}, errors.New("10.0.0.7 says no") }
	w.do(http.MethodGet, "/query/"+seedID+"/sources").wantProblem(t, http.StatusInternalServerError, "")
	w.wantLogged("10.0.0.7 says no")
}

func TestAMessageHasWhatThereIsOfAnEvent(t *testing.T) {
	for _, c := range []struct {
		event order.Event
		want  string
	}{
		{
			order.Event{OrderID: seedID, Type: "MAIL_COMPLETED", ID: "x", Time: began, Attempt: 1},
			`{"order":"ORD-B384F","partition":3,"offset":42,"id":"x","type":"MAIL_COMPLETED","time":"2026-01-02T03:04:05Z","attempt":1}`,
		},
		{
			order.Event{OrderID: seedID, Type: "T", ID: "x", Time: began, Attempt: 2, Causation: "c", Actor: "a\n", Reason: "r", Status: "running"},
			`{"order":"ORD-B384F","partition":3,"offset":42,"id":"x","type":"T","time":"2026-01-02T03:04:05Z","attempt":2,` +
				`"causation":"c","actor":"a\n","reason":"r","status":"running"}`,
		},
	} {
		got := Message(3, 42, c.event)
		if diff := cmp.Diff(c.want, string(got)); diff != "" || !json.Valid(got) {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
