package processors

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simplecqrs/order"
)

// service is a participant's, and a client for it.
type service struct {
	*HTTP
	server *httptest.Server
	opened atomic.Int32 // connections to it
}

// serve has the handler answer both what is to be done and what is to be undone.
func serve(t *testing.T, c HTTPConfig, handler http.HandlerFunc) *service {
	t.Helper()
	s := &service{server: httptest.NewUnstartedServer(handler)}
	s.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	s.server.Start()
	t.Cleanup(s.server.Close)
	c.URL, c.UndoURL = s.server.URL+"/do", s.server.URL+"/undo"
	var err error
	s.HTTP, err = NewHTTP(c)
	check(t, err)
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// says is a handler that answers with a status and a body, after the headers given in pairs.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // a client may leave before the end
	}
}

var payment = Request{OrderID: known, Step: order.Payment, Attempt: 1, Round: 1}

// failed holds an error to being a failure for these reasons, and gives it.
func failed(t *testing.T, err error, reason string) Failed {
	t.Helper()
	var f *Failed
	if !errors.As(err, &f) {
		t.Fatalf("%T %v, want a failure", err, err)
	}
	if !strings.HasPrefix(f.Reason, reason) {
		t.Errorf("the reason is %q, want %q", f.Reason, reason)
	}
	return *f
}

func declined(t *testing.T, err error, reason string) {
	t.Helper()
	var d *Declined
	if !errors.As(err, &d) {
		t.Fatalf("%T %v, want a refusal", err, err)
	}
	differ(t, "the reason", reason, d.Reason)
}

func TestAnAnswersStatusSaysWhatBecameOfTheWork(t *testing.T) {
	const done, refused, unknown = "done", "refused", "unknown"
	for want, statuses := range map[string][]int{
		done:    {200, 201, 202, 203, 206, 226},
		refused: {400, 401, 402, 403, 404, 405, 406, 410, 412, 413, 415, 418, 422, 423, 424, 426, 428, 431, 451, 499},
		unknown: {300, 301, 302, 303, 307, 308, 408, 409, 425, 429, 500, 501, 502, 503, 504, 507, 599, 700},
	} {
		for _, status := range statuses {
			s := serve(t, HTTPConfig{}, says(status, `{"a":1}`))
			output, err := s.Do(t.Context(), payment)
			undone := s.Undo(t.Context(), payment)
			for _, err := range []error{err, undone} {
				var d *Declined
				var f *Failed
				found := done
				switch {
				case errors.As(err, &d):
					found = refused
				case errors.As(err, &f):
					found = unknown
				case err != nil:
					t.Errorf("%d: %v", status, err)
				}
				differ(t, fmt.Sprint(status), want, found)
			}
			if (want == done) != (string(output) == `{"a":1}`) {
				t.Errorf("%d: the output is %q", status, output)
			}
		}
	}
}

// What a service says first is no answer yet.
func TestAnInformationalStatusIsPassedOver(t *testing.T) {
	s := serve(t, HTTPConfig{}, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		says(200, "1")(w, r)
	})
	output, err := s.Do(t.Context(), payment)
	check(t, err)
	differ(t, "the output", "1", string(output))
}

func TestABodyThatIsEmptyIsNull(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"none": says(204, ""), "empty": says(200, ""), "blank": says(201, " \r\n\t"),
	} {
		t.Run(name, func(t *testing.T) {
			output, err := serve(t, HTTPConfig{}, handler).Do(t.Context(), payment)
			check(t, err)
			differ(t, "the output", "null", string(output))
		})
	}
}

