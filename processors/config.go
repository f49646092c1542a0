package processors

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// Config is what the shells need. Its zero value but for Partitions works.
type Config struct {
	Partitions int32            // of each of our topics
	Now        func() time.Time // nil: time.Now
	Figures    *Figures         // nil: figures that nobody sees
	Lanes      int              // requests that a worker has in hand at once; 0: 32
}

func (c Config) withDefaults() Config {
	if c.Lanes == 0 {
		c.Lanes = defaultLanes
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Figures == nil {
		c.Figures = NewFigures(prometheus.NewRegistry(), saga.Default())
	}
	return c
}

// now is without the monotonic reading, which no table keeps.
func (c Config) now() time.Time { return c.Now().UTC().Round(0) }

func (c Config) intake(role string, judge bool) intake {
	return intake{
		role: role, partitions: int(c.Partitions), judge: judge,
		letters: c.Figures.letters.WithLabelValues(role),
	}
}

// Figures count what the shells do. One serves all shells of a process.
type Figures struct {
	events  *prometheus.CounterVec
	letters *prometheus.CounterVec
	types   map[order.Type]bool // those that get a figure of their own
}

// NewFigures registers the figures. Events of types that the definition does not
// lead to are counted together, lest a foreign producer make up series.
func NewFigures(reg prometheus.Registerer, d saga.Definition) *Figures {
	f := &Figures{types: map[order.Type]bool{}}
	for _, s := range d.Names() {
		for _, p := range order.Phases() {
			f.types[order.TypeOf(s, p)] = true
		}
	}
	for _, c := range order.Commands() {
		f.types[c.Type()] = true
	}
	for _, t := range order.Answers() {
		f.types[t] = true
	}
	f.events = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_events_total",
		Help: "Events folded into rows, by type; duplicates are not counted.",
	}, []string{"type"})
	f.letters = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "simplecqrs_dead_letters_total",
		Help: "Records that a role could not handle and wrote to deadletter.order; one that comes again is counted again.",
	}, []string{"role"})
	return f
}

func (f *Figures) folded(t order.Type) {
	if !f.types[t] {
		t = "other"
	}
	f.events.WithLabelValues(string(t)).Inc()
}
