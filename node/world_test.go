package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"simplecqrs/codecs"
	"simplecqrs/embedded"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/views"
)

// world is the broker and the read store that a test's nodes share: those named
// by KAFKA_BROKERS and MONGO_URI, or embedded ones.
type world struct {
	t       *testing.T
	brokers []string
	mongo   string
	shop    string // see child
	bug     bool   // see child
	kafka   *kgo.Client

	// Nil where they are not ours, to take away and bring back.
	broker              *embedded.Broker
	store               *embedded.Store
	brokerDir, storeDir string
}

const (
	partitions = 4
	patience   = 2 * time.Minute // for any state that a test waits for
)

var happy = []order.Type{
	"ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED",
	"PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED",
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, mongo: os.Getenv("MONGO_URI")}
	if addrs := os.Getenv("KAFKA_BROKERS"); addrs != "" {
		w.brokers = strings.Split(addrs, ",")
	} else {
		var err error
		w.brokerDir = t.TempDir()
		w.broker, err = embedded.StartBroker(w.brokerDir)
		check(t, err)
		t.Cleanup(func() { w.broker.Close() })
		w.brokers = w.broker.Addrs()
	}
	if w.mongo == "" {
		var err error
		w.storeDir = t.TempDir()
		w.store, err = embedded.StartStore(w.storeDir)
		check(t, err)
		t.Cleanup(func() { check(t, w.store.Close()) })
		w.mongo = w.store.URI()
	}
	// A database of its own for each test.
	w.mongo = strings.TrimSuffix(w.mongo, "/") + "/" + fmt.Sprintf("test%d", time.Now().UnixNano())
	var err error
	w.kafka, err = kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(t, err)
	t.Cleanup(w.kafka.Close)
	w.wipe()
	client, err := stream.Open(stream.Config{Brokers: w.brokers})
	check(t, err)
	replication := min(len(w.brokers), 3) // of several one may be lost
	check(t, client.CreateTopics(w.context(), processors.Topics(partitions, int16(replication))))
	check(t, client.Close())
	return w
}

// wipe takes away what earlier tests left on a broker that is not ours alone.
func (w *world) wipe() {
	admin := kadm.NewClient(w.kafka)
	var names []string
	for _, topic := range processors.Topics(1, 1) {
		names = append(names, topic.Name)
	}
	w.await("the groups to be gone", func() bool { // a broker that has yet to see its first says no
		_, err := admin.DeleteGroups(w.context(), append(AllRoles(saga.Default()), processors.GroupView, "shipping")...)
		return err == nil
	})
	_, err := admin.DeleteTopics(w.context(), names...)
	check(w.t, err)
	w.await("the topics to be gone", func() bool {
		// A client's own list is of some time ago.
		answer, err := kmsg.NewPtrMetadataRequest().RequestWith(w.context(), w.kafka)
		check(w.t, err)
		return !slices.ContainsFunc(answer.Topics, func(t kmsg.MetadataResponseTopic) bool { return slices.Contains(names, *t.Topic) })
	})
}

func (w *world) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

// await returns once the state holds.
func (w *world) await(state string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("gave up waiting for %s", state)
		}
	}
}

// running is a node under test.
type running struct {
	*Node
	w    *world
	stop func()
}

// start runs a node until the test ends, or stop is called.
func (w *world) start(change ...func(*Config)) *running {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(w.t, err)
	c := Config{Brokers: w.brokers, Mongo: w.mongo, Listener: l, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil))}
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n, err := Start(ctx, c)
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	r := &running{Node: n, w: w}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		check(w.t, n.Wait())
	}
	w.t.Cleanup(r.stop)
	return r
}

func (r *running) ready() *running {
	r.w.t.Helper()
	check(r.w.t, r.WaitReady(r.w.context()))
	return r
}

func (r *running) url(path string) string { return "http://" + r.Addr().String() + path }

// place has the edge accept an order and gives its id.
func (r *running) place() string {
	r.w.t.Helper()
	id, err := placeAt(r.url("/command"))
	check(r.w.t, err)
	return id
}

