// Package edge speaks HTTP: it accepts commands and answers queries.
//
// A command is answered with 202 once all in-sync replicas of the log have its
// event. A page of another site cannot have a browser give one. Failures are
// problems (RFC 9457) that also carry the seed's member "error"; what is not the
// caller's to see is logged and shown as 500. Only what is no request at all, such
// as headers without end, is refused by net/http, in plain text.
//
// Every request is bounded: its headers and its time in server.go, its body in
// body.go, the waits for the log, the rows and an order's end in command.go,
// query.go and prefer.go. A client that waits is let go when the server stops.
package edge
