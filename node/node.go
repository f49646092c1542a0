package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lovoo/goka"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/stream"
	"simplecqrs/telemetry"
	"simplecqrs/views"
)

// Node is a running process. It ends when the context that it was started with does,
// or when its HTTP server fails.
type Node struct {
	config  Config
	client  *stream.Client
	emitter *goka.Emitter
	redrive *goka.Emitter // of records as they are
	letters *views.Letters
	mongo   *views.Mongo
	table   *views.Table
	sink    *views.Sink
	tail    *stream.Tail // of an edge
	running sync.WaitGroup
	stop    context.CancelFunc
	failed  error // what ended the HTTP server before its time; valid once running is done
	done    chan struct{}
	err     error // what went wrong at the end; valid once done is closed
}

// checkTimeout bounds the look at the brokers and their topics at start.
const checkTimeout = 30 * time.Second

// Start checks the settings and the topics and sets the roles going. It does not
// wait until they are ready; see [Node.WaitReady].
func Start(ctx context.Context, c Config) (*Node, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	client, err := stream.Open(stream.Config{
		Brokers: c.Brokers, Security: c.Security, DataDir: c.DataDir, MaxRecord: processors.MaxRecord(),
		Registerer: c.Registry, Logger: c.Logger, Tracing: telemetry.New(c.Tracing), KeyName: string(telemetry.OrderID),
	})
	if err != nil {
		return nil, err
	}
	n := &Node{config: c, client: client, done: make(chan struct{})}
	partitions, err := n.check(ctx)
	if err == nil {
		err = n.open()
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	ctx, n.stop = context.WithCancel(ctx)
	n.run(ctx, partitions)
	return n, nil
}

// check holds the topics to what they must be. Their numbers of partitions and of
// replicas are whatever the log has, and must be the same for all.
func (n *Node) check(ctx context.Context) (partitions int32, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	partitions, replication, err := n.client.Shape(ctx, codecs.StoreOrder)
	if err != nil {
		return 0, err
	}
	return partitions, n.client.CheckTopics(ctx, processors.Topics(partitions, replication))
}

// open makes what the roles share.
func (n *Node) open() (err error) {
	n.emitter, err = n.client.Emitter(codecs.StoreOrder, codecs.Event{})
	if err == nil {
		n.redrive, err = n.client.Emitter(codecs.StoreOrder, codecs.Bytes{})
	}
	if err != nil || !n.config.needsMongo() {
		return err
	}
	n.mongo, err = views.OpenMongo(n.config.Mongo)
	return err
}

func (n *Node) run(ctx context.Context, partitions int32) {
	c := n.config
	c.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	shells := processors.Config{Partitions: partitions, Figures: processors.NewFigures(c.Registry, c.Definition), Logger: c.Logger}
	if c.has(processors.RoleAggregate) {
		n.processor(ctx, processors.Aggregate(shells, c.fold))
	}
	if c.has(processors.RoleSaga) {
		n.processor(ctx, processors.Saga(shells, c.Definition, c.decide))
	}
	for _, s := range c.Definition.Steps {
		if p := c.Participants[s.Name]; p != nil && c.has(processors.RoleOf(s.Name)) {
			n.processor(ctx, processors.Worker(shells, s, p))
		}
	}
	var delays *views.Delays
	if c.needsTable() || c.has(views.RoleSink) {
		delays = views.NewDelays(c.Registry)
	}
	if c.needsTable() {
		n.table = views.NewTable(c.Ended)
		n.table.Delay = delays.Table()
		n.view(ctx, n.table.View())
	}
	if c.has(views.RoleSink) {
		n.runSink(ctx, delays)
	}
	if n.mongo != nil {
		watch := views.Watch(n.mongo.Ping, c.Registry, c.Logger)
		n.running.Go(func() { watch(ctx) })
	}
	if c.has(RoleEdge) {
		n.tail = n.client.Tail(codecs.StoreOrder, n.message(partitions))
		n.runLetters(ctx)
	}
	n.serve(ctx, partitions)
	go func() {
		n.running.Wait()
		n.stop()
		n.err = errors.Join(n.failed, n.close())
		close(n.done)
	}()
}

func (n *Node) processor(ctx context.Context, p stream.Processor) {
	run := n.client.Prepare(p)
	n.running.Go(func() { run(ctx) })
}

func (n *Node) view(ctx context.Context, v stream.View) {
	run := n.client.PrepareView(v)
	n.running.Go(func() { run(ctx) })
}

func (n *Node) runSink(ctx context.Context, delays *views.Delays) {
	n.sink = views.NewSink(n.mongo, n.config.Logger)
	n.sink.Stored, n.sink.Tracing = n.stored, n.tracing(views.RoleSink)
	n.sink.Figures, n.sink.Delay = views.NewFigures(n.config.Registry, n.sink.Pending), delays.Store()
	n.running.Go(func() { n.sink.Run(ctx) })
	n.running.Go(func() { n.mongo.Prepare(ctx, n.config.Logger) })
	n.view(ctx, views.Feed(ctx, n.sink, n.config.Logger))
}

// tracing is that of a role which stream does not run.
func (n *Node) tracing(role string) *telemetry.Tracing {
	return telemetry.New(n.config.Tracing).With(telemetry.Role.String(role))
}

// stored tells those who wait for an order that the read store has a newer row of it.
func (n *Node) stored(r order.Row) {
	n.mongo.Stored(r)
	if n.config.Stored != nil {
		n.config.Stored(r)
	}
}

// close lets go of everything. The emitter needs no end of its own, and goka's
// would wait for as long as the brokers are away.
func (n *Node) close() error {
	if n.tail != nil {
		n.tail.Wait()
	}
	errs := []error{n.client.Close()}
	if n.mongo != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, n.mongo.Close(ctx))
	}
	return errors.Join(errs...)
}

