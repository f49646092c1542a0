package edge

import (
	"context"
	"net/http"
	"testing"

	"simplecqrs/order"
)

func TestAFilterDoesNotGoWithAnIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	w.list = func(context.Context, order.Filter, order.Page) ([]order.Row, order.Place, error) {
		t.Error("orders were looked for")
		return nil, order.Place{}, nil
	}
	w.command("cancel", `{"filter":{"status":"running"}}`, "Idempotency-Key", "k").wantProblem(t, http.StatusBadRequest,
		"the header Idempotency-Key does not go with a filter, which finds other orders the next time: give the ids")
}

func TestAKeyThatWasGivenWithAnotherBodyIsRefused(t *testing.T) {
	c := command{verb: order.Schedule, key: "k", print: fingerprint(members{"startAt": []byte(`"2126-01-01T00:00:00Z"`)})}
	id := commandID(seedID, c)
	row := given(standing(seedID, order.StatusScheduled), id, order.Schedule, order.OrderScheduled, "")
	if other := sameKey(row, id, "k"); other != "" {
		t.Errorf("the same body is taken for another's: %s", other)
	}
	c.print = fingerprint(members{"startAt": []byte(`"2127-01-01T00:00:00Z"`)})
	if other := sameKey(row, commandID(seedID, c), "k"); other != id {
		t.Errorf("another body is taken for a copy of the first: %q", other)
	}
	if other := sameKey(row, commandID(seedID, command{verb: order.Schedule}), ""); other != "" {
		t.Errorf("without a key it is a copy of %s", other)
	}
}
