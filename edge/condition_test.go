package edge

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

func TestACommandIsGivenOnlyToTheVersionThatItsClientHasSeen(t *testing.T) {
	row := paused(standing(seedID, order.StatusRunning)) // version 2
	for header, detail := range map[string]string{
		`"2"`: "", ` "2" `: "", "2": "", "*": "", `"1", "2"`: "", `"1","2",`: "", `, "2"`: "", `W/"2", "2"`: "", `"a,b", "2"`: "",
		`"1"`:        `"1"`,
		"1":          `"1"`,
		`"3"`:        `"3"`,
		`"02"`:       `"02"`,
		`"*"`:        `"*"`,
		`""`:         `""`,
		`W/"2"`:      `W/"2"`,
		`"1",  "3"`:  `"1", "3"`,
		`"1\", "x2"`: `"1\", "x2"`,
	} {
		w := newWorld(t)
		w.get = has(row)
		got := w.command(seedID+"/resume", "", headerMatch, header)
		if detail == "" {
			if got.StatusCode != http.StatusAccepted {
				t.Errorf("%s: answered %d, %s", header, got.StatusCode, got.body)
			}
			w.placed()
			continue
		}
		got.wantProblem(t, http.StatusPreconditionFailed,
			"there is version 2 of order ORD-B384F, and the header If-Match wants "+detail+": look at the order again")
		w.wantNothingEmitted()
		w.wantNothingLogged()
	}
}

func TestAConditionThatIsNoneIsRefused(t *testing.T) {
	for _, header := range []string{"", " ", "2x", `"2`, `2"`, `"1" "2"`, `"1"x`, `w/"2"`, `W/2`, `*, "2"`, `"2", *`, ",", `"a b"`, "**"} {
		w := newWorld(t)
		w.get = has(fitting[order.Pause].row)
		if got := w.command(seedID+"/pause", "", headerMatch, header); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: answered %d, %s", header, got.StatusCode, got.body)
		}
		w.wantNothingEmitted()
	}
	w := newWorld(t)
	w.get = has(fitting[order.Pause].row)
	w.command(seedID+"/pause", "", headerMatch, "2x").wantProblem(t, http.StatusBadRequest,
		`the header If-Match is "2x": want "*", or versions, such as "3"`)
}

func TestAConditionCountsOnlyForWhatTheOrderWouldTake(t *testing.T) {
	for _, version := range []string{`"1"`, "*"} {
		w := newWorld(t)
		w.get = has(complete(seedID))
		w.command(seedID+"/pause", "", headerMatch, version).wantProblem(t, http.StatusConflict, "the order is completed")
		w.get = nil
		w.command(seedID+"/pause", "", headerMatch, version).wantProblem(t, http.StatusNotFound, "no order found for ORD-B384F")
		w.wantNothingEmitted()
	}
}

// What was given already is not given again, and has raised the version itself.
func TestACopyOfACommandIsAnsweredAsTheFirstWhateverTheVersionIsNow(t *testing.T) {
	id := commandID(seedID, command{verb: order.Pause, key: "k", print: fingerprint(nil)})
	row := given(standing(seedID, order.StatusRunning), id, order.Pause, order.OrderPaused, "")
	w := newWorld(t)
	w.get = has(row)
	if got := w.command(seedID+"/pause", "", headerKey, "k", headerMatch, `"1"`); got.StatusCode != http.StatusAccepted {
		t.Errorf("answered %d, %s", got.StatusCode, got.body)
	}
	w.wantNothingEmitted()
}

func TestACommandToSeveralOrdersHasNoCondition(t *testing.T) {
	w := newWorld(t)
	w.get = func(context.Context, string) (order.Row, error) {
		t.Error("an order was looked for")
		return order.Row{}, nil
	}
	w.command("pause", `{"ids":["ORD-00001"]}`, headerMatch, "*").wantProblem(t, http.StatusBadRequest,
		"the header If-Match goes with a command to one order: POST /command/{id}/pause")
	w.wantNothingEmitted()
}

// FuzzCondition holds any header to: it is refused, or all its members are tags.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{`"1"`, `W/"1", "2"`, "*", `"a,b",`, `"`, ",\t", "\"\xff\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		all, err := versionsOf(http.Header{headerMatch: {line}})
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%q gives %q, %v", line, all, err)
		}
		for _, one := range all {
			if again, err := versionsOf(http.Header{headerMatch: {one}}); err != nil || !cmp.Equal(again, []string{one}) {
				t.Errorf("%q of %q is %q, %v", one, line, again, err)
			}
		}
	})
}
