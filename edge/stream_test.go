package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/order"
)

// feed plays the log. A place in it is a number.
type feed struct {
	mu    sync.Mutex
	all   []string
	lost  int // what was before is in the log no more
	grown chan struct{}
	open  int
}

// tell adds events of these ids to the log.
func (f *feed) tell(ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.all = append(f.all, told(id))
	}
	if f.grown != nil {
		close(f.grown)
		f.grown = nil
	}
}

// told is what those who follow all are told of an event.
func told(id string) string {
	return string(Message(3, 42, order.Event{OrderID: seedID, Type: "MAIL_COMPLETED", ID: id, Time: began, Attempt: 1}))
}

func (f *feed) Follow(place string) (Following, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := -1
	if place != "" {
		var err error
		if next, err = strconv.Atoi(place); err != nil {
			return nil, &order.Error{Kind: order.Invalid, Detail: place + " is no place"}
		}
	}
	f.open++
	return &fed{f, next}, nil
}

// silent plays a place in a log whose brokers do not answer.
type silent struct{}

func (silent) Close() {}
func (silent) Next(ctx context.Context, _ func(string, []byte) error) error {
	<-ctx.Done()
	return ctx.Err()
}

type fed struct {
	*feed
	next int
}

func (f *fed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
}

func (f *fed) Next(ctx context.Context, visit func(string, []byte) error) error {
	for {
		f.mu.Lock()
		if f.next < f.lost {
			f.next = len(f.all)
			f.mu.Unlock()
			return visit(strconv.Itoa(f.next), nil)
		}
		if f.next < len(f.all) {
			f.next++
			message := f.all[f.next-1]
			f.mu.Unlock()
			return visit(strconv.Itoa(f.next), []byte(message))
		}
		if f.grown == nil {
			f.grown = make(chan struct{})
		}
		grown := f.grown
		f.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// changing plays the rows of an order that changes when it is told to.
type changing struct {
	mu      sync.Mutex
	row     order.Row
	err     error // instead of the row
	changed chan struct{}
	asked   int // how often it was looked at
	inside  int // who waits now
}

func changingRow(n int) *changing {
	c := &changing{changed: make(chan struct{})}
	c.set(n, nil)
	return c
}

// set gives the order its first n events.
func (c *changing) set(n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.row, c.err = order.Row{}, err
	whole := complete(seedID)
	for _, e := range whole.Meta.History[:n] {
		c.row = order.Fold(c.row, order.Event{OrderID: seedID, Type: e.Type, ID: e.ID, Time: e.Time, Attempt: 1, Causation: e.Causation})
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *changing) await(ctx context.Context, _ string, until func(order.Row) bool) (order.Row, error) {
	c.count(1)
	defer c.count(-1)
	for {
		c.mu.Lock()
		row, err, changed := c.row, c.err, c.changed
		c.asked++
		c.mu.Unlock()
		if err != nil {
			return order.Row{}, err
		}
		if row.Meta.Version > 0 && until(row) {
			return row, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return row, ctx.Err()
		}
	}
}

func (c *changing) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside += n
}

// reader is a client of a stream.
type reader struct {
	t    *testing.T
	conn net.Conn
	text *bufio.Reader
	head *http.Response
}

// opened asks for a stream on a connection of its own and reads the headers.
func opened(t *testing.T, conn net.Conn, path string, headers ...string) *reader {
	t.Helper()
	r := &reader{t: t, conn: conn, text: bufio.NewReader(conn)}
	request := "GET " + path + " HTTP/1.1\r\nHost: " + site + "\r\n"
	for i := 0; i < len(headers); i += 2 {
		request += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	_, err := io.WriteString(conn, request+"\r\n")
	check(t, err)
	r.head, err = http.ReadResponse(r.text, nil)
	check(t, err)
	r.text = bufio.NewReader(r.head.Body)
	return r
}

// next gives the lines of the next message or comment.
func (r *reader) next() string {
	r.t.Helper()
	var lines []string
	for {
		line, err := r.text.ReadString('\n')
		if err != nil {
			r.t.Fatalf("after %q: %v", lines, err)
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return strings.Join(lines, "|")
		}
		lines = append(lines, line)
	}
}

func (r *reader) want(lines ...string) {
	r.t.Helper()
	for _, want := range lines {
		if diff := cmp.Diff(want, r.next()); diff != "" {
			r.t.Fatalf("message (-want +got):\n%s", diff)
		}
	}
}

// dialled is a world whose server is called without sockets, so that time can be
// skipped.
type dialled struct {
	*world
	pipes
	stop  context.CancelFunc
	ended chan error
}

func dial(t *testing.T) *dialled { return newWorld(t).dialled() }

func (w *world) dialled() *dialled {
	t := w.t
	d := &dialled{world: w, pipes: pipes{make(chan net.Conn), make(chan struct{})}, ended: make(chan error, 1)}
	var ctx context.Context
	ctx, d.stop = context.WithCancel(t.Context())
	go func() { d.ended <- Serve(ctx, d.pipes, d.handler) }()
	return d
}

// end stops the server and holds it to the time that it takes, the clients that go on
// reading get the end of their streams.
func (d *dialled) end(within time.Duration, reading ...*reader) {
	d.t.Helper()
	for _, r := range reading {
		go func() {
			if left, err := io.ReadAll(r.text); err != nil || len(left) > 0 {
				d.t.Errorf("a stream ends with %q, %v", left, err)
			}
		}()
	}
	start := time.Now()
	d.stop()
	check(d.t, <-d.ended)
	const polled = 500 * time.Millisecond // by net/http, for what it waits for
	if took := time.Since(start); took > within+polled {
		d.t.Errorf("the server ended after %v", took)
	}
	synctest.Wait()
	d.feed.mu.Lock()
	defer d.feed.mu.Unlock()
	if d.feed.open != 0 {
		d.t.Errorf("%d clients are still in the log", d.feed.open)
	}
}

func shown(t *testing.T, c *changing) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := historyOf(c.row)
	check(t, err)
	return fmt.Sprintf("id: %d|event: order|data: %s", c.row.Meta.Version, body)
}

func TestAnOrdersStreamHasItsHistoryAtEachChangeThatTheClientHasNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dial(t)
		rows := changingRow(2)
		d.await = rows.await
		r := opened(t, d.call(), "/query/"+seedID+"/stream")
		read := answer{Response: r.head}
		read.wantHeaders(t, "Content-Type", "text/event-stream", "Cache-Control", "no-store", "X-Accel-Buffering", "no", "X-Content-Type-Options", "nosniff")
		r.want("retry: 1000", shown(t, rows))
		again := opened(t, d.call(), "/query/"+seedID+"/stream", "Last-Event-ID", "2")
		again.want("retry: 1000")
		for n := 3; n <= 6; n++ {
			rows.set(n, nil)
			r.want(shown(t, rows))
			again.want(shown(t, rows))
		}
		d.wantCounted(`simplecqrs_sse_clients{stream="order"} 2`)
		d.end(0, r, again)
		d.wantCounted(`simplecqrs_sse_clients{stream="order"} 0`)
	})
}

