package stream

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/cenkalti/backoff/v5"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	plain  = flag.Bool("plain", false, "run the rules on goka's own parts instead, to see them broken")
	outage = flag.Duration("outage", 8*time.Second, "for how long the broker is away where a test takes it away")
)

// patience bounds the wait for any state.
var patience = 45 * time.Second

// impatience is patience with -plain, when states are waited for that never come.
const impatience = 20 * time.Second

// world is what a test runs in: brokers, and a name of its own on them. They are
// those of KAFKA_BROKERS, unless the test has them misbehave.
type world struct {
	t     *testing.T
	fake  *kfake.Cluster // nil if the brokers are not ours
	addrs []string
	name  string
	kafka *kgo.Client // the test's own, which writes to the partition it is told
	admin *kadm.Client
	procs []*process
}

var worlds atomic.Int64

func newWorld(t *testing.T) *world {
	t.Helper()
	if addrs := os.Getenv("KAFKA_BROKERS"); addrs != "" {
		return inhabit(t, nil, strings.Split(addrs, ",")...)
	}
	return fakeWorld(t)
}

// fakeWorld is a world that the test can have misbehave.
func fakeWorld(t *testing.T, options ...kfake.Opt) *world {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, options...)...)
	check(t, err)
	var w *world
	t.Cleanup(func() { w.fake.Close() }) // by then it may be another
	w = inhabit(t, k, k.ListenAddrs()...)
	return w
}

func inhabit(t *testing.T, fake *kfake.Cluster, addrs ...string) *world {
	t.Helper()
	kafka, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowIdempotentProduceCancellation(), kgo.AlwaysRetryEOF(), kgo.MetadataMinAge(50*time.Millisecond))
	check(t, err)
	w := &world{
		t: t, fake: fake, addrs: addrs, kafka: kafka, admin: kadm.NewClient(kafka),
		name: fmt.Sprintf("test%d-%d-", time.Now().UnixNano(), worlds.Add(1)),
	}
	t.Cleanup(func() {
		for _, p := range slices.Backward(w.procs) {
			p.stop()
		}
		if w.fake == nil {
			w.raze()
		}
		kafka.Close()
	})
	return w
}

// raze takes the test's topics and groups from brokers that are not ours.
func (w *world) raze() {
	own := func(name string) bool { return !strings.HasPrefix(name, w.name) }
	topics, err := w.admin.ListTopics(w.context())
	check(w.t, err)
	if names := slices.DeleteFunc(topics.Names(), own); len(names) > 0 {
		_, err = w.admin.DeleteTopics(w.context(), names...)
		check(w.t, err)
	}
	groups, err := w.admin.ListGroups(w.context())
	check(w.t, err)
	if names := slices.DeleteFunc(groups.Groups(), own); len(names) > 0 {
		_, err = w.admin.DeleteGroups(w.context(), names...)
		check(w.t, err)
	}
}

func (w *world) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

// topic makes a topic and gives its name.
func (w *world) topic(name string, partitions int32, cleanup string) string {
	w.t.Helper()
	_, err := w.admin.CreateTopic(w.context(), partitions, 1,
		map[string]*string{"cleanup.policy": &cleanup}, w.name+name)
	check(w.t, err)
	w.await(name+" to be made", func() bool {
		topics, err := w.admin.ListTopics(w.context(), w.name+name)
		check(w.t, err)
		return topics[w.name+name].Err == nil && len(topics[w.name+name].Partitions) == int(partitions)
	})
	return w.name + name
}

func (w *world) stream(name string, partitions int32) goka.Stream {
	w.t.Helper()
	return goka.Stream(w.topic(name, partitions, "delete"))
}

// group gives a group of the test, and makes its table.
func (w *world) group(name string, partitions int32) goka.Group {
	w.t.Helper()
	w.topic(name+"-table", partitions, "compact")
	return goka.Group(w.name + name)
}

// keysOf gives a key that belongs to each of n partitions. goka goes by the key
// when it stores what a handler sets, wherever the record lay.
func keysOf(n int) []string {
	keys := make([]string, n)
	for i := range 100 * n {
		k := fmt.Sprint("k", i)
		if *plain {
			keys[gokasPartition(k, n)] = k
		} else {
			keys[Partition(k, n)] = k
		}
	}
	return keys
}

// gokasPartition is the partition of a key by goka's own default.
func gokasPartition(key string, n int) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	p := int32(h.Sum32()) % int32(n)
	return max(p, -p)
}

// write appends records to a partition.
func (w *world) write(topic goka.Stream, partition int32, key string, values ...string) {
	w.t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: string(topic), Partition: partition, Key: []byte(key), Value: []byte(v)}
		check(w.t, w.kafka.ProduceSync(w.context(), r).FirstErr())
	}
}

