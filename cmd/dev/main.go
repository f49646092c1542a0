// Command dev runs the whole system in one process on embedded parts: broker, read
// store and all roles. It places an order, shows what happens to it, and serves
// until interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"simplecqrs/codecs"
	"simplecqrs/embedded"
	"simplecqrs/loopback"
	"simplecqrs/node"
	"simplecqrs/processors"
	"simplecqrs/stream"
	"simplecqrs/telemetry"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt does not wait for the first to be honoured
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out a command line and gives the exit code.
func run(ctx context.Context, args []string, answer, log io.Writer) int {
	s, err := parse(args, answer, log)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	switch err := s.run(ctx, answer, log); {
	case err == nil, errors.Is(err, context.Canceled) && !s.once:
		return 0 // interrupted, be it before all was up
	case errors.Is(err, context.Canceled):
		tell(log, "interrupted before the order ended")
	default:
		tell(log, "%v", err)
	}
	return exitFailed
}

// tell says what went wrong; if that cannot be said either, the exit code does.
func tell(log io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(log, "dev: "+format+"\n", args...)
}

// run starts the parts one on top of the other and ends them in reverse.
func (s settings) run(ctx context.Context, answer, log io.Writer) (err error) {
	plan, err := node.PlanFile(s.plan)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("the HTTP server: %w; -listen takes another address, with port 0 a free one", err)
	}
	defer func() { _ = listener.Close() }() // the node has closed it, unless there is an error already
	if !loopback.Addr(listener.Addr()) {
		return fmt.Errorf("%s is reached from beyond this machine, and whoever reaches it could do anything: "+
			"have -listen take an address such as 127.0.0.1, or use simplecqrs serve, which takes -tokens", listener.Addr())
	}
	release, err := s.own()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	broker, err := embedded.StartBroker(s.dir("broker"))
	if err != nil {
		return err
	}
	defer broker.Close()
	store, err := embedded.StartStore(s.dir("store"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := s.createTopics(ctx, broker.Addrs()); err != nil {
		return err
	}
	threshold := new(slog.LevelVar)
	threshold.Set(slog.LevelWarn)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: threshold}))
	traces, endTraces, err := telemetry.FromEnvironment(ctx, logger)
	if err != nil {
		return err
	}
	defer endTraces()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	n, err := node.Start(ctx, node.Config{
		Brokers: broker.Addrs(), Mongo: store.URI(), DataDir: s.dir("tables"), Query: s.query, Listener: listener,
		Definition: plan.Definition, Participants: plan.Participants,
		Logger: logger, LogLevel: threshold, Tracing: traces,
	})
	if err != nil {
		return err
	}
	err = s.show(ctx, answer, parts{n, broker, store})
	if err != nil || s.once {
		stop()
	}
	return errors.Join(err, n.Wait())
}

// own keeps other processes off the data: the broker, for one, would write over
// what another wrote.
func (s settings) own() (release func() error, err error) {
	if s.data == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return nil, fmt.Errorf("the data: %w", err)
	}
	lock, err := vfs.Default.Lock(s.dir("lock"))
	if err != nil {
		return nil, fmt.Errorf("locking the data in %s, which one process alone may use: %w", s.data, err)
	}
	return lock.Close, nil
}

// dir is where a part keeps its data; empty for nowhere.
func (s settings) dir(part string) string {
	if s.data == "" {
		return ""
	}
	return filepath.Join(s.data, part)
}

// createTopics makes the topics, or takes those that are there as they are, but
// for a number of partitions that was asked for.
func (s settings) createTopics(ctx context.Context, brokers []string) error {
	client, err := stream.Open(stream.Config{Brokers: brokers})
	if err != nil {
		return err
	}
	partitions := s.partitions
	if partitions == 0 {
		partitions = defaultPartitions
		if found, _, err := client.Shape(ctx, codecs.StoreOrder); err == nil {
			partitions = found
		}
	}
	err = client.CreateTopics(ctx, processors.Topics(partitions, 1))
	if _, differ := errors.AsType[*stream.Mismatch](err); differ {
		instead := "say another -data"
		if s.partitions != 0 {
			instead = "leave -partitions out, or " + instead
		}
		err = fmt.Errorf("%w\nThe topics stay as they were made: %s", err, instead)
	}
	return errors.Join(err, client.Close())
}
