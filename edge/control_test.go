package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

// standing is an order that stands so after its first event.
func standing(id string, status order.Status) order.Row {
	return order.Fold(order.Row{}, order.Event{
		OrderID: id, Type: "ORDER_REQUESTED", ID: id + "/1", Time: began, Attempt: 1, Status: status,
	})
}

func paused(row order.Row) order.Row {
	return order.Fold(row, order.Event{OrderID: row.ID, Type: order.OrderPaused, ID: "paused", Time: began, Status: row.Meta.Status})
}

func stuckUndone(id string) order.Row {
	return order.Fold(standing(id, order.StatusCompensating),
		order.Event{OrderID: id, Type: order.OrderStuck, ID: "stuck", Time: began, Status: order.StatusStuck})
}

type commanded struct {
	row  order.Row
	body string
}

// with is the body with a further member.
func (c commanded) with(member string) string {
	if c.body == "" {
		return "{" + member + "}"
	}
	return "{" + member + "," + c.body[1:]
}

// fitting gives for each command an order that takes it, and the body that it needs.
var fitting = map[order.Command]commanded{
	order.Pause:    {standing(seedID, order.StatusRunning), ""},
	order.Resume:   {paused(standing(seedID, order.StatusRunning)), ""},
	order.Cancel:   {standing(seedID, order.StatusRunning), ""},
	order.Retry:    {standing(seedID, order.StatusStuck), ""},
	order.Skip:     {standing(seedID, order.StatusStuck), ""},
	order.Schedule: {standing(seedID, order.StatusScheduled), `{"startAt":"2026-02-03T04:05:06+01:00"}`},
}

func TestACommandToAnOrderWritesOneEventAndTellsWhereToLook(t *testing.T) {
	for _, verb := range order.Commands() {
		synctest.Test(t, func(t *testing.T) { // where time stands still, in 2000
			w := newWorld(t)
			w.get = has(fitting[verb].row)
			got := w.command(seedID+"/"+string(verb), fitting[verb].body)
			w.placed()
			event := w.events()[0]
			id := event.ID
			if !strings.HasPrefix(id, "CMD-") || !order.ValidID("ORD-"+id[4:]) {
				t.Errorf("%s: the command's id is %q", verb, id)
			}
			want := order.Event{
				OrderID: seedID, Type: verb.Type(), ID: id, Time: time.Now().UTC(), Source: "edge", Attempt: 1, Round: 1,
			}
			if verb == order.Schedule {
				want.StartAt = time.Date(2026, 2, 3, 3, 5, 6, 0, time.UTC)
			}
			if diff := cmp.Diff(want, event); diff != "" {
				t.Errorf("%s: event (-want +got):\n%s", verb, diff)
			}
			got.want(t, http.StatusAccepted, `{"id":"ORD-B384F","command":"`+id+`","_query":"http://`+site+`/query/ORD-B384F",`+
				`"_history":"http://`+site+`/query/ORD-B384F/history"}`+"\n")
			got.wantHeaders(t, "Location", "/query/ORD-B384F", "Content-Location", "", "Preference-Applied", "")
			w.wantNothingLogged()
			w.wantCounted("simplecqrs_orders_accepted_total 0") // it is there already
		})
	}
}

func TestACommandCarriesWhoAskedForItWhyAndWhatFor(t *testing.T) {
	w := newWorld(t)
	w.get = has(fitting[order.Skip].row)
	w.command(seedID+"/skip", `{"actor":"ann","reason":"paid in cash","output":{"amount": 12.50}}`)
	w.placed()
	got := w.events()[0]
	if got.Actor != "ann" || got.Reason != "paid in cash" || string(got.Output) != `{"amount":12.50}` {
		t.Errorf("event: %+v", got)
	}
}

func TestAStartTimeThatHasPassedIsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get = has(fitting[order.Schedule].row)
		w.command(seedID+"/schedule", `{"startAt":"0001-01-01T00:00:00Z"}`)
		w.placed()
		if got := w.events()[0].StartAt; !got.Equal(time.Now()) {
			t.Errorf("it is to begin at %v", got)
		}
	})
}

