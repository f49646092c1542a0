package stream

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// warm connects to the brokers and takes a producer id, so that the first record
// does not pay for it. Of several brokers some may be away.
func (c *Client) warm(ctx context.Context, kafka *kgo.Client) error {
	err := kafka.Ping(ctx)
	if err == nil {
		_, _, err = kafka.ProducerID(ctx)
	}
	if err != nil {
		return fmt.Errorf("stream: connecting to the brokers: %w", err)
	}
	if err := kafka.EnsureProduceConnectionIsOpen(ctx); err != nil {
		c.log.Warn("not all brokers can be reached", slog.Any("error", err))
	}
	return nil
}

// maxUnsent and maxUnsentRecords bound, in bytes and in records, what a producing
// client keeps for brokers that are away.
const (
	maxUnsent        = 256 << 20
	maxUnsentRecords = 50_000
)

// newProducerClient opens a producing client: idempotent, acks of all in-sync
// replicas, no linger. Batches are compressed by its default, snappy: lz4 would have
// writers and readers take blocks of 4 MiB for batches of some KB. It keeps what it
// cannot send until the brokers are back. When it gives a record up it gives up all
// that wait for the same partition, which is why none is shared between those that
// give up by themselves.
func newProducerClient(c Config) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(c.Security.kgo(),
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytesFn(c.maxRecord),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // Java's: murmur2
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.MaxBufferedBytes(maxUnsent),
		kgo.MaxBufferedRecords(maxUnsentRecords),
		kgo.RetryBackoffFn(retryDelay),
		// A proxy whose broker is away takes a connection and closes it.
		kgo.AlwaysRetryEOF(),
	)...)
	if err != nil {
		return nil, fmt.Errorf("stream: opening the producer: %w", err)
	}
	return client, nil
}

// retryDelay is the wait before brokers that failed so often are tried again. It
// ends at about a second, as what is kept for them should not wait once they are back.
func retryDelay(fails int) time.Duration {
	delay := min(time.Duration(fails)*250*time.Millisecond, time.Second)
	return time.Duration(float64(delay) * (0.8 + 0.4*rand.Float64()))
}

// producer is a goka.Producer on a client that it does not own.
type producer struct {
	// produce says what happens when the client keeps too much already. A processor
	// waits, and its input with it; an emitter breaks the promise, as others wait for
	// who emits.
	produce func(context.Context, *kgo.Record, func(*kgo.Record, error))
	// until ends when what is not acknowledged is given up.
	until   context.Context
	tracer  *tracer
	refused *prometheus.CounterVec
}

func (p producer) builder([]string, string, func() hash.Hash32) (goka.Producer, error) {
	return p, nil
}

// outlasting gives a context that ends some time after ctx does.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return longer, func() { stop(); cancel() }
}

var errGaveUp = errors.New("gave up waiting for the brokers")

// Emit implements goka.Producer.
func (p producer) Emit(topic, key string, value []byte) *goka.Promise {
	return p.EmitWithHeaders(topic, key, value, nil)
}

// EmitWithHeaders implements goka.Producer. The promise is kept once all in-sync
// replicas have the record, and broken if the broker will never take it.
func (p producer) EmitWithHeaders(topic, key string, value []byte, headers goka.Headers) *goka.Promise {
	promise, finish := goka.NewPromiseWithFinisher()
	r := &kgo.Record{Topic: topic, Key: []byte(key), Value: value}
	if len(headers) > 0 {
		r.Headers = make([]kgo.RecordHeader, 0, len(headers))
		for name, v := range headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: v})
		}
	}
	span := p.tracer.sending(r, headers)
	lost := func(err error) {
		p.refused.WithLabelValues(topic).Inc()
		err = fmt.Errorf("stream: producing to %s: %w", topic, err)
		written(span, r, err)
		finish(nil, err)
	}
	kept := context.AfterFunc(p.until, func() { lost(errGaveUp) })
	p.produce(p.until, r, func(r *kgo.Record, err error) {
		if !kept() {
			return // given up
		}
		if err != nil {
			lost(err)
			return
		}
		written(span, r, nil)
		finish(&sarama.ProducerMessage{Topic: topic, Partition: r.Partition, Offset: r.Offset}, nil)
	})
	return promise
}

// Close implements goka.Producer. What was emitted is waited for by whoever holds
// the promise.
func (producer) Close() error { return nil }

// Await waits for a promise to be kept. If ctx ends first its error is returned,
// and the record may still be written.
func Await(ctx context.Context, p *goka.Promise) error {
	result := make(chan error, 1)
	p.Then(func(err error) { result <- err })
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
