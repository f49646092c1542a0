package bench

import (
	"net"
	"testing"
	"time"

	"simplecqrs/embedded"
	"simplecqrs/processors"
	"simplecqrs/stream"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startBroker starts a broker that has our topics.
func startBroker(t testing.TB) []string {
	t.Helper()
	b, err := embedded.StartBroker("")
	check(t, err)
	t.Cleanup(b.Close)
	createTopics(t, b.Addrs(), 4)
	return b.Addrs()
}

func createTopics(t testing.TB, brokers []string, partitions int32) {
	t.Helper()
	client, err := stream.Open(stream.Config{Brokers: brokers})
	check(t, err)
	check(t, client.CreateTopics(t.Context(), processors.Topics(partitions, 1)))
	check(t, client.Close())
}

func TestEveryOrderIsMeasured(t *testing.T) {
	t.Parallel()
	store, err := embedded.StartStore("")
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, c := range []struct {
		name   string
		mongo  string
		orders int
		rate   float64
	}{
		{"a burst", "", 200, 0},
		{"at a rate, and a read store", store.URI(), 20, 50}, // which stores most rows of an order, not the last alone
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Run(t.Context(), Config{
				Brokers: startBroker(t), Mongo: c.mongo, Orders: c.orders, Rate: c.rate,
				Patience: 2 * time.Minute, // the race detector makes the embedded store slow
			})
			check(t, err)
			if r.Errors() != 0 || len(r.Visible) != c.orders || r.Visible[0] <= 0 || r.CPU <= 0 {
				t.Errorf("report %+v", r)
			}
			if (r.Stored != nil) != (c.mongo != "") || r.Stored != nil && len(r.Stored) != c.orders {
				t.Errorf("%d orders measured in the read store", len(r.Stored))
			}
			if c.rate > 0 && r.Elapsed.Seconds() < float64(c.orders-1)/c.rate {
				t.Errorf("%d orders took %v: faster than they were due", c.orders, r.Elapsed)
			}
		})
	}
}

func TestOrdersThatNeverReachTheStoreEndTheRunAsErrors(t *testing.T) {
	t.Parallel() // it waits, most of the time
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	away := "mongodb://" + l.Addr().String()
	check(t, l.Close()) // nobody is there
	const orders = 3
	r, err := Run(t.Context(), Config{
		Brokers: startBroker(t), Mongo: away, Orders: orders, Patience: 5 * time.Second,
	})
	check(t, err)
	if r.Unseen != orders || r.Errors() != orders || len(r.Visible) != orders || len(r.Stored) != 0 {
		t.Errorf("report %+v", r)
	}
}
