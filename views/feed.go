package views

import (
	"context"
	"log/slog"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// RoleSink is the role that brings the rows to MongoDB.
const RoleSink = "sink"

// Feed is the view that hands the rows of view.order to the sink. Its offset
// moves over a row once the store has it, so what was on the way when the process
// died comes again. It keeps no rows of its own. ctx ends the wait for a sink
// that is full.
func Feed(ctx context.Context, sink *Sink, log *slog.Logger) stream.View {
	return stream.View{
		Role: RoleSink, Group: RoleSink, Table: codecs.ViewOrder, Codec: codecs.Row{},
		Deferred: func(update goka.UpdateContext, key string, value []byte, finished func() error) error {
			ctx := stream.TraceOf(ctx, update)
			of := slog.String("order", key)
			place := slog.Group("record", slog.Int("partition", int(update.Partition())), slog.Int64("offset", update.Offset()))
			done := func() {
				if err := finished(); err != nil {
					log.ErrorContext(ctx, "a view's offset could not be kept; its records will come again", of, place, slog.Any("error", err))
				}
			}
			if value == nil {
				// Nothing of ours takes an order away, so it is a stranger's.
				log.WarnContext(ctx, "a tombstone of view.order was passed over; the read store keeps the order", of, place)
				done()
				return nil
			}
			decoded, err := codecs.Row{}.Decode(value)
			if err != nil {
				return err
			}
			row, ok := decoded.(order.Row)
			if !ok {
				reason, _ := decoded.(codecs.Malformed)
				log.ErrorContext(ctx, "a record of view.order is no row and was passed over", of, place, slog.Any("error", reason.Err))
				done()
				return nil
			}
			there := sink.Delay.got(ctx, row)
			return sink.Put(ctx, row, func() { there(); done() })
		},
	}
}
