package edge

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// awaited returns once the state holds.
func awaited(t *testing.T, state func() string, want string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for is := state(); is != want; is = state() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it stays at %s, want %s", is, want)
		}
	}
}

// crowd is clients of a server of which there may be many: connections with nothing
// of a client behind them, so that what is counted is the server's.
type crowd struct {
	*served
	rows *changing
	all  []net.Conn
}

// come has so many clients of each kind come, and returns once all are served.
func (c *crowd) come(each int) {
	c.t.Helper()
	for range each {
		for _, request := range []string{
			"GET /query/" + seedID + "/stream", "GET /query/stream", "POST /command", "POST /command",
		} {
			conn, err := net.Dial("tcp", c.listener.Addr().String())
			check(c.t, err)
			_, err = io.WriteString(conn, request+" HTTP/1.1\r\nHost: "+site+"\r\nPrefer: wait=60\r\nContent-Length: 0\r\n\r\n")
			check(c.t, err)
			c.all = append(c.all, conn)
		}
	}
	c.settled(each)
}

// settled returns once there are so many clients of each kind.
func (c *crowd) settled(each int) {
	c.t.Helper()
	awaited(c.t, func() string {
		c.rows.mu.Lock()
		defer c.rows.mu.Unlock()
		c.feed.mu.Lock()
		defer c.feed.mu.Unlock()
		return fmt.Sprintf("%d that follow all and %d that wait for a row", c.feed.open, c.rows.inside)
	}, fmt.Sprintf("%d that follow all and %d that wait for a row", each, 3*each))
}

func (c *crowd) leave() {
	c.t.Helper()
	for _, conn := range c.all {
		check(c.t, conn.Close())
	}
	c.all = nil
	c.settled(0)
}

func gather(t *testing.T) *crowd {
	c := &crowd{served: serveWorld(t), rows: changingRow(1)}
	c.await = c.rows.await
	return c
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // and what lay in pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The first crowd makes what is kept for later ones: maps that have grown, pools.
func TestClientsThatComeAndGoLeaveNothingBehind(t *testing.T) {
	const each, most, own = 500, 1 << 20, 5 // goroutines of the server itself, which is about to start
	c := gather(t)
	goroutines := runtime.NumGoroutine()
	var first int64
	for crowd := range 3 {
		c.come(each)
		many, full := runtime.NumGoroutine(), heap()
		c.leave()
		c.mu.Lock()
		c.emitted = nil
		c.mu.Unlock()
		awaited(t, func() string { return fmt.Sprintf("%t", runtime.NumGoroutine() <= goroutines+own) }, "true")
		left := heap()
		t.Logf("crowd %d: %d goroutines and %d KB, then %d goroutines and %d KB",
			crowd, many, full>>10, runtime.NumGoroutine(), left>>10)
		switch {
		case crowd == 0:
			first = left
		case left > first+most:
			t.Errorf("%d KB are left of the crowd %d", (left-first)>>10, crowd)
		}
	}
}

func TestStoppingLetsAllClientsGoAtOnce(t *testing.T) {
	c := gather(t)
	c.come(250)
	start := time.Now()
	c.stop()
	<-c.done
	if took := time.Since(start); took > shutdownTime/2 || c.err != nil {
		t.Errorf("the server ended after %v: %v", took, c.err)
	}
	c.leave()
}
