package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/cenkalti/backoff/v5"
	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Client is a process's way to the brokers, and its local tables. All processors,
// views and emitters of the process share it.
type Client struct {
	config  Config
	log     *slog.Logger
	kafka   *kgo.Client // for emitters; each life of a processor has one of its own
	admin   *kadm.Client
	tables  *tables
	figures *figures
	backoff func() *backoff.ExponentialBackOff
	drain   time.Duration
	began   time.Time
	now     func() time.Time // for timers

	mu    sync.Mutex
	roles []*role
}

// drainTime is how long what is emitted may go without acknowledgement, once a
// processor or the client is to end, before it is given up.
const drainTime = 10 * time.Second

// Open checks the settings, opens the local tables and prepares to connect. It
// does not wait for a broker.
func Open(c Config) (*Client, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	f, err := newFigures(c.Registerer)
	if err != nil {
		return nil, fmt.Errorf("stream: registering the metrics: %w", err)
	}
	for topic := range c.MaxRecord {
		f.refused.WithLabelValues(topic)
	}
	kafka, err := newProducerClient(c)
	if err != nil {
		return nil, err
	}
	if c.Security.SASL == Plain && c.Security.TLS == nil {
		c.Logger.Warn("the password travels to the brokers for others to read: speak TLS with them, or use SCRAM")
	}
	t, err := openTables(c.DataDir)
	if err != nil {
		kafka.Close()
		return nil, err
	}
	return &Client{
		config: c, log: c.Logger, kafka: kafka, admin: kadm.NewClient(kafka),
		tables: t, figures: f, backoff: defaultBackoff, drain: drainTime, began: time.Now(), now: time.Now,
	}, nil
}

// Close waits until what was emitted is acknowledged, for 10 s at most, and lets
// go of the brokers and the local tables. What it gave up is in the error.
// Everything that runs on the client must have ended.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.drain)
	defer cancel()
	var err error
	if c.kafka.Flush(ctx) != nil {
		err = fmt.Errorf("stream: gave up %d unacknowledged records", c.kafka.BufferedProduceRecords())
	}
	c.kafka.Close()
	return errors.Join(err, c.tables.close())
}

// Status tells how each processor and view is doing, in the order in which they
// were started.
func (c *Client) Status() []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Status, len(c.roles))
	for i, r := range c.roles {
		all[i], _ = r.status()
	}
	return all
}

// Ping reports whether a broker answers. It asks all at once: one after the other, one that
// hangs would use up the time of those behind it.
func (c *Client) Ping(ctx context.Context) error {
	brokers := append(c.kafka.DiscoveredBrokers(), c.kafka.SeedBrokers()...)
	answers := make(chan error, len(brokers))
	for _, b := range brokers {
		go func() {
			_, err := metadataOf(nil).RequestWith(ctx, b)
			answers <- err
		}()
	}
	var err error
	for range brokers {
		select {
		case err = <-answers:
			if err == nil {
				return nil
			}
		case <-ctx.Done(): // a request may wait for its turn beyond that
			return ctx.Err()
		}
	}
	return err
}

