package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tmaxmax/go-sse"

	"simplecqrs/order"
)

// watching is a watch that runs until it ends or is interrupted.
type watching struct {
	answer, log *transcript
	interrupt   context.CancelFunc
	code        <-chan int
}

func startWatch(t *testing.T, s *shop, args ...string) watching {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	code := make(chan int, 1)
	w := watching{newTranscript(), newTranscript(), cancel, code}
	go func() {
		code <- run(ctx, append([]string{"order", "watch", "-url", s.url}, args...), output{answer: w.answer, log: w.log})
	}()
	return w
}

func TestAnOrderIsWatchedUntilItHasEnded(t *testing.T) {
	s := openShop(t, rowWith("ORD-00001", ""))
	w := startWatch(t, s, "ORD-00001")
	w.answer.said(t, "     0 ms  ORDER_REQUESTED\n")
	s.happen(order.Event{OrderID: "ORD-00001", ID: "a", Type: "PAYMENT_FAILED", Attempt: 2, Reason: "no\x1b funds", Time: opened.Add(98 * time.Millisecond)})
	w.answer.said(t, "    98 ms  PAYMENT_FAILED  attempt 2  no  funds\n")
	s.happen(order.Event{OrderID: "ORD-00001", ID: "b", Type: order.OrderFailed, Status: order.StatusFailed, Attempt: 1, Reason: "PAYMENT: no funds", Time: opened.Add(1234 * time.Millisecond)})
	if code := <-w.code; code != 7 {
		t.Errorf("exit code %d", code)
	}
	w.answer.said(t, "  1234 ms  ORDER_FAILED  PAYMENT: no funds\n")
	w.log.said(t, "^simplecqrs order: ORD-00001 is failed: PAYMENT: no funds\n$")
}

func TestAWatchGoesOnBehindTheLastEventWhenItsStreamIsLost(t *testing.T) {
	s := openShop(t, rowWith("ORD-00001", "", order.Event{Type: "ORDER_COMPLETED"}))
	s.cut = 1
	w := startWatch(t, s, "ORD-00001", "-o", "json")
	w.answer.said(t, "ORDER_COMPLETED")
	s.happen(order.Event{OrderID: "ORD-00001", ID: "c", Type: order.OrderFinished, Status: order.StatusCompleted, Attempt: 1, Time: opened.Add(time.Minute)})
	if code := <-w.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
	var types []string
	text, _ := w.answer.now()
	for line := range strings.Lines(text) {
		var e struct{ Type string }
		check(t, json.Unmarshal([]byte(line), &e))
		types = append(types, e.Type)
	}
	if diff := cmp.Diff([]string{"ORDER_REQUESTED", "ORDER_COMPLETED", "ORDER_FINISHED"}, types); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if s.streams != 2 {
		t.Errorf("%d streams", s.streams)
	}
	w.log.said(t, "the stream was lost")
}

func TestAWatchOfWhatIsNotThereEndsAtOnce(t *testing.T) {
	s := openShop(t)
	if code, _, log := s.order(t, "watch", "ORD-00001"); code != 3 || !strings.Contains(log, "no order found") {
		t.Errorf("exit code %d, log %s", code, log)
	}
	if code, _, log := simplecqrs(t, "order", "watch", "-url", "http://127.0.0.1:1"); code != 5 || !strings.Contains(log, "refused") {
		t.Errorf("nobody there: exit code %d, log %s", code, log)
	}
}

func TestAllOrdersAreWatchedUntilItIsInterrupted(t *testing.T) {
	const event = `{"order":"ORD-00001","partition":3,"offset":42,"type":"PAYMENT_FAILED","time":"2026-01-02T03:04:05Z","attempt":2,"status":"running","reason":"no\u001b funds"}`
	places := make(chan string, 9)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := r.Header.Get("Last-Event-ID")
		places <- place
		if place == "" {
			_, _ = fmt.Fprintf(w, "id: 3=41\n\nid: 3=42\ndata: %s\n\n", event)
			return // and is lost
		}
		_, _ = io.WriteString(w, "event: reset\ndata: {}\n\n")
		_, _ = io.WriteString(w, "data: {\"order\":\"ORD-00002\",\"type\":\"ORDER_PAUSED\",\"status\":\"running\"}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	w := startWatch(t, &shop{url: s.URL})
	w.answer.said(t, `ORD-00001 {21}  PAYMENT_FAILED  attempt 2  running  no  funds`)
	w.log.said(t, "the log is another than before")
	w.answer.said(t, `ORD-00002 {21}  ORDER_PAUSED  paused\n`)
	w.interrupt()
	if code := <-w.code; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if first, second := <-places, <-places; first != "" || second != "3=42" {
		t.Errorf("it begins behind %q, and goes on behind %q", first, second)
	}
}

// edgeOf is a client of an edge that is a function.
func edgeOf(serve func(*http.Request) (*http.Response, error)) edgeClient {
	return edgeClient{url: "http://edge", http: &http.Client{Transport: transport(serve)}, out: output{answer: io.Discard, log: io.Discard}}
}

type transport func(*http.Request) (*http.Response, error)

func (s transport) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func TestAStreamThatFallsSilentIsLostAndOneThatDoesNotComeBackIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, asked := time.Now(), 0
		c := edgeOf(func(r *http.Request) (*http.Response, error) {
			if asked++; asked > 1 {
				return nil, errors.New("nobody there")
			}
			body, writer := io.Pipe()
			go func() {
				for range 3 { // a heartbeat keeps it
					_, _ = io.WriteString(writer, ": beat\n\n")
					<-time.After(silence / 2)
				}
				<-r.Context().Done()
				_ = writer.CloseWithError(r.Context().Err()) // gives nil, always
			}()
			return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
		})
		err := c.stream(t.Context(), "/query/stream", func(sse.Event) error { return nil })
		if codeOf(err) != exitUnavailable || !strings.Contains(err.Error(), "nobody there") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took < 2*silence+rejoinTime || took > 2*silence+rejoinTime+2*rejoinPause {
			t.Errorf("it took %v", took)
		}
	})
}