func TestACommandThatDoesNotFitIsAConflictThatSaysWhy(t *testing.T) {
	for _, c := range []struct {
		row    order.Row
		verb   order.Command
		detail string
	}{
		{paused(standing(seedID, order.StatusRunning)), order.Pause, "the order is paused already"},
		{standing(seedID, order.StatusRunning), order.Resume, "the order is not paused"},
		{standing(seedID, order.StatusCompensating), order.Cancel, "the order is being undone already"},
		{standing(seedID, order.StatusRunning), order.Retry, "the order is not stuck but running"},
		{paused(standing(seedID, order.StatusStuck)), order.Skip, "the order is paused: resume it first"},
		{standing(seedID, order.StatusRunning), order.Schedule, "the order has begun: it is running"},
		{complete(seedID), order.Cancel, "the order is completed"},
		{stuckUndone(seedID), order.Cancel, "the order is being undone already: retry or skip what is stuck"},
	} {
		w := newWorld(t)
		w.get = has(c.row)
		got := w.command(seedID+"/"+string(c.verb), fitting[c.verb].body)
		got.wantProblem(t, http.StatusConflict, c.detail)
		got.wantHeaders(t, "Location", "")
		w.wantNothingEmitted()
		w.wantNothingLogged()
	}
}

// An output says that a step is done: the operator means something else.
func TestAnOrderThatIsStuckInBeingUndoneIsSkippedWithoutAnOutput(t *testing.T) {
	w := newWorld(t)
	w.get = has(stuckUndone(seedID))
	w.command(seedID+"/skip", `{"output":1}`).wantProblem(t, http.StatusConflict, "the order is being undone, and an output says that a step is done: skip without one")
	w.wantNothingEmitted()
	if got := w.command(seedID+"/skip", `{"output":null}`); got.StatusCode != http.StatusAccepted {
		t.Errorf("with null, which is none: %d %s", got.StatusCode, got.body)
	}
	if got := w.command(seedID+"/skip", ""); got.StatusCode != http.StatusAccepted {
		t.Errorf("without one: %d %s", got.StatusCode, got.body)
	}
}

func TestACommandToAnOrderThatIsNotThereIsNotFound(t *testing.T) {
	for name, get := range map[string]func(context.Context, string) (order.Row, error){
		"no row":         nil,
		"nothing began":  has(standing(seedID, order.StatusUnknown)),
		"without status": has(order.Row{ID: seedID}),
	} {
		for _, verb := range order.Commands() {
			w := newWorld(t)
			w.get = get
			w.command(seedID+"/"+string(verb), fitting[verb].body).wantProblem(t, http.StatusNotFound, "no order found for ORD-B384F")
			if w.wantNothingEmitted(); t.Failed() {
				t.Fatal(name)
			}
		}
	}
}

