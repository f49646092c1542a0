package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestAFilterDoesNotGoWithAnIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	w.list = func(context.Context, order.Filter, order.Page) ([]order.Row, order.Place, error) {
		t.Error("orders were looked for")
		return nil, order.Place{}, nil
	}
	w.command("cancel", `{"filter":{"status":"running"}}`, "Idempotency-Key", "k").wantProblem(t, http.StatusBadRequest,
		"the header Idempotency-Key does not go with a filter, which finds other orders the next time: give the ids")
}

func TestOfTheCommandsOfOneKeyTheSagaSaysWhichActs(t *testing.T) {
	said := func(startAt string) string {
		return commandID(seedID, command{verb: order.Schedule, key: "k", print: fingerprint(members{"startAt": []byte(startAt)})})
	}
	one, other, another := said(`"2126-01-01T00:00:00Z"`), said(`"2127-01-01T00:00:00Z"`), said(`"2128-01-01T00:00:00Z"`)
	scheduled := standing(seedID, order.StatusScheduled)
	both := given(given(scheduled, one, order.Schedule, "", ""), other, order.Schedule, "", "")
	without := commandID(seedID, command{verb: order.Schedule})
	for _, c := range []struct {
		name string
		row  order.Row
		id   string
		want string
	}{
		{"nothing is known", scheduled, one, ""},
		{"nor of another key", given(scheduled, without, order.Schedule, order.OrderScheduled, ""), one, ""},
		{"its own", given(scheduled, one, order.Schedule, "", ""), one, one},
		{"its own, with an answer", given(scheduled, one, order.Schedule, order.OrderScheduled, ""), one, one},
		{"its own, which did not fit", given(scheduled, one, order.Schedule, order.OrderCommandRejected, "the order is running"), one, one},
		{"another", given(scheduled, one, order.Schedule, "", ""), other, one},
		{"the first in the log", both, one, one},
		{"the second", both, other, one},
		{"neither of them", both, another, one},
		{"the second, and the saga has said so", given(both, other, order.Schedule, order.OrderCommandRejected, saga.AnotherBody+one), other, one},
		{"the second, as the first was discarded", given(both, other, order.Schedule, order.OrderScheduled, ""), other, other},
		{"without a key", both, without, ""},
	} {
		if got := firstUnderKey(c.row, c.id); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// scheduled plays an order that waits for its time, and rows that follow the log after a time.
func (w *world) scheduled(after time.Duration) {
	w.keeping(after)
	begin := order.Event{OrderID: seedID, Type: order.OrderScheduled, ID: "begun", Time: began, StartAt: began}
	if err := w.emit(w.t.Context(), begin); err != nil {
		w.t.Fatal(err)
	}
	<-time.After(after) // by the clock of synctest
	synctest.Wait()
}

// commandNamed is the command that an answer is about, and after it the one that a refusal names.
var commandNamed = regexp.MustCompile(`(?:"command":"|as command )(CMD-[0-9A-Z-]+)`)

func TestOfCommandsInARaceUnderOneKeyTheFirstInTheLogIsAccepted(t *testing.T) {
	for name, c := range map[string]struct{ path, member string }{
		"to one order": {seedID + "/schedule", ""}, "to several": {"schedule", `,"ids":["` + seedID + `"]`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.scheduled(time.Second)
				answers := make(chan answer, 5)
				for year := range cap(answers) {
					go func() {
						answers <- w.command(c.path, fmt.Sprintf(`{"startAt":"210%d-01-01T00:00:00Z"%s}`, year, c.member), headerKey, "k")
					}()
				}
				synctest.Wait()
				all := w.events()
				if len(all) != cap(answers) {
					t.Fatalf("events: %+v", all)
				}
				status, named := map[string]int{}, map[string]bool{}
				for range cap(answers) {
					got := (<-answers).body
					for _, one := range []string{`"status":202`, `"_query"`, `"status":422`} {
						if strings.Contains(got, one) {
							status[one]++
						}
					}
					naming := commandNamed.FindAllStringSubmatch(got, -1)
					named[naming[len(naming)-1][1]] = true
				}
				if status[`"status":202`]+status[`"_query"`] != 1 || status[`"status":422`] != cap(answers)-1 {
					t.Errorf("answers: %v", status)
				}
				first := ""
				for id := range named {
					first = id
				}
				if row, err := w.get(t.Context(), seedID); err != nil || len(named) != 1 || row.Meta.History[1].ID != first {
					t.Errorf("they name %v; the row is %+v, %v", named, row, err)
				}
				w.wantNothingLogged()
			})
		})
	}
}

// resultsOf are what an answer says of several orders.
func resultsOf(t *testing.T, a answer) []result {
	t.Helper()
	var said struct{ Results []result }
	if err := json.Unmarshal([]byte(a.body), &said); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("answered %s %s, %v", a.Status, a.body, err)
	}
	return said.Results
}