// records reads a topic from its beginning to its end as it is now, each
// partition in its order.
func (w *world) records(topic string) []*kgo.Record {
	w.t.Helper()
	ends := w.ends(topic)
	from, missing := map[int32]kgo.Offset{}, map[int32]bool{}
	for p, end := range ends {
		if end > 0 {
			from[p], missing[p] = kgo.NewOffset().AtStart(), true
		}
	}
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	check(w.t, err)
	defer client.Close()
	var all []*kgo.Record
	for len(missing) > 0 {
		fetches := client.PollFetches(w.context())
		check(w.t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < ends[r.Partition] {
				all = append(all, r)
			}
			if r.Offset >= ends[r.Partition]-1 {
				delete(missing, r.Partition)
			}
		})
	}
	return all
}

func (w *world) values(topic goka.Stream) []string {
	w.t.Helper()
	var all []string
	for _, r := range w.records(string(topic)) {
		all = append(all, string(r.Value))
	}
	return all
}

func (w *world) ends(topic string) map[int32]int64 {
	w.t.Helper()
	listed, err := w.admin.ListEndOffsets(w.context(), topic)
	check(w.t, errors.Join(err, listed.Error()))
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

// committed gives the offset that the broker has for a partition, -1 for none.
func (w *world) committed(g goka.Group, topic goka.Stream, partition int32) int64 {
	w.t.Helper()
	var offsets kadm.OffsetResponses
	w.await("the committed offsets", func() (known bool) {
		var err error
		offsets, err = w.admin.FetchOffsets(w.context(), string(g))
		return err == nil // else the broker is just coming back
	})
	if o, found := offsets.Lookup(string(topic), partition); found {
		return o.At
	}
	return -1
}

// await returns once the state holds. It gives up early if something that the
// test runs has ended by itself, as with -plain.
func (w *world) await(state string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !holds() {
		for _, p := range w.procs {
			if err := p.ended(); err != nil {
				w.t.Fatalf("waiting for %s: %v", state, err)
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("gave up waiting for %s", state)
		}
	}
}

// process is what one process of ours is: a client and what runs on it, or with
// -plain the same on goka alone.
type process struct {
	brokers []string
	dir     string
	client  *Client       // nil with -plain
	flush   time.Duration // of goka's producers, with -plain
	figures *prometheus.Registry
	tasks   []*task
	once    sync.Once
}

// process starts one that keeps its tables in dir, or in memory.
func (w *world) process(dir string) *process {
	w.t.Helper()
	p, err := newProcess(w.addrs, dir, slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: logLevel()})))
	check(w.t, err)
	w.procs = append(w.procs, p)
	return p
}

