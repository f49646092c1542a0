package processors

import (
	"errors"
	"fmt"
	"runtime/debug"

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
	// judge is set for the one role that answers for records which are nobody's:
	// it writes the letter for those that are no event, and sends on those that
	// lie in a partition that their key does not belong to. The others pass over
	// both. It must be a role that hears every record.
	judge   bool
	letters prometheus.Counter
}

// event reads a record. It reports false if the record is not to be handled.
func (in intake) event(ctx goka.Context, msg any) (order.Event, bool) {
	value, _ := msg.([]byte) // nil for a tombstone
	e, err := codecs.Read(ctx.Key(), value, ctx.Headers(), ctx.Timestamp())
	if err == nil && stream.Partition(ctx.Key(), in.partitions) == ctx.Partition() {
		return e, true
	}
	if in.judge {
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

// letter writes the record to deadletter.order.
func (in intake) letter(ctx goka.Context, value []byte, err error) {
	l := codecs.Letter{
		Role: in.role, Reason: reasonOf(err),
		Topic: string(ctx.Topic()), Partition: ctx.Partition(), Offset: ctx.Offset(), Written: ctx.Timestamp(),
		Key: ctx.Key(), Value: value, Headers: ctx.Headers(),
	}
	var bytes any
	if value != nil { // a nil slice in an interface would be encoded, not passed as no value
		bytes = value
	}
	ctx.Emit(codecs.DeadletterOrder, l.Key, bytes, goka.WithCtxEmitHeaders(codecs.HeadersOfLetter(l)))
	in.letters.Inc()
}

// emit writes an event to store.order.
func emit(ctx goka.Context, e order.Event) {
	value, err := codecs.Event{}.Encode(e)
	if err != nil {
		ctx.Fail(err)
	}
	ctx.Emit(codecs.StoreOrder, e.OrderID, value, goka.WithCtxEmitHeaders(codecs.HeadersOf(e)))
}

// guarded calls pure code and gives its panic as an error, so that one record
// does not end the processor. It must not be put around a call of goka's
// context, whose panics are meant to.
func guarded[T any](pure func() T) (result T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return pure(), nil
}

type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// reasonOf is an error in a letter, which has room for a stack.
func reasonOf(err error) string {
	var p *panicked
	if errors.As(err, &p) {
		return fmt.Sprintf("%v\n%s", err, p.stack)
	}
	return err.Error()
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
