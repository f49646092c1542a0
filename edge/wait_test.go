package edge

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"simplecqrs/order"
)

// endsAfter plays rows that show an order running, then after a time ended.
func endsAfter(d time.Duration, status order.Status) func(context.Context, string, func(order.Row) bool) (order.Row, error) {
	return func(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
		row := complete(id)
		row.Meta.Status = order.StatusRunning
		if until(row) {
			return row, nil
		}
		select {
		case <-time.After(d):
			row.Meta.Status = status
		case <-ctx.Done():
			return row, ctx.Err()
		}
		if until(row) {
			return row, nil
		}
		<-ctx.Done()
		return row, ctx.Err()
	}
}

func TestAClientThatWaitsGetsTheRowAsSoonAsTheOrderHasEnded(t *testing.T) {
	for _, status := range []order.Status{order.StatusCompleted, order.StatusFailed} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.await = endsAfter(2*time.Second, status)
			start := time.Now()
			got := w.post("", "Prefer", "wait=5")
			id := w.placed()
			got.want(t, http.StatusOK, completeBody(id))
			got.wantHeaders(t, "Location", "/query/"+id, "Content-Location", "/query/"+id, "Preference-Applied", "wait=5",
				"Order-Status", string(status))
			if waited := time.Since(start); waited != 2*time.Second {
				t.Errorf("answered after %v", waited)
			}
		})
	}
}

func TestAClientThatHasWaitedInVainIsToldThatItsOrderIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.await = endsAfter(time.Hour, order.StatusCompleted)
		start := time.Now()
		got := w.post("", "Prefer", "wait=5")
		got.want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
		got.wantHeaders(t, "Location", "/query/"+w.placed(), "Content-Location", "", "Preference-Applied", "wait=5")
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("answered after %v", waited)
		}
		w.wantNothingLogged()
	})
}

func TestHowLongAClientWaitsIsForItToSayWithinABound(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name   string
		prefer []string
		waits  time.Duration
	}{
		{"it does not say", nil, 0},
		{"other preferences", []string{"respond-async, waiting=3"}, 0},
		{"a preference that ends like it", []string{"nowait=3"}, 0},
		{"no time", []string{"wait=0"}, 0},
		{"a time", []string{"wait=5"}, 5 * s},
		{"a time in quotes", []string{`wait="5"`}, 5 * s},
		{"in capitals, with white space", []string{" WAIT = 5 "}, 5 * s},
		{"among others", []string{"respond-async, wait=5;why=now, wait=9"}, 5 * s},
		{"on the second line", []string{"respond-async", "wait=5", "wait=9"}, 5 * s},
		{"in the quotes of another", []string{`why="a, wait=9; \", wait=8", wait=5`}, 5 * s},
		{"the most", []string{"wait=60"}, 60 * s},
		{"more than the most", []string{"wait=61"}, 60 * s},
		{"more than a number can be", []string{"wait=99999999999999999999"}, 60 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				asked := false
				w.await = func(ctx context.Context, _ string, _ func(order.Row) bool) (order.Row, error) {
					asked = true
					<-ctx.Done()
					return order.Row{}, ctx.Err()
				}
				var headers []string
				for _, line := range c.prefer {
					headers = append(headers, "Prefer", line)
				}
				start := time.Now()
				got := w.post("", headers...)
				waited := time.Since(start)
				if waited != c.waits || asked != (c.waits > 0) {
					t.Errorf("waited %v, want %v; rows were asked %t", waited, c.waits, asked)
				}
				got.want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
				applied := ""
				if c.waits > 0 {
					applied = map[time.Duration]string{5 * s: "wait=5", MaxWait: "wait=60"}[c.waits]
				}
				got.wantHeaders(t, "Preference-Applied", applied)
			})
		})
	}
}

func TestAWaitThatIsNoTimeIsRefused(t *testing.T) {
	for prefer, value := range map[string]string{
		"wait": "", "wait=": "", "wait=soon": "soon", "wait=-1": "-1", "wait=1.5": "1.5",
		`wait="1 "`: "1 ", "respond-async, wait=5s": "5s", `wait=""5""`: `"5"`,
	} {
		w := newWorld(t)
		w.post("", "Prefer", prefer).wantProblem(t, http.StatusBadRequest,
			"the header Prefer has wait="+value+": want whole seconds")
		w.wantNothingEmitted()
	}
}

func TestAnOrderIsAcceptedEvenIfItsEndCannotBeWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		logged string
	}{
		{"the read side is away", &order.Error{Kind: order.Unavailable, Detail: "the read store is away"}, ""},
		{"the read side fails", errors.New("a row is no row"), "a row is no row"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) { return order.Row{}, c.err }
			got := w.post("", "Prefer", "wait=5")
			got.want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
			got.wantHeaders(t, "Preference-Applied", "") // as it was not
			w.wantCounted("simplecqrs_orders_accepted_total 1")
			if c.logged == "" {
				w.wantNothingLogged()
			} else {
				w.wantLogged(c.logged)
			}
		})
	}
}

func TestNobodyWaitsForAClientThatWentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, leave := context.WithCancel(t.Context())
		r := w.request(http.MethodPost, "/command", "", "Prefer", "wait=5").WithContext(ctx)
		start := time.Now()
		got := make(chan answer, 1)
		go func() { got <- w.serve(r) }()
		synctest.Wait()
		leave()
		<-got
		if waited := time.Since(start); waited != 0 {
			t.Errorf("went on for %v", waited)
		}
		w.wantNothingLogged()
	})
}

func TestTheSeedsCommandDoesNotWait(t *testing.T) {
	w := newWorld(t)
	w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) {
		t.Error("rows were asked")
		return order.Row{}, errors.New("asked")
	}
	w.do(http.MethodGet, "/command", "Prefer", "wait=5").want(t, http.StatusOK, acceptedBody(w.placed(), "http://"+site))
}

// FuzzPrefer holds any header to: it is refused as the client's fault, or the wait
// is within its bound.
func FuzzPrefer(f *testing.F) {
	for _, seed := range []string{"wait=5", `wait="5`, `a="\`, `a="\"`, "wait=99999999999999999999", ";,=", "respond-async, wait=5;b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		wait, err := waitOf(http.Header{"Prefer": {line}})
		var refused *failure
		if err != nil && (!errors.As(err, &refused) || refused.status != http.StatusBadRequest) {
			t.Errorf("%v", err)
		}
		if wait < 0 || wait > MaxWait {
			t.Errorf("waits %v", wait)
		}
	})
}