// Roles are what the node plays.
func (n *Node) Roles() []string { return n.config.Roles }

// Addr is the address that the node listens on.
func (n *Node) Addr() net.Addr { return n.config.Listener.Addr() }

// WaitReady returns once every role of the node has caught up and runs.
func (n *Node) WaitReady(ctx context.Context) error { return n.client.WaitRunning(ctx) }

// Wait returns once the node has ended, having finished what it had begun.
func (n *Node) Wait() error {
	<-n.done
	return n.err
}

// Emit writes an event to the log and returns once it is acknowledged.
func (n *Node) Emit(ctx context.Context, e order.Event) error {
	headers := codecs.HeadersOf(e)
	telemetry.Into(ctx, headers)
	promise, err := n.emitter.EmitWithHeaders(e.OrderID, e, headers)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if err := stream.Await(ctx, promise); err != nil {
		return err
	}
	if n.mongo != nil {
		n.mongo.Moves(e.OrderID)
	}
	return nil
}

// Rows is where the node's queries are answered from.
func (n *Node) Rows() edge.Rows {
	if n.config.Query == QueryLocal {
		return n.table
	}
	return n.mongo
}

// components tells how the roles are doing. A read store that is away is told of and
// makes nothing unready: it is no reason to be sent no commands.
func (n *Node) components() []edge.Component {
	var all []edge.Component
	for _, s := range n.client.Status() {
		c := edge.Component{Name: s.Role, State: string(s.State), Ready: s.State == stream.Running}
		switch {
		case s.Err != nil:
			c.Detail = s.Err.Error()
		case s.Role == views.RoleSink && n.sink.Err() != nil:
			c.Ready, c.Detail = true, "the read store is away: "+n.sink.Err().Error()
		}
		all = append(all, c)
	}
	if n.config.has(RoleEdge) {
		all = append(all, n.edge())
	}
	return all
}

// pingTime bounds the wait for a sign of life, of each who is asked for one.
const pingTime = time.Second

// edge tells whether commands would find the brokers, and queries the store.
func (n *Node) edge() edge.Component {
	ping := func(ask func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(context.Background(), pingTime)
		defer cancel()
		return ask(ctx)
	}
	if err := ping(n.client.Ping); err != nil {
		return edge.Component{Name: RoleEdge, State: string(stream.Disconnected), Detail: err.Error()}
	}
	c := edge.Component{Name: RoleEdge, State: string(stream.Running), Ready: true}
	if n.config.Query == QueryMongo {
		if err := ping(n.mongo.Ping); err != nil {
			c.Detail = "the read store is away: " + err.Error()
		}
	}
	return c
}

func (n *Node) serve(ctx context.Context, partitions int32) {
	listener := n.config.Listener
	if n.config.TLS != nil {
		listener = tls.NewListener(listener, n.config.TLS)
	}
	n.running.Go(func() {
		if err := edge.Serve(ctx, listener, n.handler(partitions)); err != nil {
			n.failed = fmt.Errorf("node: the HTTP server: %w", err)
		}
		n.stop() // a process that nobody can ask how it is had better be started anew
	})
}

// handler is what the node serves: health in any role, the rest in the edge's.
func (n *Node) handler(partitions int32) http.Handler {
	h := edge.Health{
		Ready: n.components, Registry: n.config.Registry, Logger: n.config.Logger, Guard: n.config.Guard,
		Level: n.config.LogLevel, Tracing: n.tracing(RoleEdge), Monitor: n.monitor(),
	}
	if !n.config.has(RoleEdge) {
		return edge.NewHealth(h)
	}
	return edge.New(edge.Config{
		Emit: n.Emit, Rows: n.Rows(), Definition: n.config.Definition, Health: h,
		Log: events{n.tail}, Sources: n.sources(partitions), Topology: n.topology,
		Letters: n.letters, Redrive: n.Redrive, PublicURL: n.config.PublicURL,
	})
}
