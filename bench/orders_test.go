package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"simplecqrs/embedded"
)

// The figures of the README on embedded parts, or on KAFKA_BROKERS and MONGO_URI:
//
//	go test ./bench -run '^$' -bench Burst -benchtime 20000x
//	go test ./bench -run '^$' -bench FiftyASecond -benchtime 9000x

func BenchmarkBurst(b *testing.B)        { benchmark(b, 0) }
func BenchmarkFiftyASecond(b *testing.B) { benchmark(b, 50) }

func benchmark(b *testing.B, rate float64) {
	b.Run("view", func(b *testing.B) { orders(b, Config{Rate: rate}) })
	b.Run("view and store", func(b *testing.B) {
		uri := os.Getenv("MONGO_URI")
		if uri == "" {
			store, err := embedded.StartStore("")
			check(b, err)
			b.Cleanup(func() { check(b, store.Close()) })
			uri = store.URI()
		}
		orders(b, Config{Rate: rate, Mongo: uri})
	})
}

func orders(b *testing.B, c Config) {
	c.Orders, c.Patience = b.N, time.Minute
	if addrs := os.Getenv("KAFKA_BROKERS"); addrs != "" {
		c.Brokers = strings.Split(addrs, ",")
	} else {
		broker, err := embedded.StartBroker("")
		check(b, err)
		b.Cleanup(broker.Close)
		c.Brokers = broker.Addrs()
	}
	createTopics(b, c.Brokers, 12)
	r, err := Run(b.Context(), c)
	check(b, err)
	if n := r.Errors(); n > 0 {
		b.Errorf("%d of %d orders went wrong: %+v", n, b.N, r)
	}
	figure := func(unit string, sorted []time.Duration) {
		for _, percent := range []int{50, 99} {
			d := sorted[rank(percent, len(sorted))-1]
			b.ReportMetric(float64(d.Microseconds())/1e3, fmt.Sprintf("%s-p%d-ms", unit, percent))
		}
	}
	b.ReportMetric(0, "ns/op") // it would count the start and the stop
	b.ReportMetric(float64(len(r.Visible))/r.Elapsed.Seconds(), "orders/s")
	figure("view", r.Visible)
	if r.Stored != nil {
		figure("store", r.Stored)
	}
	b.ReportMetric(r.CPU.Seconds()/float64(b.N), "CPU-s/order")
}
