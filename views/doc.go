// Package views is the reading side: what becomes of the rows of view.order.
//
// [Table] is a goka view, a local copy of all rows that answers queries by
// itself. [Sink] brings the rows to MongoDB, fed by a goka view of its own, and
// [Mongo] reads them there. Both answer the same: see the conformance test.
//
// [Letters] is an index of the dead letters that nobody has seen to.
//
// No order of arrival is relied on. An older row never wins, in the table by its
// version and in a document by $max on it, and a replay changes nothing. A tombstone takes no order away from
// either, as nothing of ours writes one.
package views