func TestTheStreamOfAllHasEachMessageWithThePlaceBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dial(t)
		d.feed.tell("old")
		r := opened(t, d.call(), "/query/stream")
		r.want("retry: 1000", "id: 1")
		d.feed.tell("a", "b")
		r.want("id: 2|data: "+told("a"), "id: 3|data: "+told("b"))
		again := opened(t, d.call(), "/query/stream", "Last-Event-ID", "2")
		again.want("retry: 1000", "id: 3|data: "+told("b"))
		d.wantCounted(`simplecqrs_sse_clients{stream="all"} 2`)
		d.end(0, r, again)
	})
}

func TestAClientWhosePlaceIsLostIsToldToBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dial(t)
		d.feed.tell("a", "b", "c")
		d.feed.lost = 2
		r := opened(t, d.call(), "/query/stream", "Last-Event-ID", "1")
		r.want("retry: 1000", "id: 3|event: reset|data: {}")
		d.feed.tell("d")
		r.want("id: 4|data: " + told("d"))
		d.feed.mu.Lock()
		d.feed.lost = 5
		d.feed.mu.Unlock()
		d.feed.tell("e", "f")
		r.want("id: 6|event: reset|data: {}")
		d.end(0, r)
	})
}

func TestWhatIsNoStreamIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.await = changingRow(1).await
		w.do(http.MethodGet, "/query/no-id/stream").wantProblem(t, http.StatusBadRequest,
			`"no-id" is no order id: want ORD- and 26 characters of a ULID, or 5 hex digits, in capitals`)
		for _, last := range []string{"x", "-1", "1.5", "9223372036854775808"} {
			w.do(http.MethodGet, "/query/"+seedID+"/stream", "Last-Event-ID", last).wantProblem(t, http.StatusBadRequest,
				`the header Last-Event-ID is "`+last+`": want the version of an order, as the messages have it`)
		}
		w.do(http.MethodGet, "/query/stream", "Last-Event-ID", "x").wantProblem(t, http.StatusBadRequest, "x is no place")
		w.await = nil
		start := time.Now()
		w.do(http.MethodGet, "/query/"+seedID+"/stream").wantProblem(t, http.StatusNotFound, "no order found for "+seedID)
		if took := time.Since(start); took != visibleTime {
			t.Errorf("not found after %v", took)
		}
		w.await = func(context.Context, string, func(order.Row) bool) (order.Row, error) {
			return order.Row{}, &order.Error{Kind: order.Unavailable, Detail: "the read store is away"}
		}
		w.do(http.MethodGet, "/query/"+seedID+"/stream").wantProblem(t, http.StatusServiceUnavailable, "the read store is away")
		w.wantCounted(`simplecqrs_sse_clients{stream="order"} 0`)
		w.wantCounted(`simplecqrs_sse_clients{stream="all"} 0`)
	})
}

