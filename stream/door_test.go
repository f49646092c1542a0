package stream

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// door is the way to a fake broker, to be shut while the broker goes on behind it.
// It is the broker's listener.
type door struct {
	addr   net.Addr
	passed chan net.Conn
	gone   chan struct{} // closed with the broker
	once   sync.Once

	mu     sync.Mutex
	opened net.Listener // nil while shut
	inside []net.Conn
}

// doorWorld is a world with such a way to its only broker.
func doorWorld(t *testing.T) (*world, *door) {
	t.Helper()
	d := &door{passed: make(chan net.Conn), gone: make(chan struct{})}
	return fakeWorld(t, kfake.ListenFn(func(network, addr string) (net.Listener, error) {
		l, err := net.Listen(network, addr)
		if err != nil {
			return nil, err
		}
		d.addr = l.Addr()
		d.let(l)
		return d, nil
	})), d
}

// let has the listener's connections pass.
func (d *door) let(l net.Listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil || !d.enter(l, c) {
				return
			}
		}
	}()
}

func (d *door) enter(l net.Listener, c net.Conn) bool {
	d.mu.Lock()
	if d.opened != l { // it was shut meanwhile
		d.mu.Unlock()
		_ = c.Close() // that it is cut is all that is wanted
		return false
	}
	d.inside = append(d.inside, c)
	d.mu.Unlock()
	select {
	case d.passed <- c:
		return true
	case <-d.gone:
		return false
	}
}

// shut cuts all connections, and new ones are refused.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened == nil {
		return
	}
	_ = d.opened.Close() // that they are closed is all that is wanted
	for _, c := range d.inside {
		_ = c.Close() // as above
	}
	d.opened, d.inside = nil, nil
}

func (d *door) open(t *testing.T) {
	t.Helper()
	d.let(relisten(t, d.addr.String()))
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.passed:
		return c, nil
	case <-d.gone:
		return nil, net.ErrClosed
	}
}

func (d *door) Addr() net.Addr { return d.addr }

func (d *door) Close() error {
	d.once.Do(func() { close(d.gone) })
	d.shut()
	return nil
}

// relisten takes a port again that was given up. A client that dialled it may
// have it for a moment, as the port that it dials from.
func relisten(t *testing.T, addr string) net.Listener {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal(err)
		}
	}
}
