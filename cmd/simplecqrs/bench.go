package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"simplecqrs/bench"
	"simplecqrs/processors"
	"simplecqrs/stream"
)

func measure(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	brokers := brokersFlag(f)
	mongo := f.String("mongo", "", "`URI` of the read store; without one it is left out")
	data := f.String("data", "", "`directory` of the local tables; without one they are kept in memory")
	n := f.Int("n", 20_000, "orders to place")
	rate := f.Float64("rate", 0, "orders a second; 0 is a burst")
	partitions := f.Int("partitions", 12, "partitions of the topics, where they have yet to be made")
	if err := parse(f, args); err != nil {
		return err
	}
	if *n < 1 || *rate < 0 {
		return usageError{fmt.Errorf("-n must be at least 1, -rate at least 0")}
	}
	if err := prepare(ctx, *brokers, *partitions); err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Config{
		Brokers: *brokers, Mongo: *mongo, DataDir: *data, Orders: *n, Rate: *rate,
	})
	if err != nil {
		return err
	}
	if err := report.Print(os.Stdout); err != nil {
		return err
	}
	if report.Errors > 0 {
		return fmt.Errorf("%d of %d orders went wrong", report.Errors, report.Orders)
	}
	return nil
}

func prepare(ctx context.Context, brokers []string, partitions int) error {
	client, err := stream.Open(stream.Config{Brokers: brokers})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	return client.CreateTopics(ctx, processors.Topics(int32(partitions), 1))
}
