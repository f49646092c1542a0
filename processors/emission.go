package processors

import (
	"fmt"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

// emission is an event as it is written to store.order.
type emission struct {
	key     string
	value   []byte
	headers codecs.Headers
}

// emissionOf encodes an event. One that its readers would refuse is an error: it
// would become a letter that tells nothing of its cause, with the order waiting.
func emissionOf(e order.Event) (emission, error) {
	value, err := codecs.Event{}.Encode(e)
	if err != nil {
		return emission{}, err
	}
	if len(value) > codecs.MaxEvent {
		return emission{}, fmt.Errorf("%s would have %d bytes; %d are allowed", e.Type, len(value), codecs.MaxEvent)
	}
	return emission{e.OrderID, value, codecs.HeadersOf(e)}, nil
}

func (e emission) emit(ctx goka.Context) {
	ctx.Emit(codecs.StoreOrder, e.key, e.value, goka.WithCtxEmitHeaders(e.headers))
}
