package processors

import (
	"context"
	"fmt"

	"simplecqrs/order"
)

// Echo is the seed's participant: it does nothing, answers with the order's id and
// the type of the completion, and has nothing to undo.
type Echo struct{}

// Undo implements Participant.
func (Echo) Undo(context.Context, Request) error { return nil }

// Do implements Participant.
func (Echo) Do(_ context.Context, r Request) (order.JSON, error) {
	return fmt.Appendf(nil, `{"body":"%s_%s"}`, r.OrderID, order.TypeOf(r.Step, order.Completed)), nil
}
