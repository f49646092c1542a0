package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
)

// View is a goka view to be kept running.
type View struct {
	Role  string // its name in status, metrics and local tables
	Table goka.Table
	Codec goka.Codec
	// Layout is raised when the callback begins to store something else: a local copy
	// that another layout made is wiped, and made anew of the topic.
	Layout byte
	// Callback gets each record, old or new, before the view's offset moves on.
	// An error holds up its partition, and the record comes again.
	Callback goka.UpdateCallback
	// Deferred stands instead of Callback where records are finished later.
	Deferred Deferred
	// Group, if set beside Deferred, is a group as whose offsets the brokers are told up
	// to where the records are finished, for [Client.Topology]. The view does not read
	// from there, and is no member.
	Group string
	// Serve, if set, is given each life's view once it has caught up, and nil before
	// the view is taken away. What it is given may be read until then, also while the
	// brokers are away.
	Serve func(*goka.View)
}

// PrepareView adds a view to the client's status. What it gives runs it until ctx
// ends, through as many lives as it takes.
func (c *Client) PrepareView(v View) (run func(ctx context.Context)) {
	r := c.newRole(v.Role, "view", v.Deferred == nil)
	return func(ctx context.Context) {
		c.supervise(ctx, r, func(ctx context.Context) error { return c.live(ctx, r, v) })
	}
}

func (c *Client) live(ctx context.Context, r *role, v View) (err error) {
	if err := c.bind(ctx, r, string(v.Table), v.Layout); err != nil {
		return err
	}
	var clients closers
	// goka closes neither of the two that a view is built with.
	defer func() { err = errors.Join(err, clients.close()) }()
	store, callback := c.tables.builder(r.name), v.Callback
	if v.Deferred != nil {
		g := &gates{all: map[int32]*gate{}}
		store, callback = g.builder(store), g.callback(c.tracer(v.Role, "").traced(v.Deferred))
		if v.Group != "" {
			defer c.reporting(v, g)()
		}
	}
	life := running{}
	view, err := goka.NewView(c.config.Brokers, v.Table, v.Codec,
		goka.WithViewClientID(c.config.ClientID),
		goka.WithViewLogger(gokaLogger{c.log, r.name}),
		goka.WithViewHasher(newHasher),
		goka.WithViewCallback(r.activity.keys.noting(callback)),
		goka.WithViewStorageBuilder(store),
		goka.WithViewAutoReconnect(),
		goka.WithViewBackoffBuilder(func() (goka.Backoff, error) {
			return goka.NewSimpleBackoff(500*time.Millisecond, 2*time.Second), nil
		}),
		goka.WithViewConsumerSaramaBuilder(func(brokers []string, clientID string) (sarama.Consumer, error) {
			consumer, err := c.consumers(briefly)(brokers, clientID)
			if err == nil {
				clients.add(consumer.Close)
				life.consumer = consumer
			}
			return consumer, err
		}),
		goka.WithViewTopicManagerBuilder(func(brokers []string) (goka.TopicManager, error) {
			m, err := c.topicManagers(briefly)(brokers)
			if err != nil {
				return nil, err
			}
			once := &closeOnce{TopicManager: m}
			clients.add(once.Close)
			return once, nil
		}),
	)
	if err != nil {
		return err
	}
	life.view = view
	leave := r.activity.run(life)
	defer leave()
	return r.follow(ctx, v, view, leave)
}

// follow runs the view, says so in the role's status and has it served. It calls leave
// before it has the view stop, as it does for no other reason: it reconnects by itself.
func (r *role) follow(ctx context.Context, v View, view *goka.View, leave func()) error {
	served := &served{view: view, serve: v.Serve}
	states, ended := view.ObserveStateChanges(), make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { r.watch(states.C(), ended, served.begin) })
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		served.end() // readers leave before goka takes the partitions from under them
		leave()
		stop()
	})()
	err := view.Run(running)
	close(ended)
	watch.Wait()
	states.Stop()
	served.end()
	return err
}

// served is a life's view towards its readers, who have it at most once.
type served struct {
	view  *goka.View
	serve func(*goka.View) // nil: nobody reads

	mu    sync.Mutex
	given bool
	ended bool
}

func (s *served) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serve != nil && !s.given && !s.ended {
		s.given = true
		s.serve(s.view)
	}
}

func (s *served) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given && !s.ended {
		s.serve(nil)
	}
	s.ended = true
}

// reconnectTime is what a view may take to connect again before that is told. It
// does so once also when all is well, after it has caught up.
const reconnectTime = 500 * time.Millisecond

func (r *role) watch(states <-chan goka.State, ended <-chan struct{}, caughtUp func()) {
	var lost <-chan time.Time
	for {
		select {
		case s := <-states:
			switch was, _ := r.status(); {
			case goka.ViewState(s) == goka.ViewStateRunning:
				lost = nil
				caughtUp()
				r.set(Running, nil)
			case goka.ViewState(s) == goka.ViewStateConnecting && was.State == Running:
				lost = time.After(reconnectTime)
			}
		case <-lost:
			lost = nil
			r.set(Disconnected, errors.New("connecting to the brokers again"))
		case <-ended:
			return
		}
	}
}

// closers are to be called, each once, when a view's life ends.
type closers struct {
	mu  sync.Mutex
	all []func() error
}

func (c *closers) add(f func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, f)
}

func (c *closers) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, f := range c.all {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// closeOnce bears to be closed twice: by goka, which closes one of the topic
// managers that it builds for a view, and by us, who close all.
type closeOnce struct {
	goka.TopicManager
	once sync.Once
	err  error
}

func (c *closeOnce) Close() error {
	c.once.Do(func() { c.err = c.TopicManager.Close() })
	return c.err
}
