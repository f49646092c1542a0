package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"simplecqrs/order"
)

// served is a world's edge behind a listener, and a client of it. It must leave no
// goroutine behind.
type served struct {
	*world
	listener net.Listener
	client   *http.Client
	stop     context.CancelFunc
	done     chan struct{}
	err      error // valid once done is closed
}

func serveWorld(t *testing.T, wrap ...func(net.Listener) net.Listener) *served {
	before := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	s := &served{world: newWorld(t), listener: l, client: &http.Client{Transport: &http.Transport{}}, stop: stop, done: make(chan struct{})}
	for _, f := range wrap {
		l = f(l)
	}
	go func() {
		s.err = Serve(ctx, l, s.handler)
		close(s.done)
	}()
	t.Cleanup(func() {
		stop()
		<-s.done
		s.client.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
	return s
}

func (s *served) send(ctx context.Context, method, path string, headers ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.listener.Addr().String()+path, nil)
	check(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	got, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	return read(s.t, got), nil
}

// sending has a request under way.
func (s *served) sending(method, path string, headers ...string) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		a, err := s.send(s.t.Context(), method, path, headers...)
		if err != nil {
			s.t.Errorf("%s %s: %v", method, path, err)
			a.Response = &http.Response{}
		}
		got <- a
	}()
	return got
}

// waits plays rows that do not come, and tells that somebody waits for one.
func (s *served) waits() <-chan struct{} {
	waiting := make(chan struct{}, 1)
	s.await = func(ctx context.Context, _ string, _ func(order.Row) bool) (order.Row, error) {
		waiting <- struct{}{}
		<-ctx.Done()
		return order.Row{}, ctx.Err()
	}
	return waiting
}

func TestStoppingLetsGoOfTheClientsThatWait(t *testing.T) {
	s := serveWorld(t)
	waiting := s.waits()
	got := s.sending(http.MethodPost, "/command", "Prefer", "wait=60")
	<-waiting
	start := time.Now()
	s.stop()
	accepted := <-got
	accepted.want(t, http.StatusAccepted, acceptedBody(s.placed(), "http://"+s.listener.Addr().String()))
	accepted.wantHeaders(t, "Preference-Applied", "") // it was cut short
	<-s.done
	if took := time.Since(start); took > 5*time.Second || s.err != nil {
		t.Errorf("the server ended after %v: %v", took, s.err)
	}
	s.wantNothingLogged()
}

func TestStoppingFinishesWhatWasBegunAndTakesNoMore(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, "/command", http.StatusAccepted},
		{http.MethodGet, "/command", http.StatusOK},
		{http.MethodGet, "/query/" + seedID, http.StatusOK},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			s := serveWorld(t)
			begun, done := make(chan struct{}), make(chan struct{})
			wait := func(ctx context.Context) error {
				close(begun)
				select {
				case <-done:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			s.emit = func(ctx context.Context, _ order.Event) error { return wait(ctx) }
			s.get = func(ctx context.Context, id string) (order.Row, error) { return complete(id), wait(ctx) }
			got := s.sending(c.method, c.path, "Prefer", "wait=60")
			<-begun
			s.stop()
			for { // until the stop is seen to have begun
				c, err := net.Dial("tcp", s.listener.Addr().String())
				if err != nil {
					break
				}
				check(t, c.Close())
			}
			select {
			case <-s.done:
				t.Error("the server ended before its request")
			default:
			}
			close(done)
			if a := <-got; a.StatusCode != c.status {
				t.Errorf("answered %s %s", a.Status, a.body)
			}
			<-s.done
			check(t, s.err)
		})
	}
}

func TestAListenerThatFailsEndsTheServerAsAStopDoesAndIsTold(t *testing.T) {
	s := serveWorld(t)
	waiting := s.waits()
	got := s.sending(http.MethodPost, "/command", "Prefer", "wait=60")
	<-waiting
	check(t, s.listener.Close())
	(<-got).want(t, http.StatusAccepted, acceptedBody(s.placed(), "http://"+s.listener.Addr().String()))
	<-s.done
	if !errors.Is(s.err, net.ErrClosed) {
		t.Errorf("the server ended with: %v", s.err)
	}
}

