package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simplecqrs/order"
)

// pipes is a listener without a socket, so that time can be skipped.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) call() net.Conn {
	near, far := net.Pipe()
	p.calls <- far
	return near
}

func TestAClientThatStallsIsCutOff(t *testing.T) {
	for _, c := range []struct {
		name, sends string
		after       time.Duration
		status      string // of the answer that it gets; empty: none
	}{
		{"before it sends", "", headerTime, ""},
		{"in its headers", "POST /command HTTP/1.1\r\nHost: " + site + "\r\n", headerTime, ""},
		{
			"in its body", "POST /command HTTP/1.1\r\nHost: " + site + "\r\nContent-Length: 9\r\n\r\n{",
			readTime, "400 Bad Request",
		},
		{
			"between two requests", "GET /healthz HTTP/1.1\r\nHost: " + site + "\r\n\r\n",
			idleTime, "200 OK",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				l := pipes{make(chan net.Conn), make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- Serve(ctx, l, w.handler) }()
				client := l.call()
				start := time.Now()
				_, err := io.WriteString(client, c.sends)
				check(t, err)
				answered, err := io.ReadAll(client) // until it is cut off
				check(t, err)
				if took := time.Since(start); took < c.after || took > c.after+time.Second {
					t.Errorf("cut off after %v, want %v", took, c.after)
				}
				if status := strings.TrimPrefix(string(answered), "HTTP/1.1 "); !strings.HasPrefix(status, c.status) || (status == "") != (c.status == "") {
					t.Errorf("answered %q, want %q", answered, c.status)
				}
				check(t, client.Close())
				stop()
				check(t, <-ended)
				w.wantNothingEmitted()
			})
		})
	}
}

func TestStoppingCutsOffWhatIsNotDoneInTimeAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stuck := make(chan struct{})
		w.get = func(context.Context, string) (order.Row, error) { <-stuck; return order.Row{}, errors.New("late") }
		l := pipes{make(chan net.Conn), make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Serve(ctx, l, w.handler) }()
		client := l.call()
		_, err := io.WriteString(client, "GET /query/"+seedID+" HTTP/1.1\r\nHost: "+site+"\r\n\r\n")
		check(t, err)
		synctest.Wait()
		start := time.Now()
		stop()
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with: %v", err)
		}
		if took := time.Since(start); took != shutdownTime {
			t.Errorf("ended after %v, want %v", took, shutdownTime)
		}
		if answered, err := io.ReadAll(client); err != nil || len(answered) > 0 {
			t.Errorf("the client gets %q, %v", answered, err)
		}
		close(stuck)
	})
}

// A write that is cut off before the longest wait is over would lose its answer.
func TestThereIsTimeToWriteAfterTheLongestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.emit = func(context.Context, order.Event) error { <-time.After(emitTime - time.Second); return nil }
		l := pipes{make(chan net.Conn), make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Serve(ctx, l, w.handler) }()
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return l.call(), nil },
		}}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+site+"/command", nil)
		check(t, err)
		r.Header.Set("Prefer", "wait=60")
		got, err := client.Do(r)
		check(t, err)
		read(t, got).want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
		client.CloseIdleConnections()
		stop()
		check(t, <-ended)
	})
}
