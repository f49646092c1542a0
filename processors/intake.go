package processors

import (
	"fmt"
	"log/slog"

	"github.com/lovoo/goka"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// intake is what the shells have in common: how a record becomes an event, and
// where it goes if it does not.
type intake struct {
	role string
	// partitions is the number of partitions of each of our topics.
	partitions int
	// answersForAll is set for the one role that answers for records which are nobody's:
	// it writes the letter for those that are no event, and sends on those that
	// lie in a partition that their key does not belong to. The others pass over
	// both. It must be a role that hears every record.
	answersForAll bool
	letters       prometheus.Counter
	log           *slog.Logger
}

// filter has a role pass over records by the type in their headers, before any is
// decoded. One that names no type must be looked into.
func (in intake) filter(wants func(order.Type) bool) stream.Filter {
	return func(r stream.Record) bool { return in.hears(wants, r.Header) }
}

func (in intake) hears(wants func(order.Type) bool, header func(name string) []byte) bool {
	t := codecs.TypeIn(header)
	return t == "" || wants(t)
}

// event reads a record. It reports false if the record is not to be handled.
func (in intake) event(ctx goka.Context, msg any) (order.Event, bool) {
	value, _ := msg.([]byte) // nil for a tombstone
	e, err := codecs.Read(ctx.Key(), value, ctx.Headers(), ctx.Timestamp())
	if err == nil && stream.Partition(ctx.Key(), in.partitions) == ctx.Partition() {
		return e, true
	}
	if in.answersForAll {
		in.misfit(ctx, value, err)
	}
	return order.Event{}, false
}

// misfit sends a record on that lies in the wrong partition, under its own id and
// once only; any other becomes a letter.
func (in intake) misfit(ctx goka.Context, value []byte, err error) {
	from, moved := ctx.Headers()[codecs.HeaderMoved]
	switch {
	case err != nil:
		in.letter(ctx, value, err)
	case moved:
		in.letter(ctx, value, fmt.Errorf("in the wrong partition, although moved there from %s", from))
	default:
		h := ctx.Headers().Merged(goka.Headers{codecs.HeaderMoved: place(ctx)})
		ctx.Emit(codecs.StoreOrder, ctx.Key(), value, goka.WithCtxEmitHeaders(h))
	}
}

func place(ctx goka.Context) []byte {
	return fmt.Appendf(nil, "%s/%d/%d", ctx.Topic(), ctx.Partition(), ctx.Offset())
}

// stored gives the table's value for the record's key; the zero value for none.
func stored[T any](ctx goka.Context) (value T, err error) {
	switch v := ctx.Value().(type) {
	case nil:
	case T:
		value = v
	case codecs.Malformed:
		err = fmt.Errorf("the stored value cannot be read: %w", v.Err)
	}
	return value, err
}
