// Package saga decides what happens next to an order.
//
// [Decide] is pure: it reads no clock and does no I/O; time arrives inside the
// input. The caller stores the state, then carries out the effects in their
// order, and treats both as one: an input counts as handled when both are safe.
//
// What an order does follows from its log alone, whatever comes in between and however
// often it is decided anew. Therefore a deadline that passes moves nothing: the saga
// says so in the log, by asking for the next attempt or by telling what has run out of
// time, and moves when it hears itself.
//
// Between the two the caller may die. Therefore an input seen before moves
// nothing, and owes again the effect that it itself caused, if nobody has
// answered that yet: the first time may have died between the store and the
// emit. More than that it never owes, or each redelivered event would be
// multiplied down the chain. Effects carry ids derived from what they are, so
// that a reader knows the copy of one that did get out.
package saga
