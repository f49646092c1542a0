package processors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"simplecqrs/codecs"
	"simplecqrs/embedded"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

const (
	partitions = 3
	patience   = time.Minute // for any state that a test waits for
)

// world is a broker with our topics, and all five roles on it. The broker is that
// of KAFKA_BROKERS, or an embedded one.
type world struct {
	t       *testing.T
	brokers []string
	// kafka writes to the partition that it is told, uncompressed; packed compresses.
	kafka, packed *kgo.Client
	admin         *kadm.Client
	client        *stream.Client
	registry      *prometheus.Registry
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, registry: prometheus.NewRegistry()}
	if addrs := os.Getenv("KAFKA_BROKERS"); addrs != "" {
		w.brokers = strings.Split(addrs, ",")
	} else {
		broker, err := embedded.StartBroker("")
		check(t, err)
		t.Cleanup(broker.Close)
		w.brokers = broker.Addrs()
	}
	w.kafka = w.producer(kgo.ProducerBatchMaxBytes(maxStored), kgo.ProducerBatchCompression(kgo.NoCompression()))
	w.packed = w.producer(kgo.ProducerBatchMaxBytes(64<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	w.admin = kadm.NewClient(w.kafka)
	w.wipe()
	var err error
	w.client, err = stream.Open(stream.Config{
		Brokers: w.brokers, MaxRecord: MaxRecord(),
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	check(t, err)
	t.Cleanup(func() { check(t, w.client.Close()) })
	check(t, w.client.CreateTopics(w.context(), Topics(partitions, 1)))
	return w
}

func (w *world) producer(options ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	options = append(options, kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	client, err := kgo.NewClient(options...)
	check(w.t, err)
	w.t.Cleanup(client.Close)
	return client
}

// groups are the consumer groups of the five roles.
var groups = []string{"order", "payment", "mail", groupSaga, GroupView}

// wipe takes away what earlier tests left on a broker that is not ours alone.
func (w *world) wipe() {
	w.t.Helper()
	var names []string
	for _, topic := range Topics(1, 1) {
		names = append(names, topic.Name)
	}
	w.await("the groups to be gone", func() bool { // a broker that has yet to see its first says no
		_, err := w.admin.DeleteGroups(w.context(), groups...)
		return err == nil
	})
	_, err := w.admin.DeleteTopics(w.context(), names...)
	check(w.t, err)
	w.await("the topics to be gone", func() bool {
		there := w.topics()
		return !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(there, name) })
	})
}

// topics names the topics that the broker has now, but for its own. A client's
// list is of some time ago.
func (w *world) topics() (names []string) {
	w.t.Helper()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(w.context(), w.kafka)
	check(w.t, err)
	for _, topic := range answer.Topics {
		if !topic.IsInternal {
			names = append(names, *topic.Topic)
		}
	}
	slices.Sort(names)
	return names
}

// roles are the pure parts of the five roles; nil is the real one.
type roles struct {
	worker Participant
	decide Decide
	fold   func(order.Row, order.Event) order.Row
}

// run has the roles run until the test ends.
func (w *world) run(r roles) {
	w.t.Helper()
	if r.worker == nil {
		r.worker = Echo{}
	}
	if r.decide == nil {
		r.decide = saga.Decide
	}
	if r.fold == nil {
		r.fold = order.Fold
	}
	d := saga.Default()
	c := Config{Partitions: partitions, Figures: NewFigures(w.registry, d)}
	all := []stream.Processor{Aggregate(c, r.fold), Saga(c, d, r.decide)}
	for _, s := range d.Steps {
		all = append(all, Worker(c, s, r.worker))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, p := range all {
		run := w.client.Prepare(p)
		running.Go(func() { run(ctx) })
	}
	w.t.Cleanup(func() { cancel(); running.Wait() })
	check(w.t, w.client.WaitRunning(w.context()))
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

// write appends a record to a partition of store.order as a foreign producer would
// and gives it with its place and time.
func (w *world) write(by *kgo.Client, partition int32, r record) *kgo.Record {
	w.t.Helper()
	out := &kgo.Record{Topic: codecs.StoreOrder, Partition: partition, Value: r.value}
	if r.key != "" {
		out.Key = []byte(r.key)
	}
	for name, value := range r.headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: value})
	}
	check(w.t, by.ProduceSync(w.context(), out).FirstErr())
	return out
}

// settled returns once every role has finished all of store.order, what the roles
// add meanwhile included, and holds them to having lived through it.
func (w *world) settled() {
	w.t.Helper()
	w.await("the roles to finish the log", func() bool {
		ends, err := w.admin.ListEndOffsets(w.context(), codecs.StoreOrder)
		check(w.t, errors.Join(err, ends.Error()))
		for _, g := range groups {
			done, err := w.admin.FetchOffsets(w.context(), g)
			check(w.t, err)
			for p, end := range ends[codecs.StoreOrder] {
				at, _ := done.Lookup(codecs.StoreOrder, p)
				if end.Offset > 0 && at.At < end.Offset {
					return false
				}
			}
		}
		now, err := w.admin.ListEndOffsets(w.context(), codecs.StoreOrder)
		check(w.t, errors.Join(err, now.Error()))
		for p, end := range ends[codecs.StoreOrder] {
			if now[codecs.StoreOrder][p].Offset != end.Offset {
				return false
			}
		}
		return true
	})
	for _, s := range w.client.Status() {
		if s.State != stream.Running {
			w.t.Errorf("%s is %s: %v", s.Role, s.State, s.Err)
		}
	}
}

// records reads a topic from its beginning to its end as it is now.
func (w *world) records(topic string) []*kgo.Record {
	w.t.Helper()
	ends, err := w.admin.ListEndOffsets(w.context(), topic)
	check(w.t, errors.Join(err, ends.Error()))
	from, missing := map[int32]kgo.Offset{}, map[int32]bool{}
	for p, end := range ends[topic] {
		if end.Offset > 0 {
			from[p], missing[p] = kgo.NewOffset().AtStart(), true
		}
	}
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
			all = append(all, r)
			if r.Offset >= ends[topic][r.Partition].Offset-1 {
				delete(missing, r.Partition)
			}
		})
	}
	return all
}