func TestACancelIsWaitedForUntilAllIsUndone(t *testing.T) {
	for _, c := range []struct {
		name string
		end  order.Event
		wait string
		code int
		says string
	}{
		{"undone", order.Event{Type: order.OrderCancelled, Status: order.StatusCancelled}, "30s", 0, "ORD-00001  done  cancelled\n"},
		{"stuck", order.Event{Type: order.OrderStuck, Status: order.StatusStuck, Reason: "PAYMENT: gone"}, "30s", 7, "ORD-00001 is stuck: PAYMENT: gone"},
		{"too slow", order.Event{}, "1s", 1, "ORD-00001  accepted"},
	} {
		for _, args := range [][]string{{"ORD-00001"}, {"-status", "running"}} {
			s := openShop(t, rowWith("ORD-00001", ""))
			s.saga = func(e order.Event) []order.Event {
				return []order.Event{{Type: "PAYMENT_COMPENSATION_REQUESTED", Status: order.StatusCompensating}}
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				check(t, func() error {
					_, err := s.Await(t.Context(), "ORD-00001", func(r order.Row) bool { return r.Meta.Status == order.StatusCompensating })
					return err
				}())
				select {
				case <-s.watched:
				case <-time.After(patience):
					t.Errorf("%s: nobody waits", c.name)
				}
				if c.end.Type != "" {
					c.end.OrderID, c.end.ID, c.end.Attempt, c.end.Time = "ORD-00001", "end", 1, opened.Add(time.Hour)
					s.happen(c.end)
				}
			}()
			code, answer, log := s.order(t, append([]string{"cancel", "-wait", c.wait}, args...)...)
			<-ended
			if code != c.code || !strings.Contains(answer+log, c.says) {
				t.Errorf("%s, %q: exit code %d, answer %s, log %s", c.name, args, code, answer, log)
			}
		}
	}
}

func TestOfManyCancelsAlsoThoseAreToldThatHadTheirTurnWhenTheTimeWasOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow, undone, stuck = order.StatusCompensating, order.StatusCancelled, order.StatusStuck
		stands, results := map[string]order.Status{}, []string{}
		add := func(id string, s order.Status) {
			stands[id], results = s, append(results, `{"id":"`+id+`","status":200,"command":"CMD-1"}`)
		}
		for i := range atOnce {
			add(fmt.Sprintf("ORD-1000%X", i), slow)
		}
		add("ORD-00001", undone)
		add("ORD-00002", stuck)
		c := edgeOf(func(r *http.Request) (*http.Response, error) {
			id, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/query/"), "/")
			body := `{"id":"` + id + `","status":"` + string(stands[id]) + `"}`
			switch {
			case r.Method == http.MethodPost:
				body = `{"results":[` + strings.Join(results, ",") + `]}`
			case what == "stream":
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		var told bytes.Buffer
		c.out.answer = &told
		began := time.Now()
		b := bulk{path: "/command/", verb: "cancel", wait: 30 * time.Second, then: c.undone}
		err := c.give(t.Context(), b, map[string]json.RawMessage{}, nil, map[string]string{"status": "running"})
		if err == nil || !strings.Contains(err.Error(), "17 of 18 went wrong, the first with: ORD-10000 is being undone still") {
			t.Errorf("error %v", err)
		}
		for _, want := range []string{"ORD-00001  done      cancelled\n", "ORD-00002  accepted  stuck\n", "ORD-10000  accepted  CMD-1\n"} {
			if !strings.Contains(told.String(), want) {
				t.Errorf("it does not say %q, but %s", want, &told)
			}
		}
		if took := time.Since(began); took != b.wait {
			t.Errorf("it took %v", took)
		}
	})
}

// ending has the shop end each order as it begins.
func ending(status order.Status) func(order.Event) []order.Event {
	return func(order.Event) []order.Event {
		return []order.Event{{Type: order.OrderFinished, Status: status}}
	}
}

