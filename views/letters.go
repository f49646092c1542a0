package views

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// RoleLetters is the name of the index of letters in status and metrics.
const RoleLetters = "letters"

// Letters is an index of the open dead letters: those on deadletter.order that no record
// behind them says to be resolved. It is made anew, from the beginning of the topic, in
// each process. What is kept of a letter is where it lies and what a list shows, some
// 250 bytes; of one that is resolved, nothing.
type Letters struct {
	fetch func(ctx context.Context, places ...stream.Place) ([]stream.Raw, error)
	log   *slog.Logger

	mu       sync.RWMutex
	ready    bool
	open     map[letterID]*open
	turns    map[string][]*open // by order: those that have their turn, in it
	watchers map[string]map[chan codecs.Letter]bool
}

// letterID is a letter's id in less space.
type letterID struct {
	source    unique.Handle[string] // role and topic
	offset    int64
	partition int32
}

func idOf(l codecs.Letter) letterID {
	return letterID{unique.Make(l.Role + "/" + l.Topic), l.Offset, l.Partition}
}

// open is what is kept of an open letter.
type open struct {
	id      letterID
	order   string
	reason  unique.Handle[string] // most letters have one that many have
	written int64                 // Unix time in milliseconds
	// at is where the letter lies on its topic, and since where it first did, or first did
	// with a turn: by that those of an order are in it.
	at, since int64
	partition int32
	tries     int32
	parked    bool
}

const (
	// maxShownKey bounds what is kept of a letter's key, in bytes, which is an order's id if
	// it is anything that is ours.
	maxShownKey = 64
	// maxShownReason bounds the first line of a letter's reason, in bytes, of which more is
	// not kept.
	maxShownReason = 256
)

func (o *open) letter() codecs.Letter {
	role, topic, _ := strings.Cut(o.id.source.Value(), "/")
	return codecs.Letter{
		Role: role, Topic: topic, Partition: o.id.partition, Offset: o.id.offset,
		Key: o.order, Reason: o.reason.Value(), Written: time.UnixMilli(o.written).UTC(), Tries: int(o.tries), Parked: o.parked,
	}
}

// NewLetters makes an index, which answers once its Replay runs. fetch reads records
// of deadletter.order.
func NewLetters(log *slog.Logger, fetch func(ctx context.Context, places ...stream.Place) ([]stream.Raw, error)) *Letters {
	return &Letters{fetch: fetch, log: log, watchers: map[string]map[chan codecs.Letter]bool{}}
}

// Replay is what keeps the index up to date; the caller runs it.
func (x *Letters) Replay() stream.Replay {
	return stream.Replay{
		Role: RoleLetters, Topic: codecs.DeadletterOrder, Begin: x.begin, Each: x.each, CaughtUp: x.caughtUp,
	}
}

func (x *Letters) begin() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ready, x.open, x.turns = false, map[letterID]*open{}, map[string][]*open{}
}

func (x *Letters) caughtUp() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ready = true
}

func (x *Letters) each(r stream.Raw) {
	l, err := codecs.LetterOf(string(r.Key), nil, r.Headers)
	if err != nil {
		x.log.Warn("a record of deadletter.order is no letter and was passed over", slog.String("key", clipped(string(r.Key), maxShownKey)),
			slog.Int("partition", int(r.Partition)), slog.Int64("offset", r.Offset), slog.Any("error", err))
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch l.Resolved {
	case "":
		x.put(l, r)
	case codecs.Stays:
	default:
		x.drop(idOf(l))
	}
	if !x.ready {
		return // it is an old tale
	}
	for ch := range x.watchers[l.ID()] {
		select {
		case ch <- l:
		default: // an earlier one waits there, and says enough
		}
	}
}

// Open is how many letters are open, of those that were read.
func (x *Letters) Open() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.open)
}

func (x *Letters) put(l codecs.Letter, r stream.Raw) {
	id := idOf(l)
	o := x.open[id]
	if o == nil {
		o = &open{id: id, order: clipped(l.Key, maxShownKey), written: l.Written.UnixMilli(), since: r.Offset, partition: r.Partition}
		x.open[id] = o
	}
	if l.Parked && !o.parked {
		o.since = r.Offset
		x.turns[o.order] = append(x.turns[o.order], o)
	}
	if o.parked && !l.Parked {
		x.noTurn(o)
	}
	line, _, _ := strings.Cut(l.Reason, "\n")
	o.reason, o.tries, o.parked, o.at = unique.Make(clipped(line, maxShownReason)), int32(l.Tries), l.Parked, r.Offset
}

func (x *Letters) drop(id letterID) {
	if o := x.open[id]; o != nil {
		x.noTurn(o)
		delete(x.open, id)
	}
}

func (x *Letters) noTurn(o *open) {
	left := slices.DeleteFunc(x.turns[o.order], func(one *open) bool { return one == o })
	if len(left) == 0 {
		delete(x.turns, o.order)
		return
	}
	x.turns[o.order] = left
}

// clipped is a copy, so that the record that the text is from may go.
func clipped(text string, most int) string {
	return strings.ToValidUTF8(strings.Clone(text[:min(len(text), most)]), "\ufffd")
}

