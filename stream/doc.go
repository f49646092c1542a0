// Package stream is goka made safe. It alone knows the brokers' clients.
//
// What goka v1.1.15 leaves open and this package closes:
//
//   - A later acknowledgement never commits over an earlier unfinished record:
//     only the finished prefix of a partition is committed (group.go).
//   - A member that joins or leaves does not stop the others for seconds: a
//     generation that ends is followed by the next at once (group.go).
//   - A broker that goes away costs no role its life: the consumer rejoins, the
//     producer keeps what it could not send (group.go, producer.go).
//   - Records reach a partition in the order of their emits, each exactly once
//     unless it is given up at the end, and no batch waits to be filled
//     (producer.go).
//   - Whatever ends with an error all the same is built anew, with backoff, and
//     is not ready meanwhile (supervisor.go).
//   - What fails in a handler stops it, also while a generation ends (context.go,
//     owned.go).
//   - A member that stood still, and writes on although another has its partition,
//     loses nothing that the other wrote, and what it wrote late never wins (owned.go).
//   - Keys are partitioned as Java clients do it (partition.go).
//   - Topics are made and held to explicit settings (topics.go).
//   - Local tables survive a rebalance, and are wiped with their topic (table.go).
//   - A deadline in a table's value fires once it has come, also after a restart, and
//     never before what lay in the log at that time is handled (timers.go).
//   - Work that takes long holds up neither the other keys of its partition nor a
//     rebalance (lanes.go).
//   - Any number of readers follow a topic from any place in it, for the price of one,
//     and none of them waits for another (tail.go, cursor.go).
//   - A view's offset moves only over what its consumer has acknowledged (gate.go), and
//     can be seen from other processes (report.go).
//
// The caller gives a [Config], opens a [Client], and runs processors and views
// with it. Handlers must be idempotent: delivery is at least once.
package stream