func TestAnOrderThatIsWaitedForTellsHowItHasEnded(t *testing.T) {
	for status, want := range map[order.Status]int{order.StatusCompleted: 0, order.StatusFailed: 7, order.StatusCancelled: 7} {
		s := openShop(t)
		s.saga = ending(status)
		code, answer, log := s.order(t, "place", "-wait", "30s")
		id := s.events()[0].OrderID
		if code != want || !strings.HasPrefix(answer, id+"  "+string(status)+"  ORDER_FINISHED\n") || (want != 0) != strings.Contains(log, id+" is "+string(status)) {
			t.Errorf("%s: exit code %d, answer %s, log %s", status, code, answer, log)
		}
		if code, answer, _ := s.order(t, "place", "-wait", "30s", "-n", "3"); code != want || strings.Count(answer, "  "+string(status)+"\n") != 3 {
			t.Errorf("%s, three: exit code %d, answer %s", status, code, answer)
		}
	}
}

func TestAnOrderThatHasFailedTellsWhyToWhomMayLook(t *testing.T) {
	for _, mayLook := range []bool{true, false} {
		s := openShop(t)
		s.saga = func(order.Event) []order.Event {
			return []order.Event{{Type: order.OrderFailed, Status: order.StatusFailed, Reason: "PAYMENT: no funds"}}
		}
		s.closed = !mayLook
		code, answer, log := s.order(t, "place", "-wait", "30s")
		if code != 7 || !strings.HasPrefix(answer, s.events()[0].OrderID+"  failed  ORDER_FAILED\n") || strings.Contains(log, "is failed: PAYMENT: no funds\n") != mayLook {
			t.Errorf("may look %v: exit code %d, answer %s, log %s", mayLook, code, answer, log)
		}
	}
}

func TestAnOrderWhoseEndCannotBeSeenIsPlacedAllTheSame(t *testing.T) {
	for _, raw := range []string{"text", "json"} {
		var told bytes.Buffer
		c := edgeOf(func(r *http.Request) (*http.Response, error) {
			status, body := http.StatusOK, `{"id": "ORD-00001"}` // as an edge that does not tell the status
			if r.Method == http.MethodGet {
				status, body = http.StatusForbidden, `{"detail":"the scope query is wanted"}`
			}
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		c.out.answer, c.raw = &told, raw == "json"
		f := flag.NewFlagSet("", flag.ContinueOnError)
		do := definePlace(f)
		check(t, f.Parse([]string{"-wait", "5s"}))
		err := do(t.Context(), c, nil)
		if codeOf(err) != exitFailed || !strings.Contains(err.Error(), "ORD-00001 was placed") || !strings.Contains(err.Error(), "scope query") {
			t.Errorf("error %v", err)
		}
		if want := map[string]string{"text": "ORD-00001\n", "json": `{"id": "ORD-00001"}`}[raw]; told.String() != want {
			t.Errorf("told %q", &told)
		}
		told.Reset()
		err = c.placeMany(t.Context(), nil, 2, 5*time.Second)
		if codeOf(err) != exitFailed || strings.Contains(err.Error(), "of 2") || strings.Count(told.String(), "ORD-00001") != 2 {
			t.Errorf("two: error %v, told %q", err, &told)
		}
	}
}

func TestManyOrdersArePlacedAtOnceAndEachIsTold(t *testing.T) {
	s := openShop(t)
	code, answer, log := s.order(t, "place", "-n", "40", "-inputs", `{"payment":1}`)
	if code != 0 || log != "" || len(s.events()) != 40 {
		t.Fatalf("exit code %d, log %s, %d orders", code, log, len(s.events()))
	}
	for _, e := range s.events() {
		if strings.Count(answer, e.OrderID+"\n") != 1 {
			t.Errorf("%s is not told once", e.OrderID)
		}
	}
	_, answer, _ = s.order(t, "place", "-n", "2", "-o", "json")
	for line := range strings.Lines(answer) {
		if !json.Valid([]byte(line)) {
			t.Errorf("line %s", line)
		}
	}
	if strings.Count(answer, "\n") != 2 {
		t.Errorf("answer %s", answer)
	}
}

func TestOrdersThatCannotBePlacedEndThePlacing(t *testing.T) {
	var (
		asked atomic.Int64
		told  bytes.Buffer
	)
	c := edgeOf(func(*http.Request) (*http.Response, error) {
		if asked.Add(1) > 3 {
			return nil, errors.New("nobody there")
		}
		return &http.Response{StatusCode: 202, Body: io.NopCloser(strings.NewReader(`{"id": "ORD-00001"}`))}, nil
	})
	c.out.answer = &told
	err := c.placeMany(t.Context(), nil, 1000, 0)
	if codeOf(err) != exitUnavailable || !strings.Contains(err.Error(), "3 of 1000 orders were placed: ") || asked.Load() > 3+atOnce {
		t.Errorf("error %v, asked %d times", err, asked.Load())
	}
	if told.String() != strings.Repeat("ORD-00001\n", 3) {
		t.Errorf("told %s", &told)
	}
}
