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
	// Callback gets each record, old or new, before the view's offset moves on.
	// An error holds up its partition, and the record comes again.
	Callback goka.UpdateCallback
	// Deferred stands instead of Callback where records are finished later.
	Deferred Deferred
	// Serve, if set, is given each life's view before it runs, and nil after.
	Serve func(*goka.View)
}

// PrepareView adds a view to the client's status. What it gives runs it until ctx
// ends, through as many lives as it takes.
func (c *Client) PrepareView(v View) (run func(ctx context.Context)) {
	r := c.newRole(v.Role)
	return func(ctx context.Context) {
		c.supervise(ctx, r, func(ctx context.Context) error { return c.live(ctx, r, v) })
	}
}

func (c *Client) live(ctx context.Context, r *role, v View) (err error) {
	if err := c.bind(ctx, v.Role, string(v.Table)); err != nil {
		return err
	}
	var clients closers
	// goka closes neither of the two that a view is built with.
	defer func() { err = errors.Join(err, clients.close()) }()
	store, callback := c.tables.builder(r.name), v.Callback
	if v.Deferred != nil {
		g := &gates{all: map[int32]*gate{}}
		store, callback = g.builder(store), g.callback(v.Deferred)
	}
	view, err := goka.NewView(c.config.Brokers, v.Table, v.Codec,
		goka.WithViewClientID(c.config.ClientID),
		goka.WithViewLogger(gokaLogger{c.log, r.name}),
		goka.WithViewHasher(newHasher),
		goka.WithViewCallback(callback),
		goka.WithViewStorageBuilder(store),
		goka.WithViewAutoReconnect(),
		goka.WithViewBackoffBuilder(func() (goka.Backoff, error) {
			return goka.NewSimpleBackoff(time.Second, 10*time.Second), nil
		}),
		goka.WithViewConsumerSaramaBuilder(func(brokers []string, clientID string) (sarama.Consumer, error) {
			consumer, err := c.consumerBuilder(brokers, clientID)
			if err == nil {
				clients.add(consumer.Close)
			}
			return consumer, err
		}),
		goka.WithViewTopicManagerBuilder(func(brokers []string) (goka.TopicManager, error) {
			m, err := c.topicManagerBuilder(brokers)
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
	return r.follow(ctx, v, view)
}

// follow runs the view and says so in the role's status.
func (r *role) follow(ctx context.Context, v View, view *goka.View) error {
	states, ended := view.ObserveStateChanges(), make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case s := <-states.C():
				r.observed(goka.ViewState(s))
			case <-ended:
				return
			}
		}
	})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if v.Serve != nil {
		v.Serve(view)
	}
	defer context.AfterFunc(ctx, func() {
		if v.Serve != nil {
			v.Serve(nil) // readers leave before goka takes the partitions from under them
		}
		stop()
	})()
	err := view.Run(running)
	close(ended)
	watch.Wait()
	states.Stop()
	return err
}

func (r *role) observed(s goka.ViewState) {
	switch was, _ := r.status(); {
	case s == goka.ViewStateRunning:
		r.set(Running, nil)
	case s == goka.ViewStateConnecting && was.State == Running:
		r.set(Disconnected, errors.New("connecting to the brokers again"))
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
