package stream

import (
	"errors"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rcrowley/go-metrics"

	"simplecqrs/telemetry"
)

// Config says which brokers to talk to, and how.
type Config struct {
	Brokers  []string // host:port, at least one
	ClientID string   // empty: simplecqrs
	Security Security // zero: in plain, as nobody
	// DataDir holds the local copies of tables; empty keeps them in memory. One
	// process alone may use it.
	DataDir string
	// MaxRecord bounds the records of a topic, in bytes with key and headers, by
	// what the topic allows. A topic without a bound has 1 MB, the broker's default.
	MaxRecord map[string]int32
	// KeyName is what a record's key is called in traces, as an attribute's name; empty: it is
	// the message's key alone.
	KeyName    string
	Tracing    *telemetry.Tracing    // nil: no spans are made
	Registerer prometheus.Registerer // nil: the figures are kept to ourselves
	Logger     *slog.Logger          // nil: silent
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Brokers) == 0 {
		return c, errors.New("stream: no brokers given")
	}
	if err := c.Security.check(); err != nil {
		return c, err
	}
	if c.ClientID == "" {
		c.ClientID = "simplecqrs"
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

const defaultMaxRecord = 1_000_000

func (c Config) maxRecord(topic string) int32 {
	if limit, found := c.MaxRecord[topic]; found {
		return limit
	}
	return defaultMaxRecord
}

// commitInterval is how often finished offsets are committed: the shorter, the
// fewer records come again after a crash.
const commitInterval = 200 * time.Millisecond

// rebalanceTimeout is how long the others of a group wait, idle, for a member that has
// yet to join the next generation. One whose handler takes longer than that is put
// out, and what the handler still writes is late.
const rebalanceTimeout = 10 * time.Second

// How long a call looks for brokers that are away before it fails, deaf to all
// else meanwhile: briefly where it is made again, long where its failure ends a
// processor.
const (
	briefly = time.Second
	long    = 15 * time.Second
)

// Nobody reads the figures that sarama gathers at each fetch of each partition, and at a
// steady rate they are a tenth of what a process does. This is its documented way to do
// without, see [sarama.Config].
func init() { metrics.UseNilMetrics = true }

// sarama gives the settings of the consuming clients; the producer is not sarama's.
// A new value at each call, as goka's builders write into what they get.
func (c Config) sarama(clientID string, look time.Duration) *sarama.Config {
	s := goka.DefaultConfig()
	s.ClientID = clientID
	c.Security.sarama(s)
	s.Version = sarama.V2_8_0_0
	s.Metadata.AllowAutoTopicCreation = false
	// A member that cannot reach its coordinator is no member any more after the
	// session timeout, and should not work on for long without knowing. The answer to
	// its wish to join takes as long as the others may take.
	s.Net.DialTimeout, s.Net.WriteTimeout = 5*time.Second, 5*time.Second
	s.Net.ReadTimeout = rebalanceTimeout + 2*time.Second
	s.Metadata.Retry.Backoff = 250 * time.Millisecond
	s.Metadata.Retry.Max = int(look / s.Metadata.Retry.Backoff)
	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	s.Consumer.Offsets.AutoCommit.Interval = commitInterval
	s.Consumer.MaxWaitTime = 100 * time.Millisecond
	// A member learns of a rebalance from a heartbeat, so this bounds the pause.
	s.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	s.Consumer.Group.Session.Timeout = 6 * time.Second // the least that brokers allow by default
	s.Consumer.Group.Rebalance.Timeout = rebalanceTimeout
	// The wait of a member whose joining collides with another's, while all are idle.
	s.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	s.Consumer.Group.Rebalance.Retry.Max = 20
	s.ChannelBufferSize = 1024
	return s
}
