// Package views is the reading side: what becomes of the rows of view.order.
//
// [Table] is a goka view, a local copy of all rows that answers queries by
// itself. [Sink] brings the rows to MongoDB, fed by a goka view of its own, and
// [Mongo] reads them there. Both answer the same: see the conformance test.
//
// No order of arrival is relied on. A document is written by $max on its version,
// so that an older row never wins and a replay changes nothing.
package views