func placeAt(url string) (string, error) {
	answer, err := http.Post(url, "application/json", nil)
	if err != nil {
		return "", err
	}
	var body struct {
		ID string `json:"id"`
	}
	err = json.NewDecoder(answer.Body).Decode(&body)
	err = errors.Join(err, answer.Body.Close())
	if answer.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("answered %s", answer.Status)
	}
	return body.ID, err
}

// get gives the status and body of a path.
func (r *running) get(path string) (int, string) {
	r.w.t.Helper()
	answer, err := http.Get(r.url(path))
	check(r.w.t, err)
	body, err := io.ReadAll(answer.Body)
	check(r.w.t, errors.Join(err, answer.Body.Close()))
	return answer.StatusCode, string(body)
}

// ended waits until the order has ended where the node reads and gives its row.
func (r *running) ended(id string) order.Row {
	r.w.t.Helper()
	row, err := r.Rows().Await(r.w.context(), id, func(row order.Row) bool { return row.Meta.Status.Ended() })
	if err != nil {
		r.w.t.Fatalf("%s: %v; last seen %+v", id, err, row)
	}
	return row
}

// records reads a topic from its beginning to its end as it is now, each
// partition in its order.
func (w *world) records(topic string) []*kgo.Record {
	w.t.Helper()
	var ends kadm.ListedOffsets
	w.await("all leaders to tell where their partitions of "+topic+" end", func() bool { // one may be no leader yet, or no more
		var err error
		ends, err = kadm.NewClient(w.kafka).ListEndOffsets(w.context(), topic)
		return errors.Join(err, ends.Error()) == nil
	})
	from, missing := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition], missing[o.Partition] = kgo.NewOffset().AtStart(), o.Offset
		}
	})
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	check(w.t, err)
	defer client.Close()
	var all []*kgo.Record
	for len(missing) > 0 {
		fetches := client.PollFetches(w.context())
		check(w.t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < ends[topic][r.Partition].Offset {
				all = append(all, r)
			}
			if r.Offset >= ends[topic][r.Partition].Offset-1 {
				delete(missing, r.Partition)
			}
		})
	}
	return all
}

// tableRows gives the latest row of each order in view.order.
func (w *world) tableRows() map[string]order.Row {
	w.t.Helper()
	rows := map[string]order.Row{}
	for _, r := range w.records(codecs.ViewOrder) {
		decoded, err := codecs.Row{}.Decode(r.Value)
		check(w.t, err)
		row, ok := decoded.(order.Row)
		if !ok {
			w.t.Fatalf("a record of view.order is no row: %s", r.Value)
		}
		rows[row.ID] = row
	}
	return rows
}

// letters gives what is on deadletter.order.
func (w *world) letters() []codecs.Letter {
	w.t.Helper()
	var all []codecs.Letter
	for _, r := range w.records(codecs.DeadletterOrder) {
		h := codecs.Headers{}
		for _, one := range r.Headers {
			h[one.Key] = one.Value
		}
		l, err := codecs.LetterOf(string(r.Key), r.Value, h)
		check(w.t, err)
		all = append(all, l)
	}
	return all
}

// produce writes a record as a foreign producer would.
func (w *world) produce(r *kgo.Record) {
	w.t.Helper()
	r.Topic = codecs.StoreOrder
	check(w.t, w.kafka.ProduceSync(w.context(), r).FirstErr())
}

// reader opens the read store as another process would.
func (w *world) reader() *views.Mongo {
	w.t.Helper()
	m, err := views.OpenMongo(w.mongo)
	check(w.t, err)
	w.t.Cleanup(func() { check(w.t, m.Close(context.Background())) })
	return m
}

// wantHappy holds a row to the six events, each once and in order.
func (w *world) wantHappy(where, id string, row order.Row) {
	w.t.Helper()
	if !slices.Equal(row.Events(), happy) || row.Meta.Status != order.StatusCompleted || len(row.Outputs) != 3 {
		w.t.Errorf("%s: %s is %s after %v", where, id, row.Meta.Status, row.Events())
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