func TestAServiceIsAskedAsDocumented(t *testing.T) {
	type asked struct{ method, path, header, body string }
	var got []asked
	s := serve(t, HTTPConfig{Bearer: "secret"}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var header []string
		for _, name := range []string{"Content-Type", "Accept", "User-Agent", "Authorization", "Idempotency-Key"} {
			header = append(header, strings.Join(r.Header.Values(name), "|"))
		}
		got = append(got, asked{r.Method, r.URL.Path, strings.Join(header, ", "), string(body)})
		says(200, "{}")(w, r)
	})
	r := payment
	r.Attempt, r.Round, r.Input = 4, 2, order.JSON(`{"card":"1"}`)
	_, err := s.Do(t.Context(), r)
	check(t, err)
	check(t, s.Undo(t.Context(), r))
	const header = `application/json, application/json, simplecqrs, Bearer secret, `
	want := []asked{
		{"POST", "/do", header + `"ORD-B384F/PAYMENT/2"`, `{"id":"ORD-B384F","step":"PAYMENT","round":2,"input":{"card":"1"}}`},
		{
			"POST", "/undo", header + `"ORD-B384F/PAYMENT/2/undo"`,
			`{"id":"ORD-B384F","step":"PAYMENT","round":2,"undoes":"ORD-B384F/PAYMENT/2"}`,
		},
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("asked is\n%v\nwant\n%v", got, want)
	}
}

func TestWithoutATokenNoneIsSent(t *testing.T) {
	s := serve(t, HTTPConfig{}, func(_ http.ResponseWriter, r *http.Request) {
		if sent, ok := r.Header["Authorization"]; ok {
			t.Errorf("sent is %q", sent)
		}
	})
	_, err := s.Do(t.Context(), payment)
	check(t, err)
}

// A service knows by the key what it has done already, and must not take the undoing
// for the work.
func TestAKeyIsOfAPieceOfWorkAndItsUndoingHasItsOwn(t *testing.T) {
	var key, undoes string
	s := serve(t, HTTPConfig{}, func(_ http.ResponseWriter, r *http.Request) {
		var c call
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Error(err)
		}
		key, undoes = r.Header.Get("Idempotency-Key"), c.Undoes
	})
	do := func(attempt, round int) string {
		r := payment
		r.Attempt, r.Round = attempt, round
		_, err := s.Do(t.Context(), r)
		check(t, err)
		differ(t, "what work undoes", "", undoes)
		return key
	}
	undo := func(attempt, round int) (string, string) {
		r := payment
		r.Attempt, r.Round = attempt, round
		check(t, s.Undo(t.Context(), r))
		return key, undoes
	}
	first, second := do(1, 1), do(4, 2)
	differ(t, "another attempt's", first, do(3, 1))
	undoFirst, undone := undo(1, 1)
	undoAgain, _ := undo(2, 1)
	undoSecond, undoneSecond := undo(5, 2)
	differ(t, "another attempt's at undoing", undoFirst, undoAgain)
	differ(t, "what is undone", []string{first, second}, []string{`"` + undone + `"`, `"` + undoneSecond + `"`})
	all := map[string]bool{first: true, second: true, undoFirst: true, undoSecond: true}
	differ(t, "keys that differ", 4, len(all))
}

func TestWithoutAnAddressNothingIsUndone(t *testing.T) {
	h, err := NewHTTP(HTTPConfig{URL: "http://localhost"})
	check(t, err)
	declined(t, h.Undo(t.Context(), payment), "no URL is given at which it could be undone")
}

func TestRetryAfterIsTheLeastWait(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		"2147483647":                     longest,
		"2147483648":                     longest, // of which the plan makes what it allows
		"99999999999999999999":           longest,
		"-1":                             0,
		"1.5":                            0,
		"soon":                           0,
		"Sun, 01 Mar 2026 12:01:30 GMT":  90 * time.Second,
		"Sun, 01 Mar 2026 11:59:00 GMT":  0, // it is past
		"Sunday, 01-Mar-26 12:00:10 GMT": 10 * time.Second,
		"Sun Mar  1 12:00:20 2026":       20 * time.Second,
	} {
		differ(t, value, want, retryAfter(http.Header{"Retry-After": {value}}, now))
	}
	differ(t, "without", time.Duration(0), retryAfter(http.Header{}, now))
}

const longest = (1<<31 - 1) * time.Second

