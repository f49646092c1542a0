package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
)

// patience bounds the wait for any state.
const patience = 2 * time.Minute

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// transcript is what a command has written so far.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next write
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.text.Write(p)
}

func (w *transcript) String() string { text, _ := w.now(); return text }

func (w *transcript) now() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String(), w.changed
}

// dev is a run of the command.
type dev struct {
	t           *testing.T
	answer, log *transcript
	stop        context.CancelFunc
	ended       chan int
}

func start(t *testing.T, args ...string) *dev {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // an interrupt is to end it, not the test's end
	d := &dev{t, newTranscript(), newTranscript(), stop, make(chan int, 1)}
	go func() {
		d.ended <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), d.answer, d.log)
		close(d.ended)
	}()
	t.Cleanup(func() {
		stop()
		<-d.ended
	})
	return d
}

// code waits for the end and gives the exit code.
func (d *dev) code() int {
	d.t.Helper()
	select {
	case code := <-d.ended:
		return code
	case <-time.After(patience):
		d.t.Fatalf("does not end; it printed:\n%s%s", d.answer, d.log)
		return 0
	}
}

// said waits for a text and gives what stands there in the place of the brackets.
func (d *dev) said(pattern string) string {
	d.t.Helper()
	limit := time.After(patience)
	for {
		text, changed := d.answer.now()
		if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-changed:
		case code := <-d.ended:
			d.t.Fatalf("ended with %d before it said %q; it printed:\n%s%s", code, pattern, d.answer, d.log)
		case <-limit:
			d.t.Fatalf("never said %q; it printed:\n%s%s", pattern, d.answer, d.log)
		}
	}
}

// interrupt ends a run that serves.
func (d *dev) interrupt() {
	d.t.Helper()
	d.stop()
	if code := d.code(); code != 0 || d.log.String() != "" {
		d.t.Errorf("exit code %d after an interrupt, and the log: %s", code, d.log)
	}
}

func (d *dev) get(path string) string {
	d.t.Helper()
	answer, err := http.Get(d.said(`curl (http://\S+)/readyz`) + path)
	check(d.t, err)
	body, err := io.ReadAll(answer.Body)
	check(d.t, errors.Join(err, answer.Body.Close()))
	if answer.StatusCode != http.StatusOK {
		d.t.Errorf("GET %s: %s %s", path, answer.Status, body)
	}
	return string(body)
}

// story is what is printed of an order, but for the times, and finished its row.
func story(id string) (events, finished string) {
	return "order " + id + `
  ms  ORDER_REQUESTED
  ms  ORDER_COMPLETED
  ms  PAYMENT_REQUESTED
  ms  PAYMENT_COMPLETED
  ms  MAIL_REQUESTED
  ms  MAIL_COMPLETED
`, strings.ReplaceAll(`{"id":"ID","type":"MAIL_COMPLETED","detail":{"body":"ID_ORDER_COMPLETED"},`+
			`"payment":{"body":"ID_PAYMENT_COMPLETED"},"mail":{"body":"ID_MAIL_COMPLETED"},`+
			`"events":["ORDER_REQUESTED","ORDER_COMPLETED","PAYMENT_REQUESTED","PAYMENT_COMPLETED","MAIL_REQUESTED","MAIL_COMPLETED"]}`+"\n", "ID", id)
}

var times = regexp.MustCompile(`(?m)^ *\d+ ms`)

func TestOncePrintsTheFinishedRowOnTheLastLine(t *testing.T) {
	for _, query := range []string{"mongo", "local"} {
		t.Run(query, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			d := start(t, "-once", "-query", query)
			if code := d.code(); code != 0 || d.log.String() != "" {
				t.Errorf("exit code %d, log: %s", code, d.log)
			}
			events, finished := story(d.said(`order (\S+)`))
			if diff := cmp.Diff(events+finished, times.ReplaceAllString(d.answer.String(), "  ms")); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestItShowsTheStepsOfThePlan(t *testing.T) {
	d := start(t, "-once", "-plan", "../../docs/shipping.yaml")
	if code := d.code(); code != 0 || d.log.String() != "" {
		t.Errorf("exit code %d, log: %s", code, d.log)
	}
	d.said(`ms  SHIPPING_COMPLETED\n`)
	d.said(`"shipping":\{"body":"` + d.said(`order (\S+)`) + `_SHIPPING_COMPLETED"\}`)
}

func TestItServesUntilInterruptedAndSaysWhere(t *testing.T) {
	d := start(t)
	d.said("serving; interrupt to end\n")
	id := d.said(`order (\S+)`)
	events, finished := story(id)
	if got := times.ReplaceAllString(d.answer.String(), "  ms"); !strings.HasPrefix(got, events+"\n") {
		t.Errorf("printed %s, want it to begin with %s", got, events)
	}
	http.DefaultClient.CloseIdleConnections()
	listening := []string{
		d.said(`another +curl -X POST http://(\S+)/command`), d.said(`broker +(\S+)`), d.said(`read store +mongodb://(\S+)/`),
	}
	for _, address := range listening {
		conn, err := net.Dial("tcp", address)
		check(t, err)
		check(t, conn.Close())
	}
	if row := d.get(strings.TrimPrefix(d.said(`this one +curl (\S+)`), "http://"+listening[0])); row != finished {
		t.Errorf("this one is %s, want %s", row, finished)
	}
	for path, part := range map[string]string{
		"/query/" + id + "/history": `"status":"completed"`,
		"/readyz":                   `"status":"ready"`,
		"/metrics":                  "simplecqrs_orders_accepted_total 1",
	} {
		d.said(regexp.QuoteMeta(path))
		if body := d.get(path); !strings.Contains(body, part) {
			t.Errorf("GET %s gives %s, want %s in it", path, body, part)
		}
	}
	select {
	case code := <-d.ended:
		t.Fatalf("ended with %d by itself", code)
	default:
	}
	d.interrupt()
	for _, address := range listening {
		if conn, err := net.Dial("tcp", address); err == nil {
			t.Errorf("%s still accepts connections", address)
			check(t, conn.Close())
		}
	}
}

func TestDataKeepsOrdersAndOffsetsAcrossRestarts(t *testing.T) {
	data := t.TempDir()
	var first, row, history string
	for i, args := range [][]string{
		{"-partitions", "1", "-query", "mongo"}, // one, so that what is read anew is read before what is new
		{"-query", "local"},
		{"-query", "mongo"},
	} {
		d := start(t, append(args, "-data", data)...)
		d.said("serving")
		if first == "" {
			first = d.said(`order (\S+)`)
			row, history = d.get("/query/"+first), d.get("/query/"+first+"/history")
		}
		if got := d.get("/query/" + first); got != row {
			t.Errorf("%v: the first order is %s, was %s", args, got, row)
		}
		if got := d.get("/query/" + first + "/history"); got != history {
			t.Errorf("%v: the first order's history is %s, was %s", args, got, history)
		}
		// A role that had lost its offset would have done the work again.
		if events, want := logged(t, d.said(`broker +(\S+)`)), int64(6*(i+1)); events != want {
			t.Errorf("%v: the log has %d events, want %d", args, events, want)
		}
		d.interrupt()
	}
}

// logged is the number of records in the log.
func logged(t *testing.T, broker string) int64 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	check(t, err)
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), codecs.StoreOrder)
	check(t, errors.Join(err, ends.Error()))
	var n int64
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}
