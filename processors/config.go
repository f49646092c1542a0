package processors

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/saga"
)

// Config is what the shells need. Its zero value but for Partitions works.
type Config struct {
	Partitions int32            // of each of our topics
	Now        func() time.Time // nil: time.Now
	Figures    *Figures         // nil: figures that nobody sees
	Logger     *slog.Logger     // nil: silent
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
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

func (c Config) intake(role string, answersForAll bool) intake {
	return intake{
		role: role, partitions: int(c.Partitions), answersForAll: answersForAll,
		letters: c.Figures.letters.WithLabelValues(role), log: c.Logger,
	}
}
