package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"simplecqrs/processors"
	"simplecqrs/stream"
)

// topicsTimeout bounds the work on the topics, brokers that do not answer included.
const topicsTimeout = 30 * time.Second

const (
	defaultPartitions  = 12
	defaultReplication = 1
)

const topicsSynopsis = `create makes the topics that are missing and checks them all; what exists it leaves
as it is. check only compares, and exits with 1 naming each topic that differs. Both talk
to the brokers. list asks an edge what is in the topics, and how far the roles are.`

func topics(ctx context.Context, args []string, out output) error {
	verb := ""
	if len(args) > 0 && args[0] == "list" {
		return topicsOfEdge().run(ctx, args, out)
	}
	if len(args) > 0 && (args[0] == "create" || args[0] == "check") {
		verb, args = args[0], args[1:]
	}
	name := "topics create|check|list"
	if verb != "" {
		name = "topics " + verb
	}
	f := newFlags(name, topicsSynopsis)
	brokers := kafkaFlags(f)
	partitions := define(f, "partitions", defaultPartitions, count(mostPartitions), "`number` of partitions of each topic: the most processes that can share a role; later it cannot be changed")
	replication := define(f, "replication", defaultReplication, count(mostReplication), "`number` of replicas of each partition; 3 where orders must survive the loss of a broker")
	if err := parse(f, args, out); err != nil {
		return err
	}
	if verb == "" {
		return refuse(f, errors.New("say create, check or list"))
	}
	wanted := processors.Topics(int32(*partitions), int16(*replication))
	err := withClient(ctx, brokers, func(ctx context.Context, client *stream.Client) error {
		err := client.CheckTopics(ctx, wanted)
		// Nothing is made beside topics that differ: it would have to be deleted again.
		if verb == "create" && onlyMissing(err) {
			err = client.CreateTopics(ctx, wanted)
		}
		return err
	})
	if err != nil {
		return advised(err, *brokers.brokers)
	}
	var b strings.Builder
	for _, t := range wanted {
		fmt.Fprintf(&b, "%s: %d partitions, as it must be\n", t.Name, t.Partitions)
	}
	_, err = io.WriteString(out.answer, b.String())
	return err
}

// withClient lends a client of the brokers for work on the topics.
func withClient(ctx context.Context, brokers kafka, work func(context.Context, *stream.Client) error) error {
	security, err := brokers.security()
	if err != nil {
		return err
	}
	client, err := stream.Open(stream.Config{Brokers: *brokers.brokers, Security: security})
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	return errors.Join(work(bounded, client), client.Close())
}

const missing = "missing"

// onlyMissing reports whether topics are missing and all others as they must be.
func onlyMissing(err error) bool {
	for _, m := range mismatches(err) {
		if m.Found != missing {
			return false
		}
	}
	return len(mismatches(err)) > 0
}

// mismatches are all that the error tells of.
func mismatches(err error) []*stream.Mismatch {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []*stream.Mismatch
		for _, one := range joined.Unwrap() {
			all = append(all, mismatches(one)...)
		}
		return all
	}
	var m *stream.Mismatch
	if errors.As(err, &m) {
		return []*stream.Mismatch{m}
	}
	return nil
}

// advised adds to an error about topics or brokers what can be done.
func advised(err error, brokers list) error {
	switch found := mismatches(err); {
	case len(found) == 0 && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w\nNo broker of %s answered in time: is -brokers right?", err, brokers)
	case len(found) == 0:
		return err
	case onlyMissing(err):
		return fmt.Errorf("%w\nTo make what is missing, run: simplecqrs topics create -brokers %s", err, brokers)
	}
	return fmt.Errorf("%w\nNothing that exists is changed from here. Settings can be set with Kafka's kafka-configs.sh; "+
		"a topic with another number of partitions has to be made anew. "+
		"To compare again, run: simplecqrs topics check -brokers %s", err, brokers)
}
