package processors

import (
	"fmt"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// emissionOf encodes an event for store.order. One that its readers would refuse is an
// error: it would become a letter that tells nothing of its cause, with the order waiting.
func emissionOf(e order.Event) (stream.Emission, error) {
	value, err := codecs.Event{}.Encode(e)
	if err != nil {
		return stream.Emission{}, err
	}
	if len(value) > codecs.MaxEvent {
		return stream.Emission{}, fmt.Errorf("%s would have %d bytes; %d are allowed", e.Type, len(value), codecs.MaxEvent)
	}
	return stream.Emission{Topic: codecs.StoreOrder, Key: e.OrderID, Value: value, Headers: codecs.HeadersOf(e)}, nil
}
