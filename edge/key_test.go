package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

func TestAKeyIsTheSameWithAndWithoutQuotes(t *testing.T) {
	for header, want := range map[string]string{
		"abc": "abc", `"abc"`: "abc", ` "abc" `: "abc", `"a b,c;d=e"`: "a b,c;d=e", `"a\"b\\c"`: `a"b\c`, "a=b:c/d": "a=b:c/d",
		strings.Repeat("k", 255): strings.Repeat("k", 255), `"` + strings.Repeat(`\"`, 255) + `"`: strings.Repeat(`"`, 255),
	} {
		got, err := keyOf(http.Header{headerKey: {header}})
		if err != nil || got != want {
			t.Errorf("%s is the key %q, %v", header, got, err)
		}
	}
}

func TestAKeyThatIsNoneIsRefused(t *testing.T) {
	const none = "the header Idempotency-Key is no key: want visible ASCII, " +
		"in quotes where there are spaces, commas, semicolons, quotes or backslashes"
	const empty = "the header Idempotency-Key is empty: want a key, or no such header"
	for header, detail := range map[string]string{
		"": empty, `""`: empty, " ": empty,
		`"abc`: none, `abc"`: none, `a"b`: none, `"`: none, `"a"b"`: none, `"a" "b"`: none, `"a\"`: none, `"a\b"`: none, `"a", "b"`: none, `"a";b=1`: none,
		"a b": none, "a,b": none, "a;b": none, `a\b`: none, "a\x00b": none, "\"a\x1fb\"": none, "a\x7f": none, "\"a\tb\"": none, "é": none, "\"\xff\"": none,
		strings.Repeat("k", 256):             "the header Idempotency-Key has 256 bytes; 255 are allowed",
		`"` + strings.Repeat("k", 256) + `"`: "the header Idempotency-Key has 256 bytes; 255 are allowed",
	} {
		for _, path := range []string{"/command", "/command/" + seedID + "/pause", "/command/pause"} {
			w := newWorld(t)
			w.get = has(fitting[order.Pause].row)
			w.serve(w.request(http.MethodPost, path, "", headerKey, header)).wantProblem(t, http.StatusBadRequest, detail)
			w.wantNothingEmitted()
		}
	}
	w := newWorld(t)
	w.post("", headerKey, "a", headerKey, "a").wantProblem(t, http.StatusBadRequest, "the header Idempotency-Key stands 2 times: want one")
	w.wantNothingEmitted()
}

// keeping plays a log and a row that follows it at once, or after a time.
func (w *world) keeping(after time.Duration) {
	rows := map[string]order.Row{}
	row := func(id string) (order.Row, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if r, there := rows[id]; there {
			return r, nil
		}
		return order.Row{}, order.NoSuchOrder(id)
	}
	changed := make(chan struct{}) // closed at the next event
	w.emit = func(_ context.Context, e order.Event) error {
		time.AfterFunc(after, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			rows[e.OrderID] = order.Fold(rows[e.OrderID], e)
			close(changed)
			changed = make(chan struct{})
		})
		return nil
	}
	w.get = func(_ context.Context, id string) (order.Row, error) { return row(id) }
	w.await = func(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
		for {
			w.mu.Lock()
			news := changed
			w.mu.Unlock()
			if r, err := row(id); err == nil && until(r) {
				return r, nil
			}
			select {
			case <-news:
			case <-ctx.Done():
				r, _ := row(id)
				return r, ctx.Err()
			}
		}
	}
}

func TestAnOrderIsPlacedOnceForAKeyAndAnsweredAsTheFirstTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keeping(time.Second)
		const body = `{"payment":{"amount":12.50},"mail":"a"}`
		first := w.post(body, headerKey, "k")
		id := w.placed()
		first.want(t, http.StatusAccepted, acceptedBody(id, "http://"+site))
		first.wantHeaders(t, "Location", "/query/"+id)
		if !order.ValidID(id) || w.events()[0].ID == order.EventID(id, "ORDER_REQUESTED", 1) {
			t.Errorf("the event %s begins %s", w.events()[0].ID, id)
		}
		for _, again := range []answer{w.post(body, headerKey, "k"), w.post(` {"mail": "a", "payment": {"amount":12.50}} `, headerKey, `"k"`)} {
			again.want(t, http.StatusAccepted, first.body)
			again.wantHeaders(t, "Location", first.Header.Get("Location"))
		}
		w.placed()
		w.wantCounted("simplecqrs_orders_accepted_total 1")
		for _, other := range []string{"", "{}", `{"payment":{"amount":12.5},"mail":"a"}`, `{"payment":{"amount":12.50}}`} {
			got := w.post(other, headerKey, "k")
			got.wantProblem(t, http.StatusUnprocessableEntity, "the Idempotency-Key was given before with another body, for order "+
				id+": send that body again, or this one with another key")
			got.wantHeaders(t, "Location", "")
		}
		w.placed()
		if got := w.post(body, headerKey, "K"); got.Header.Get("Location") == first.Header.Get("Location") {
			t.Error("another key is taken for the same")
		}
		w.wantNothingLogged()
	})
}

func TestNoBodyAndOneWithoutMembersAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keeping(0)
		w.post("", headerKey, "k")
		w.post("{}", headerKey, "k").want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
	})
}

