package views

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// watchEvery is how often the store is asked for a sign of life, and watchTime for how
// long that is waited for.
const (
	watchEvery = 2 * time.Second
	watchTime  = 5 * time.Second
)

// Watch looks whether the store answers until ctx ends, and logs when it begins and
// when it ceases to be away: one line each, however many queries meet it meanwhile.
//
// The figure is registered at once, and says that the store is away until it has answered;
// run does the rest.
func Watch(ping func(context.Context) error, reg prometheus.Registerer, log *slog.Logger) (run func(context.Context)) {
	var up atomic.Bool
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "simplecqrs_read_store_up",
		Help: "1 while the read store answers this process, 0 while it is away.",
	}, func() float64 {
		if up.Load() {
			return 1
		}
		return 0
	})
	return func(ctx context.Context) { ask(ctx, ping, &up, log) }
}

func ask(ctx context.Context, ping func(context.Context) error, up *atomic.Bool, log *slog.Logger) {
	away := false
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, watchTime)
		err := ping(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		up.Store(err == nil)
		switch {
		case away == (err != nil):
		case err != nil:
			log.WarnContext(ctx, "the read store is away; orders go on, queries of it are refused", slog.Any("error", err))
		default:
			log.WarnContext(ctx, "the read store is back")
		}
		away = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
