package processors

import (
	"testing"

	"simplecqrs/stream"
)

// The records are the truth, or the tables made of it: neither may expire, and a
// table must keep the last value of each key. A timer is made anew as long as it is open.
func TestTopics(t *testing.T) {
	log := func(limit, insync string) map[string]string {
		c := map[string]string{
			"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": limit,
		}
		if insync != "" {
			c["min.insync.replicas"] = insync
		}
		return c
	}
	table := func(limit, insync string) map[string]string {
		c := map[string]string{"cleanup.policy": "compact", "max.message.bytes": limit}
		if insync != "" {
			c["min.insync.replicas"] = insync
		}
		return c
	}
	timers := func(insync string) map[string]string {
		c := log("65536", insync)
		c["retention.ms"] = "604800000" // 7 days
		return c
	}
	for _, one := range []struct {
		replication int16
		insync      string
	}{{0, ""}, {1, "1"}, {2, "1"}, {3, "2"}} {
		differ(t, "the topics", []stream.Topic{
			{Name: "store.order", Partitions: 12, Replication: one.replication, Config: log("1048576", one.insync)},
			{Name: "view.order", Partitions: 12, Replication: one.replication, Config: table("2097152", one.insync)},
			{Name: "saga.order", Partitions: 12, Replication: one.replication, Config: table("1048576", one.insync)},
			{Name: "saga.timers", Partitions: 12, Replication: one.replication, Config: timers(one.insync)},
			{Name: "deadletter.order", Partitions: 12, Replication: one.replication, Config: log("3145728", one.insync)},
		}, Topics(12, one.replication))
	}
}

func TestTheRecordLimitsAreThoseOfTheTopics(t *testing.T) {
	MaxRecord()["store.order"] = 1 // a caller's own copy
	differ(t, "the limits", map[string]int32{
		"store.order": 1 << 20, "saga.timers": 64 << 10, "view.order": 2 << 20, "saga.order": 1 << 20, "deadletter.order": 3 << 20,
	}, MaxRecord())
}