func TestABodyThatIsNotTheCommandsIsRefusedAndSaysWhy(t *testing.T) {
	const known = "; known are reason, actor"
	const when = `: want a time such as 2026-01-02T15:04:05Z`
	for _, c := range []struct{ path, body, detail string }{
		{seedID + "/pause", `{"why":"x"}`, `the body's member "why" is unknown` + known},
		{seedID + "/pause", `{"output":1}`, `the body's member "output" is unknown` + known},
		{seedID + "/cancel", `{"startAt":"2026-01-01T00:00:00Z"}`, `the body's member "startAt" is unknown` + known},
		{seedID + "/skip", `{"startAt":"2026-01-01T00:00:00Z"}`, `the body's member "startAt" is unknown` + known + ", output"},
		{seedID + "/schedule", `{"ids":[]}`, `the body's member "ids" is unknown` + known + ", startAt"},
		{seedID + "/schedule", `{"reason":"x"}`, `the body's member "startAt" is missing: when is the order to begin?`},
		{seedID + "/schedule", ``, `the body's member "startAt" is missing: when is the order to begin?`},
		{seedID + "/schedule", `{"startAt":"tomorrow"}`, `the body's member "startAt" is "tomorrow"` + when},
		{seedID + "/schedule", `{"startAt":1}`, `the body's member "startAt" is no string`},
		{seedID + "/schedule", `{"startAt":null}`, `the body's member "startAt" is no string`},
		{seedID + "/schedule", `{"startAt":"9999-12-31T23:59:59-01:00"}`, `the body's member "startAt" is "9999-12-31T23:59:59-01:00"` + when},
		{seedID + "/schedule", `{"startAt":"` + strings.Repeat("1", 65) + `"}`, `the body's member "startAt" has 65 characters; 64 are allowed`},
		{seedID + "/pause", `{"reason":5}`, `the body's member "reason" is no string`},
		{seedID + "/pause", `{"reason":"` + strings.Repeat("x", 1001) + `"}`, `the body's member "reason" has 1001 characters; 1000 are allowed`},
		{seedID + "/pause", `{"actor":"` + strings.Repeat("x", 201) + `"}`, `the body's member "actor" has 201 characters; 200 are allowed`},
		{seedID + "/pause", `{"reason":"a","reason":"b"}`, `the body's member "reason" stands twice`},
		{seedID + "/pause", `[]`, `the body is no JSON object`},
		{"ORD-1/pause", ``, `"ORD-1" is no order id: want ORD- and 26 characters of a ULID, or 5 hex digits, in capitals`},
	} {
		w := newWorld(t)
		w.get = has(fitting[order.Pause].row)
		w.command(c.path, c.body).wantProblem(t, http.StatusBadRequest, c.detail)
		w.wantNothingEmitted()
	}
}

func TestACommandIsBoundedAsAnOrderIs(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{seedID + "/pause", "pause"} {
		w.command(path, `{"reason":"`+strings.Repeat("x", maxBody)+`"}`).wantProblem(t,
			http.StatusRequestEntityTooLarge, "the body is larger than 65536 bytes")
		w.command(path, "", "Idempotency-Key", strings.Repeat("k", 256)).wantProblem(t,
			http.StatusBadRequest, "the header Idempotency-Key has 256 bytes; 255 are allowed")
		w.command(path, "", "Prefer", "wait=soon").wantProblem(t,
			http.StatusBadRequest, "the header Prefer has wait=soon: want whole seconds")
		w.command(path, "", "Sec-Fetch-Site", "cross-site").wantProblem(t,
			http.StatusForbidden, "a page of another site may not give commands")
	}
	w.wantNothingEmitted()
}

func TestACommandThatIsSentAgainUnderItsKeyHasTheSameID(t *testing.T) {
	w := newWorld(t)
	w.get = func(_ context.Context, id string) (order.Row, error) { return standing(id, order.StatusRunning), nil }
	w.await = func(_ context.Context, id string, _ func(order.Row) bool) (order.Row, error) {
		all := w.events()
		c, _ := all[len(all)-1].Type.Command()
		return given(standing(id, order.StatusRunning), all[len(all)-1].ID, c, "", ""), nil
	}
	const other = "ORD-01ARZ3NDEKTSV4RRFFQ69G5FAV"
	for _, path := range []string{
		seedID + "/pause", seedID + "/pause", seedID + "/cancel", other + "/pause",
	} {
		w.command(path, "", "Idempotency-Key", "k1")
	}
	w.command(seedID+"/pause", "", "Idempotency-Key", "k2")
	w.command(seedID+"/pause", "")
	seen := map[string][]int{}
	for i, e := range w.events() {
		seen[e.ID] = append(seen[e.ID], i)
	}
	if len(seen) != 5 || len(seen[w.events()[0].ID]) != 2 || w.events()[1].ID != w.events()[0].ID {
		t.Errorf("ids: %v", seen)
	}
}

// given folds a command, and what the saga says of it, into an order.
func given(row order.Row, id string, c order.Command, said order.Type, reason string) order.Row {
	row = order.Fold(row, order.Event{OrderID: row.ID, Type: c.Type(), ID: id, Time: began})
	if said == "" {
		return row
	}
	return order.Fold(row, order.Event{
		OrderID: row.ID, Type: said, ID: id + "/" + string(said), Time: began, Causation: id,
		Reason: reason, Status: row.Meta.Status,
	})
}