// WaitRunning returns once every processor and view that was started runs, and
// what is emitted from then on finds its connections open.
func (c *Client) WaitRunning(ctx context.Context) error {
	c.mu.Lock()
	roles := slices.Clone(c.roles)
	c.mu.Unlock()
	for _, r := range roles {
		for {
			s, changed := r.status()
			if s.State == Running {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return errors.Join(fmt.Errorf("stream: %s is %s: %w", s.Role, s.State, ctx.Err()), s.Err)
			}
		}
	}
	for {
		err := c.warm(ctx, c.kafka)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(rejoinDelay):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (c *Client) newRole(name, kind string, keepsTable bool) *role {
	r := newRole(name, c.figures)
	r.log = c.log
	c.figures.restarts.WithLabelValues(name) // 0, lest the first goes unseen
	r.activity.kind, r.activity.kept = kind, keepsTable
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles = append(c.roles, r)
	return r
}

// Emitter opens an emitter for a topic. While the brokers are away it keeps what
// is emitted, and refuses it once that is too much. Closing the client waits for
// what it keeps; goka's Finish waits for ever, so it is for afterwards, if at all,
// and once only.
func (c *Client) Emitter(topic goka.Stream, codec goka.Codec) (*goka.Emitter, error) {
	return goka.NewEmitter(c.config.Brokers, topic, codec,
		goka.WithEmitterProducerBuilder(producer{
			produce: c.kafka.TryProduce, until: context.Background(), tracer: c.emitting(), refused: c.figures.refused,
		}.builder),
		goka.WithEmitterHasher(newHasher),
	)
}

// Processor is a goka processor to be kept running.
type Processor struct {
	Role  string // its name in status, metrics and local tables
	Graph *goka.GroupGraph
	// Version is that of the table's values, if they have one: then a value never
	// gives way to an older one that was written late.
	Version Version
	Filter  Filter  // nil: it wants every record; its loop topic's it gets in any case
	Timers  *Timers // nil: its values have no deadlines
	// Lanes bounds how many records are worked on at once by [Later]; 0: that does the
	// work of each before the next of its partition.
	Lanes int
	// Options are passed on to goka, after our own.
	Options []goka.ProcessorOption
}

// Prepare adds a processor to the client's status. What it gives runs it until
// ctx ends, through as many lives as it takes, and then finishes and commits
// what it had begun. What the brokers do not acknowledge within 10 s of the end is
// given up, and its cause comes again in the next run.
func (c *Client) Prepare(p Processor) (run func(ctx context.Context)) {
	r := c.newRole(p.Role, "processor", p.Graph.GroupTable() != nil)
	return func(ctx context.Context) {
		c.supervise(ctx, r, func(ctx context.Context) error {
			kafka, err := newProducerClient(c.config)
			if err != nil {
				return err
			}
			defer kafka.Close()
			if err := c.warm(ctx, kafka); err != nil {
				return err
			}
			if t := p.Graph.GroupTable(); t != nil {
				if err := c.bind(ctx, r, t.Topic(), 0); err != nil {
					return err
				}
			}
			until, cancel := outlasting(ctx, c.drain)
			defer cancel()
			writes := producer{
				produce: kafka.Produce, until: until,
				tracer: c.tracer(p.Role, string(p.Graph.Group())), refused: c.figures.refused,
			}
			timers, err := c.timers(r, p, writes)
			if err != nil {
				return err
			}
			lanes, end := c.lanes(ctx, r, p, writes, cancel)
			defer end()
			options := append(c.processorOptions(r, p, writes, timers, lanes), p.Options...)
			processor, err := goka.NewProcessor(c.config.Brokers, p.Graph, options...)
			if err != nil {
				return err
			}
			defer r.activity.run(running{processor: processor})()
			return processor.Run(ctx)
		})
	}
}

// filter lets the loop topic's records by: they are of the processor's own making.
func (p Processor) filter() Filter {
	loop := p.Graph.LoopStream()
	if p.Filter == nil || loop == nil {
		return p.Filter
	}
	return func(r Record) bool { return r.m.Topic == loop.Topic() || p.Filter(r) }
}

func (c *Client) processorOptions(r *role, p Processor, writes producer, timers *timers, lanes *lanes) []goka.ProcessorOption {
	rewrite := func(topic, key string, value []byte, acked func(int64) error) {
		writes.Emit(topic, key, value).ThenWithMessage(func(m *sarama.ProducerMessage, err error) {
			if err == nil {
				err = acked(m.Offset)
			}
			if err != nil { // it is found again by whoever recovers the table next
				c.log.Warn("a value behind which an older one was written could not be written again",
					slog.String("role", r.name), slog.String("key", key), slog.Any("error", err))
			}
		})
	}
	return []goka.ProcessorOption{
		goka.WithClientID(c.config.ClientID),
		goka.WithLogger(gokaLogger{c.log, r.name}),
		goka.WithHasher(newHasher),
		goka.WithProducerBuilder(writes.builder),
		goka.WithStorageBuilder(ownedBuilder(timers.builder(c.tables, r.name), p.Version, rewrite)),
		goka.WithContextWrapper(failForGood(lanes, timers, writes.tracer)),
		goka.WithUpdateCallback(timers.update),
		goka.WithNilHandling(goka.NilProcess),
		goka.WithPartitionChannelSize(1024),
		goka.WithConsumerSaramaBuilder(c.consumers(long)),
		goka.WithTopicManagerBuilder(c.topicManagers(long)),
		goka.WithConsumerGroupBuilder(func(brokers []string, name, clientID string) (sarama.ConsumerGroup, error) {
			g, err := sarama.NewConsumerGroup(brokers, name, c.config.sarama(clientID, briefly))
			if err != nil {
				return nil, err
			}
			return &group{ConsumerGroup: g, role: r, filter: p.filter(), timers: timers, lanes: lanes, ends: c.admin.ListEndOffsets}, nil
		}),
	}
}

func (c *Client) consumers(look time.Duration) goka.SaramaConsumerBuilder {
	return func(brokers []string, clientID string) (sarama.Consumer, error) {
		return sarama.NewConsumer(brokers, c.config.sarama(clientID, look))
	}
}

// topicManagers gives topic managers that make no topics: a processor whose topics
// are missing must not run on what it happens to make up.
func (c *Client) topicManagers(look time.Duration) goka.TopicManagerBuilder {
	return func(brokers []string) (goka.TopicManager, error) {
		settings := goka.NewTopicManagerConfig()
		settings.NoCreate = true
		return goka.NewTopicManager(brokers, c.config.sarama(c.config.ClientID, look), settings)
	}
}

// bind holds the role's local copy to the topic as it is now.
func (c *Client) bind(ctx context.Context, r *role, topic string, layout byte) error {
	details, err := c.describe(ctx, []string{topic})
	if err != nil {
		return err
	}
	d, exists := details[topic]
	if !exists {
		return missing(topic)
	}
	r.activity.bind(topic, d.partitions)
	id := d.id[:]
	if layout > 0 {
		id = append(bytes.Clone(id), layout)
	}
	return c.tables.bind(r.name, topic, id)
}

// gokaLogger passes goka's messages on, which are of use in debugging only: what
// matters comes as an error.
type gokaLogger struct {
	log  *slog.Logger
	role string
}

func (l gokaLogger) Print(args ...any) {
	l.log.Debug(fmt.Sprint(args...), slog.String("role", l.role))
}
func (l gokaLogger) Println(args ...any) { l.Print(args...) }
func (l gokaLogger) Printf(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...), slog.String("role", l.role))
}
