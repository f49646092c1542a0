// Package codecs turns bytes into values and back: the wire of every topic.
//
// The value of a record on store.order is the seed's JSON, so that a service
// that knows nothing of us can join. What we know beyond it travels in headers,
// by the Kafka binding of CloudEvents 1.0 in binary content mode.
//
// A codec never fails on bytes, as goka answers a failing codec by ending the
// processor: it returns [Malformed], and the handler decides where that goes.
// JSON is read tolerantly, unknown members skipped, and written strictly.
package codecs
