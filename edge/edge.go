package edge

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/telemetry"
)

// Rows is where queries find the rows of orders.
type Rows interface {
	// Get gives the row of an order; an *order.Error NotFound if there is none.
	Get(ctx context.Context, id string) (order.Row, error)
	// Await gives the first row of an order for which until holds. If ctx ends
	// first it gives the latest row seen and the error of ctx.
	Await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error)
	// List gives a page of the orders that the filter matches, and the place after which
	// there may be more; zero for none. A page may be short of its limit, even empty, and
	// still have a next.
	List(ctx context.Context, f order.Filter, p order.Page) (rows []order.Row, next order.Place, err error)
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
	Log        Log
	// Sources looks for an order where it is kept. A side that cannot be asked, or has not
	// got it, is noted in what it gives; an *order.Error NotFound if no side has it.
	Sources func(ctx context.Context, id string) (Sources, error)
	Letters Letters
	// Redrive writes a record to the log by which a role is to see to a letter, and returns
	// once it is acknowledged.
	Redrive func(ctx context.Context, r codecs.Redrive) error
	// Topology tells how far all roles are, wherever they run, as JSON has it.
	Topology func(ctx context.Context) (any, error)
	// PublicURL is what links begin with, a scheme and a host; empty: as the client called
	// us, which is not what it called if something in front of us has its TLS.
	PublicURL string
	Health    Health
}

// Health is what a process of any role tells of itself.
type Health struct {
	Ready    func() []Component
	Registry *prometheus.Registry
	Logger   *slog.Logger
	Guard    Guard
	Level    *slog.LevelVar     // the logger's; nil: not to be set
	Tracing  *telemetry.Tracing // nil: no spans are made
	Monitor  Monitor            // zero: there is nothing to show
}

type edge struct {
	Config
	door     door
	accepted prometheus.Counter
	streams  *streams
	looking  chan struct{} // holds a token for each that the log is looked through for
}

// New gives the edge's handler: commands, queries and health.
func New(c Config) http.Handler {
	e := &edge{Config: c, accepted: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "simplecqrs_orders_accepted_total",
		Help: "Orders whose command was acknowledged by the log. Copies under one key that were written before any could be seen count each.",
	})}
	c.Health.Registry.MustRegister(e.accepted)
	e.streams, e.looking = newStreams(c.Health.Registry), make(chan struct{}, maxLooking)
	r := newRouter(c.Health)
	e.door = r.door

	r.handle("/command", e.command, http.MethodPost)
	r.handle("/command", e.commandByGet, http.MethodGet)   // no HEAD, which must change nothing
	r.handle("/command/"+anyVerb, e.bulk, http.MethodPost) // no order's id is a verb
	r.handle("/command/{id}/"+anyVerb, e.control, http.MethodPost)

	r.handle("/query", e.list, http.MethodGet, http.MethodHead)
	r.handle("/query/stuck", e.stuck, http.MethodGet, http.MethodHead) // nor is this
	r.handle("/query/stream", e.followAll, http.MethodGet)
	r.handle("/query/{id}", e.query, http.MethodGet, http.MethodHead)
	r.handle("/query/{id}/history", e.history, http.MethodGet, http.MethodHead)
	r.handle("/query/{id}/sources", e.sources, http.MethodGet, http.MethodHead)
	r.handle("/query/{id}/stream", e.followOrder, http.MethodGet)

	r.handle("/deadletters", e.letters, http.MethodGet, http.MethodHead)
	r.handle("/deadletters/"+anyResolution, e.redriveMany, http.MethodPost) // no letter's id is one
	r.handle("/deadletters/"+anyLetter, e.letter, http.MethodGet, http.MethodHead)
	r.handle("/deadletters/"+anyLetter+"/"+anyResolution, e.redrive, http.MethodPost)

	r.handle("/query/stats/topology", e.topology(), http.MethodGet, http.MethodHead)

	r.handle("/", page, http.MethodGet, http.MethodHead)
	r.handle("/docs", docs, http.MethodGet, http.MethodHead)
	r.handle("/docs/openapi.json", docsJSON(), http.MethodGet, http.MethodHead)
	r.handle("/openapi.yaml", description, http.MethodGet, http.MethodHead)
	return r
}

// NewHealth gives the handler of a process that is no edge: health alone.
func NewHealth(h Health) http.Handler { return newRouter(h) }

// router is a mux.Router whose handlers may fail, each counted under its template.
type router struct {
	*mux.Router
	log     *slog.Logger
	door    door
	tracing *telemetry.Tracing
	seconds *prometheus.HistogramVec
}

// noRoute is the route under which requests are counted that have none: paths
// that are unknown, and methods.
const noRoute = "none"

func newRouter(h Health) *router {
	// Paths are taken as they are: mux would send the client of another spelling to
	// the clean one, and a POST would go there as a GET.
	r := &router{mux.NewRouter().SkipClean(true), h.Logger, newDoor(h.Guard), h.Tracing, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "simplecqrs_http_request_seconds",
		Help:    "Time to answer a request, waits that the client asked for included; of a stream the time until it begins.",
		Buckets: prometheus.ExponentialBucketsRange(0.001, 60, 14),
	}, []string{"route", "method", "code"})}
	h.Registry.MustRegister(r.seconds)
	r.handle("/healthz", healthz, http.MethodGet, http.MethodHead)
	r.handle("/readyz", readyz(r.door, h.Ready), http.MethodGet, http.MethodHead)
	r.handle("/metrics", metrics(h), http.MethodGet, http.MethodHead)
	if h.Level != nil {
		r.handle("/monitor/log", showLevel(h), http.MethodGet, http.MethodHead)
		r.handle("/monitor/log", setLevel(h), http.MethodPut)
	}
	r.watched(h.Monitor)
	r.handle("/assets/{name}", asset, http.MethodGet, http.MethodHead)
	r.NotFoundHandler = r.serve(noRoute, func(_ http.ResponseWriter, q *http.Request) error { return nothingAt(q) })
	r.MethodNotAllowedHandler = r.serve(noRoute, r.methodNotAllowed)
	return r
}

// quiet are the routes that watchers ask again and again, and whose answers are part of
// no trace.
var quiet = map[string]bool{
	"/healthz": true, "/readyz": true, "/metrics": true, "/monitor/stats": true, "/query/stats/topology": true,
}

func (r *router) handle(template string, h handler, methods ...string) {
	r.Handle(template, r.serve(template, h)).Methods(methods...)
}

func (r *router) serve(route string, h handler) http.Handler {
	count := promhttp.InstrumentHandlerDuration
	if streaming[route] {
		count = promhttp.InstrumentHandlerTimeToWriteHeader
	}
	counted := count(r.seconds.MustCurryWith(prometheus.Labels{"route": route}), server{r.door.guarded(route, h), r.log},
		promhttp.WithExemplarFromContext(func(ctx context.Context) prometheus.Labels { return telemetry.Exemplar(ctx) }))
	if quiet[route] {
		return counted
	}
	return r.door.introduced(route, r.tracing.Handler(route, counted))
}

func now() time.Time { return time.Now().UTC() }
