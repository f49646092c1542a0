// Command dev runs the whole system in one process on embedded parts: broker, read
// store and all roles. It places an order, shows what happens to it, and serves
// until interrupted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/embedded"
	"simplecqrs/node"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/stream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

type settings struct {
	listen, data, query string
	partitions          int
	once                bool
}

func run(ctx context.Context, args []string) error {
	var s settings
	f := flag.NewFlagSet("dev", flag.ContinueOnError)
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`address` of the HTTP server; port 0 takes a free one")
	f.StringVar(&s.data, "data", "", "`directory` in which orders and offsets are kept across restarts; without one they go with the process")
	f.IntVar(&s.partitions, "partitions", 12, "partitions of the topics, where they have yet to be made")
	f.StringVar(&s.query, "query", node.QueryMongo, "where queries are answered from: mongo or local")
	f.BoolVar(&s.once, "once", false, "place one order, print its row as JSON on the last line, and end")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	return s.run(ctx)
}

// run starts the parts one on top of the other and ends them in reverse.
func (s settings) run(ctx context.Context) (err error) {
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
	if err := createTopics(ctx, broker.Addrs(), s.partitions); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	n, err := node.Start(ctx, node.Config{
		Brokers: broker.Addrs(), Mongo: store.URI(), DataDir: s.dir("tables"), Query: s.query, Listener: listener,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	err = s.show(ctx, n, broker, store)
	if err != nil || s.once {
		stop()
	}
	return errors.Join(err, n.Wait())
}

// dir is where a part keeps its data; empty for nowhere.
func (s settings) dir(part string) string {
	if s.data == "" {
		return ""
	}
	return filepath.Join(s.data, part)
}

func createTopics(ctx context.Context, brokers []string, partitions int) error {
	client, err := stream.Open(stream.Config{Brokers: brokers})
	if err != nil {
		return err
	}
	err = client.CreateTopics(ctx, processors.Topics(int32(partitions), 1))
	return errors.Join(err, client.Close())
}

// show places an order and tells what becomes of it, as queries see it.
func (s settings) show(ctx context.Context, n *node.Node, broker *embedded.Broker, store *embedded.Store) error {
	if err := n.WaitReady(ctx); err != nil {
		return err
	}
	base := "http://" + n.Addr().String()
	id, err := place(ctx, base)
	if err != nil {
		return err
	}
	fmt.Println("order", id)
	row, err := follow(ctx, n.Rows(), id)
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", id, err)
	}
	if s.once {
		fmt.Printf("%s\n", codecs.Answer(row))
		return nil
	}
	fmt.Printf(`
  another     curl -X POST %[1]s/command
  this one    curl %[1]s/query/%[2]s
  its history curl %[1]s/query/%[2]s/history
  ready?      curl %[1]s/readyz
  metrics     curl %[1]s/metrics
  broker      %[3]s
  read store  %[4]s

serving; interrupt to end
`, base, id, broker.Addrs()[0], store.URI())
	return nil
}

func place(ctx context.Context, base string) (id string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/command", nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	var accepted struct {
		ID string `json:"id"`
	}
	err = errors.Join(json.NewDecoder(answer.Body).Decode(&accepted), answer.Body.Close())
	if err != nil || accepted.ID == "" {
		return "", errors.Join(fmt.Errorf("POST /command answered %s", answer.Status), err)
	}
	return accepted.ID, nil
}

// follow prints the events of an order as they come, and gives its row at the end.
func follow(ctx context.Context, rows edge.Rows, id string) (order.Row, error) {
	for told := 0; ; {
		row, err := rows.Await(ctx, id, func(r order.Row) bool { return len(r.Meta.History) > told })
		if err != nil {
			return row, err
		}
		for _, e := range row.Meta.History[told:] {
			fmt.Printf("%6d ms  %s\n", e.Time.Sub(row.Meta.CreatedAt).Milliseconds(), e.Type)
		}
		if row.Meta.Status.Ended() {
			return row, nil
		}
		told = len(row.Meta.History)
	}
}
