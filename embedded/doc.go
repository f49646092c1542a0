// Package embedded runs the parts that the system stands on in this process: a
// broker and a read store, real servers on real sockets of the loopback
// interface. They make the start without installing anything, and the tests.
//
// They are for trying out. The broker (kfake) is one node that keeps what it
// writes without syncing; the store (FerretDB 1.24 on SQLite) uses an index only
// for a filter on _id alone.
package embedded
