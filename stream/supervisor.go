package stream

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// supervise runs one life after the other until ctx ends. A life that ends with
// an error is followed by the next after a wait that grows with each failure in
// a row.
func (c *Client) supervise(ctx context.Context, r *role, life func(context.Context) error) {
	defer r.end()
	wait := c.backoff()
	for {
		began := time.Now()
		err := life(ctx)
		if ctx.Err() != nil {
			if err != nil {
				c.log.Warn("stopped with an error", slog.String("role", r.name), slog.Any("error", err))
			}
			return
		}
		if time.Since(began) > wait.MaxInterval {
			wait.Reset()
		}
		delay := wait.NextBackOff()
		r.figures.restarts.WithLabelValues(r.name).Inc()
		r.set(Rebuilding, err)
		c.log.Error("ended; building it anew",
			slog.String("role", r.name), slog.Any("error", err), slog.Duration("in", delay))
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
	}
}

func defaultBackoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = time.Second, 30*time.Second
	return b
}
