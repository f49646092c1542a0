// Package bench drives orders through the roles of one process and measures how
// fast they come out.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"simplecqrs/edge"
	"simplecqrs/node"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/views"
)

// Config says what to measure.
type Config struct {
	Brokers []string
	Mongo   string  // empty: without the read store
	DataDir string  // empty: tables in memory
	Orders  int     // how many
	Rate    float64 // orders a second; 0: as fast as they are acknowledged
	Logger  *slog.Logger
}

// Report is what was measured. Times are from just before the command's emit.
type Report struct {
	Orders  int
	Errors  int             // commands not acknowledged, and rows that are not the six events in order
	Elapsed time.Duration   // from the first emit to the last row
	CPU     time.Duration   // of this process, all roles and the measuring included
	Visible []time.Duration // to the row's end being visible in the view, ascending
	Stored  []time.Duration // to its being in the read store, ascending; nil without one
}

// inFlight bounds the commands that wait for their acknowledgement in a burst.
const inFlight = 1024

// Run starts the roles, waits until they are ready, places the orders and returns
// once all have ended.
func Run(ctx context.Context, c Config) (Report, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Report{}, fmt.Errorf("bench: %w", err)
	}
	visible, stored := newClock(c.Orders), newClock(c.Orders)
	settings := node.Config{
		Brokers: c.Brokers, Mongo: c.Mongo, DataDir: c.DataDir, Listener: listener, Logger: c.Logger,
		Query: node.QueryLocal, Updated: visible.see,
	}
	roles := node.AllRoles(saga.Default())
	if c.Mongo == "" {
		roles = slices.DeleteFunc(roles, func(r string) bool { return r == views.RoleSink })
	} else {
		settings.Stored = stored.see
	}
	settings.Roles = roles
	n, err := node.Start(ctx, settings)
	if err != nil {
		return Report{}, errors.Join(err, listener.Close())
	}
	report, err := measure(ctx, c, n, visible, stored)
	stop()
	return report, errors.Join(err, n.Wait())
}

func measure(ctx context.Context, c Config, n *node.Node, visible, stored *clock) (Report, error) {
	if err := n.WaitReady(ctx); err != nil {
		return Report{}, err
	}
	clocks := []*clock{visible}
	if c.Mongo != "" {
		clocks = append(clocks, stored)
	}
	r := Report{Orders: c.Orders}
	cpu, began := cpuTime(), time.Now()
	failed := place(ctx, c, n, clocks)
	r.Errors = failed
	for _, k := range clocks {
		if err := k.wait(ctx, c.Orders-failed); err != nil {
			return r, err
		}
	}
	r.Elapsed, r.CPU = visible.last().Sub(began), cpuTime()-cpu
	r.Errors += visible.odd
	r.Visible = visible.sorted()
	if c.Mongo != "" {
		r.Stored = stored.sorted()
	}
	return r, nil
}

// place emits the orders, each at its time, and gives the number of failures.
func place(ctx context.Context, c Config, n *node.Node, clocks []*clock) int {
	var (
		wait   sync.WaitGroup
		mu     sync.Mutex
		failed int
		slots  = make(chan struct{}, inFlight)
		began  = time.Now()
	)
	for i := range c.Orders {
		if c.Rate > 0 {
			due := began.Add(time.Duration(float64(i) / c.Rate * float64(time.Second)))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
			}
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			id := edge.NewID()
			now := time.Now()
			for _, k := range clocks {
				k.start(id, now)
			}
			e := saga.Begin(saga.Default(), id, nil, now, "bench")
			if err := n.Emit(ctx, e); err != nil {
				for _, k := range clocks {
					k.forget(id)
				}
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return failed
}

// clock measures the time from an order's start to its end being seen.
type clock struct {
	mu      sync.Mutex
	open    map[string]time.Time
	took    []time.Duration
	odd     int
	latest  time.Time
	changed chan struct{}
}

func newClock(n int) *clock {
	return &clock{open: make(map[string]time.Time, n), took: make([]time.Duration, 0, n), changed: make(chan struct{}, 1)}
}

func (k *clock) start(id string, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[id] = at
}

func (k *clock) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, id)
}

var happy = []order.Type{
	"ORDER_REQUESTED", "ORDER_COMPLETED", "PAYMENT_REQUESTED",
	"PAYMENT_COMPLETED", "MAIL_REQUESTED", "MAIL_COMPLETED",
}

func (k *clock) see(r order.Row) {
	if !r.Meta.Status.Ended() {
		return
	}
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	began, ours := k.open[r.ID]
	if !ours {
		return
	}
	delete(k.open, r.ID)
	if !slices.Equal(r.Events(), happy) {
		k.odd++
	}
	k.took = append(k.took, now.Sub(began))
	k.latest = now
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

func (k *clock) wait(ctx context.Context, n int) error {
	for {
		k.mu.Lock()
		seen := len(k.took)
		k.mu.Unlock()
		if seen >= n {
			return nil
		}
		select {
		case <-k.changed:
		case <-ctx.Done():
			return fmt.Errorf("bench: %d of %d orders seen: %w", seen, n, ctx.Err())
		}
	}
}

func (k *clock) last() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.latest
}

func (k *clock) sorted() []time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	slices.Sort(k.took)
	return k.took
}

// cpuTime is what this process has used of the processors, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Print writes the report as a table.
func (r Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "orders\t%d\n", r.Orders)
	fmt.Fprintf(t, "errors\t%d\n", r.Errors)
	fmt.Fprintf(t, "orders/s\t%.0f\n", float64(len(r.Visible))/r.Elapsed.Seconds())
	fmt.Fprintf(t, "command → row in the view\tp50 %s\tp99 %s\tmax %s\n", quantiles(r.Visible)...)
	if r.Stored != nil {
		fmt.Fprintf(t, "command → read store\tp50 %s\tp99 %s\tmax %s\n", quantiles(r.Stored)...)
	}
	fmt.Fprintf(t, "CPU an order\t%.3f ms\n", float64(r.CPU.Microseconds())/1e3/float64(max(len(r.Visible), 1)))
	return t.Flush()
}

func quantiles(sorted []time.Duration) []any {
	if len(sorted) == 0 {
		return []any{"–", "–", "–"}
	}
	at := func(q float64) time.Duration {
		return sorted[int(q*float64(len(sorted)-1))].Round(100 * time.Microsecond)
	}
	return []any{at(0.5), at(0.99), at(1)}
}
