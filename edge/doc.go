// Package edge speaks HTTP: it accepts commands and answers queries.
//
// A command is answered with 202 once all in-sync replicas of the log have its
// event. Failures are problems (RFC 9457) that also carry the seed's member
// "error"; what is not the caller's to see is logged and shown as 500.
//
// Every request is bounded, see the constants in server.go and command.go, and a
// client that waits is let go when the server stops.
package edge
