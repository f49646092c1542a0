package stream

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// position is how far a reader of a topic has come: which topic it is, as one may be
// made anew under its name, and the next offset of each partition.
type position struct {
	topic kadm.TopicID
	next  []int64
}

// maxPlaces bounds the partitions of a place that is read.
const maxPlaces = 10_000

var errNoPlace = errors.New("stream: not a place in a topic")

// String gives the position in a form for URLs and headers.
func (p position) String() string {
	b := append(make([]byte, 0, len(p.topic)+5*len(p.next)), p.topic[:]...)
	for _, n := range p.next {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePlace(text string) (p position, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) <= len(p.topic) {
		return position{}, errNoPlace
	}
	b = b[copy(p.topic[:], b):]
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > math.MaxInt64 || len(p.next) == maxPlaces {
			return position{}, errNoPlace
		}
		p.next, b = append(p.next, int64(n)), b[size:]
	}
	if p.String() != text { // base64 passes over line breaks, a varint may be longer than need be
		return position{}, errNoPlace
	}
	return p, nil
}

// pass moves the place over a record.
func (p position) pass(partition int32, offset int64) {
	p.next[partition] = max(p.next[partition], offset+1)
}

// covers reports whether the position is behind the other in no partition.
func (p position) covers(other []int64) bool {
	for i, n := range other {
		if p.next[i] < n {
			return false
		}
	}
	return true
}

// span is what a topic holds.
type span struct {
	topic      kadm.TopicID
	start, end []int64 // of each partition
}

// holds reports whether a reader can go on from the position.
func (s span) holds(p position) bool {
	if p.topic != s.topic || len(p.next) != len(s.end) {
		return false
	}
	for i, n := range p.next {
		if n < s.start[i] || n > s.end[i] {
			return false
		}
	}
	return true
}

// span asks the brokers what a topic holds now.
func (c *Client) span(ctx context.Context, topic string) (span, error) {
	details, err := c.describe(ctx, []string{topic})
	if err != nil {
		return span{}, err
	}
	d, exists := details[topic]
	if !exists {
		return span{}, missing(topic)
	}
	starts, ends, err := c.bounds(ctx, []string{topic})
	if err != nil {
		return span{}, fmt.Errorf("stream: listing the offsets of %s: %w", topic, err)
	}
	s := span{topic: d.id}
	if s.start, err = offsetsOf(topic, d.partitions, starts); err != nil {
		return span{}, err
	}
	s.end, err = offsetsOf(topic, d.partitions, ends)
	return s, err
}

// bounds gives where topics start and end. Each partition has an error of its own.
func (c *Client) bounds(ctx context.Context, topics []string) (starts, ends kadm.ListedOffsets, err error) {
	if len(topics) == 0 { // kadm takes that for all
		return nil, nil, nil
	}
	starts, err = listing(c.admin.ListStartOffsets).each(ctx, topics)
	if err != nil {
		return nil, nil, err
	}
	ends, err = listing(c.admin.ListEndOffsets).each(ctx, topics)
	return starts, ends, err
}

// listing asks the leaders of partitions for offsets.
type listing func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error)

// each gives a partition that has no leader, or whose leader does not answer, an error of its
// own: it keeps nothing of the others from being known.
func (list listing) each(ctx context.Context, topics []string) (kadm.ListedOffsets, error) {
	listed, err := list(ctx, topics...)
	parts, apart := errors.AsType[*kadm.ShardErrors](err)
	if !apart {
		return listed, err
	}
	for _, part := range parts.Errs {
		request, ok := part.Req.(*kmsg.ListOffsetsRequest)
		if !ok {
			return nil, err
		}
		for _, t := range request.Topics {
			if listed[t.Topic] == nil {
				listed[t.Topic] = map[int32]kadm.ListedOffset{}
			}
			for _, p := range t.Partitions {
				listed[t.Topic][p.Partition] = kadm.ListedOffset{Topic: t.Topic, Partition: p.Partition, Err: part.Err}
			}
		}
	}
	return listed, nil
}

func offsetsOf(topic string, partitions int, listed kadm.ListedOffsets) ([]int64, error) {
	if err := listed.Error(); err != nil {
		return nil, fmt.Errorf("stream: listing the offsets of %s: %w", topic, err)
	}
	offsets := slices.Repeat([]int64{-1}, partitions)
	for i := range offsets {
		o, found := listed.Lookup(topic, int32(i))
		if !found {
			return nil, fmt.Errorf("stream: listing the offsets of %s: partition %d: %w", topic, i, kerr.UnknownTopicOrPartition)
		}
		offsets[i] = o.Offset
	}
	return offsets, nil
}
