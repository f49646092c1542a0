package processors

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/telemetry"
)

// Figures count what the shells do. One serves all shells of a process. What is said of
// orders is counted where their events are folded, once each.
type Figures struct {
	began    time.Time
	events   *prometheus.CounterVec
	letters  *prometheus.CounterVec
	outcomes *prometheus.CounterVec
	visible  prometheus.Histogram

	steps         *prometheus.HistogramVec
	retries       *prometheus.CounterVec
	compensations *prometheus.CounterVec

	types map[order.Type]bool // those that get a figure of their own
	names map[order.Step]bool // so do these
}

// others stands for what the definition does not lead to, lest a foreign producer make
// up series.
const others = "other"

// outcomes are the states that an order is counted in when it comes to them.
var outcomes = []order.Status{order.StatusCompleted, order.StatusFailed, order.StatusCancelled, order.StatusStuck}

// answers are the phases in which an attempt ends, and what they are called in figures.
var answers = map[order.Phase]struct {
	asked order.Phase
	label string
}{
	order.Completed:            {order.Requested, "completed"},
	order.Failed:               {order.Requested, "failed"},
	order.TimedOut:             {order.Requested, "timed_out"},
	order.Compensated:          {order.CompensationRequested, "compensated"},
	order.CompensationFailed:   {order.CompensationRequested, "compensation_failed"},
	order.CompensationTimedOut: {order.CompensationRequested, "compensation_timed_out"},
}

// NewFigures registers the figures. All series that orders by the definition can lead to
// are there from the start, as a rate is told of those alone that were once zero.
func NewFigures(reg prometheus.Registerer, d saga.Definition) *Figures {
	f := &Figures{began: time.Now(), types: map[order.Type]bool{}, names: map[order.Step]bool{}}
	make := promauto.With(reg)
	f.events = make.NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_events_total",
		Help: "Events folded into rows, by type; duplicates are not counted.",
	}, []string{"type"})
	f.letters = make.NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_dead_letters_total",
		Help: "Records that a role could not handle and wrote to deadletter.order; one that comes again is counted again.",
	}, []string{"role"})
	f.outcomes = make.NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_order_outcomes_total",
		Help: "Orders that came to an end, or got stuck, by which of them.",
	}, []string{"outcome"})
	f.visible = make.NewHistogram(prometheus.HistogramOpts{
		Name:    "simplecqrs_command_folded_seconds",
		Help:    "From a command, be it to place an order or to one, to the order's row having it.",
		Buckets: prometheus.ExponentialBucketsRange(0.001, 60, 18),
	})
	f.steps = make.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "simplecqrs_step_seconds",
		Help:    "From the request of a step's work, or of its undoing, to the answer, by the clocks of those who wrote the two.",
		Buckets: prometheus.ExponentialBucketsRange(0.001, 300, 16),
	}, []string{"step", "outcome"})
	f.retries = make.NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_step_retries_total",
		Help: "Attempts at a step but the first, by the saga or by an operator.",
	}, []string{"step"})
	f.compensations = make.NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_compensations_total",
		Help: "Attempts at undoing a step.",
	}, []string{"step"})

	for _, s := range d.Names() {
		f.names[s] = true
		for _, p := range order.Phases() {
			f.types[order.TypeOf(s, p)] = true
		}
		f.retries.WithLabelValues(string(s))
		f.compensations.WithLabelValues(string(s))
		f.steps.WithLabelValues(string(s), answers[order.Completed].label)
		f.steps.WithLabelValues(string(s), answers[order.Failed].label)
	}
	for _, c := range order.Commands() {
		f.types[c.Type()] = true
	}
	for _, t := range order.Answers() {
		f.types[t] = true
	}
	for t := range f.types {
		f.events.WithLabelValues(string(t))
	}
	for _, o := range outcomes {
		f.outcomes.WithLabelValues(string(o))
	}
	return f
}

// folded takes note of an event that has made another row of a row. ctx has its trace.
func (f *Figures) folded(ctx context.Context, before, after order.Row, e order.Event) {
	t := e.Type
	if !f.types[t] {
		t = others
	}
	f.events.WithLabelValues(string(t)).Inc()
	if before.Meta.Status != after.Meta.Status {
		for _, o := range outcomes {
			if after.Meta.Status == o {
				f.outcomes.WithLabelValues(string(o)).Inc()
			}
		}
	}
	// One from before this process began is read again: its time says nothing.
	_, command := e.Type.Command()
	if (command || len(before.Meta.History) == 0) && e.Time.After(f.began) {
		telemetry.Observe(ctx, f.visible, time.Since(e.Time))
	}
	if step, phase, ok := e.Type.Split(); ok {
		f.stepped(ctx, step, phase, before, e)
	}
}

func (f *Figures) stepped(ctx context.Context, step order.Step, phase order.Phase, before order.Row, e order.Event) {
	name := string(step)
	if !f.names[step] {
		name = others
	}
	switch {
	case phase == order.CompensationRequested:
		f.compensations.WithLabelValues(name).Inc()
		return
	case phase == order.Requested && e.Attempt > 1:
		f.retries.WithLabelValues(name).Inc()
		return
	}
	answer, ends := answers[phase]
	if !ends {
		return
	}
	if asked, found := requestOf(before, order.TypeOf(step, answer.asked), e); found {
		telemetry.Observe(ctx, f.steps.WithLabelValues(name, answer.label), e.Time.Sub(asked))
	}
}

// requestOf finds when that was asked for which an event answers: by the attempt, as a
// timeout's cause is the timer.
func requestOf(row order.Row, t order.Type, answer order.Event) (at time.Time, found bool) {
	for i := len(row.Meta.History) - 1; i >= 0; i-- {
		if asked := row.Meta.History[i]; asked.Type == t && asked.Attempt == answer.Attempt {
			return asked.Time, true
		}
	}
	return at, false
}
