package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Replay reads a topic from its beginning and goes on with what is added to it. Its
// process reads all partitions, whoever else does.
type Replay struct {
	Role  string // its name in status and metrics
	Topic string
	// Begin is called before the first record of each life, which begins anew.
	Begin func()
	// Each gets the records, those of a partition in their order, one after the other.
	Each func(Read)
	// CaughtUp is called once those have been got that were there at the beginning of
	// the life.
	CaughtUp func()
}

// Read is a record that was read, with its place.
type Read struct {
	Partition int32
	Offset    int64
	Key       string
	Value     []byte // nil for none; shared with other records, so keep a copy
	Headers   map[string][]byte
}

// PrepareReplay adds a replay to the client's status. What it gives runs it until ctx
// ends, through as many lives as it takes.
func (c *Client) PrepareReplay(p Replay) (run func(ctx context.Context)) {
	r := c.newRole(p.Role, "replay", false)
	return func(ctx context.Context) {
		c.supervise(ctx, r, func(ctx context.Context) error {
			err := c.replay(ctx, r, p)
			if ctx.Err() != nil {
				return nil // told to end, which is how it ends
			}
			return err
		})
	}
}

func (c *Client) replay(ctx context.Context, r *role, p Replay) error {
	missing, err := c.ends(ctx, p.Topic)
	if err != nil {
		return err
	}
	from := make(map[int32]kgo.Offset, len(missing))
	for partition, end := range missing {
		from[partition] = kgo.NewOffset().AtStart()
		if end == 0 {
			delete(missing, partition)
		}
	}
	client, err := c.newReader(p.Topic, from)
	if err != nil {
		return err
	}
	defer client.Close()
	p.Begin()
	for caughtUp := false; ; {
		if !caughtUp && len(missing) == 0 {
			caughtUp = true
			p.CaughtUp()
			r.set(Running, nil)
		}
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("stream: reading %s: %w", p.Topic, err)
		}
		fetches.EachRecord(func(one *kgo.Record) {
			p.Each(readOf(one))
			if one.Offset >= missing[one.Partition]-1 {
				delete(missing, one.Partition)
			}
		})
	}
}

// ends gives the ends of a topic's partitions; 0 for one that has no record any more.
func (c *Client) ends(ctx context.Context, topic string) (map[int32]int64, error) {
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	starts, failed := c.admin.ListStartOffsets(ctx, topic)
	if failed == nil {
		failed = starts.Error()
	}
	if err := errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("stream: where %s ends: %w", topic, err)
	}
	all := map[int32]int64{}
	for partition, end := range ends[topic] {
		if end.Offset > starts[topic][partition].Offset {
			all[partition] = end.Offset
		} else {
			all[partition] = 0
		}
	}
	return all, nil
}

func (c *Client) newReader(topic string, from map[int32]kgo.Offset) (*kgo.Client, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.config.Brokers...),
		kgo.ClientID(c.config.ClientID),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // who reads on elsewhere does not know what it has missed
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxBytes(maxFetch),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.RetryBackoffFn(retryDelay),
		kgo.AlwaysRetryEOF(),
	)
	if err != nil {
		return nil, fmt.Errorf("stream: opening a reader of %s: %w", topic, err)
	}
	return client, nil
}

// maxFetch bounds what a reader is sent at once, in bytes, but for a single larger record.
const maxFetch = 4 << 20

func readOf(r *kgo.Record) Read {
	one := Read{Partition: r.Partition, Offset: r.Offset, Key: string(r.Key), Value: r.Value}
	if len(r.Headers) > 0 {
		one.Headers = make(map[string][]byte, len(r.Headers))
	}
	for _, h := range r.Headers {
		one.Headers[h.Key] = h.Value
	}
	return one
}

// Place is where a record of a topic lies.
type Place struct {
	Partition int32
	Offset    int64
}

// maxBetween is how many records a reader reads on through to the next that is wanted,
// rather than to ask for that.
const maxBetween = 1000

// ReadAt gives the records of places, in any order. All must be there; it waits for one
// that is yet to come.
func (c *Client) ReadAt(ctx context.Context, topic string, places ...Place) ([]Read, error) {
	wanted := map[int32][]int64{}
	for _, p := range places {
		wanted[p.Partition] = append(wanted[p.Partition], p.Offset)
	}
	from := map[int32]kgo.Offset{}
	for partition, offsets := range wanted {
		slices.Sort(offsets)
		wanted[partition] = slices.Compact(offsets)
		from[partition] = kgo.NewOffset().At(offsets[0])
	}
	client, err := c.newReader(topic, from)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var found []Read
	for len(wanted) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("stream: reading %s at places: %w", topic, err)
		}
		at := map[int32]int64{}
		for _, one := range fetches.Records() {
			left := wanted[one.Partition]
			if len(left) == 0 {
				continue
			}
			at[one.Partition] = one.Offset
			switch {
			case one.Offset > left[0]:
				return nil, fmt.Errorf("stream: %s/%d/%d is gone", topic, one.Partition, left[0])
			case one.Offset < left[0]:
				continue
			}
			found = append(found, readOf(one))
			if wanted[one.Partition] = left[1:]; len(left) == 1 {
				delete(wanted, one.Partition)
			}
		}
		jumps := map[int32]kgo.EpochOffset{}
		for partition, offset := range at {
			if left := wanted[partition]; len(left) > 0 && left[0] > offset+maxBetween {
				jumps[partition] = kgo.EpochOffset{Epoch: -1, Offset: left[0]}
			}
		}
		if len(jumps) > 0 {
			client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: jumps})
		}
	}
	return found, nil
}