func TestACommandThatTheOrderHasHadIsAnsweredAsItWasAndNotGivenAgain(t *testing.T) {
	running := standing(seedID, order.StatusRunning)
	id := commandID(seedID, command{verb: order.Pause, key: "k", print: fingerprint(nil)})
	for _, c := range []struct {
		name   string
		row    order.Row
		detail string // empty: it is accepted
	}{
		{"unanswered", given(running, id, order.Pause, "", ""), ""},
		{"done", given(running, id, order.Pause, order.OrderPaused, ""), ""},
		{"rejected", given(running, id, order.Pause, order.OrderCommandRejected, "too late"), "too late"},
	} {
		w := newWorld(t)
		w.get = has(c.row)
		got := w.command(seedID+"/pause", "", "Idempotency-Key", "k")
		w.wantNothingEmitted()
		if c.detail != "" {
			got.wantProblem(t, http.StatusConflict, c.detail)
			continue
		}
		if got.StatusCode != http.StatusAccepted || !strings.Contains(got.body, id) {
			t.Errorf("%s: answered %d, %s", c.name, got.StatusCode, got.body)
		}
	}
}

func TestACommandThatTheLogHasNotAcknowledgedMayBeTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.get = has(fitting[order.Pause].row)
	w.emit = func(context.Context, order.Event) error { return errors.New("10.0.0.7 says no") }
	got := w.command(seedID+"/pause", "", "Prefer", "wait=5")
	w.placed()
	got.wantProblem(t, http.StatusServiceUnavailable,
		"the log has not acknowledged command "+w.events()[0].ID+"; it may still act")
	got.wantHeaders(t, "Retry-After", "1", "Location", "")
	w.wantLogged("10.0.0.7 says no")
}

// answering plays rows in which the saga answers the last command after a time.
func (w *world) answering(after time.Duration, row order.Row, said order.Type, reason string) {
	w.await = func(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
		row.ID = id
		last := w.events()[len(w.events())-1]
		c, _ := last.Type.Command()
		if until(given(row, last.ID, c, "", "")) {
			return row, errors.New("its own event is taken for the answer")
		}
		select {
		case <-time.After(after):
			row = given(row, last.ID, c, said, reason)
		case <-ctx.Done():
			return row, ctx.Err()
		}
		if !until(row) {
			return row, errors.New("the answer is not seen")
		}
		return row, nil
	}
}

func TestAClientThatWaitsIsToldWhatTheSagaHasSaid(t *testing.T) {
	running := standing(seedID, order.StatusRunning)
	for _, c := range []struct {
		name   string
		after  time.Duration
		said   order.Type
		status int
	}{
		{"it is done", 2 * time.Second, order.OrderPaused, http.StatusOK},
		{"it is rejected", 2 * time.Second, order.OrderCommandRejected, http.StatusConflict},
		{"nothing in time", time.Hour, order.OrderPaused, http.StatusAccepted},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.get = has(running)
			w.answering(c.after, running, c.said, "it ended meanwhile")
			start := time.Now()
			got := w.command(seedID+"/pause", "", "Prefer", "wait=5")
			if waited := time.Since(start); waited != min(c.after, 5*time.Second) {
				t.Errorf("%s: answered after %v", c.name, waited)
			}
			got.wantHeaders(t, "Preference-Applied", "wait=5")
			switch c.status {
			case http.StatusOK:
				got.want(t, c.status, `{"id":"ORD-B384F","type":"ORDER_PAUSED",`+
					`"events":["ORDER_REQUESTED","ORDER_PAUSE_REQUESTED","ORDER_PAUSED"]}`+"\n")
				got.wantHeaders(t, "Content-Location", "/query/"+seedID, "Order-Status", "paused")
			case http.StatusConflict:
				got.wantProblem(t, c.status, "it ended meanwhile")
			default:
				if got.StatusCode != c.status {
					t.Errorf("%s: answered %d", c.name, got.StatusCode)
				}
				got.wantHeaders(t, "Location", "/query/"+seedID)
			}
			w.wantNothingLogged()
		})
	}
}

