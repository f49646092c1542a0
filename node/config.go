package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/telemetry"
	"simplecqrs/views"
)

// RoleEdge is the role that answers HTTP requests for commands and queries.
const RoleEdge = "edge"

// Where queries are answered from.
const (
	QueryMongo = "mongo" // the read store
	QueryLocal = "local" // the process's own copy of view.order
)

// Config says what a process does and with whom.
type Config struct {
	Roles    []string // see AllRoles; empty: all
	Brokers  []string
	Mongo    string       // URI of the read store; needed by the sink, and by an edge that queries it
	Query    string       // QueryMongo or QueryLocal; empty: QueryMongo
	DataDir  string       // see stream.Config
	Listener net.Listener // health and metrics of any role, and the edge; the node closes it

	Definition saga.Definition // zero: the seed's
	// Participants do the work of the steps. A step that is not in it is another
	// service's, which hears and answers on the log. Nil: Echo does all.
	Participants map[order.Step]processors.Participant

	// Guard says who is let in by HTTP. Beyond loopback there must be callers that it knows.
	Guard edge.Guard
	TLS   *tls.Config // of the HTTP server; nil: there is none
	// PlainHTTP says that there may be none beyond loopback, either: somebody in front of
	// the process has it.
	PlainHTTP bool
	PublicURL string          // see edge.Config
	Security  stream.Security // towards the brokers

	Registry *prometheus.Registry // nil: a new one
	Logger   *slog.Logger         // nil: silent
	LogLevel *slog.LevelVar       // the logger's, to be set while it runs; nil: it is nobody's to set
	Tracing  trace.TracerProvider // nil: no spans are made
	Stored   func(order.Row)      // if set, told each row that the read store has acknowledged
	Ended    func(order.Row)      // if set, told each row of an ended order that reaches a local table, which is kept for it

	fold   func(order.Row, order.Event) order.Row // nil: order.Fold
	decide processors.Decide                      // nil: saga.Decide
}

// AllRoles lists the roles for a definition: the workers are its steps.
func AllRoles(d saga.Definition) []string {
	roles := []string{RoleEdge}
	for _, s := range d.Names() {
		roles = append(roles, processors.RoleOf(s))
	}
	return append(roles, processors.RoleSaga, processors.RoleAggregate, views.RoleSink)
}

// external lists the workers' roles that another service plays.
func (c Config) external() (roles []string) {
	for _, s := range c.Definition.Names() {
		if c.Participants[s] == nil {
			roles = append(roles, processors.RoleOf(s))
		}
	}
	return roles
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Definition.Steps) == 0 {
		c.Definition = saga.Default()
	}
	if err := c.Definition.Validate(); err != nil {
		return c, err
	}
	if c.Participants == nil {
		c.Participants = map[order.Step]processors.Participant{}
		for _, s := range c.Definition.Names() {
			c.Participants[s] = processors.Echo{}
		}
	}
	known, external := AllRoles(c.Definition), c.external()
	if taken := takenRole(c.Definition); taken != "" {
		return c, fmt.Errorf("a step's role would be %s, which is another's name", taken)
	}
	if len(c.Roles) == 0 {
		c.Roles = slices.DeleteFunc(slices.Clone(known), func(r string) bool { return slices.Contains(external, r) })
	}
	for _, r := range c.Roles {
		if slices.Contains(external, r) {
			return c, fmt.Errorf("the role %s is another service's: its step has no participant here", r)
		}
		if !slices.Contains(known, r) {
			return c, fmt.Errorf("unknown role %q; the roles are %s", r, strings.Join(known, ", "))
		}
	}
	switch c.Query {
	case "":
		c.Query = QueryMongo
	case QueryMongo, QueryLocal:
	default:
		return c, fmt.Errorf("query from %q: want %s or %s", c.Query, QueryMongo, QueryLocal)
	}
	if c.Mongo == "" && c.needsMongo() {
		return c, errors.New("the sink, and an edge that queries the read store, need the URI of a MongoDB")
	}
	if c.Listener == nil {
		return c, errors.New("no listener given")
	}
	if err := c.exposed(); err != nil {
		return c, err
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = telemetry.Logger(c.Logger)
	if c.fold == nil {
		c.fold = order.Fold
	}
	if c.decide == nil {
		c.decide = saga.Decide
	}
	return c, nil
}

func (c Config) has(role string) bool { return slices.Contains(c.Roles, role) }

func (c Config) needsMongo() bool {
	return c.has(views.RoleSink) || c.has(RoleEdge) && c.Query != QueryLocal
}

func (c Config) needsTable() bool {
	return c.Ended != nil || c.has(RoleEdge) && c.Query == QueryLocal
}

// takenRole gives a role that a step would share with another, if any does.
func takenRole(d saga.Definition) string {
	return repeated(append(AllRoles(d), processors.GroupView, views.RoleTable))
}

// repeated gives a name that stands twice among the names, if any does.
func repeated(names []string) string {
	slices.Sort(names)
	for i := range names[1:] {
		if names[i] == names[i+1] {
			return names[i]
		}
	}
	return ""
}
