// Package order is the domain: what can happen to an order, and what an order
// looks like once it has.
//
// An [Event] is a fact of the log store.order. [Fold] turns a sequence of them
// into a [Row], the aggregate that queries read. Fold is pure, total and
// idempotent: it reads no clock, does no I/O, accepts any event, and an event
// whose id the row already holds changes nothing.
//
// The package imports nothing of ours and knows no step by name: a step is
// whatever stands before _REQUESTED, _COMPLETED and _FAILED in an event's type.
package order