func headersOf(r *kgo.Record) codecs.Headers {
	h := codecs.Headers{}
	for _, one := range r.Headers {
		h[one.Key] = one.Value
	}
	return h
}

// letters gives what is on deadletter.order, by ID.
func (w *world) letters() map[string]codecs.Letter {
	w.t.Helper()
	all := map[string]codecs.Letter{}
	for _, r := range w.records(codecs.DeadletterOrder) {
		l, err := codecs.LetterOf(string(r.Key), r.Value, headersOf(r))
		check(w.t, err)
		if _, twice := all[l.ID()]; twice {
			w.t.Errorf("two letters are %s", l.ID())
		}
		all[l.ID()] = l
	}
	return all
}

// rows gives the last row of each order in view.order.
func (w *world) rows() map[string]order.Row {
	w.t.Helper()
	rows := map[string]order.Row{}
	for _, r := range w.records(codecs.ViewOrder) {
		decoded, err := codecs.Row{}.Decode(r.Value)
		check(w.t, err)
		row, ok := decoded.(order.Row)
		if !ok {
			w.t.Fatalf("a record of view.order is no row: %s", r.Value)
		}
		rows[string(r.Key)] = row
	}
	return rows
}

// complete holds a row to the six events.
func (w *world) complete(row order.Row) {
	w.t.Helper()
	var want []order.Type
	for _, e := range life {
		want = append(want, e.Type)
	}
	differ(w.t, "the events of "+row.ID, want, row.Events())
	differ(w.t, "the status of "+row.ID, order.StatusCompleted, row.Meta.Status)
}

// bare is a request as a producer writes it that knows nothing of headers.
func bare(id string) record {
	return record{key: id, value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id)}
}

// ids gives the ids of n orders that are at home in a partition.
func ids(partition int32, n int) (some []string) {
	for i := 0; len(some) < n; i++ {
		if id := fmt.Sprintf("ORD-%05X", i); stream.Partition(id, partitions) == partition {
			some = append(some, id)
		}
	}
	return some
}
