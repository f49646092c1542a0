package node

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"simplecqrs/codecs"
	"simplecqrs/stream"
	"simplecqrs/views"
)

// runLetters keeps the index of the open dead letters.
func (n *Node) runLetters(ctx context.Context) {
	n.letters = views.NewLetters(n.config.Logger, func(ctx context.Context, places ...stream.Place) ([]stream.Raw, error) {
		return n.client.ReadAt(ctx, codecs.DeadletterOrder, places...)
	})
	promauto.With(n.config.Registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "simplecqrs_deadletters_open",
		Help: "Dead letters that wait for an operator, all that there are, told by each edge.",
	}, func() float64 { return float64(n.letters.Open()) })
	run := n.client.PrepareReplay(n.letters.Replay())
	n.running.Go(func() { run(ctx) })
}

// Redrive writes a record to the log by which a role is to see to a dead letter, and
// returns once it is acknowledged.
func (n *Node) Redrive(ctx context.Context, r codecs.Redrive) error {
	var value any // none for a record without one
	if r.Value != nil {
		value = r.Value
	}
	promise, err := n.redrive.EmitWithHeaders(r.Key, value, codecs.HeadersOfRedrive(r))
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return stream.Await(ctx, promise)
}
