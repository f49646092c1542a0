// Package embedded runs the parts that the system stands on in this process: a
// broker and a read store, real servers on real sockets of the loopback
// interface. They make the start without installing anything, and the tests.
//
// They are for trying out. The broker (kfake) is one node that keeps what it
// writes without syncing. The store is FerretDB 1.24 on SQLite, which
//
//   - uses an index only for a filter on _id alone, and that only because we make
//     it one, a moment after the collection,
//   - hangs at more than 99 updates of existing documents in one command, and
//   - cuts the connection that asks in one command for several indexes that are
//     there already: ask for one at a time.
//
// A directory belongs to one server at a time, which is not checked. What goes
// wrong inside a server is told to [slog.Default] as an error; the rest of what
// they have to say is dropped.
package embedded
