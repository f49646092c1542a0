package stream

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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
	Each func(Raw)
	// CaughtUp is called once those have been got that were there at the beginning of
	// the life.
	CaughtUp func()
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
	held, err := c.span(ctx, p.Topic)
	if err != nil {
		return err
	}
	from, missing := map[int32]int64{}, map[int32]int64{}
	for i, start := range held.start {
		from[int32(i)] = start
		if held.end[i] > start {
			missing[int32(i)] = held.end[i]
		}
	}
	reader, err := c.reader(p.Topic, from, kgo.FetchMaxBytes(maxFetch))
	if err != nil {
		return err
	}
	defer reader.Close()
	p.Begin()
	for caughtUp := false; ; {
		if !caughtUp && len(missing) == 0 {
			caughtUp = true
			p.CaughtUp()
			r.set(Running, nil)
		}
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetches.EachRecord(func(one *kgo.Record) {
			if !one.Attrs.IsControl() {
				p.Each(rawOf(one))
			}
			if one.Offset >= missing[one.Partition]-1 {
				delete(missing, one.Partition)
			}
		})
		if err := failure(fetches); err != nil { // who reads on elsewhere does not know what it has missed
			return err
		}
	}
}

// maxFetch bounds what a reader is sent at once, in bytes, but for a single larger record.
const maxFetch = 4 << 20

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
func (c *Client) ReadAt(ctx context.Context, topic string, places ...Place) ([]Raw, error) {
	wanted, from := map[int32][]int64{}, map[int32]int64{}
	for _, p := range places {
		wanted[p.Partition] = append(wanted[p.Partition], p.Offset)
	}
	for partition, offsets := range wanted {
		slices.Sort(offsets)
		wanted[partition], from[partition] = slices.Compact(offsets), offsets[0]
	}
	reader, err := c.reader(topic, from, kgo.FetchMaxBytes(maxFetch))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var found []Raw
	for len(wanted) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := cmp.Or(ctx.Err(), failure(fetches)); err != nil {
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
			found = append(found, rawOf(one))
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
			reader.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: jumps})
		}
	}
	return found, nil
}
