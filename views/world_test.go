package views

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"simplecqrs/codecs"
	"simplecqrs/embedded"
	"simplecqrs/order"
	"simplecqrs/stream"
)

const patience = 45 * time.Second // for any state that a test waits for

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await returns once the state holds.
func await(t *testing.T, state string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("gave up waiting for %s", state)
		}
	}
}

// receive gives what comes from a channel.
func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("gave up waiting for %s", what)
		panic("not reached")
	}
}

// background runs f until the test ends, or what it gives is called, and then
// waits for it.
func background(t *testing.T, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

var ids atomic.Int64

// newID gives an order's id that no other test has.
func newID() string { return fmt.Sprintf("ORD-%026d", ids.Add(1)) }

var happy = []order.Type{
	"ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED",
	"PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED",
}

// rowOf is the row of an order after its first n events, and so its version n.
func rowOf(id string, n int) order.Row {
	var r order.Row
	began := time.Date(2026, time.March, 29, 1, 59, 59, 123456789, time.FixedZone("", 5*3600+45*60))
	for i, t := range happy[:n] {
		e := order.Event{
			OrderID: id, Type: t, ID: order.EventID(id, t, 1), Attempt: 1,
			Time: began.Add(time.Duration(i) * 10 * time.Millisecond),
		}
		if step, phase, _ := t.Split(); phase == order.Completed {
			e.Outputs = map[order.Step]order.JSON{step: fmt.Appendf(nil, `{"body":"%s_%s"}`, id, t)}
		}
		if t == "MAIL_REQUESTED" {
			e.Outcome = order.StatusCompleted
		}
		r = order.Fold(r, e)
	}
	return r
}

func versionOf(n int64) func(order.Row) bool {
	return func(r order.Row) bool { return r.Meta.Version >= n }
}

// journal is a log that the test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// lines gives the lines that hold all of the words.
func (j *journal) lines(words ...string) (found []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		holds := true
		for _, w := range words {
			holds = holds && strings.Contains(line, w)
		}
		if holds {
			found = append(found, line)
		}
	}
	return found
}

// brokers are those that a test uses, and its hand on view.order.
type brokers struct {
	t          *testing.T
	addrs      []string
	partitions int32
	kafka      *kgo.Client
}

// startBrokers gives brokers on which view.order is empty: those of KAFKA_BROKERS,
// where earlier tests may have left something, or an embedded one.
func startBrokers(t *testing.T, partitions int32) *brokers {
	t.Helper()
	b := &brokers{t: t, partitions: partitions}
	foreign := os.Getenv("KAFKA_BROKERS")
	if foreign != "" {
		b.addrs = strings.Split(foreign, ",")
	} else {
		own, err := embedded.StartBroker("")
		check(t, err)
		t.Cleanup(own.Close)
		b.addrs = own.Addrs()
	}
	var err error
	b.kafka, err = kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(t, err)
	t.Cleanup(b.kafka.Close)
	if foreign != "" {
		b.wipe()
	}
	client := b.open("")
	check(t, client.CreateTopics(patient(t), []stream.Topic{{
		Name: codecs.ViewOrder, Partitions: partitions, Config: map[string]string{"cleanup.policy": "compact"},
	}}))
	check(t, client.Close())
	return b
}

func (b *brokers) wipe() {
	b.t.Helper()
	admin := kadm.NewClient(b.kafka)
	_, err := admin.DeleteTopics(patient(b.t), codecs.ViewOrder)
	check(b.t, err)
	await(b.t, "the topic to be gone", func() bool {
		// A client's own list is of some time ago.
		answer, err := kmsg.NewPtrMetadataRequest().RequestWith(patient(b.t), b.kafka)
		check(b.t, err)
		return !slices.ContainsFunc(answer.Topics, func(t kmsg.MetadataResponseTopic) bool { return *t.Topic == codecs.ViewOrder })
	})
}

// open opens a client as a process does that keeps its tables in dir.
func (b *brokers) open(dir string) *stream.Client {
	b.t.Helper()
	c, err := stream.Open(stream.Config{
		Brokers: b.addrs, DataDir: dir, Logger: slog.New(slog.NewTextHandler(b.t.Output(), nil)),
	})
	check(b.t, err)
	return c
}

// write puts a value, nil for a tombstone, on view.order.
func (b *brokers) write(t *testing.T, key string, value []byte) *kgo.Record {
	t.Helper()
	r := &kgo.Record{Topic: codecs.ViewOrder, Key: []byte(key), Value: value, Partition: stream.Partition(key, int(b.partitions))}
	check(t, b.kafka.ProduceSync(patient(t), r).FirstErr())
	return r
}

func encoded(t *testing.T, r order.Row) []byte {
	t.Helper()
	value, err := codecs.Row{}.Encode(r)
	check(t, err)
	return value
}

// startTable runs a table on brokers of its own.
func startTable(t *testing.T, partitions int32, ended func(order.Row)) (*Table, *brokers) {
	t.Helper()
	b := startBrokers(t, partitions)
	client := b.open("")
	t.Cleanup(func() { check(t, client.Close()) })
	table := NewTable(ended)
	background(t, client.PrepareView(table.View()))
	check(t, client.WaitRunning(patient(t)))
	return table, b
}

var databases atomic.Int64

// storeURI gives the URI of a database of the test's own on the store of
// MONGO_URI, or on an embedded one.
func storeURI(t *testing.T) string {
	t.Helper()
	uri := os.Getenv("MONGO_URI")
	if uri == "" {
		store, err := embedded.StartStore("")
		check(t, err)
		t.Cleanup(func() { check(t, store.Close()) })
		uri = store.URI()
	}
	return fmt.Sprintf("%s/test%d-%d", strings.TrimSuffix(uri, "/"), time.Now().UnixNano(), databases.Add(1))
}

func openMongo(t *testing.T) *Mongo {
	t.Helper()
	return openMongoAt(t, storeURI(t))
}

func openMongoAt(t *testing.T, uri string) *Mongo {
	t.Helper()
	m, err := OpenMongo(uri)
	check(t, err)
	t.Cleanup(func() { check(t, m.Close(context.WithoutCancel(t.Context()))) })
	return m
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
