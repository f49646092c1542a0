// Package simplecqrs is the root of an order system that does CQRS on Kafka. It
// holds no code: this is the map of what lies below, and its tests hold the tree
// to it. Commands are written to a log as events; three workers do an order's
// steps; a saga tells them when; an aggregate folds the events of an order to a
// row; queries read the rows.
//
// order is the domain: what can happen to an order, and the fold of that to a
// row. It imports nothing of ours, and no clock.
//
// saga decides what happens next: Decide takes a state and an input, and gives a
// state and effects. It is as pure as order.
//
// codecs turn bytes to values and back: events, rows, states, and the headers
// that travel with them. No bytes make a codec fail.
//
// deadline keeps the open deadlines of keys in their order: a heap, as pure as order, which
// stream asks what has come and sim what would.
//
// stream is goka made safe: commits, rebalances, outages, topics, local tables.
// It alone knows the brokers' clients, and nothing of orders.
//
// processors are the thin shells between the two sides: a worker for each step,
// the saga, the aggregate. Each decodes, calls the pure function, and emits.
//
// views are the reading side: the table of all rows as a local copy, and the sink
// that brings them to a store that speaks MongoDB's protocol.
//
// edge speaks HTTP: commands in, answers to queries out, failures as problems.
// It declares what it needs of the others, and imports none of them.
//
// access says whom a token is of and what its holder may do: tokens from a file, or
// of an OpenID issuer. access/issuertest is such an issuer, for tests.
//
// loopback says what is of this machine alone.
//
// telemetry is what crosses all parts for those who watch: traces, through HTTP and
// the records' headers, and their ids in log lines. It knows nothing of orders.
//
// web holds the pages that edge serves to browsers: files as they are, built by nothing.
//
// node wires roles to one process: a client of the brokers, a store, a listener.
// The commands run one of them, the tests many.
//
// embedded runs a broker and a store in the same process, for a start without
// installing anything and for the tests.
//
// bench measures the whole, side by side with what it is to be compared with.
//
// sim runs the decision, the fold and the deadlines through seeded worlds in which all goes wrong
// that may, and has an auditor say what does not hold.
//
// cmd/simplecqrs is the program: flags, signals, and one role or all. cmd/dev is
// the program with the embedded parts, to try it out.
//
// Arrows point to order, and shells do not import each other; deps_test.go says
// who may import whom.
package simplecqrs