func reading() error {
	return &order.Error{Kind: order.Unavailable, Detail: "the dead letters are still being read"}
}

// List gives open letters, of an order and a role if those are not empty, without their
// bytes and with a line of their reasons; from the first after one, and at most so many.
// Those of an order and a role that wait stand in their turn.
func (x *Letters) List(orderID, role, after string, limit int) (letters []codecs.Letter, next string, err error) {
	var from cursor
	if after != "" {
		if from, err = cursorOf(after); err != nil {
			return nil, "", err
		}
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if !x.ready {
		return nil, "", reading()
	}
	var page []*open
	keep := func() { // the first of the page, and one more that tells whether there is another
		slices.SortFunc(page, func(a, b *open) int { return a.place().compare(b.place()) })
		page = page[:min(len(page), limit+1)]
	}
	for _, o := range x.open {
		switch {
		case orderID != "" && o.order != orderID,
			role != "" && !strings.HasPrefix(o.id.source.Value(), role+"/"),
			after != "" && o.place().compare(from) <= 0:
			continue
		}
		if page = append(page, o); len(page) > 4*(limit+1) {
			keep()
		}
	}
	keep()
	for _, o := range page[:min(len(page), limit)] {
		letters = append(letters, o.letter())
	}
	if len(page) > limit {
		next = page[limit-1].place().String()
	}
	return letters, next, nil
}

// cursor is a place in the list.
type cursor struct {
	partition int32
	since     int64
}

func (o *open) place() cursor { return cursor{o.partition, o.since} }

func (c cursor) String() string { return fmt.Sprintf("%d.%d", c.partition, c.since) }

func (c cursor) compare(other cursor) int {
	return cmp.Or(cmp.Compare(c.partition, other.partition), cmp.Compare(c.since, other.since))
}

func cursorOf(text string) (c cursor, err error) {
	if _, err := fmt.Sscanf(text, "%d.%d", &c.partition, &c.since); err != nil || c.String() != text || c.partition < 0 || c.since < 0 {
		return c, &order.Error{Kind: order.Invalid, Detail: fmt.Sprintf("%q is no place in the list: want what \"next\" of an answer says", text)}
	}
	return c, nil
}

// Get gives an open letter as a list does; an error NotFound if there is none.
func (x *Letters) Get(id string) (codecs.Letter, error) {
	o, err := x.find(id)
	if err != nil {
		return codecs.Letter{}, err
	}
	return o.letter(), nil
}

// find gives a copy, which nobody changes.
func (x *Letters) find(id string) (open, error) {
	named, ok := codecs.LetterNamed(id)
	x.mu.RLock()
	defer x.mu.RUnlock()
	if !x.ready {
		return open{}, reading()
	}
	if o := x.open[idOf(named)]; ok && o != nil {
		return *o, nil
	}
	return open{}, codecs.NotOpen()
}

// Turns gives the ids of the letters of a role for which an order waits, in their turn.
func (x *Letters) Turns(orderID, role string) (ids []string, err error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if !x.ready {
		return nil, reading()
	}
	for _, o := range x.turns[orderID] {
		if l := o.letter(); l.Role == role {
			ids = append(ids, l.ID())
		}
	}
	return ids, nil
}

// Read gives those of some letters that are open, with all there is of them, by their
// ids.
func (x *Letters) Read(ctx context.Context, ids ...string) (map[string]codecs.Letter, error) {
	var places []stream.Place
	for _, id := range ids {
		switch o, err := x.find(id); {
		case err == nil:
			places = append(places, stream.Place{Partition: o.partition, Offset: o.at})
		case order.KindOf(err) != order.NotFound:
			return nil, err
		}
	}
	if len(places) == 0 {
		return nil, nil
	}
	records, err := x.fetch(ctx, places...)
	if err != nil {
		return nil, fmt.Errorf("views: reading letters: %w", err)
	}
	found := make(map[string]codecs.Letter, len(records))
	for _, r := range records {
		l, err := codecs.LetterOf(string(r.Key), r.Value, r.Headers)
		if err != nil {
			return nil, fmt.Errorf("views: reading the letter at %d/%d: %w", r.Partition, r.Offset, err)
		}
		found[l.ID()] = l
	}
	return found, nil
}

// Watch gives what next becomes of a letter after this call, without its bytes: that it is
// resolved, or stays, or is written anew because it could not be handled. What has come is given
// even if the context has ended: of several that are waited for together, one may have used
// up the time. The caller calls leave when done.
func (x *Letters) Watch(id string) (next func(context.Context) (codecs.Letter, error), leave func()) {
	ch := make(chan codecs.Letter, 1)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.watchers[id] == nil {
		x.watchers[id] = map[chan codecs.Letter]bool{}
	}
	x.watchers[id][ch] = true
	next = func(ctx context.Context) (codecs.Letter, error) {
		select {
		case l := <-ch:
			return l, nil
		case <-ctx.Done():
		}
		select {
		case l := <-ch:
			return l, nil
		default:
			return codecs.Letter{}, ctx.Err()
		}
	}
	return next, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.watchers[id], ch)
		if len(x.watchers[id]) == 0 {
			delete(x.watchers, id)
		}
	}
}
