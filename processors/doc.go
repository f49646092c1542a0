// Package processors puts the pure core to work on goka: a thin shell for each
// role that hears store.order.
//
// A worker answers the requests of its step, the saga decides what follows, the
// aggregate folds the events into the rows of view.order. Each shell decodes,
// calls a pure function, stores and emits; it has no rule of its own.
//
// Every shell is idempotent. A record that is seen again leads to the same value
// under the same version and to emits with the same ids, and the value is stored
// again even if it did not change: the local table may be ahead of its topic
// after a crash, and what the first time did not get out must.
//
// No record stops a partition. What cannot be decoded or handled becomes a letter
// on deadletter.order, see [codecs.Letter].
package processors
