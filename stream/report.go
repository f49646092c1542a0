package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// reportEvery is how often a view tells the brokers how far it is, and reportTime bounds
// each time, the last one after its end included.
const (
	reportEvery = time.Second
	reportTime  = 3 * time.Second
)

// reporting has a view with a Group tell the brokers how far it is, until end is called
// and then once more. Brokers that do not take it cost a line in the log.
func (c *Client) reporting(v View, g *gates) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended, refused := make(chan struct{}), false
	tell := func(ctx context.Context) {
		bounded, done := context.WithTimeout(ctx, reportTime)
		defer done()
		err := c.report(bounded, v, g.reached())
		if err != nil && !refused && ctx.Err() == nil {
			c.log.Warn("the brokers cannot be told how far it is, so that other processes do not see it; it is tried again",
				slog.String("role", v.Role), slog.String("group", v.Group), slog.Any("error", err))
		}
		refused = err != nil
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell(ctx)
			case <-ctx.Done():
				tell(context.WithoutCancel(ctx))
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// report commits what is ahead of what is committed: several views that write to one
// store have brought there what any of them has. What another commits between the two
// requests may be put back by this, until the other's next report a moment later; nobody
// reads from there on. It asks each time, as the brokers forget the offsets of a group
// that has been idle for long.
func (c *Client) report(ctx context.Context, v View, reached map[int32]int64) error {
	committed, err := c.admin.FetchOffsets(ctx, v.Group)
	err = errors.Join(err, committed.Error())
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // as some brokers say before the first report
		return fmt.Errorf("stream: asking what is committed: %w", err)
	}
	var ahead kadm.Offsets
	for partition, next := range reached {
		if before, found := committed.Lookup(string(v.Table), partition); !found || next > before.At {
			ahead.AddOffset(string(v.Table), partition, next, -1)
		}
	}
	if len(ahead) == 0 {
		return nil
	}
	answered, err := c.admin.CommitOffsets(ctx, v.Group, ahead)
	if err = errors.Join(err, answered.Error()); err != nil {
		return fmt.Errorf("stream: committing: %w", err)
	}
	return nil
}