func logLevel() slog.Level {
	if os.Getenv("STREAM_TEST_DEBUG") != "" {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func newProcess(brokers []string, dir string, log *slog.Logger) (*process, error) {
	p := &process{brokers: brokers, dir: dir, figures: prometheus.NewRegistry()}
	if *plain {
		return p, nil
	}
	var err error
	p.client, err = Open(Config{Brokers: brokers, DataDir: dir, Logger: log, Registerer: p.figures})
	if err != nil {
		return nil, err
	}
	p.client.backoff = func() *backoff.ExponentialBackOff {
		b := defaultBackoff()
		b.InitialInterval = 100 * time.Millisecond
		return b
	}
	return p, nil
}

// stop ends all that runs, as a process does that is told to.
func (p *process) stop() {
	p.once.Do(func() {
		for _, t := range p.tasks {
			t.cancel()
		}
		for _, t := range p.tasks {
			<-t.done
		}
		if p.client != nil {
			_ = p.client.Close() // tests that are about it call it themselves
		}
	})
}

// ended gives the error of a task that has ended by itself.
func (p *process) ended() error {
	for _, t := range p.tasks {
		select {
		case <-t.done:
			if !t.told.Load() {
				return fmt.Errorf("%s has ended: %w", t.name, t.err)
			}
		default:
		}
	}
	return nil
}

// task is a processor or view that runs.
type task struct {
	name   string
	ready  func(context.Context) error // with -plain
	cancel context.CancelFunc
	told   atomic.Bool // to end
	done   chan struct{}
	err    error // valid once done is closed
}

func (p *process) start(name string, ready func(context.Context) error, run func(context.Context) error) *task {
	ctx, cancel := context.WithCancel(context.Background())
	t := &task{name: name, ready: ready, done: make(chan struct{})}
	t.cancel = func() { t.told.Store(true); cancel() }
	p.tasks = append(p.tasks, t)
	go func() {
		defer close(t.done)
		t.err = run(ctx)
	}()
	return t
}

func (t *task) stop() {
	t.cancel()
	<-t.done
}

// running returns once everything that was started runs.
func (p *process) running(ctx context.Context) error {
	if !*plain {
		return p.client.WaitRunning(ctx)
	}
	for _, t := range p.tasks {
		if err := t.ready(ctx); err != nil {
			return err
		}
		if err := p.ended(); err != nil {
			return err
		}
	}
	return nil
}

// processor runs a processor.
func (p *process) processor(spec Processor) *task {
	if !*plain {
		run := p.client.Prepare(spec)
		return p.start(spec.Role, nil, func(ctx context.Context) error { run(ctx); return nil })
	}
	processor, err := goka.NewProcessor(p.brokers, spec.Graph, append([]goka.ProcessorOption{
		goka.WithConsumerGroupBuilder(goka.ConsumerGroupBuilderWithConfig(plainConfig())),
		goka.WithProducerBuilder(p.plainProducer()),
		goka.WithConsumerSaramaBuilder(goka.SaramaConsumerBuilderWithConfig(plainConfig())),
		goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithConfig(plainConfig(), goka.NewTopicManagerConfig())),
		goka.WithStorageBuilder(p.plainStorage()),
		goka.WithLogger(gokaLogger{slog.New(slog.DiscardHandler), ""}),
	}, spec.Options...)...)
	if err != nil {
		return p.start(spec.Role, nil, func(context.Context) error { return err })
	}
	return p.start(spec.Role, processor.WaitForReadyContext, processor.Run)
}

// view runs a view.
func (p *process) view(spec View) *task {
	if !*plain {
		run := p.client.PrepareView(spec)
		return p.start(spec.Role, nil, func(ctx context.Context) error { run(ctx); return nil })
	}
	callback := spec.Callback
	if spec.Deferred != nil {
		callback = func(ctx goka.UpdateContext, _ storage.Storage, key string, value []byte) error {
			return spec.Deferred(ctx, key, value, func() error { return nil })
		}
	}
	view, err := goka.NewView(p.brokers, spec.Table, spec.Codec,
		goka.WithViewCallback(callback),
		goka.WithViewStorageBuilder(p.plainStorage()),
		goka.WithViewConsumerSaramaBuilder(goka.SaramaConsumerBuilderWithConfig(plainConfig())),
		goka.WithViewTopicManagerBuilder(goka.TopicManagerBuilderWithConfig(plainConfig(), goka.NewTopicManagerConfig())),
		goka.WithViewLogger(gokaLogger{slog.New(slog.DiscardHandler), ""}),
	)
	if err != nil {
		return p.start(spec.Role, nil, func(context.Context) error { return err })
	}
	if spec.Serve != nil {
		spec.Serve(view)
	}
	return p.start(spec.Role, func(ctx context.Context) error {
		select {
		case <-view.WaitRunning():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, view.Run)
}

// states collects the states that a role goes through from now on.
func (w *world) states(p *process, role string) *list {
	var l list
	if p.client == nil {
		return &l
	}
	ctx := w.t.Context()
	for _, r := range p.client.roles {
		if r.name != role {
			continue
		}
		go func() {
			for {
				s, changed := r.status()
				l.add(string(s.State))
				select {
				case <-changed:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return &l
}

// restarts tells how often a role ended and was built anew.
func (p *process) restarts(role string) int {
	families, err := p.figures.Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "simplecqrs_role_restarts_total" && m.GetLabel()[0].GetValue() == role {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

// emitter opens an emitter of strings.
func (p *process) emitter(topic goka.Stream) (*goka.Emitter, error) {
	if !*plain {
		return p.client.Emitter(topic, new(codec.String))
	}
	return goka.NewEmitter(p.brokers, topic, new(codec.String),
		goka.WithEmitterProducerBuilder(p.plainProducer()))
}

func (p *process) plainProducer() goka.ProducerBuilder {
	c := plainConfig()
	c.Producer.Flush.Frequency = p.flush
	return goka.ProducerBuilderWithConfig(c)
}

// plainConfig has the settings that one would give to goka: with them it is a
// mechanism that breaks a rule, and not a default.
func plainConfig() *sarama.Config {
	c := goka.DefaultConfig()
	c.Version = sarama.V2_8_0_0
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = commitInterval
	c.Consumer.Group.Heartbeat.Interval = time.Second
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Flush.Frequency, c.Producer.Flush.Bytes = 0, 0
	c.Metadata.AllowAutoTopicCreation = false
	return c
}

func (p *process) plainStorage() storage.Builder {
	if p.dir == "" {
		return storage.MemoryBuilder()
	}
	return storage.DefaultBuilder(filepath.Join(p.dir, "goka"))
}

// list is what several goroutines put into one.
type list struct {
	mu  sync.Mutex
	all []string
}

func (l *list) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
}

func (l *list) get() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

func (l *list) has(s string) bool { return slices.Contains(l.get(), s) }

// oursOnly skips what goka has nothing like, with -plain.
func oursOnly(t *testing.T) {
	t.Helper()
	if *plain {
		t.Skip("it is about a part that plain goka does not have")
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
