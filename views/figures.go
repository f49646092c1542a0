package views

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"simplecqrs/telemetry"
)

// Figures are what a sink tells of itself. A nil one tells nothing.
type Figures struct {
	batches prometheus.Histogram
	seconds prometheus.Histogram
	errors  prometheus.Counter
}

// NewFigures registers the figures. pending is asked how many orders wait to be written.
func NewFigures(reg prometheus.Registerer, pending func() int) *Figures {
	make := promauto.With(reg)
	make.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "simplecqrs_sink_pending_orders",
		Help: "Orders whose rows wait to be written to the read store.",
	}, func() float64 { return float64(pending()) })
	return &Figures{
		batches: make.NewHistogram(prometheus.HistogramOpts{
			Name:    "simplecqrs_sink_batch_rows",
			Help:    "Rows of a write to the read store.",
			Buckets: []float64{1, 2, 5, 10, 20, 35, maxBatch},
		}),
		seconds: make.NewHistogram(prometheus.HistogramOpts{
			Name:    "simplecqrs_sink_write_seconds",
			Help:    "Time of a write to the read store, with all that it took to succeed.",
			Buckets: prometheus.ExponentialBucketsRange(0.0005, 60, 16),
		}),
		errors: make.NewCounter(prometheus.CounterOpts{
			Name: "simplecqrs_sink_write_errors_total",
			Help: "Writes to the read store that failed, and were tried again.",
		}),
	}
}

func (f *Figures) failed() {
	if f != nil {
		f.errors.Inc()
	}
}

// wrote takes note of a batch that the store has.
func (f *Figures) wrote(batch []*waiting, took time.Duration) {
	if f == nil {
		return
	}
	f.batches.Observe(float64(len(batch)))
	f.seconds.Observe(took.Seconds())
}

// traced has a write told in the trace of each row that it writes. It gives the function
// to call at its end.
func (s *Sink) traced(batch []*waiting, began time.Time) (end func(error)) {
	if s.Tracing == nil {
		return func(error) {}
	}
	var spans []trace.Span
	for _, w := range batch {
		for _, ctx := range w.traces {
			_, span := s.Tracing.Start(ctx, "bulkWrite "+collection, trace.SpanKindClient, trace.WithTimestamp(began),
				trace.WithAttributes(semconv.DBSystemNameMongoDB, semconv.DBOperationName("bulkWrite"),
					semconv.DBCollectionName(collection), semconv.DBOperationBatchSize(len(batch)), telemetry.OrderID.String(w.row.ID)))
			spans = append(spans, span)
		}
	}
	return func(err error) {
		for _, span := range spans {
			telemetry.End(span, err)
		}
	}
}
