package processors

import (
	"context"
	"fmt"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// RoleAggregate is the role that folds events into rows.
const RoleAggregate = "aggregate"

// Aggregate is the processor whose table is view.order: Kafka Streams' Transformer
// with its state store. It hears every record, so it is also the one that answers
// for those that are no events.
func Aggregate(c Config, fold func(order.Row, order.Event) order.Row) stream.Processor {
	c = c.withDefaults()
	a := aggregate{intake: c.intake(RoleAggregate, true), fold: fold, figures: c.Figures}
	return stream.Processor{
		Role: RoleAggregate,
		Graph: goka.DefineGroup(GroupView,
			goka.Input(codecs.StoreOrder, codecs.Bytes{}, stream.Traced(a.handle)),
			goka.Output(codecs.StoreOrder, codecs.Bytes{}), // for what lies in the wrong partition
			goka.Output(codecs.DeadletterOrder, codecs.Bytes{}),
			goka.Persist(codecs.Row{}),
		),
		Version: codecs.VersionOf,
	}
}

type aggregate struct {
	intake
	fold    func(order.Row, order.Event) order.Row
	figures *Figures
}

func (a aggregate) handle(ctx goka.Context, msg any) {
	e, ok := a.event(ctx, msg)
	if !ok {
		return
	}
	value := msg.([]byte)
	row, err := stored[order.Row](ctx)
	if err != nil {
		a.letter(ctx, value, err)
		return
	}
	next, encoded, err := a.next(row, e)
	if err == nil && row.Meta.Parked != "" && !row.Holds(e.ID) {
		err = fmt.Errorf("behind an event that could not be folded: %s", row.Meta.Parked)
	}
	if err != nil { // also of the parked event itself, if it comes again: its letter is the same
		a.letter(ctx, value, err)
		if row.Meta.Parked == "" {
			row = order.Park(row, e.OrderID, clip(err.Error()))
		}
		ctx.SetValue(row)
		return
	}
	codecs.RememberRow(encoded, next)
	ctx.SetValue(encoded)
	if next.Meta.Version != row.Meta.Version {
		a.figures.folded(stream.TraceOf(context.Background(), ctx), row, next, e)
	}
}

// next folds the event and encodes the row; an error parks the order.
func (a aggregate) next(row order.Row, e order.Event) (order.Row, codecs.Encoded, error) {
	next, err := guarded(func() order.Row { return a.fold(row, e) })
	if err != nil {
		return row, nil, err
	}
	encoded, err := codecs.Row{}.Encode(next)
	if err == nil && len(encoded) > maxRowValue {
		err = fmt.Errorf("the row would have more than %d bytes", maxRowValue)
	}
	return next, encoded, err
}
