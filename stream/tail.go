package stream

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// maxCatching bounds the cursors that read the topic by themselves at once, as
	// the ring no longer has what comes next for them; the others wait.
	maxCatching = 4
	// tailBytes bounds what a broker sends the tail at once, and catchBytes a cursor
	// that reads for itself; catchRecords how many of them it takes at once.
	tailBytes, catchBytes, catchRecords = 4 << 20, 256 << 10, 500
	// turnRecords and turnBytes bound what such a cursor reads before it is another's
	// turn: enough to be worth the connections, and little to keep for a slow reader.
	turnRecords, turnBytes = 10 * catchRecords, 512 << 10
	// catchTime bounds a turn, which finds something unless the brokers are away.
	catchTime = 10 * time.Second
	// moreTime bounds the wait for more while there is something to give.
	moreTime = 2 * time.Second
)

// Tail follows a topic for any number of readers, each of which is a [Cursor]. It
// reads the topic once for all of them, and only while there are any: without, it
// costs nothing.
type Tail struct {
	client   *Client
	topic    string
	shown    func(Raw) []byte
	catching chan struct{} // holds a token for each cursor that reads by itself
	entries  int           // see ringEntries

	mu        sync.Mutex
	followers int
	ring      *ring // of the followers that there are
	stop      context.CancelFunc
	ran       sync.WaitGroup
}

// Tail prepares to follow a topic. shown makes of a record what readers are given,
// nil for one that is passed over.
func (c *Client) Tail(topic string, shown func(Raw) []byte) *Tail {
	return &Tail{client: c, topic: topic, shown: shown, catching: make(chan struct{}, maxCatching), entries: ringEntries}
}

// Follow gives a cursor that begins after a place that another one told, or for ""
// at the end of the topic. The error says that the text is no place.
func (t *Tail) Follow(from string) (*Cursor, error) {
	c := &Cursor{tail: t}
	if from != "" {
		p, err := parsePlace(from)
		if err != nil {
			return nil, err
		}
		c.place = p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.followers++; t.followers == 1 {
		var ctx context.Context
		ctx, t.stop = context.WithCancel(context.Background())
		t.ring = newRing(t.entries)
		ring := t.ring
		t.ran.Go(func() { t.run(ctx, ring) })
	}
	c.ring = t.ring
	return c, nil
}

func (t *Tail) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.followers--; t.followers == 0 {
		t.stop()
		t.ring = nil
	}
}

// Wait returns once the tail reads no more, after its last cursor was closed.
func (t *Tail) Wait() { t.ran.Wait() }

// run fills the ring until ctx ends.
func (t *Tail) run(ctx context.Context, into *ring) {
	for ctx.Err() == nil {
		err := t.fill(ctx, into)
		if ctx.Err() != nil {
			return
		}
		t.client.log.Warn("a topic cannot be followed; it is tried again", slog.String("topic", t.topic), slog.Any("error", err))
		select {
		case <-time.After(rejoinDelay):
		case <-ctx.Done():
		}
	}
}

// fill reads from where the ring ends until that fails.
func (t *Tail) fill(ctx context.Context, into *ring) error {
	held, err := t.client.span(ctx, t.topic)
	if err != nil {
		return err
	}
	from := into.settle(held)
	reader, err := t.client.reader(t.topic, from, kgo.FetchMaxBytes(tailBytes))
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		into.add(t.read(fetches))
		if err := failure(fetches); err != nil {
			return err
		}
	}
}

func (t *Tail) read(fetches kgo.Fetches) []entry {
	entries := make([]entry, 0, fetches.NumRecords())
	fetches.EachRecord(func(r *kgo.Record) {
		e := entry{partition: r.Partition, offset: r.Offset}
		if !r.Attrs.IsControl() {
			e.data = t.shown(rawOf(r))
		}
		entries = append(entries, e)
	})
	return entries
}

// entry is a record as readers are given it.
type entry struct {
	partition int32
	offset    int64
	data      []byte // nil: passed over
}

const (
	// ringEntries and ringBytes bound what the tail keeps of the topic.
	ringEntries, ringBytes = 1 << 14, 8 << 20
	// maxTaken bounds what a cursor is given at once.
	maxTaken = 64
)

// ring is the latest records of a topic, the newest at the end.
type ring struct {
	most int // see ringEntries

	mu      sync.Mutex
	life    int // 0: it has yet to begin; raised when it begins anew at another position
	end     position
	floor   []int64 // from these offsets on the ring has all that is before end
	entries []entry
	first   int64 // the number of entries[0], counted from the beginning of the life
	bytes   int
	grown   chan struct{} // closed at the next change
}

func newRing(most int) *ring { return &ring{most: most, grown: make(chan struct{})} }

// settle holds the ring to what the topic holds now, and gives where to read on.
func (r *ring) settle(held span) map[int32]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life == 0 || !held.holds(r.end) {
		r.life++
		r.end = position{held.topic, held.end}
		r.floor = append([]int64(nil), held.end...)
		r.entries, r.first, r.bytes = nil, 0, 0
		r.wake()
	}
	from := make(map[int32]int64, len(r.end.next))
	for p, offset := range r.end.next {
		from[int32(p)] = offset
	}
	return from
}

func (r *ring) wake() {
	close(r.grown)
	r.grown = make(chan struct{})
}

// add appends what follows, and drops what is too much at the other end.
func (r *ring) add(entries []entry) {
	if len(entries) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		r.entries = append(r.entries, e)
		r.bytes += len(e.data)
		r.end.pass(e.partition, e.offset)
	}
	dropped := 0
	for ; len(r.entries)-dropped > r.most || r.bytes > ringBytes; dropped++ {
		e := r.entries[dropped]
		r.floor[e.partition] = e.offset + 1
		r.bytes -= len(e.data)
		r.entries[dropped] = entry{}
	}
	r.entries = r.entries[dropped:]
	r.first += int64(dropped)
	r.wake()
}