func TestOneClientTooManyIsAskedToComeLater(t *testing.T) {
	s := newStreams(prometheus.NewRegistry())
	var leave func()
	for range maxStreams {
		var err error
		leave, err = s.enter(streamAll)
		check(t, err)
	}
	w := newWorld(t)
	refusing := server{func(http.ResponseWriter, *http.Request) error { _, err := s.enter(streamOrder); return err }, w.health().Logger}
	w.handler = refusing
	got := w.do(http.MethodGet, "/query/stream")
	got.wantProblem(t, http.StatusServiceUnavailable, "2000 clients follow something here already, and no more can; try again later")
	got.wantHeaders(t, "Retry-After", streamRetry)
	leave()
	_, err := s.enter(streamOrder)
	check(t, err)
}

// A stream outlives every bound of a request, and neither end thinks that the other
// is gone.
func TestAStreamThatIsIdleStaysOpen(t *testing.T) {
	for _, path := range []string{"/query/" + seedID + "/stream", "/query/stream"} {
		synctest.Test(t, func(t *testing.T) {
			d := dial(t)
			rows := changingRow(1)
			d.await = rows.await
			start := time.Now()
			r := opened(t, d.call(), path)
			r.want("retry: 1000")
			r.next()
			for i := 1; i <= 40; i++ {
				r.want(":")
				if at := time.Since(start); at != time.Duration(i)*beatTime {
					t.Errorf("the beat %d comes after %v", i, at)
				}
			}
			rows.set(2, nil)
			d.feed.tell("a")
			if m := r.next(); !strings.HasPrefix(m, "id: ") {
				t.Errorf("then came %q", m)
			}
			d.end(0, r)
		})
	}
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	for _, path := range []string{"/query/" + seedID + "/stream", "/query/stream"} {
		synctest.Test(t, func(t *testing.T) {
			d := dial(t)
			rows := changingRow(1)
			d.await = rows.await
			start := time.Now()
			r := opened(t, d.call(), path)
			r.want("retry: 1000")
			r.next()
			d.feed.tell("a")
			rows.set(2, nil)
			<-time.After(streamWriteTime)
			synctest.Wait()
			d.wantCounted(`simplecqrs_sse_clients{stream="order"} 0`)
			d.wantCounted(`simplecqrs_sse_clients{stream="all"} 0`)
			_, err := io.ReadAll(r.conn)
			check(t, err)
			if took := time.Since(start); took != streamWriteTime {
				t.Errorf("cut off after %v", took)
			}
			d.end(0)
			d.wantNothingLogged()
		})
	}
}

func TestStoppingWaitsForNoClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dial(t)
		d.await = changingRow(1).await
		for _, path := range []string{"/query/" + seedID + "/stream", "/query/stream"} {
			opened(t, d.call(), path).want("retry: 1000") // and no more
		}
		d.feed.tell("a")
		d.end(partingTime)
	})
}

func TestAStreamGoesOnWhileTheRowsAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dial(t)
		rows := changingRow(1)
		d.await = rows.await
		r := opened(t, d.call(), "/query/"+seedID+"/stream")
		r.want("retry: 1000", shown(t, rows))
		rows.set(2, &order.Error{Kind: order.Unavailable, Detail: "away"})
		r.want(":", ":")
		rows.mu.Lock()
		asked := rows.asked
		rows.mu.Unlock()
		if asked > 60 {
			t.Errorf("the rows that are away were asked %d times in half a minute", asked)
		}
		rows.set(3, nil)
		r.want(shown(t, rows))
		d.end(0, r)
		d.wantNothingLogged()
	})
}

// What happens once a client sees the headers is in the stream: so its first look at
// the orders after that misses nothing.
func TestAStreamBeginsBeforeItsHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dial(t)
		d.feed.tell("a")
		r := opened(t, d.call(), "/query/stream")
		d.feed.tell("b")
		r.want("retry: 1000", "id: 1", "id: 2|data: "+told("b"))
		d.end(0, r)
	})
}

func TestAStreamWhoseBeginningIsNotKnownIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.away = true
		start := time.Now()
		w.do(http.MethodGet, "/query/stream").wantProblem(t, http.StatusServiceUnavailable,
			"the end of the log is not known, as the brokers do not answer: try again")
		if took := time.Since(start); took != queryTime {
			t.Errorf("refused after %v", took)
		}
	})
}

// revocable lets all in until it is told not to.
type revocable struct {
	mu  sync.Mutex
	err error
}

func (c *revocable) Authenticate(context.Context, string) (string, []string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return "ann", []string{ScopeQuery}, c.err
}

func (c *revocable) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	for _, path := range []string{"/query/" + seedID + "/stream", "/query/stream"} {
		for _, busy := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				tokens := &revocable{}
				d := newGuardedWorld(t, Guard{Callers: tokens}).dialled()
				d.await = changingRow(1).await
				r := opened(t, d.call(), path, holding("any")...)
				r.want("retry: 1000")
				r.next()
				tokens.end(&order.Error{Kind: order.Unavailable, Detail: "the issuer is away"})
				r.want(":", ":")
				tokens.end(&order.Error{Kind: order.Invalid, Detail: "the token has expired"})
				ended, start := make(chan time.Time, 1), time.Now()
				go func() {
					defer func() { ended <- time.Now() }()
					_, err := io.ReadAll(r.text)
					if err != nil {
						t.Error(err)
					}
				}()
				for i := 0; busy && i < 20; i++ { // it is not only judged when nothing comes
					<-time.After(time.Second)
					d.feed.tell("a")
				}
				if took := (<-ended).Sub(start); took > beatTime {
					t.Errorf("it ended %v after its token", took)
				}
				d.end(0)
			})
		}
	}
}

func TestAStreamCountsAsARequestWhenItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dial(t)
		d.await = changingRow(1).await
		var open []*reader
		for _, path := range []string{"/query/" + seedID + "/stream", "/query/stream"} {
			r := opened(t, d.call(), path)
			r.want("retry: 1000")
			r.next()
			open = append(open, r)
		}
		for range 8 {
			open[0].want(":")
			open[1].want(":")
		}
		for _, route := range []string{"/query/{id}/stream", "/query/stream"} {
			d.wantCounted(`simplecqrs_http_request_seconds_count{code="200",method="get",route="` + route + `"} 1`)
			d.wantCounted(`simplecqrs_http_request_seconds_sum{code="200",method="get",route="` + route + `"} 0`)
		}
		d.end(0, open...)
	})
}
