package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"simplecqrs/bench"
	"simplecqrs/codecs"
	"simplecqrs/processors"
	"simplecqrs/stream"
)

const benchSynopsis = `Runs the roles in this process, places orders and tells how fast they came out:
orders a second, the time from command to the finished row, the processors' time.
Exits with 1 if an order went wrong. The orders stay in the topics. At a rate an
order's time runs from when it was due, in a burst from when it was sent.`

func measure(ctx context.Context, args []string, out output) error {
	f := newFlags("bench", benchSynopsis)
	brokers := kafkaFlags(f)
	mongo := define(f, "mongo", "", storeURI, "`URI` of the read store; without one it is left out")
	data := f.String("data", "", "`directory` of the local tables; without one they are kept in memory")
	n := define(f, "n", 20_000, count(mostOrders), "how many `orders` to place")
	perSecond := define(f, "rate", 0, rate, "`orders` a second; 0 is a burst")
	partitions := define(f, "partitions", defaultPartitions, count(mostPartitions), "`number` of partitions of the topics, where they have yet to be made")
	patience := f.Duration("patience", 30*time.Second, "how long to wait for the next order to be acknowledged or seen, before those left count as errors")
	if err := parse(f, args, out); err != nil {
		return err
	}
	if *patience <= 0 {
		return refuse(f, errors.New("-patience: want more than 0"))
	}
	security, err := brokers.security()
	if err != nil {
		return err
	}
	err = withClient(ctx, brokers, func(ctx context.Context, client *stream.Client) error {
		return prepare(ctx, client, int32(*partitions))
	})
	if err != nil {
		return advised(err, *brokers.brokers)
	}
	report, err := bench.Run(ctx, bench.Config{
		Brokers: *brokers.brokers, Security: security, Mongo: *mongo, DataDir: *data, Orders: *n, Rate: *perSecond, Patience: *patience,
		Logger: slog.New(slog.NewTextHandler(out.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	if err := report.Print(out.answer); err != nil {
		return err
	}
	if n := report.Errors(); n > 0 {
		return fmt.Errorf("%d of %d orders went wrong", n, report.Orders)
	}
	return nil
}

// prepare makes the topics, unless they are there, in whatever number of partitions
// and replicas.
func prepare(ctx context.Context, client *stream.Client, partitions int32) error {
	found, _, err := client.Shape(ctx, codecs.StoreOrder)
	if err == nil {
		partitions = found
	} else if !onlyMissing(err) {
		return err
	}
	return client.CreateTopics(ctx, processors.Topics(partitions, 0))
}
