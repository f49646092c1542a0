// Package bench drives orders through the roles of one process and measures how
// fast they come out.
//
// At a rate the load is open: an order's time runs from when it was due, whether
// or not the system kept up, so that a stall shows in every order that it delayed.
// In a burst there is no such time, and it runs from just before the emit.
package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"syscall"
	"time"

	"simplecqrs/node"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/views"
)

// Config says what to measure.
type Config struct {
	Brokers  []string
	Security stream.Security // towards the brokers
	Mongo    string          // empty: without the read store
	DataDir  string          // empty: tables in memory
	Orders   int             // how many
	Rate     float64         // orders a second; 0: as fast as they are acknowledged
	// Patience bounds the waits for a command's acknowledgement and for the next
	// order to be seen; what does not come in that time is an error. Zero: 30 s.
	Patience time.Duration
	Logger   *slog.Logger // nil: silent
}

const (
	defaultPatience = 30 * time.Second
	readyTime       = 2 * time.Minute // for the roles to be ready, replaying what is there included
)

// Run starts the roles, waits until they are ready, places the orders and returns
// once all have ended, or once no more of them do.
func Run(ctx context.Context, c Config) (Report, error) {
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Report{}, fmt.Errorf("bench: %w", err)
	}
	m := measurement{Config: c, visible: newClock(c.Orders)}
	settings := node.Config{
		Brokers: c.Brokers, Security: c.Security, Mongo: c.Mongo, DataDir: c.DataDir, Listener: listener, Logger: c.Logger,
		Roles: node.AllRoles(saga.Default()), Query: node.QueryLocal, Ended: m.visible.see,
	}
	if c.Mongo == "" {
		settings.Roles = slices.DeleteFunc(settings.Roles, func(r string) bool { return r == views.RoleSink })
	} else {
		m.stored = newClock(c.Orders)
		settings.Stored = m.stored.see
	}
	n, err := node.Start(ctx, settings)
	if err != nil {
		return Report{}, errors.Join(err, listener.Close())
	}
	report, err := m.run(ctx, n)
	stop()
	return report, errors.Join(err, n.Wait())
}

// measurement is one run.
type measurement struct {
	Config
	visible *clock
	stored  *clock // nil without a read store
}

func (m measurement) clocks() []*clock {
	if m.stored == nil {
		return []*clock{m.visible}
	}
	return []*clock{m.visible, m.stored}
}

func (m measurement) run(ctx context.Context, n *node.Node) (Report, error) {
	if err := m.ready(ctx, n); err != nil {
		return Report{}, err
	}
	cpu, began := cpuTime(), time.Now()
	refused, err := m.place(ctx, n.Emit)
	if err != nil {
		return Report{}, err
	}
	for _, k := range m.clocks() {
		if err := k.wait(ctx, m.Patience); err != nil {
			return Report{}, err
		}
	}
	r := m.report()
	r.Refused, r.CPU = refused, cpuTime()-cpu
	if len(r.Visible) > 0 {
		r.Elapsed = m.visible.last().Sub(began)
	}
	return r, nil
}

func (m measurement) ready(ctx context.Context, n *node.Node) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	err := n.WaitReady(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("bench: the roles were not ready within %v: %w", readyTime, err)
	}
	return err
}

// report gives what the clocks tell. An order counts as one error, however often
// and wherever it went wrong.
func (m measurement) report() Report {
	r := Report{Orders: m.Orders}
	odd, unseen := map[string]bool{}, map[string]bool{}
	for _, k := range m.clocks() {
		k.faults(odd, unseen)
	}
	for id := range unseen {
		if !odd[id] {
			r.Unseen++
		}
	}
	r.Odd = len(odd)
	r.Visible = m.visible.sorted()
	if m.stored != nil {
		r.Stored = m.stored.sorted()
	}
	return r
}

// cpuTime is what this process has used of the processors, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
