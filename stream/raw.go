package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Raw is a record as it lies in a topic. It must not be kept: its bytes are those
// of the answer that it came in.
type Raw struct {
	Partition  int32
	Offset     int64
	Time       time.Time // when it was written
	Key, Value []byte
	Headers    map[string][]byte // of those with the same name the last
}

func rawOf(r *kgo.Record) Raw {
	raw := Raw{r.Partition, r.Offset, r.Timestamp, r.Key, r.Value, make(map[string][]byte, len(r.Headers))}
	for _, h := range r.Headers {
		raw.Headers[h.Key] = h.Value
	}
	return raw
}

// reader opens a client that reads a topic's partitions from the offsets given and
// belongs to no group. It tells also of control records, as whoever keeps a place
// has to pass over them, and never goes anywhere that it was not told.
func (c *Client) reader(topic string, from map[int32]int64, options ...kgo.Opt) (*kgo.Client, error) {
	at := make(map[int32]kgo.Offset, len(from))
	for p, offset := range from {
		at[p] = kgo.NewOffset().At(offset)
	}
	client, err := kgo.NewClient(append(append(c.config.Security.kgo(),
		kgo.SeedBrokers(c.config.Brokers...),
		kgo.ClientID(c.config.ClientID),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.KeepControlRecords(),
		kgo.KeepRetryableFetchErrors(),
		kgo.FetchMaxWait(time.Second),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.RetryBackoffFn(retryDelay),
		kgo.AlwaysRetryEOF(),
	), options...)...)
	if err != nil {
		return nil, fmt.Errorf("stream: opening a reader: %w", err)
	}
	return client, nil
}

// failure is why a fetch went wrong, for good: what the client tries again by itself
// counts only if it says that the topic is not there, as one that was made anew never is.
func failure(f kgo.Fetches) error {
	var errs []error
	f.EachError(func(topic string, partition int32, err error) {
		gone := errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition)
		if gone || !kerr.IsRetriable(err) {
			errs = append(errs, fmt.Errorf("stream: reading %s/%d: %w", topic, partition, err))
		}
	})
	return errors.Join(errs...)
}

// Scan visits the records that were written to a partition from one time to
// another, by the records' own times, at most so many. It gives how many it left
// out because of that: of the later ones, or, if from is zero, of the earlier.
func (c *Client) Scan(ctx context.Context, topic string, partition int32, from, to time.Time, limit int64, visit func(Raw)) (left int64, err error) {
	offset := func(at time.Time) int64 {
		if err != nil {
			return 0
		}
		var listed kadm.ListedOffsets
		listed, err = c.admin.ListOffsetsAfterMilli(ctx, max(at.UnixMilli(), 0), topic) // less has other meanings
		if err = errors.Join(err, listed.Error()); err != nil {
			err = fmt.Errorf("stream: looking for a time in %s: %w", topic, err)
			return 0
		}
		o, _ := listed.Lookup(topic, partition)
		return o.Offset
	}
	begin, end := offset(from), offset(to)
	if err != nil || begin >= end {
		return 0, err
	}
	left = max(end-begin-limit, 0)
	if from.IsZero() {
		begin += left
	} else {
		end -= left
	}
	reader, err := c.reader(topic, map[int32]int64{partition: begin})
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	for next := begin; next < end; {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err := failure(fetches); err != nil {
			return 0, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if next = r.Offset + 1; r.Offset < end && !r.Attrs.IsControl() {
				visit(rawOf(r))
			}
		})
	}
	return left, nil
}
