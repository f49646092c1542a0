package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/stream"
	"simplecqrs/views"
)

const (
	// maxScanned bounds the records of the log among which an order's are looked for.
	// Of the partition of an order that has ended those count that were written from its
	// first event to its last, so more than this only if the order took long.
	maxScanned = 50_000
	// newScanned bounds them where a table or the store has no such order: it can only just have
	// been placed, if there is one.
	newScanned = 1_000
	// clockSkew is how far the clocks may be apart of those who write events.
	clockSkew = time.Minute
	// storeTime bounds the wait for the read store, so that time is left for the log.
	storeTime = 5 * time.Second
)

// sources looks for an order where it is kept. A side that cannot be asked takes
// nothing from the others.
func (n *Node) sources(partitions int32) func(ctx context.Context, id string) (edge.Sources, error) {
	return func(ctx context.Context, id string) (edge.Sources, error) {
		s := edge.Sources{Events: []edge.Record{}, Notes: map[string]string{}}
		partition := stream.Partition(id, int(partitions))
		missing := false // a side that would have the order has not
		tell := func(side string, err error) {
			if err == nil {
				return
			}
			var why *order.Error
			if !errors.As(err, &why) {
				n.config.Logger.WarnContext(ctx, "a side of an order could not be shown",
					slog.String("order", id), slog.String("side", side), slog.Any("error", err))
				why = &order.Error{Kind: order.Unavailable, Detail: "could not be read; the log of this process tells why"}
			}
			s.Notes[side] = why.Detail
			missing = missing || why.Kind == order.NotFound
		}
		row, err := n.row(id, partition)
		tell("row", err)
		document, err := n.document(ctx, id)
		tell("document", err)
		s.Events, err = n.eventsOf(ctx, id, partition, newer(rowIn(row), rowInside(document)), missing)
		tell("events", err)
		if row != nil {
			s.Row = edge.JSON(row)
		}
		s.Document = document
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return s, ctx.Err()
		case len(s.Events) > 0 || s.Row != nil || s.Document != nil:
			return s, nil
		case ctx.Err() != nil:
			return s, ctx.Err()
		case missing:
			return s, order.NoSuchOrder(id)
		}
		return s, &order.Error{Kind: order.Unavailable, Detail: fmt.Sprintf("nobody who could be asked knows whether there is an order %s: "+
			"the log: %s; the table: %s; the read store: %s", id, s.Notes["events"], s.Notes["row"], s.Notes["document"])}
	}
}

// row gives an order's row as this process has it in a table: the aggregate's own, or a
// copy. An *order.Error tells why there is none, or that it may be one of before.
func (n *Node) row(id string, partition int32) (row []byte, err error) {
	where := fmt.Sprintf("partition %d of %s", partition, codecs.ViewOrder)
	err = &order.Error{Kind: order.Unavailable, Detail: fmt.Sprintf("%s is in no table of this process; the process that has it "+
		"shows the row at /monitor/table/%s/%s, and /query/stats/topology tells which that is", where, processors.RoleAggregate, id)}
	for _, role := range []string{processors.RoleAggregate, views.RoleTable} {
		e, failed := n.client.Entry(role, id)
		switch {
		case errors.Is(failed, stream.ErrNoTable), errors.Is(failed, stream.ErrStarting):
		case failed != nil:
			return nil, failed
		case !e.Here:
		case !e.Recovered:
			row, err = e.Value, &order.Error{Kind: order.Unavailable, Detail: where + " is still catching up in this process"}
		case e.Value == nil:
			return nil, &order.Error{Kind: order.NotFound, Detail: where + " has no row of it yet"}
		default:
			return e.Value, nil
		}
	}
	return row, err
}

// document gives an order's document; an *order.Error tells why there is none.
func (n *Node) document(ctx context.Context, id string) ([]byte, error) {
	if n.mongo == nil {
		return nil, &order.Error{Kind: order.Unavailable, Detail: "this process has no read store"}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	document, err := n.mongo.Document(ctx, id)
	switch {
	case order.KindOf(err) == order.NotFound:
		err = &order.Error{Kind: order.NotFound, Detail: "the read store has no document of it yet"}
	case ctx.Err() != nil:
		err = &order.Error{Kind: order.Unavailable, Detail: "the read store has not answered in time"}
	}
	return document, err
}

// rowInside gives the row that a document has; the zero Row if it has none.
func rowInside(document []byte) order.Row {
	var d struct {
		Order struct{ Row string } `json:"order"`
	}
	if json.Unmarshal(document, &d) != nil {
		return order.Row{}
	}
	return rowIn([]byte(d.Order.Row))
}

// rowIn gives a row that is encoded; the zero Row if it cannot be read.
func rowIn(value []byte) order.Row {
	decoded, err := codecs.Row{}.Decode(value)
	row, ok := decoded.(order.Row)
	if err != nil || !ok {
		return order.Row{}
	}
	return row
}

func newer(a, b order.Row) order.Row {
	if b.Meta.Version > a.Meta.Version {
		return b
	}
	return a
}

// eventsOf looks an order's events up in the log. What is known of its row tells where
// they may be; without it they are looked for among the latest, which are few if the order
// is missing where it should be. An *order.Error tells why they may be not all.
func (n *Node) eventsOf(ctx context.Context, id string, partition int32, known order.Row, missing bool) ([]edge.Record, error) {
	var from, to time.Time
	most := int64(maxScanned)
	if missing && known.ID == "" {
		most = newScanned
	}
	where := "the latest %d records of the partition; %d earlier ones"
	if !known.Meta.CreatedAt.IsZero() {
		from = known.Meta.CreatedAt.Add(-clockSkew)
		where = "the first %d records of the partition since the order began; %d later ones"
	}
	// It may have gone on since, or its letters may have been seen to, of which the row does not
	// tell when.
	if to = known.Meta.UpdatedAt; known.Meta.Status != order.StatusCompleted || known.Meta.Parked != "" || known.Meta.Past > 0 {
		to = time.Now()
	}
	events := []edge.Record{}
	left, err := n.client.Scan(ctx, codecs.StoreOrder, partition, from, to.Add(clockSkew), most, func(r stream.Raw) {
		if string(r.Key) != id {
			return
		}
		one := edge.Record{Partition: r.Partition, Offset: r.Offset, Time: r.Time.UTC(), Headers: map[string]string{}, Value: edge.JSON(r.Value)}
		for name, value := range r.Headers {
			one.Headers[name] = string(value)
		}
		events = append(events, one)
	})
	switch {
	case ctx.Err() != nil:
		err = &order.Error{Kind: order.Unavailable, Detail: "the log was not looked through in time"}
	case err != nil:
	case left > 0:
		err = &order.Error{Kind: order.Unavailable, Detail: fmt.Sprintf("looked at "+where+" were not looked at", most, left)}
	case len(events) == 0:
		err = &order.Error{Kind: order.NotFound, Detail: "the log has no event of it"}
	}
	return events, err
}