func TestAnOrderMayBePlacedForLater(t *testing.T) {
	for _, c := range []struct {
		name, startAt string
		typ           order.Type
		at            time.Time
	}{
		{"later", "2000-01-01T00:00:01Z", order.OrderScheduled, time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)},
		{"in another zone", "2000-01-01T05:00:00.5+01:00", order.OrderScheduled, time.Date(2000, 1, 1, 4, 0, 0, 5e8, time.UTC)},
		{"now", "2000-01-01T00:00:00Z", "ORDER_REQUESTED", time.Time{}},
		{"in the past", "1999-01-01T00:00:00Z", "ORDER_REQUESTED", time.Time{}},
	} {
		synctest.Test(t, func(t *testing.T) { // where it is midnight of 2000
			w := newWorld(t)
			got := w.post(fmt.Sprintf(`{"mail":{"to":"a"},"startAt":%q}`, c.startAt))
			got.want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
			e := w.events()[0]
			if e.Type != c.typ || !e.StartAt.Equal(c.at) || e.StartAt.Location() != time.UTC {
				t.Errorf("%s: %s at %v", c.name, e.Type, e.StartAt)
			}
			if diff := cmp.Diff(map[order.Step]order.JSON{order.Mail: order.JSON(`{"to":"a"}`)}, e.Inputs); diff != "" {
				t.Errorf("%s: inputs (-want +got):\n%s", c.name, diff)
			}
		})
	}
	w := newWorld(t)
	w.post(`{"startAt":"soon"}`).wantProblem(t, http.StatusBadRequest,
		`the body's member "startAt" is "soon": want a time such as 2026-01-02T15:04:05Z`)
	w.wantNothingEmitted()
}

// Orders of which one takes a pause, one is paused, and one is not there.
const running, isPaused, missing = "ORD-00001", "ORD-00002", "ORD-00003"

func (w *world) three() {
	w.get = func(_ context.Context, id string) (order.Row, error) {
		switch id {
		case running:
			return standing(id, order.StatusRunning), nil
		case isPaused:
			return paused(standing(id, order.StatusRunning)), nil
		}
		return order.Row{}, order.NoSuchOrder(id)
	}
}

// bulkAnswer is the answer to a command to several orders.
type bulkAnswer struct {
	Results []result
	More    bool
	Next    string
}

func (a answer) bulk(t *testing.T) (b bulkAnswer) {
	t.Helper()
	a.decode(t, &b)
	return b
}

func TestACommandToSeveralOrdersTellsOfEachAsIfItHadBeenAlone(t *testing.T) {
	w := newWorld(t)
	w.three()
	got := w.command("pause", `{"ids":["`+missing+`","`+running+`","`+isPaused+`"],"actor":"ann","reason":"flood"}`)
	w.placed()
	event := w.events()[0]
	if event.OrderID != running || event.Actor != "ann" || event.Reason != "flood" || event.Type != order.Pause.Type() {
		t.Errorf("event: %+v", event)
	}
	got.want(t, http.StatusOK, `{"results":[`+
		`{"id":"ORD-00003","status":404,"error":"no order found for ORD-00003"},`+
		`{"id":"ORD-00001","status":202,"command":"`+event.ID+`"},`+
		`{"id":"ORD-00002","status":409,"error":"the order is paused already"}],"more":false}`+"\n")
	w.wantNothingLogged()
}

