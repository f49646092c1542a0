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
func Watch(ctx context.Context, ping func(context.Context) error, reg prometheus.Registerer, log *slog.Logger) {
	var away atomic.Bool
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "simplecqrs_read_store_up",
		Help: "1 while the read store answers this process, 0 while it is away.",
	}, func() float64 {
		if away.Load() {
			return 0
		}
		return 1
	})
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, watchTime)
		err := ping(asking)
		cancel()
		switch failed := err != nil; {
		case ctx.Err() != nil:
			return
		case away.Swap(failed) == failed:
		case failed:
			log.WarnContext(ctx, "the read store is away; orders go on, queries of it are refused", slog.Any("error", err))
		default:
			log.WarnContext(ctx, "the read store is back")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
