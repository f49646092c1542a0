package processors

import (
	"maps"
	"strconv"
	"time"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/stream"
)

// The consumer groups of the stateful roles; a worker's has the name of its role, as
// the saga's does. goka names a group's table by adding a suffix, so these two and
// the suffix make view.order and saga.order.
const (
	GroupView = "view"
	groupSaga = "saga"
)

// The suffixes are global in goka and must be set before any group is defined.
func init() {
	goka.SetTableSuffix(".order")
	goka.SetLoopSuffix(".timers")
}

// The largest record that each topic takes, in bytes. A letter is the record that
// it tells of and more headers, so deadletter.order takes the most.
const (
	maxStored     = 1 << 20
	maxRow        = 2 << 20
	maxLetter     = 3 << 20
	maxTimer      = 64 << 10
	recordMargin  = 64 << 10 // for the key, the headers and the batch around a value
	maxRowValue   = maxRow - recordMargin
	maxStateValue = maxStored - recordMargin
)

var maxRecord = map[string]int32{
	codecs.StoreOrder:      maxStored,
	codecs.SagaOrder:       maxStored,
	codecs.SagaTimers:      maxTimer,
	codecs.ViewOrder:       maxRow,
	codecs.DeadletterOrder: maxLetter,
}

// MaxRecord gives the largest record that each of our topics takes, in bytes.
func MaxRecord() map[string]int32 { return maps.Clone(maxRecord) }

// Topics gives what our topics must be like. Replication 0 accepts any; a
// replication of n writes with the acknowledgement of n-1 replicas, at least one.
func Topics(partitions int32, replication int16) []stream.Topic {
	topic := func(name, cleanup string) stream.Topic {
		t := stream.Topic{
			Name: name, Partitions: partitions, Replication: replication,
			Config: map[string]string{
				"cleanup.policy":    cleanup,
				"max.message.bytes": strconv.Itoa(int(maxRecord[name])),
			},
		}
		if cleanup == "delete" {
			t.Config["retention.ms"] = "-1" // the log is the truth: it is kept
			t.Config["retention.bytes"] = "-1"
		}
		if replication > 0 {
			t.Config["min.insync.replicas"] = strconv.Itoa(max(int(replication)-1, 1))
		}
		return t
	}
	return []stream.Topic{
		topic(codecs.StoreOrder, "delete"),
		topic(codecs.ViewOrder, "compact"),
		topic(codecs.SagaOrder, "compact"),
		timers(topic(codecs.SagaTimers, "delete")),
		topic(codecs.DeadletterOrder, "delete"),
	}
}

// timers lets go of timers that have passed. Whoever takes over a partition sends
// those again that are still open, so it need not keep them for long.
func timers(t stream.Topic) stream.Topic {
	t.Config["retention.ms"] = strconv.FormatInt((7 * 24 * time.Hour).Milliseconds(), 10)
	return t
}
