package node

import (
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

var crowd = flag.Int("clients", 100, "how many clients of each kind come and go at once where a test has them do so")

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // and what lay in pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The clients are connections with nothing of a client behind them, so that what is
// counted is the process's, the embedded broker and store included.
func TestClientsThatComeAndGoLeaveNothingBehind(t *testing.T) {
	for _, query := range []string{QueryMongo, QueryLocal} {
		t.Run(query, func(t *testing.T) {
			w := newWorld(t)
			n := w.start(func(c *Config) { c.Query = query }).ready()
			idle := n.place()
			n.ended(idle)
			start := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
			scheduled := fmt.Sprintf(`{"startAt": %q}`, start)
			come := func() (all []net.Conn) {
				for range *crowd {
					for _, request := range []string{
						"GET /query/" + idle + "/stream HTTP/1.1\r\n",
						"GET /query/stream HTTP/1.1\r\n",
						fmt.Sprintf("POST /command HTTP/1.1\r\nPrefer: wait=60\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", len(scheduled)),
					} {
						c, err := net.Dial("tcp", n.Addr().String())
						check(t, err)
						body := ""
						if strings.HasPrefix(request, http.MethodPost) {
							body = scheduled
						}
						_, err = io.WriteString(c, request+"Host: "+n.Addr().String()+"\r\n\r\n"+body)
						check(t, err)
						all = append(all, c)
					}
				}
				return all
			}
			streams := func(each int) {
				t.Helper()
				w.await(fmt.Sprintf("%d clients of each stream", each), func() bool {
					_, body := n.get("/metrics")
					return strings.Contains(body, fmt.Sprintf(`simplecqrs_sse_clients{stream="order"} %d`+"\n", each)) &&
						strings.Contains(body, fmt.Sprintf(`simplecqrs_sse_clients{stream="all"} %d`+"\n", each))
				})
			}
			const slack = 40 // connections between the process's parts, which come and go too
			goroutines, orders := 0, 0
			// A client costs some 18 KB. What the process keeps for later, and the orders,
			// grow by steps; what is left of clients would grow with each crowd.
			const most = 6 << 10
			was, least := int64(0), int64(math.MaxInt64)
			for i := range 4 {
				before := runtime.NumGoroutine()
				all := come()
				streams(*crowd)
				orders += *crowd
				w.await("all that wait to have been accepted", func() bool {
					_, body := n.get("/metrics")
					return strings.Contains(body, fmt.Sprintf("simplecqrs_orders_accepted_total %d\n", orders+1))
				})
				many := runtime.NumGoroutine()
				for _, c := range all {
					check(t, c.Close())
				}
				streams(0)
				http.DefaultClient.CloseIdleConnections()
				if i == 0 {
					goroutines = before
				}
				w.await("what served them to end", func() bool { return runtime.NumGoroutine() <= goroutines+slack })
				left := heap()
				t.Logf("crowd %d of %d: %d goroutines, then %d and %d KB", i, len(all), many, runtime.NumGoroutine(), left>>10)
				if many < goroutines+3**crowd {
					t.Errorf("only %d goroutines served them", many-goroutines)
				}
				if i > 0 {
					least = min(least, (left-was)/int64(len(all)))
				}
				was = left
			}
			if least > most {
				t.Errorf("each crowd leaves %d bytes a client or more", least)
			}
			// All that are there go at once when the process ends.
			all := come()
			streams(*crowd)
			began := time.Now()
			n.stop()
			t.Logf("with %d clients the node ended after %v", len(all), time.Since(began).Round(time.Millisecond))
			for _, c := range all {
				check(t, c.Close())
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("the node ended after %v", took)
			}
		})
	}
}
