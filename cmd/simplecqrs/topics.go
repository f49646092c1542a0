package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"simplecqrs/processors"
	"simplecqrs/stream"
)

// topicsTimeout bounds the work on the topics, brokers that do not answer included.
const topicsTimeout = 30 * time.Second

func topics(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "create" && args[0] != "check" {
		return usageError{fmt.Errorf("say create or check")}
	}
	f := flag.NewFlagSet("topics "+args[0], flag.ContinueOnError)
	brokers := brokersFlag(f)
	partitions := f.Int("partitions", 12, "partitions of each topic: the most processes that can share a role")
	replication := f.Int("replication", 1, "replicas of each partition; 3 where orders must survive the loss of a broker")
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	client, err := stream.Open(stream.Config{Brokers: *brokers})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	wanted := processors.Topics(int32(*partitions), int16(*replication))
	if args[0] == "create" {
		err = client.CreateTopics(ctx, wanted)
	} else {
		err = client.CheckTopics(ctx, wanted)
	}
	if err != nil {
		return err
	}
	for _, t := range wanted {
		fmt.Printf("%s: %d partitions, as it must be\n", t.Name, t.Partitions)
	}
	return nil
}