func TestRetryAfterIsHeardOfWhatCanBeAskedForAgain(t *testing.T) {
	for _, status := range []int{408, 409, 425, 429, 500, 503} {
		s := serve(t, HTTPConfig{}, says(status, "", "Retry-After", "7"))
		_, err := s.Do(t.Context(), payment)
		differ(t, fmt.Sprint(status), 7*time.Second, failed(t, err, fmt.Sprint(status)).RetryAfter)
		differ(t, fmt.Sprint(status), 7*time.Second, failed(t, s.Undo(t.Context(), payment), fmt.Sprint(status)).RetryAfter)
	}
	at := time.Now().Add(time.Hour)
	s := serve(t, HTTPConfig{}, says(503, "", "Retry-After", at.UTC().Format(http.TimeFormat)))
	_, err := s.Do(t.Context(), payment)
	if wait := failed(t, err, "503").RetryAfter; wait > time.Hour || wait < 59*time.Minute {
		t.Errorf("until an hour from now it is %v", wait)
	}
}

func TestAProblemsDetailIsTheReason(t *testing.T) {
	for name, one := range map[string]struct{ kind, body, reason string }{
		"detail":         {"application/problem+json", `{"title":"Funds","detail":"30 are there, 50 cost it"}`, "403: 30 are there, 50 cost it"},
		"parameters":     {"application/problem+json; charset=utf-8", `{"detail":"no"}`, "403: no"},
		"title alone":    {"application/problem+json", `{"title":"Funds","detail":" "}`, "403: Funds"},
		"neither":        {"application/problem+json", `{"status":403}`, "403 Forbidden"},
		"another type":   {"application/json", `{"detail":"no"}`, "403 Forbidden"},
		"no type":        {"", `{"detail":"no"}`, "403 Forbidden"},
		"no JSON":        {"application/problem+json", `<html>`, "403 Forbidden"},
		"no object":      {"application/problem+json", `["detail"]`, "403 Forbidden"},
		"another detail": {"application/problem+json", `{"detail":{"a":1}}`, "403 Forbidden"},
		"no body":        {"application/problem+json", ``, "403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, HTTPConfig{}, says(403, one.body, "Content-Type", one.kind))
			_, err := s.Do(t.Context(), payment)
			declined(t, err, one.reason)
			declined(t, s.Undo(t.Context(), payment), one.reason)
		})
	}
	s := serve(t, HTTPConfig{}, says(503, `{"detail":"closed till noon"}`, "Content-Type", "application/problem+json"))
	_, err := s.Do(t.Context(), payment)
	failed(t, err, "503: closed till noon")
}

func TestARedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var followed atomic.Int32
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
		t.Cleanup(elsewhere.Close)
		s := serve(t, HTTPConfig{Bearer: "secret"}, says(status, "", "Location", elsewhere.URL))
		reason := fmt.Sprintf("%d %s, which is not followed", status, http.StatusText(status))
		_, err := s.Do(t.Context(), payment)
		failed(t, err, reason)
		failed(t, s.Undo(t.Context(), payment), reason)
		if n := followed.Load(); n > 0 {
			t.Errorf("%d is followed", status)
		}
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drip answers with a status and half a body, and hangs.
func drip(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"half":`)      // a client may leave before it
		_ = http.NewResponseController(w).Flush() // likewise
		<-r.Context().Done()
	}
}

// serveSlowly has a handler answer that hangs until its client has gone.
func serveSlowly(t *testing.T, timeout time.Duration, handler http.HandlerFunc) *service {
	t.Helper()
	return serve(t, HTTPConfig{Timeout: timeout}, func(w http.ResponseWriter, r *http.Request) {
		// Only once the body is read does a server see that its client has gone.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		handler(w, r)
	})
}

// A service that hangs holds up a lane, and the order.
func TestASlowServiceIsGivenUp(t *testing.T) {
	type asking func(context.Context, *service) error
	const short = 50 * time.Millisecond
	do := func(ctx context.Context, s *service) error { _, err := s.Do(ctx, payment); return err }
	undo := func(ctx context.Context, s *service) error { return s.Undo(ctx, payment) }
	for name, one := range map[string]struct {
		timeout time.Duration // of a call
		ends    time.Duration // the context, from when the call is made
		handler http.HandlerFunc
		calls   []asking
	}{
		"by the timeout":                 {short, time.Hour, hang, []asking{do, undo}},
		"by the timeout, half way":       {short, time.Hour, drip(200), []asking{do}},
		"by the request's deadline":      {time.Hour, short, hang, []asking{do, undo}},
		"by it, half way":                {time.Hour, short, drip(200), []asking{do}},
		"by it, which has passed before": {time.Hour, -1, hang, []asking{do, undo}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveSlowly(t, one.timeout, one.handler)
			for _, ask := range one.calls {
				ctx, cancel := context.WithTimeout(t.Context(), one.ends)
				failed(t, ask(ctx, s), "no answer in time")
				cancel()
			}
		})
	}
}

// What became of it is said by the status: with it, it is undone.
func TestOnlyAnOutputIsWaitedForToItsEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	check(t, serveSlowly(t, time.Hour, drip(200)).Undo(ctx, payment))
	for status, want := range map[int]func(error){
		302: func(err error) { failed(t, err, "302 Found") },
		404: func(err error) { declined(t, err, "404 Not Found") },
		429: func(err error) { differ(t, "after", time.Minute, failed(t, err, "429 Too Many Requests").RetryAfter) },
		503: func(err error) { differ(t, "after", time.Minute, failed(t, err, "503 Service Unavailable").RetryAfter) },
	} {
		s := serveSlowly(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.Header().Set("Content-Type", "application/problem+json")
			drip(status)(w, r)
		})
		_, err := s.Do(ctx, payment)
		want(err)
		want(s.Undo(ctx, payment))
	}
	check(t, ctx.Err())
}

func TestWithoutATimeoutACallHasTenSeconds(t *testing.T) {
	h, err := NewHTTP(HTTPConfig{URL: "http://localhost"})
	check(t, err)
	differ(t, "the timeout", 10*time.Second, h.config.Timeout)
}

// It is not read to its end, of which there may be none.
func TestAHugeAnswerIsRefused(t *testing.T) {
	endless := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			block := []byte(strings.Repeat("1", 64<<10))
			for {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
	}
	const large = "the answer has more than 131072 bytes"
	s := serve(t, HTTPConfig{}, endless(200))
	_, err := s.Do(t.Context(), payment)
	failed(t, err, large)
	s = serve(t, HTTPConfig{}, endless(404))
	_, err = s.Do(t.Context(), payment)
	declined(t, err, "404 Not Found")

	s = serve(t, HTTPConfig{}, says(200, quoted(maxOutput)))
	output, err := s.Do(t.Context(), payment)
	check(t, err)
	differ(t, "the bytes of the largest", maxOutput, len(output))
	s = serve(t, HTTPConfig{}, says(200, quoted(maxOutput+1)))
	_, err = s.Do(t.Context(), payment)
	failed(t, err, large)
}

// answersBytes has a service send these and close the connection.
func answersBytes(t *testing.T, text string) *service {
	t.Helper()
	return serve(t, HTTPConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(writeAll(buffer.Writer, text), conn.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestARefusalThatIsCutSaysWhatItsStatusSays(t *testing.T) {
	const half = "Content-Type: application/problem+json\r\nContent-Length: 90\r\nRetry-After: 60\r\n\r\n{\"detail\":"
	s := answersBytes(t, "HTTP/1.1 404 Not Found\r\n"+half)
	_, err := s.Do(t.Context(), payment)
	declined(t, err, "404 Not Found")
	declined(t, s.Undo(t.Context(), payment), "404 Not Found")
	for _, status := range []string{"429 Too Many Requests", "503 Service Unavailable"} {
		s := answersBytes(t, "HTTP/1.1 "+status+"\r\n"+half)
		_, err := s.Do(t.Context(), payment)
		differ(t, status, time.Minute, failed(t, err, status).RetryAfter)
		differ(t, status, time.Minute, failed(t, s.Undo(t.Context(), payment), status).RetryAfter)
	}
}

// The work may be done: nobody knows. What is undone was said by the status.
func TestAnAnswerThatIsCutIsAFailure(t *testing.T) {
	for name, one := range map[string]struct {
		text   string
		undone bool
	}{
		"before it":        {"", false},
		"in the headers":   {"HTTP/1.1 200 OK\r\nContent-Le", false},
		"in the body":      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", true},
		"in the chunks":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n", true},
		"and no HTTP":      {"SSH-2.0-OpenSSH_9.6\r\n", false},
		"in a zipped body": {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n1234", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := answersBytes(t, one.text)
			_, err := s.Do(t.Context(), payment)
			unknown := []error{err}
			if undone := s.Undo(t.Context(), payment); !one.undone {
				unknown = append(unknown, undone)
			} else {
				check(t, undone)
			}
			for _, err := range unknown {
				if f := failed(t, err, "no answer: "); strings.Contains(f.Reason, "http://") {
					t.Errorf("the reason tells where the service is: %s", f.Reason)
				}
			}
		})
	}
}

func writeAll(w *bufio.Writer, text string) error {
	_, err := w.WriteString(text)
	return errors.Join(err, w.Flush())
}

func TestAServiceThatIsNotThereIsAFailure(t *testing.T) {
	s := serve(t, HTTPConfig{}, says(200, "1"))
	s.server.Close()
	_, err := s.Do(t.Context(), payment)
	failed(t, err, "no answer: ")
	failed(t, s.Undo(t.Context(), payment), "no answer: ")
}

// silenceable are connections that can be cut without a word to either end.
type silenceable struct {
	net.Listener
	dead atomic.Pointer[chan struct{}] // closed once the connections from before are to be dead
}

func (l *silenceable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &silenced{c, *l.dead.Load()}, err
}

type silenced struct {
	net.Conn
	dead chan struct{}
}

func (c *silenced) Write(b []byte) (int, error) {
	select {
	case <-c.dead:
		return len(b), nil
	default:
		return c.Conn.Write(b)
	}
}

func TestASharedConnectionThatIsDeadIsGivenUp(t *testing.T) {
	s := &service{server: httptest.NewUnstartedServer(says(200, "1"))}
	l := &silenceable{Listener: s.server.Listener}
	first, never := make(chan struct{}), make(chan struct{})
	l.dead.Store(&first)
	s.server.Listener, s.server.EnableHTTP2 = l, true
	s.server.StartTLS()
	t.Cleanup(s.server.CloseClientConnections)
	var err error
	s.HTTP, err = NewHTTP(HTTPConfig{URL: s.server.URL, Timeout: 300 * time.Millisecond})
	check(t, err)
	transport := s.client.Transport.(*http.Transport)
	transport.TLSClientConfig = s.server.Client().Transport.(*http.Transport).TLSClientConfig
	t.Cleanup(transport.CloseIdleConnections)
	_, err = s.Do(t.Context(), payment)
	check(t, err)

	l.dead.Store(&never)
	close(first)
	_, err = s.Do(t.Context(), payment)
	failed(t, err, "no answer")
	for range 3 { // it took the whole of their time, one after the other, until the server's bound on streams
		if _, err = s.Do(t.Context(), payment); err == nil {
			return
		}
	}
	t.Errorf("the calls after it fail, too: %v", err)
}

// A connection for each call would be opened, and left, faster than the system lets go
// of them.
func TestConnectionsAreUsedAgain(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"done":    says(200, `{"a":1}`),
		"empty":   says(204, ""),
		"largest": says(200, quoted(maxOutput)),
		"refused": says(422, `{"detail":"no"}`, "Content-Type", "application/problem+json"),
		"failed":  says(503, "later"),
		"moved":   says(302, "there", "Location", "/"),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, HTTPConfig{}, handler)
			for range 5 {
				_, _ = s.Do(t.Context(), payment) // what it comes to is another test's
				_ = s.Undo(t.Context(), payment)  // and so is this
			}
			differ(t, "connections", int32(1), s.opened.Load())
		})
	}
}

// The lanes of a worker ask at once, and then again.
func TestThereIsAConnectionForEachLane(t *testing.T) {
	arrived := make(chan struct{}, workLanes)
	release := make(chan struct{})
	s := serve(t, HTTPConfig{}, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	for range 2 {
		results := make(chan error, workLanes)
		for range workLanes {
			go func() {
				_, err := s.Do(t.Context(), payment)
				results <- err
			}()
		}
		for range workLanes {
			<-arrived // all are under way
		}
		for range workLanes {
			release <- struct{}{}
		}
		for range workLanes {
			check(t, <-results)
		}
	}
	if n := s.opened.Load(); n > workLanes {
		t.Errorf("%d connections were opened", n)
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	const good = "http://localhost:1/a"
	for _, bad := range []string{
		"", "/pay", "pay.example", "pay.example:80", "//pay.example/", "ftp://pay.example", "file:///etc/passwd",
		"http://", "http:///pay", "https:pay.example", "http://pay example", "http://pay/%zz", "http://[::1", "http://pay:port", "http://pay\n",
	} {
		if _, err := NewHTTP(HTTPConfig{URL: bad}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("URL %q: %v", bad, err)
		}
		if _, err := NewHTTP(HTTPConfig{URL: good, UndoURL: bad}); bad != "" && err == nil {
			t.Errorf("undo URL %q is taken", bad)
		}
	}
	if _, err := NewHTTP(HTTPConfig{URL: good, Timeout: -1}); err == nil {
		t.Error("a timeout of less than nothing is taken")
	}
	for _, c := range []HTTPConfig{{URL: good}, {URL: "https://pay.example", UndoURL: good, Timeout: time.Second}} {
		_, err := NewHTTP(c)
		check(t, err)
	}
}

// The worker makes of it what it makes of any participant's word.
func TestAWorkerWithAServiceAnswersByItsStatus(t *testing.T) {
	for name, one := range map[string]struct {
		handler   http.HandlerFunc
		kind      order.Type
		reason    string
		retryable bool
		after     time.Duration
	}{
		"done":     {says(200, `{"paid":true}`), "PAYMENT_COMPLETED", "", false, 0},
		"no JSON":  {says(200, `<html>`), "PAYMENT_FAILED", "the output is no JSON", true, 0},
		"declined": {says(402, ``), "PAYMENT_FAILED", "402 Payment Required", false, 0},
		"busy":     {says(429, ``, "Retry-After", "9"), "PAYMENT_FAILED", "429 Too Many Requests", true, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Worker(config(), plan(order.Payment), serve(t, HTTPConfig{}, one.handler)))
			r := request(known, order.Payment)
			r.Deadline = time.Now().Add(time.Hour)
			e := s.hear(r).event(t)
			differ(t, "the type", one.kind, e.Type)
			differ(t, "the reason", one.reason, e.Reason)
			differ(t, "retryable", one.retryable, e.Retryable)
			differ(t, "after", one.after, e.RetryAfter)
		})
	}
}

func TestNobodyReadsWhatAnUndoIsAnsweredWith(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), maxOutput+1))
	}))
	defer server.Close()
	h, err := NewHTTP(HTTPConfig{URL: server.URL, UndoURL: server.URL})
	check(t, err)
	if err := h.Undo(t.Context(), payment); err != nil {
		t.Errorf("it is undone, and said is %v", err)
	}
	if _, err := h.Do(t.Context(), payment); err == nil {
		t.Error("a large answer to work is taken")
	}
}

func TestATokenThatNoHeaderCanHaveIsRefusedAndNotShown(t *testing.T) {
	_, err := NewHTTP(HTTPConfig{URL: "http://localhost", Bearer: "secret\n"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("it is %v", err)
	}
	if _, err := NewHTTP(HTTPConfig{URL: "http://:80"}); err == nil {
		t.Error("an address without a host is taken")
	}
}
