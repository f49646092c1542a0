package node

import (
	"fmt"

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
// no event, or is one that the aggregate has yet to send on to where it belongs.
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