func TestAKeyCountsForEachOrderByItselfWhateverOthersAreNamedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const a, b, c = "ORD-0000A", "ORD-0000B", "ORD-0000C"
		w := newWorld(t)
		w.keeping(0)
		for _, id := range []string{a, b, c} {
			check(t, w.emit(t.Context(), order.Event{OrderID: id, Type: "ORDER_REQUESTED", ID: id, Time: began, Status: order.StatusRunning}))
		}
		<-time.After(time.Millisecond) // by the clock of synctest
		pause := func(body string) []result { return resultsOf(t, w.command("pause", body, headerKey, "k")) }
		had := pause(`{"ids":["` + a + `"]}`)[0]
		if got := pause(`{"ids":["` + b + `","` + a + `"]}`); len(got) != 2 || got[0].Status != http.StatusAccepted || got[1] != had {
			t.Errorf("with other ids: %+v, want %+v as before", got, had)
		}
		alone := w.command(a+"/pause", "", headerKey, "k")
		if alone.StatusCode != http.StatusAccepted || !strings.Contains(alone.body, `"command":"`+had.Command+`"`) {
			t.Errorf("one by itself: answered %s %s", alone.Status, alone.body)
		}
		want := []result{
			{ID: a, Status: http.StatusUnprocessableEntity, Error: saga.AnotherBody + had.Command + ": send that body again, or this one with another key"},
			{ID: c, Status: http.StatusAccepted},
		}
		got := pause(`{"ids":["` + a + `","` + c + `"],"reason":"x"}`)
		want[1].Command = got[1].Command
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with another reason (-want +got):\n%s", diff)
		}
		var commanded []string
		for _, e := range w.events() {
			commanded = append(commanded, e.OrderID)
		}
		if diff := cmp.Diff([]string{a, b, c}, commanded); diff != "" {
			t.Errorf("commanded (-want +got):\n%s", diff)
		}
		w.wantNothingLogged()
	})
}

func TestWhatTheEdgeRefusedItselfMayActUnderTheSameKeyLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keeping(0)
		becomes := func(e order.Event) {
			e.OrderID, e.Time = seedID, began
			check(t, w.emit(t.Context(), e))
			<-time.After(time.Millisecond) // by the clock of synctest
		}
		retry := func(version string) int {
			return w.command(seedID+"/retry", "", headerKey, "k", headerMatch, version).StatusCode
		}
		var got []int
		got = append(got, retry("*"))
		becomes(order.Event{Type: "ORDER_REQUESTED", ID: "begun", Status: order.StatusRunning})
		got = append(got, retry("*"))
		becomes(order.Event{Type: order.OrderStuck, ID: "stuck", Status: order.StatusStuck})
		got = append(got, retry("1"))
		w.wantNothingEmitted()
		got = append(got, retry("2"), retry("2"))
		w.placed()
		if diff := cmp.Diff([]int{404, 409, 412, 202, 202}, got); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestACommandWithAKeyThatCannotBeComparedIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.scheduled(time.Minute)
		start := time.Now()
		got := w.command(seedID+"/cancel", "", headerKey, "k", "Prefer", "wait=30")
		got.wantProblem(t, http.StatusServiceUnavailable, "command "+w.events()[0].ID+" is in the log, and cannot be seen yet to be compared "+
			"with what its Idempotency-Key was given with before: send the same request again, which does no harm")
		got.wantHeaders(t, "Retry-After", "1", "Location", "")
		if waited := time.Since(start); waited != queryTime {
			t.Errorf("answered after %v", waited)
		}
		start = time.Now()
		if got := w.command(seedID+"/cancel", ""); got.StatusCode != http.StatusAccepted || time.Since(start) != 0 {
			t.Errorf("without a key: answered %s after %v", got.Status, time.Since(start))
		}
	})
	w := newWorld(t)
	w.get = has(fitting[order.Pause].row)
	w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) {
		return order.Row{}, errors.New("a fault")
	}
	if got := w.command(seedID+"/pause", "", headerKey, "k"); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answered %s", got.Status)
	}
	w.wantLogged("a fault")
}

func TestAnOrderThatCannotBeComparedKeepsNothingFromThoseBehindIt(t *testing.T) {
	for _, n := range []int{1, 2 * bulkWidth} {
		synctest.Test(t, func(t *testing.T) {
			const seen = "ORD-0000A"
			w := newWorld(t)
			w.keeping(0)
			keep, get, await := w.emit, w.get, w.await
			check(t, keep(t.Context(), order.Event{OrderID: seen, Type: "ORDER_REQUESTED", ID: seen, Time: began, Status: order.StatusRunning}))
			w.emit = func(ctx context.Context, e order.Event) error {
				if unheard(e.OrderID) {
					return nil
				}
				return keep(ctx, e)
			}
			w.get = func(ctx context.Context, id string) (order.Row, error) {
				if unheard(id) {
					return standing(id, order.StatusRunning), nil
				}
				return get(ctx, id)
			}
			var awaited atomic.Bool
			w.await = func(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
				if id == seen {
					awaited.Store(true)
				}
				return await(ctx, id, until)
			}
			<-time.After(time.Millisecond) // by the clock of synctest
			for _, again := range []bool{false, true} {
				start := time.Now()
				awaited.Store(false)
				results := resultsOf(t, w.command("pause", `{"ids":[`+many(n)+`,"`+seen+`"]}`, headerKey, "k"))
				for i, r := range results {
					want := http.StatusServiceUnavailable
					if i == n {
						want = http.StatusAccepted
					}
					if r.Status != want {
						t.Errorf("behind %d, again %v: %+v", n, again, r)
					}
				}
				if waited := time.Since(start); waited != queryTime {
					t.Errorf("answered after %v", waited)
				}
				if again && awaited.Load() {
					t.Error("the one is waited for of which the row tells")
				}
			}
		})
	}
}
