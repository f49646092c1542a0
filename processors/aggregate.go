package processors

import (
	"time"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// RoleAggregate is the role that folds events into rows.
const RoleAggregate = codecs.RoleAggregate

// Aggregate is the processor whose table is view.order: Kafka Streams' Transformer
// with its state store. It hears every record, so it is also the one that answers
// for those that are no events.
func Aggregate(c Config, fold func(order.Row, order.Event) order.Row) stream.Processor {
	c = c.withDefaults()
	a := aggregate{intake: c.intake(RoleAggregate, true), fold: fold, figures: c.Figures, now: c.now}
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
	now     func() time.Time
}

func (a aggregate) handle(ctx goka.Context, msg any) {
	if a.redrives(ctx, msg, a.redriven) {
		return
	}
	e, ok := a.event(ctx, msg)
	if !ok {
		return
	}
	l := a.record(ctx, msg.([]byte))
	row, err := stored[order.Row](ctx)
	if err != nil {
		a.letterOf(traceOf(ctx), l, err).Emit(ctx)
		return
	}
	first := isFirst(row.Meta.Waiting, l)
	switch {
	case l.Offset < row.Meta.Past && !row.Holds(e.ID) && !row.Meta.Waiting.Holds(l.Place()):
		ctx.SetValue(row) // it was discarded, and comes again
	case row.Meta.Parked != "" && !row.Holds(e.ID) && !first:
		a.park(ctx, l, row, behindFold(row))
	case a.foldInto(ctx, l, row, e) && first: // it has come again, and what it failed at is mended
		resolved(l, "", codecs.Redriven, a.now()).Emit(ctx)
	}
}

// foldInto folds an event into the row, or has it wait as a letter. It reports whether it
// is folded.
func (a aggregate) foldInto(ctx goka.Context, l codecs.Letter, row order.Row, e order.Event) bool {
	before := row
	if isFirst(row.Meta.Waiting, l) {
		before = order.Unpark(row, l.Place())
	}
	next, encoded, err := a.next(before, e)
	if err != nil {
		l.Tries++
		a.park(ctx, l, row, err)
		return false
	}
	codecs.RememberRow(encoded, next)
	ctx.SetValue(encoded)
	if len(next.Meta.History) != len(row.Meta.History) {
		a.figures.folded(traceOf(ctx), row, next, e)
	}
	return true
}

// park has a letter wait. If it is the first, the error is why the order is parked.
func (a aggregate) park(ctx goka.Context, l codecs.Letter, row order.Row, err error) {
	row = order.Park(row, l.Key, l.Place(), why(row.Meta.Parked, row.Meta.Waiting, l, err))
	l.Parked = row.Meta.Waiting.Holds(l.Place())
	a.untried(traceOf(ctx), l, err).Emit(ctx)
	ctx.SetValue(row)
}

func behindFold(row order.Row) error {
	return behind("folded", row.Meta.Parked, row.Meta.Waiting)
}

// redriven folds the event of a letter in its turn.
func (a aggregate) redriven(ctx goka.Context, r codecs.Redrive) {
	if r.Discard && r.Role != RoleAggregate { // of a role without a table, where nothing waits for it
		resolved(r.Letter, r.Actor, codecs.Discarded, a.now()).Emit(ctx)
		return
	}
	row, err := stored[order.Row](ctx)
	if err != nil && (r.Parked || !r.Discard) {
		r.Tries++
		a.stays(ctx, r, err, a.now())
		return
	}
	e, unreadable := codecs.Read(r.Key, r.Value, r.Headers, r.Written)
	switch v := judge(standing{
		there: row.Meta.Version > 0, parked: row.Meta.Parked, waiting: row.Meta.Waiting, past: row.Meta.Past,
		handled: unreadable == nil && row.Holds(e.ID),
	}, r); v {
	case unlisted:
		a.sendOn(ctx, r)
	case stays:
		a.stays(ctx, r, behindFold(row), a.now())
		ctx.SetValue(row)
	case placed:
		a.park(ctx, r.Letter, row, behindFold(row))
	case letGo:
		ctx.SetValue(order.Discard(row, r.Place(), past(r)))
		resolved(r.Letter, r.Actor, codecs.Discarded, a.now()).Emit(ctx)
	case redriven, discarded: // the first time may have died before that was said
		if row.Meta.Version > 0 {
			ctx.SetValue(row)
		}
		resolved(r.Letter, r.Actor, resolutions[v], a.now()).Emit(ctx)
	case handled:
		switch {
		case unreadable != nil && !isFirst(row.Meta.Waiting, r.Letter): // anyone can write such
			a.letterOf(traceOf(ctx), r.Letter, unreadable).Emit(ctx)
		case unreadable != nil:
			r.Tries++
			a.park(ctx, r.Letter, row, unreadable)
		case a.foldInto(ctx, r.Letter, row, e):
			resolved(r.Letter, r.Actor, codecs.Redriven, a.now()).Emit(ctx)
		}
	}
}

// sendOn writes the record of a letter for which nobody waits to the log, if all roles can
// read it by now, none of whom but this one has heard of it.
func (a aggregate) sendOn(ctx goka.Context, r codecs.Redrive) {
	if _, err := codecs.Read(r.Key, r.Value, r.Headers, r.Written); err != nil {
		a.letterOf(traceOf(ctx), r.Letter, err).Emit(ctx)
		return
	}
	h := goka.Headers(r.Headers).Merged(goka.Headers{codecs.HeaderMoved: []byte(r.Place())})
	ctx.Emit(codecs.StoreOrder, r.Key, r.Value, goka.WithCtxEmitHeaders(h))
	resolved(r.Letter, r.Actor, codecs.Redriven, a.now()).Emit(ctx)
}

// next folds the event and encodes the row; an error parks the order.
func (a aggregate) next(row order.Row, e order.Event) (order.Row, codecs.Encoded, error) {
	next, err := guarded(func() order.Row { return a.fold(row, e) })
	if err != nil {
		return row, nil, err
	}
	encoded, err := codecs.Row{}.Encode(next)
	if err == nil && len(encoded) > maxRowValue {
		bare := next
		bare.Meta.Parked, bare.Meta.Waiting = "", nil
		err = tooLarge("row", codecs.Row{}, bare, maxRowValue)
	}
	return next, encoded, err
}
