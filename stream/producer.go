package stream

import (
	"context"
	"fmt"
	"hash"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// newProducerClient opens the process's one producing client: idempotent, acks
// of all in-sync replicas, no linger. It keeps what it cannot send until the
// brokers are back, and Produce blocks once it keeps too much.
func newProducerClient(c Config) (*kgo.Client, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.MaxProduceRequestsInflightPerBroker(1),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytesFn(c.maxRecord),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // Java's: murmur2
		kgo.MetadataMinAge(250*time.Millisecond),
	)
	if err != nil {
		return nil, fmt.Errorf("stream: opening the producer: %w", err)
	}
	return client, nil
}

// producer is a goka.Producer on a client that it shares with others.
type producer struct{ client *kgo.Client }

func (c *Client) producerBuilder([]string, string, func() hash.Hash32) (goka.Producer, error) {
	return producer{c.kafka}, nil
}

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
	p.client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
		if err != nil {
			finish(nil, fmt.Errorf("stream: producing to %s: %w", topic, err))
			return
		}
		finish(&sarama.ProducerMessage{Topic: topic, Partition: r.Partition, Offset: r.Offset}, nil)
	})
	return promise
}

// Close implements goka.Producer. The client is the process's and goes on; what
// was emitted is waited for by whoever holds the promise.
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
