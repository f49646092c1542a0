package saga

import "simplecqrs/order"

// State is what the saga knows of an order. The zero State is an order that it
// has not heard of.
type State struct {
	// Revision is raised by one at every change, so that of two copies of a state the
	// newer is known by it alone.
	Revision   int64
	OrderID    string
	Status     order.Status
	Definition Definition // a snapshot, taken when the order was accepted
	Inputs     map[order.Step]order.JSON
	Open       Open // the request that is not answered; zero when none is
	End        End  // how the order ended, if that was the saga's to say
	// Parked says why the saga no longer decides for this order; see order.Meta.
	Parked string
}

// Open is a request that was made and that nobody has answered.
type Open struct {
	Step    order.Step
	Attempt int    // from 1
	Request string // id of the request's event
	Cause   string // id of the event that led to it
}

// End is the saga's own word on the end of an order. Nobody answers it, so its
// cause owes it for ever.
type End struct {
	Outcome order.Status
	Cause   string // id of the event that led to it
	Reason  string
}