func TestACommandByAFilterGoesToThoseThatItMatchesAndTellsOfTheRest(t *testing.T) {
	w := newWorld(t)
	after, next := order.Place{CreatedAt: began, ID: missing}, order.Place{CreatedAt: began, ID: isPaused}
	w.list = func(_ context.Context, f order.Filter, p order.Page) ([]order.Row, order.Place, error) {
		want := order.Filter{Status: order.StatusStuck, Type: "ORDER_STUCK", Since: began, Until: began.Add(time.Hour)}
		if diff := cmp.Diff(want, f); diff != "" || p != (order.Page{After: after, Limit: maxBulk}) {
			t.Errorf("page %+v with the filter (-want +got):\n%s", p, diff)
		}
		return []order.Row{standing(running, order.StatusStuck), standing(isPaused, order.StatusRunning)}, next, nil
	}
	w.get = func(context.Context, string) (order.Row, error) {
		t.Error("a row was asked for that is there")
		return order.Row{}, errors.New("asked")
	}
	got := w.command("skip", `{"filter":{"status":"stuck","type":"ORDER_STUCK","since":"2026-01-02T03:04:05Z","until":"2026-01-02T04:04:05Z",`+
		`"after":"`+after.String()+`"},"output":1}`).bulk(t)
	w.placed()
	if event := w.events()[0]; event.OrderID != running || string(event.Output) != "1" {
		t.Errorf("event: %+v", event)
	}
	want := bulkAnswer{[]result{
		{ID: running, Status: 202, Command: w.events()[0].ID}, {ID: isPaused, Status: 409, Error: "the order is not stuck but running"},
	}, true, next.String()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestWhichOrdersAreMeantIsSaidOnceAndWithinABound(t *testing.T) {
	for body, detail := range map[string]string{
		`{}`: `the body has to have one of the members "ids" and "filter"`,
		``:   `the body has to have one of the members "ids" and "filter"`,
		`{"ids":["ORD-00001"],"filter":{"status":"running"}}`: `the body may have one of the members "ids" and "filter", and has both`,
		`{"ids":[]}`:                          `the body's member "ids" is not a list of 1 to 1000 ids`,
		`{"ids":null}`:                        `the body's member "ids" is not a list of 1 to 1000 ids`,
		`{"ids":"ORD-00001"}`:                 `the body's member "ids" is not a list of 1 to 1000 ids`,
		`{"ids":[1]}`:                         `the body's member "ids" is not a list of 1 to 1000 ids`,
		`{"ids":[` + many(1001) + `]}`:        `the body's member "ids" is not a list of 1 to 1000 ids`,
		`{"ids":["ORD-00001","ORD"]}`:         `"ORD" is no order id: want ORD- and 26 characters of a ULID, or 5 hex digits, in capitals`,
		`{"ids":["ORD-00001","ORD-00001"]}`:   `the order ORD-00001 stands twice`,
		`{"filter":{}}`:                       `the body's member "filter" is no JSON object that has members`,
		`{"filter":null}`:                     `the body's member "filter" is no JSON object that has members`,
		`{"filter":[]}`:                       `the body's member "filter" is no JSON object that has members`,
		`{"filter":{"after":"0.ORD-00001"}}`:  `the filter says nothing of the orders' status, their type, or when they changed`,
		`{"filter":{"state":"x"}}`:            `the body's member "state" is unknown; known are status, type, since, until, after`,
		`{"filter":{"status":1}}`:             `the body's member "status" is no string`,
		`{"filter":{"status":"x"}}`:           `the filter's member "status" is "x"; known are unknown, scheduled, running, paused, compensating, stuck, completed, failed, cancelled`,
		`{"filter":{"type":""}}`:              `the filter's member "type" is empty`,
		`{"filter":{"since":"today"}}`:        `the filter's member "since" is "today": want a time such as 2026-01-02T15:04:05Z`,
		`{"filter":{"type":"X","after":"x"}}`: `"x" is no place in a list: want what a page gave as next`,
		`{"ids":["ORD-00001"],"why":1}`:       `the body's member "why" is unknown; known are reason, actor, ids, filter`,
	} {
		w := newWorld(t)
		w.three()
		w.command("pause", body).wantProblem(t, http.StatusBadRequest, detail)
		w.wantNothingEmitted()
	}
	w := newWorld(t)
	w.get = func(_ context.Context, id string) (order.Row, error) { return standing(id, order.StatusRunning), nil }
	got := w.command("pause", `{"ids":[`+many(1000)+`]}`).bulk(t)
	ids := map[string]bool{}
	for i, r := range got.Results {
		if r.ID != fmt.Sprintf("ORD-1%04X", i) || r.Status != http.StatusAccepted {
			t.Errorf("result %d: %+v", i, r)
		}
		ids[r.Command] = true
	}
	if len(w.events()) != 1000 || len(ids) != 1000 {
		t.Errorf("%d events, %d commands", len(w.events()), len(ids))
	}
}

func TestACommandToSeveralOrdersIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get = func(_ context.Context, id string) (order.Row, error) { return standing(id, order.StatusRunning), nil }
		w.emit = func(ctx context.Context, _ order.Event) error { <-ctx.Done(); return ctx.Err() }
		start := time.Now()
		got := w.command("pause", `{"ids":[`+many(bulkWidth+1)+`]}`).bulk(t)
		if took := time.Since(start); took != emitTime {
			t.Errorf("answered after %v", took)
		}
		late := 0
		for _, r := range got.Results {
			if r.Status != http.StatusServiceUnavailable {
				t.Errorf("result: %+v", r)
			}
			if r.Error == "the time was over before the order's turn came" {
				late++
			}
		}
		if n := len(w.events()); late != 1 || n != bulkWidth {
			t.Errorf("%d did not have their turn, and %d events were emitted", late, n)
		}
	})
}

