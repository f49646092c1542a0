package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/processors"
)

// post sends a body under a key and gives the status and the body of the answer.
func post(t *testing.T, url, body, key string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	check(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	text, err := io.ReadAll(answer.Body)
	check(t, err)
	check(t, answer.Body.Close())
	return answer.StatusCode, string(text)
}

func TestAnOrderIsPlacedOnceHoweverOftenItsRequestIsSent(t *testing.T) {
	w := newWorld(t)
	n := w.start().ready()
	const body = `{"payment":{"amount":1}}`
	answers := make([]string, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			status, text := post(t, n.url("/command"), body, "again")
			answers[i] = fmt.Sprint(status, text)
		})
	}
	all.Wait()
	for _, one := range answers {
		if one != answers[0] || !strings.HasPrefix(one, "202") {
			t.Errorf("answered %s and %s", answers[0], one)
		}
	}
	var id string
	for id = range w.tableRows() {
		w.wantHappy("by the table", id, n.ended(id))
	}
	if rows := w.tableRows(); len(rows) != 1 {
		t.Errorf("%d orders", len(rows))
	}
	if status, text := post(t, n.url("/command"), `{}`, "again"); status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %s", status, text)
	}
	w.wantHappy("in the end", id, w.tableRows()[id])
}

// Two edges write what two clients sent under one key, and neither could see the other.
func TestTheSecondPayloadOfARaceIsRejectedAndItsWorkNeverUsed(t *testing.T) {
	soon := func() string { return time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano) }
	for name, payloads := range map[string][2]string{
		"two inputs":         {`{"detail":"first","payment":"first"}`, `{"detail":"second","payment":"second"}`},
		"now, and for later": {`{"detail":"first","payment":"first"}`, `{"detail":"second","payment":"second","startAt":"` + soon() + `"}`},
		"for later, and now": {`{"detail":"first","payment":"first","startAt":"` + soon() + `"}`, `{"detail":"second","payment":"second"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSagaWorld(t, nil, false)
			n := w.start(w.config).ready()
			// The second is not written before the first is, and neither is seen before both are.
			written, both := make(chan struct{}), make(chan struct{})
			server := func(emit func(context.Context, order.Event) error) string {
				s := httptest.NewServer(edge.New(edge.Config{
					Rows: n.Rows(), Definition: n.config.Definition, Emit: emit,
					Health: edge.Health{Registry: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))},
				}))
				t.Cleanup(s.Close)
				return s.URL + "/command"
			}
			var id string
			first := server(func(ctx context.Context, e order.Event) error {
				id = e.OrderID
				w.payment.on(id, func(r processors.Request) (order.JSON, error) { return r.Input, nil }, nil)
				<-both // the second has found no order, and is about to write
				err := n.Emit(ctx, e)
				close(written)
				return err
			})
			second := server(func(ctx context.Context, e order.Event) error {
				close(both)
				<-written
				return n.Emit(ctx, e)
			})
			var all sync.WaitGroup
			for i, url := range []string{first, second} {
				all.Go(func() {
					want := []int{http.StatusAccepted, http.StatusUnprocessableEntity}[i]
					if status, text := post(t, url, payloads[i], "race"); status != want {
						t.Errorf("payload %d is answered %d, %s", i, status, text)
					}
				})
			}
			all.Wait()
			row := n.ended(id)
			outputs := map[order.Step]string{}
			for step, output := range row.Outputs {
				outputs[step] = string(output)
			}
			want := map[order.Step]string{order.Detail: `"first"`, order.Payment: `"first"`, order.Mail: `{"body":"` + id + `_MAIL_COMPLETED"}`}
			if diff := cmp.Diff(want, outputs); diff != "" || row.Meta.Status != order.StatusCompleted {
				t.Errorf("%s after %v; outputs (-want +got):\n%s", row.Meta.Status, row.Events(), diff)
			}
			begun := 0
			for _, r := range w.records(codecs.StoreOrder) {
				if header(r, "ce_type") == "PAYMENT_REQUESTED" {
					begun++
				}
			}
			if begun != 1 {
				t.Errorf("the payment was requested %d times", begun)
			}
			for i, url := range []string{first, second} { // as before, now that it is over
				want := []int{http.StatusAccepted, http.StatusUnprocessableEntity}[i]
				if status, text := post(t, url, payloads[i], "race"); status != want {
					t.Errorf("again, payload %d is answered %d, %s", i, status, text)
				}
			}
		})
	}
}

// Five clients have one key, and none of them can see the others.
func TestOfTheCommandsThatAreGivenAtOnceUnderOneKeyOneActs(t *testing.T) {
	w := newWorld(t)
	n := w.start().ready()
	at := func(year int) string { return fmt.Sprintf("%d-01-01T00:00:00Z", 2120+year) }
	_, text := post(t, n.url("/command"), fmt.Sprintf(`{"startAt":%q}`, at(0)), "place")
	var placed struct{ ID string }
	check(t, json.Unmarshal([]byte(text), &placed))
	type answer struct {
		status int
		text   string
	}
	answers := make([]answer, 5)
	send := func(i int) answer {
		status, text := post(t, n.url("/command/"+placed.ID+"/schedule"), fmt.Sprintf(`{"startAt":%q}`, at(i+1)), "once")
		return answer{status, text}
	}
	for range 2 { // and as before, when they are sent again
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = send(i) })
		}
		all.Wait()
		acted := -1
		for i, one := range answers {
			switch {
			case one.status == http.StatusAccepted && acted < 0:
				acted = i
			case one.status != http.StatusUnprocessableEntity:
				t.Errorf("%d is answered %d, %s, and %d was accepted", i, one.status, one.text, acted)
			}
		}
		if acted < 0 {
			t.Fatalf("none was accepted: %v", answers)
		}
		w.await("the saga's answers", func() bool {
			answered := map[string]bool{}
			row := w.tableRows()[placed.ID]
			for _, one := range row.Meta.History {
				if strings.HasPrefix(one.Causation, "CMD-") {
					answered[one.Causation] = true
				}
			}
			given := 0
			for _, one := range row.Meta.History {
				if one.Type == order.Schedule.Type() {
					given++
				}
			}
			return given > 0 && len(answered) == given
		})
		row := w.tableRows()[placed.ID]
		carried := 0
		for _, one := range row.Meta.History {
			if one.Type == order.OrderScheduled && one.Causation != "" {
				carried++
			}
		}
		if got := row.Meta.StartAt.Format(time.RFC3339); carried != 1 || got != at(acted+1) {
			t.Errorf("%d of them acted, and it is to begin at %s, want %s", carried, got, at(acted+1))
		}
	}
}
