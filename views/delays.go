package views

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/telemetry"
)

// Delays are what the views of a process tell of how far they are behind the commands.
type Delays struct {
	began   time.Time
	ended   *prometheus.HistogramVec
	visible *prometheus.HistogramVec
}

// NewDelays registers them.
func NewDelays(reg prometheus.Registerer) *Delays {
	make, label := promauto.With(reg), []string{"view"}
	return &Delays{
		began: time.Now(),
		ended: make.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "simplecqrs_order_seconds",
			Help:    "From an order's command to its end being in a view: the read store, or the local table.",
			Buckets: prometheus.ExponentialBucketsRange(0.005, 60, 20),
		}, label),
		visible: make.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "simplecqrs_command_stored_seconds",
			Help:    "From a command, be it to place an order or to one, to the row that shows it being in a view: the read store, or the local table.",
			Buckets: prometheus.ExponentialBucketsRange(0.002, 60, 18),
		}, label),
	}
}

// Store gives the read store's.
func (d *Delays) Store() *Delay { return d.of("store") }

// Table gives the local table's.
func (d *Delays) Table() *Delay { return d.of("table") }

func (d *Delays) of(view string) *Delay {
	return &Delay{d.began, d.ended.WithLabelValues(view), d.visible.WithLabelValues(view)}
}

// Delay is that of one view. A nil one tells nothing.
type Delay struct {
	began   time.Time
	ended   prometheus.Observer
	visible prometheus.Observer
}

// since reports whether what was written at a time is none of a replay, whose times say
// nothing.
func (d *Delay) since(written time.Time) bool { return d != nil && !written.Before(d.began) }

// shows takes note of the newest row that the view has.
func (d *Delay) shows(ctx context.Context, row order.Row) {
	if m := row.Meta; d != nil && m.Status.Ended() && d.since(m.UpdatedAt) {
		telemetry.Observe(ctx, d.ended, time.Since(m.CreatedAt))
	}
}

// byCommand reports whether it was a command, be it to place the order, that made a
// version of a row: what has a single event is an order that was placed.
func byCommand(last order.Type, only bool) bool {
	_, command := last.Command()
	return command || only
}

// measures reports whether got has anything to do with an encoded row.
func (d *Delay) measures(row []byte) bool { return byCommand(codecs.LastOf(row)) }

// got gives what is to be called once the view has a row, it or a newer one. Its last
// event is what made it. The row is not held on to meanwhile.
func (d *Delay) got(ctx context.Context, row order.Row) (there func()) {
	if d == nil || len(row.Meta.History) == 0 || row.Meta.Parked != "" {
		return func() {}
	}
	last := row.Meta.History[len(row.Meta.History)-1]
	if !byCommand(last.Type, len(row.Meta.History) == 1) || !d.since(last.Time) {
		return func() {}
	}
	at := last.Time
	return func() { telemetry.Observe(ctx, d.visible, time.Since(at)) }
}
