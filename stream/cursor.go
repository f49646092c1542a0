package stream

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Cursor is a reader's place in a topic. Nothing is kept for it but that: a reader
// that is slow falls out of the tail's ring, reads the topic by itself until it is
// back, and holds up nobody. Each record comes once, those of a partition in their
// order. A cursor is for one goroutine, which must close it.
type Cursor struct {
	tail  *Tail
	ring  *ring
	place position // of a cursor that has yet to begin: where it is to, or nothing
	life  int      // of the ring, in which the place is one; 0: it has yet to begin
	next  int64    // the number of the ring's entry that comes next
}

// Close ends the cursor.
func (c *Cursor) Close() { c.tail.leave() }

// standing is what a cursor finds itself to be.
type standing int

const (
	current standing = iota // it goes on in the ring
	begun                   // it was put to the end of the topic
	behind                  // the ring no longer has what comes next
	unknown                 // it has a place that is yet to be checked
)

// Next visits the records that are at hand, once there are some, each with the place
// behind it, until ctx ends or visit fails. A place without data says that the cursor
// begins there: at first, if it was given no place, or later because its place is not
// in the topic any more. After an error of ctx it may be called again.
func (c *Cursor) Next(ctx context.Context, visit func(place string, data []byte) error) error {
	for {
		taken, is, grown := c.take()
		switch is {
		case begun:
			return visit(c.place.String(), nil)
		case unknown:
			if err := c.check(ctx); err != nil {
				return err
			}
			continue
		case behind:
			return c.catchUp(ctx, visit)
		case current:
		}
		visited := false
		for _, e := range taken {
			if e.offset < c.place.next[e.partition] {
				continue
			}
			c.place.pass(e.partition, e.offset)
			if e.data == nil {
				continue
			}
			visited = true
			if err := visit(c.place.String(), e.data); err != nil {
				return err
			}
		}
		if visited {
			return nil
		}
		if len(taken) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take gives what comes next in the ring, and a channel that closes when there is more.
func (c *Cursor) take() (taken []entry, is standing, grown <-chan struct{}) {
	r := c.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.life == 0:
		return nil, current, r.grown
	case c.life == 0 && c.place.next != nil:
		return nil, unknown, nil
	case c.life != r.life:
		c.life = r.life
		c.place = position{r.end.topic, slices.Clone(r.end.next)}
		c.next = r.first + int64(len(r.entries))
		return nil, begun, nil
	case !c.place.covers(r.floor):
		return nil, behind, nil
	}
	c.next = max(c.next, r.first)
	at := int(c.next - r.first)
	taken = slices.Clone(r.entries[at:min(at+maxTaken, len(r.entries))])
	c.next += int64(len(taken))
	return taken, current, r.grown
}

// check holds the place that the cursor was given to the topic, which may be ahead of
// the ring: another process may have told the place. If it is not in the topic the
// cursor forgets it.
func (c *Cursor) check(ctx context.Context) error {
	return c.alone(ctx, func(ctx context.Context) error {
		held, err := c.tail.client.span(ctx, c.tail.topic)
		if err != nil {
			return err
		}
		if !held.holds(c.place) {
			c.place = position{}
			return nil
		}
		c.ring.mu.Lock()
		defer c.ring.mu.Unlock()
		if c.ring.end.topic != held.topic {
			return errMadeAnew
		}
		c.life, c.next = c.ring.life, 0 // the place says which entries come; a number may be another life's
		return nil
	})
}

var errMadeAnew = errors.New("stream: the topic was made anew, which the tail has yet to see")

// alone has a cursor ask the brokers by itself when it is its turn. If that fails, it
// is logged, and may be tried again after a while.
func (c *Cursor) alone(ctx context.Context, ask func(context.Context) error) error {
	select {
	case c.tail.catching <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, catchTime)
	err := ask(limited)
	cancel()
	<-c.tail.catching
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	c.tail.client.log.Warn("a reader cannot catch up; it is tried again", slog.String("topic", c.tail.topic), slog.Any("error", err))
	select {
	case <-time.After(rejoinDelay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp reads what comes next from the topic: until the ring has the rest, or as much
// as a turn allows. Who waits for a slow reader is the reader alone: the turn ends
// before it is given anything.
func (c *Cursor) catchUp(ctx context.Context, visit func(place string, data []byte) error) error {
	var found []entry
	err := c.alone(ctx, func(ctx context.Context) error {
		from := make(map[int32]int64, len(c.place.next))
		for p, offset := range c.place.next {
			from[int32(p)] = offset
		}
		reader, err := c.tail.client.reader(c.tail.topic, from, kgo.FetchMaxBytes(catchBytes), kgo.FetchMaxPartitionBytes(catchBytes/4))
		if err != nil {
			return err
		}
		defer reader.Close()
		come := position{c.place.topic, slices.Clone(c.place.next)}
		wait := catchTime
		for size := 0; len(found) < turnRecords && size < turnBytes && (len(found) == 0 || !c.ring.has(come, c.life)); wait = moreTime {
			limited, cancel := context.WithTimeout(ctx, wait)
			fetches := reader.PollRecords(limited, catchRecords)
			over := limited.Err() != nil
			cancel()
			if over {
				break
			}
			for _, e := range c.tail.read(fetches) {
				come.pass(e.partition, e.offset)
				size += len(e.data)
				found = append(found, e)
			}
			if err := failure(fetches); err != nil && len(found) == 0 {
				c.life = 0 // which has the place checked
				return err
			} else if err != nil {
				break // it is met again
			}
		}
		if len(found) == 0 {
			return ctx.Err()
		}
		return nil
	})
	for _, e := range found {
		c.place.pass(e.partition, e.offset)
		if e.data == nil {
			continue
		}
		if err := visit(c.place.String(), e.data); err != nil {
			return err
		}
	}
	return err
}

// has reports whether the ring has all that comes after a position, or is in another
// life than that in which the position is one.
func (r *ring) has(p position, life int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.life != life || p.covers(r.floor)
}