// many are the ids of so many orders, as a body has them, of which nothing is heard.
func many(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"ORD-1%04X"`, i)
	}
	return strings.Join(ids, ",")
}

func unheard(id string) bool { return strings.HasPrefix(id, "ORD-1") }

func TestAClientThatWaitsIsToldOfAllThatTheSagaHasSaidByThen(t *testing.T) {
	for _, n := range []int{1, bulkWidth, 2 * bulkWidth} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.get = func(_ context.Context, id string) (order.Row, error) {
				if id == missing {
					return order.Row{}, order.NoSuchOrder(id)
				}
				row := standing(id, order.StatusRunning)
				for _, e := range w.events() {
					if e.OrderID != id || unheard(id) {
						continue
					}
					said := order.OrderPaused
					if id == "ORD-0000E" {
						said = order.OrderCommandRejected
					}
					row = given(row, e.ID, order.Pause, said, "it ended meanwhile")
				}
				return row, nil
			}
			w.await = func(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
				row, err := w.get(ctx, id)
				if !until(row) {
					<-ctx.Done()
					err = ctx.Err()
				}
				return row, err
			}
			start := time.Now()
			got := w.command("pause", `{"ids":[`+many(n)+`,"`+missing+`","ORD-0000D","ORD-0000E"]}`, "Prefer", "wait=3")
			got.wantHeaders(t, "Preference-Applied", "wait=3")
			var status []string
			for _, r := range got.bulk(t).Results {
				status = append(status, fmt.Sprint(r.ID, " ", r.Status, " ", r.Error, r.Command != "", r.Type))
			}
			want := []string{missing + " 404 no order found for ORD-00003false", "ORD-0000D 200 trueORDER_PAUSED", "ORD-0000E 409 it ended meanwhiletrue"}
			if diff := cmp.Diff(want, status[n:]); diff != "" {
				t.Errorf("behind %d that are silent: results (-want +got):\n%s", n, diff)
			}
			for _, one := range status[:n] {
				if !strings.HasSuffix(one, " 202 true") {
					t.Errorf("of %d that are silent: %s", n, one)
				}
			}
			if waited := time.Since(start); waited != 3*time.Second {
				t.Errorf("answered after %v", waited)
			}
		})
	}
}

// What is looked at when the wait is over is not waited for again.
func TestTheLastLookAtOrdersThatWereWaitedForIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.get = func(ctx context.Context, id string) (order.Row, error) {
			if len(w.events()) > bulkWidth { // all are given
				<-ctx.Done()
				return order.Row{}, ctx.Err()
			}
			return standing(id, order.StatusRunning), nil
		}
		start := time.Now()
		for _, r := range w.command("pause", `{"ids":[`+many(bulkWidth+1)+`]}`, "Prefer", "wait=3").bulk(t).Results {
			if r.Status != http.StatusAccepted {
				t.Errorf("result: %+v", r)
			}
		}
		if waited := time.Since(start); waited != 3*time.Second+lastLookTime {
			t.Errorf("answered after %v", waited)
		}
	})
}