// exhausted is a listener that once has no file to accept with.
type exhausted struct {
	net.Listener
	once sync.Once
}

func (l *exhausted) Accept() (c net.Conn, err error) {
	l.once.Do(func() { err = &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)} })
	if err != nil {
		return nil, err
	}
	return l.Listener.Accept()
}

func TestWhatReachesNoHandlerIsLogged(t *testing.T) {
	s := serveWorld(t, func(l net.Listener) net.Listener { return &exhausted{Listener: l} })
	(<-s.sending(http.MethodGet, "/healthz")).want(t, http.StatusOK, `{"status":"alive"}`+"\n")
	s.wantLogged(syscall.EMFILE.Error())
}

func TestAClientThatHangsUpIsNotWaitedFor(t *testing.T) {
	s := serveWorld(t)
	ended := make(chan error, 1)
	ctx, leave := context.WithCancel(t.Context())
	s.await = func(ctx context.Context, _ string, _ func(order.Row) bool) (order.Row, error) {
		leave()
		<-ctx.Done()
		ended <- ctx.Err()
		return order.Row{}, ctx.Err()
	}
	if got, err := s.send(ctx, http.MethodPost, "/command", "Prefer", "wait=60"); !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended by: %v", err)
	}
}

func TestAHeadIsAnsweredAsAGetWithoutTheBody(t *testing.T) {
	s := serveWorld(t)
	s.get = has(complete(seedID))
	for _, path := range []string{"/query/" + seedID, "/query/" + seedID + "/history", "/query/ORD-00000", "/query/no-id", "/healthz", "/readyz"} {
		get, head := <-s.sending(http.MethodGet, path), <-s.sending(http.MethodHead, path)
		for _, a := range []answer{get, head} {
			a.Header.Del("Date")
		}
		if diff := cmp.Diff(get.Header, head.Header); diff != "" || get.StatusCode != head.StatusCode || head.body != "" || get.body == "" {
			t.Errorf("%s: %s, and to HEAD %s %q; headers (-GET +HEAD):\n%s", path, get.Status, head.Status, head.body, diff)
		}
	}
}

// raw sends bytes as they are.
func (s *served) raw(request string) answer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	check(s.t, err)
	defer func() { check(s.t, c.Close()) }()
	_, err = io.WriteString(c, request)
	check(s.t, err)
	got, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(s.t, err)
	return read(s.t, got)
}

// net/http checks the header Host itself, but not one in the request's target.
func TestAHostInTheTargetIsCheckedLikeOneInTheHeader(t *testing.T) {
	s := serveWorld(t)
	for _, host := range []string{`a"b`, "a<b>", "\xff"} {
		got := s.raw("POST http://" + host + "/command HTTP/1.1\r\nHost: " + site + "\r\nContent-Length: 0\r\n\r\n")
		if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, "want a host") {
			t.Errorf("%q: %s %s", host, got.Status, got.body)
		}
	}
	s.wantNothingEmitted()
	s.raw("POST http://"+site+"/command HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\n\r\n").
		want(t, http.StatusAccepted, acceptedBody(s.placed(), "http://"+site))
}

func TestHeadersThatAreTooLargeAreRefused(t *testing.T) {
	s := serveWorld(t)
	const slop = 4 << 10 // that net/http allows on top
	got := <-s.sending(http.MethodPost, "/command", "X", strings.Repeat("x", maxHeaderBytes+slop))
	if got.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s %s", got.Status, got.body)
	}
	s.wantNothingEmitted()
	if got := <-s.sending(http.MethodPost, "/command", "X", strings.Repeat("x", maxHeaderBytes-slop)); got.StatusCode != http.StatusAccepted {
		t.Errorf("%s %s", got.Status, got.body)
	}
}
