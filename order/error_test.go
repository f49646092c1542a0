package order_test

import (
	"errors"
	"fmt"
	"testing"

	"simplecqrs/order"
)

func TestTheKindOfAFailureIsKnownHoweverItIsWrapped(t *testing.T) {
	conflict := &order.Error{Kind: order.Conflict, Detail: "it has ended"}
	for _, c := range []struct {
		err  error
		want order.Kind
	}{
		{nil, 0},
		{errors.New("broken pipe"), 0}, // ours: the caller does not see it
		{conflict, order.Conflict},
		{fmt.Errorf("pause: %w", conflict), order.Conflict},
		{errors.Join(errors.New("broken pipe"), conflict), order.Conflict},
		{order.NoSuchOrder(id), order.NotFound},
	} {
		if got := order.KindOf(c.err); got != c.want {
			t.Errorf("%v is of kind %d, want %d", c.err, got, c.want)
		}
	}
}

func TestAMissingOrderIsSaidInTheSeedsWords(t *testing.T) {
	if got, want := order.NoSuchOrder("ORD-B384F").Error(), "no order found for ORD-B384F"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}
