// Package telemetry is what whoever watches the system has of it, beside the metrics:
// traces, and the trace's id in log lines.
//
// A trace is W3C's. Between processes it travels in the headers traceparent and
// tracestate, of HTTP requests and of records alike, and no table keeps it. Spans are
// made if the environment names a place to send them to; if it does not, what a client
// sent is passed on, and nothing else is done.
package telemetry
