package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// events is the log of events as the edge wants it.
type events struct{ tail *stream.Tail }

func (e events) Follow(place string) (edge.Following, error) {
	c, err := e.tail.Follow(place)
	if err != nil {
		return nil, &order.Error{
			Kind:   order.Invalid,
			Detail: fmt.Sprintf("%q is no place in the log: want the id of a message, or none", place),
		}
	}
	return c, nil
}

// message makes of a record what those who follow all orders are told; nil of what is
// no event, or is one that the saga has yet to send on to where it belongs.
func (n *Node) message(partitions int32) func(stream.Raw) []byte {
	return func(r stream.Raw) []byte {
		if stream.Partition(string(r.Key), int(partitions)) != r.Partition {
			return nil
		}
		if _, redriven := codecs.RedriveTo(string(r.Key), r.Value, r.Headers); redriven {
			return nil // for one role alone
		}
		e, err := codecs.Read(string(r.Key), r.Value, r.Headers, r.Time)
		if err != nil {
			return nil
		}
		if n.mongo != nil && n.sink == nil {
			n.mongo.Moves(e.OrderID)
		}
		return edge.Message(r.Partition, r.Offset, e)
	}
}

const (
	// maxScanned bounds the records of the log among which an order's are looked for.
	// Of the order's partition those count that were written from its first event to
	// its last, so more than this only if the order took long, or if events of it wait as
	// letters or were discarded.
	maxScanned = 50_000
	// clockSkew is how far the clocks may be apart of those who write events.
	clockSkew = time.Minute
)

// sources looks for an order where it is kept.
func (n *Node) sources(partitions int32) func(context.Context, order.Row) (edge.Sources, error) {
	return func(ctx context.Context, row order.Row) (edge.Sources, error) {
		s := edge.Sources{Events: []edge.Record{}, Notes: map[string]string{}}
		last := row.Meta.UpdatedAt
		if row.Meta.Parked != "" || row.Meta.Past > 0 {
			last = time.Now() // when letters were seen to the row does not tell
		}
		left, err := n.client.Scan(ctx, codecs.StoreOrder, stream.Partition(row.ID, int(partitions)),
			row.Meta.CreatedAt.Add(-clockSkew), last.Add(clockSkew), maxScanned, func(r stream.Raw) {
				if string(r.Key) != row.ID {
					return
				}
				one := edge.Record{Partition: r.Partition, Offset: r.Offset, Time: r.Time.UTC(), Headers: map[string]string{}, Value: edge.JSON(r.Value)}
				for name, value := range r.Headers {
					one.Headers[name] = string(value)
				}
				s.Events = append(s.Events, one)
			})
		if err != nil {
			return s, err
		}
		if left > 0 {
			s.Notes["events"] = fmt.Sprintf("looked at the first %d records of the partition since the order began; %d later ones were not looked at", maxScanned, left)
		}
		if s.Row, err = (codecs.Row{}).Encode(row); err != nil {
			return s, err
		}
		var why *order.Error
		switch s.Document, err = n.document(ctx, row.ID); {
		case errors.As(err, &why):
			s.Notes["document"] = why.Detail
		case err != nil:
			return s, err
		}
		return s, nil
	}
}

func (n *Node) document(ctx context.Context, id string) ([]byte, error) {
	if n.mongo == nil {
		return nil, &order.Error{Kind: order.Unavailable, Detail: "this process has no read store"}
	}
	return n.mongo.Document(ctx, id)
}
