package edge

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// Rows is where queries find the rows of orders.
type Rows interface {
	// Get gives the row of an order; an *order.Error NotFound if there is none.
	Get(ctx context.Context, id string) (order.Row, error)
	// Await gives the first row of an order for which until holds. If ctx ends
	// first it gives the latest row seen and the error of ctx.
	Await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error)
}

// Component is a part of the process and how it is doing.
type Component struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Ready  bool   `json:"ready"`
	Detail string `json:"detail,omitempty"`
}

// Config is what the edge works with.
type Config struct {
	// Emit writes an event to the log and returns once it is acknowledged.
	Emit       func(ctx context.Context, e order.Event) error
	Rows       Rows
	Definition saga.Definition // what new orders follow
	Health     Health
}

// Health is what a process of any role tells of itself.
type Health struct {
	Ready    func() []Component
	Registry *prometheus.Registry
	Logger   *slog.Logger
}

type edge struct {
	Config
	accepted prometheus.Counter
}

// New gives the edge's handler: commands, queries and health.
func New(c Config) http.Handler {
	e := &edge{Config: c, accepted: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "simplecqrs_orders_accepted_total",
		Help: "Orders whose command was acknowledged by the log.",
	})}
	c.Health.Registry.MustRegister(e.accepted)
	r := newRouter(c.Health)
	r.handle("/command", http.MethodPost, e.command)
	r.handle("/command", http.MethodGet, e.commandByGet)
	r.handle("/query/{id}", http.MethodGet, e.query)
	r.handle("/query/{id}/history", http.MethodGet, e.history)
	return r.handler()
}

// NewHealth gives the handler of a process that is no edge: health alone.
func NewHealth(h Health) http.Handler { return newRouter(h).handler() }

// router is a mux.Router whose handlers may fail, each counted under its template.
type router struct {
	mux     *mux.Router
	log     *slog.Logger
	seconds *prometheus.HistogramVec
}

func newRouter(h Health) *router {
	r := &router{mux: mux.NewRouter(), log: h.Logger, seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "simplecqrs_http_request_seconds",
		Help:    "Time to answer a request, waits that the client asked for included.",
		Buckets: prometheus.ExponentialBucketsRange(0.001, 60, 14),
	}, []string{"route", "method", "code"})}
	h.Registry.MustRegister(r.seconds)
	r.handle("/healthz", http.MethodGet, healthz)
	r.handle("/readyz", http.MethodGet, readyz(h.Ready))
	r.mux.Handle("/metrics", promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{Registry: h.Registry})).
		Methods(http.MethodGet, http.MethodHead)
	r.mux.NotFoundHandler = r.serve(func(_ http.ResponseWriter, q *http.Request) error {
		return &order.Error{Kind: order.NotFound, Detail: "nothing is served at " + q.URL.Path}
	})
	r.mux.MethodNotAllowedHandler = r.serve(r.methodNotAllowed)
	return r
}

func (r *router) handle(template, method string, h handler) {
	methods := []string{method}
	if method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	seconds := r.seconds.MustCurryWith(prometheus.Labels{"route": template})
	r.mux.Handle(template, promhttp.InstrumentHandlerDuration(seconds, r.serve(h))).Methods(methods...)
}

func (r *router) serve(h handler) http.Handler { return server{h, r.log} }

func (r *router) handler() http.Handler { return checkHost(r.mux, r.log) }

func now() time.Time { return time.Now().UTC() }
