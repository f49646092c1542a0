// Package views is the reading side: what becomes of the rows of view.order.
//
// [Table] is a goka view, a local copy of all rows that answers queries by
// itself. [Sink] brings the rows to MongoDB, fed by a goka view of its own, and
// [Mongo] reads them there. Both answer the same: see the conformance test.
//
// The table takes an order's latest record for its row. The sink relies on no order
// of arrival: a document is written by $max on its version, so that an older row
// never wins and a replay changes nothing. A tombstone takes no order away from
// either, as nothing of ours writes one.
package views