func TestOfTwoPayloadsInARaceTheSecondInTheLogIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keeping(time.Second)
		answers := map[string]chan answer{`{"mail":1}`: make(chan answer, 1), `{"mail":2}`: make(chan answer, 1)}
		for body, got := range answers {
			go func() { got <- w.post(body, headerKey, "k") }()
		}
		synctest.Wait()
		if n := len(w.events()); n != 2 || w.events()[0].OrderID != w.events()[1].OrderID || w.events()[0].ID == w.events()[1].ID {
			t.Fatalf("events: %+v", w.events())
		}
		status := map[int]int{}
		for _, got := range answers {
			status[(<-got).StatusCode]++
		}
		if diff := cmp.Diff(map[int]int{http.StatusAccepted: 1, http.StatusUnprocessableEntity: 1}, status); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestAStartTimeThatHasPassedMeanwhileMakesNoOtherPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is midnight of 2000
		w := newWorld(t)
		w.keeping(2 * time.Second)
		const body = `{"startAt":"2000-01-01T00:00:01Z"}`
		first := make(chan answer, 1)
		go func() { first <- w.post(body, headerKey, "k") }()
		<-time.After(1500 * time.Millisecond) // it is past, and the row is not there yet
		again := w.post(body, headerKey, "k")
		later := w.post(body, headerKey, "k")
		want := acceptedBody(w.events()[0].OrderID, "http://"+site)
		for _, got := range []answer{<-first, again, later} {
			got.want(t, http.StatusAccepted, want)
		}
		all := w.events()
		if len(all) != 2 || all[0].ID != all[1].ID || all[1].Type != order.OrderScheduled || all[1].StartAt.Before(all[1].Time) {
			t.Errorf("events: %+v", all)
		}
	})
}

func TestAnOrderThatIsParkedByItsFirstEventIsNotPlacedAgain(t *testing.T) {
	w := newWorld(t)
	w.get = func(_ context.Context, id string) (order.Row, error) {
		return order.Park(order.Row{}, id, "store.order/0/0", "a bug"), nil
	}
	got := w.post("", headerKey, "k")
	if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, "its first event is a dead letter: redrive or discard that") {
		t.Errorf("answered %s %s", got.Status, got.body)
	}
	w.wantNothingEmitted()
}

func TestWhatCannotBeComparedIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keeping(time.Minute)
		start := time.Now()
		got := w.post("", headerKey, "k", "Prefer", "wait=30")
		got.wantProblem(t, http.StatusServiceUnavailable, "order "+w.placed()+" is in the log, and cannot be seen yet to be compared "+
			"with what its Idempotency-Key was given with before: send the same request again, which does no harm")
		got.wantHeaders(t, "Retry-After", "1", "Location", "")
		if waited := time.Since(start); waited != queryTime {
			t.Errorf("answered after %v", waited)
		}
	})
	for name, err := range map[string]error{"away": &order.Error{Kind: order.Unavailable, Detail: "the read store is away"}, "a fault": errors.New("x")} {
		w := newWorld(t)
		w.get = func(context.Context, string) (order.Row, error) { return order.Row{}, err }
		if got := w.post("", headerKey, "k"); got.StatusCode < 500 {
			t.Errorf("%s: answered %s", name, got.Status)
		}
		w.wantNothingEmitted() // as it is better known beforehand that it cannot be compared
		w = newWorld(t)
		w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) { return order.Row{}, err }
		got := w.post("", headerKey, "k")
		if w.placed(); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, "send the same request again") {
			t.Errorf("%s: answered %s %s", name, got.Status, got.body)
		}
		if name == "a fault" {
			w.wantLogged("x")
		}
	}
}

func TestAClientThatWaitsForAnOrderPlacedOnceIsToldOfItsEnd(t *testing.T) {
	w := newWorld(t)
	w.get = func(_ context.Context, id string) (order.Row, error) {
		row := complete(id)
		row.Meta.History[0].ID += payload(nil)
		return row, nil
	}
	w.await = func(ctx context.Context, id string, _ func(order.Row) bool) (order.Row, error) { return w.get(ctx, id) }
	id := orderIDOf("", "k")
	got := w.post("", headerKey, "k", "Prefer", "wait=5")
	got.want(t, http.StatusOK, completeBody(id))
	got.wantHeaders(t, "Location", "/query/"+id, "Content-Location", "/query/"+id)
	w.wantNothingEmitted()
}

func TestTheSeedsCommandIgnoresKeys(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if got := w.do(http.MethodGet, "/command", headerKey, `"`); got.StatusCode != http.StatusOK {
			t.Errorf("answered %s", got.Status)
		}
	}
	if all := w.events(); len(all) != 2 || all[0].OrderID == all[1].OrderID {
		t.Errorf("events: %+v", all)
	}
}

func TestClientsDoNotShareKeys(t *testing.T) {
	if orderIDOf("ann", "k") == orderIDOf("ben", "k") || orderIDOf("a", "nk") == orderIDOf("an", "k") {
		t.Error("two clients place the same order")
	}
	ann, ben := command{verb: order.Pause, client: "ann", key: "k"}, command{verb: order.Pause, client: "ben", key: "k"}
	if commandID(seedID, ann) == commandID(seedID, ben) {
		t.Error("two clients give the same command")
	}
}

// FuzzKey holds any header to: it is refused as the client's fault, or its key is within
// bounds and the same when it is quoted.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"abc", `"abc"`, `"a\"`, `"a\\\"b"`, `"`, "a b", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		key, err := keyOf(http.Header{headerKey: {line}})
		var refused *failure
		if err != nil {
			if !errors.As(err, &refused) || refused.status != http.StatusBadRequest {
				t.Errorf("%v", err)
			}
			return
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := keyOf(http.Header{headerKey: {quoted}}); err != nil || again != key || len(key) < 1 || len(key) > maxKey {
			t.Errorf("%q is %q, and quoted %q, %v", line, key, again, err)
		}
	})
}
