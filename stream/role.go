package stream

import (
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Status is how a processor or view is doing.
type Status struct {
	Role  string
	State State
	Err   error // what ended its last life, or keeps it from the brokers; nil if nothing does
}

// State is a stage in the life of a processor or view.
type State string

// Starting goes to Running once all local tables are recovered; a processor that
// ends with an error is Rebuilding until it runs again, and one that has lost
// its brokers or its group is Disconnected until it has them back.
const (
	Starting     State = "starting"
	Running      State = "running"
	Rebuilding   State = "rebuilding"
	Disconnected State = "disconnected"
)

// role is what is known of a processor or view, over all its lives.
type role struct {
	name     string
	log      *slog.Logger
	figures  *figures
	activity activity

	mu      sync.Mutex
	state   State
	err     error
	ended   bool          // for good: nobody waits for another generation
	changed chan struct{} // closed at the next change, and another after each
}

func newRole(name string, f *figures) *role {
	return &role{
		name: name, log: slog.New(slog.DiscardHandler), figures: f, activity: activity{keys: newHotKeys()},
		state: Starting, changed: make(chan struct{}),
	}
}

func (r *role) set(s State, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change(s, err)
}

func (r *role) change(s State, err error) {
	switch {
	case s == Disconnected && r.state != Disconnected:
		r.log.Warn("a role has lost its brokers or its group", slog.String("role", r.name), slog.Any("error", err))
	case s == Running && r.state == Disconnected:
		r.log.Info("a role has its brokers and its group back", slog.String("role", r.name))
	}
	r.state, r.err = s, err
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *role) status() (Status, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Status{Role: r.name, State: r.state, Err: r.err}, r.changed
}

// joined tells that a generation began, with all tables recovered.
func (r *role) joined() {
	r.figures.rebalances.WithLabelValues(r.name).Inc()
	r.set(Running, nil)
}

// end tells that there is no life after this.
func (r *role) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// formTime is what a group may take to form its next generation before the role is
// no longer called ready. An ordinary rebalance is over in a fraction of that.
const formTime = 5 * time.Second

var errNotFormed = errors.New("the consumer group has not formed again")

// disturbed tells that a generation ended, with an error if the brokers are to
// blame. An ordinary rebalance leaves the role as ready as it was.
func (r *role) disturbed(err error) {
	if err != nil {
		r.set(Disconnected, err)
		return
	}
	_, since := r.status()
	time.AfterFunc(formTime, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.ended && r.state == Running && r.changed == since {
			r.change(Disconnected, errNotFormed)
		}
	})
}

func (r *role) lag(at place, records int64) {
	r.figures.lag.WithLabelValues(r.name, at.topic, strconv.Itoa(int(at.partition))).Set(float64(records))
}

func (r *role) lost(at place) {
	r.figures.lag.DeleteLabelValues(r.name, at.topic, strconv.Itoa(int(at.partition)))
}

// figures are what the package tells of itself.
type figures struct {
	lag        *prometheus.GaugeVec
	rebalances *prometheus.CounterVec
	restarts   *prometheus.CounterVec
	busy       *prometheus.GaugeVec
	refused    *prometheus.CounterVec

	timersOpen    *prometheus.GaugeVec
	timerLateness *prometheus.HistogramVec
}

func newFigures(reg prometheus.Registerer) (*figures, error) {
	f := &figures{
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "simplecqrs_consumer_lag_records",
			Help: "Records of a partition that a role has not finished.",
		}, []string{"role", "topic", "partition"}),
		rebalances: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "simplecqrs_consumer_rebalances_total",
			Help: "Times that a role's consumer group shared its partitions out with this process among its members, the first time included.",
		}, []string{"role"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "simplecqrs_role_restarts_total",
			Help: "Times a role ended with an error and was built anew.",
		}, []string{"role"}),
		timersOpen: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "simplecqrs_timers_open",
			Help: "Open deadlines in a role's table, those included that were sent and are not judged yet.",
		}, []string{"role"}),
		timerLateness: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "simplecqrs_timer_lateness_seconds",
			Help:    "Time from a deadline until the broker had its record, downtimes included.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300, 3600},
		}, []string{"role"}),
	}
	f.busy = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "simplecqrs_lanes_busy",
		Help: "Records that a role is working on beside each other.",
	}, []string{"role"})
	f.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_producer_errors_total",
		Help: "Records that the brokers refused, or that were given up while they were away.",
	}, []string{"topic"})
	for _, c := range []prometheus.Collector{f.busy, f.refused, f.lag, f.rebalances, f.restarts, f.timersOpen, f.timerLateness} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return f, nil
}
