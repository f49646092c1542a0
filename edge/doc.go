// Package edge speaks HTTP: it accepts commands and answers queries.
//
// A command is answered with 202 once all in-sync replicas of the log have its
// event. A page of another site cannot have a browser give one. Failures are
// problems (RFC 9457) that also carry the seed's member "error"; what is not the
// caller's to see is logged and shown as 500. Only what is no request at all, such
// as headers without end, is refused by net/http, in plain text.
//
// A command to an order that exists is refused where the row shows already that it
// does not fit: 404, or 409 with the reason. Else it is written to the log, and the
// saga has the last word, which a client may wait for. To several orders, by their
// ids or by a filter, each gets its result as if it had been alone. Sent again under
// the same Idempotency-Key a command has the same id, and so acts once.
//
// Lists go by id, which is the order in which orders were placed, and page by page
// after the last id of the page before. A page may be short of its limit and still
// have a next. The read stores look at many rows for a rare filter, FerretDB at all.
//
// Every request is bounded: its headers and its time in server.go, its body in
// body.go, the waits for the log, the rows and an order's end in command.go,
// query.go and prefer.go, a command's texts in control.go, how many orders it may go
// to in bulk.go, a list's page in list.go, how many clients follow something and how long
// one may take nothing in sse.go, what is looked through for an order in sources.go. A client that waits is let go when the
// server stops.
package edge
