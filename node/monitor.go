package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/stream"
	"simplecqrs/views"
)

// monitor is what the process shows of itself.
func (n *Node) monitor() edge.Monitor {
	return edge.Monitor{
		Stats: func(ctx context.Context) any {
			return struct {
				Time  time.Time      `json:"time"`
				Edge  bool           `json:"edge"` // commands and queries are answered here, too
				Roles []stream.Stats `json:"roles"`
			}{time.Now().UTC(), n.config.has(RoleEdge), n.client.Stats(ctx)}
		},
		Entry: n.entry,
	}
}

func (n *Node) entry(role, key string) (edge.Entry, error) {
	e, err := n.client.Entry(role, key)
	switch {
	case errors.Is(err, stream.ErrNoTable):
		return edge.Entry{}, &order.Error{Kind: order.NotFound, Detail: fmt.Sprintf(
			"%s keeps no table in this process; %s", role, n.tabled())}
	case errors.Is(err, stream.ErrStarting):
		return edge.Entry{}, &order.Error{Kind: order.Unavailable, Detail: role + " has not begun yet"}
	}
	return edge.Entry(e), err
}

// tabled tells which roles of the process keep a table.
func (n *Node) tabled() string {
	var roles []string
	for _, r := range []struct {
		name string
		here bool
	}{
		{processors.RoleSaga, n.config.has(processors.RoleSaga)},
		{processors.RoleAggregate, n.config.has(processors.RoleAggregate)},
		{views.RoleTable, n.config.needsTable()},
	} {
		if r.here {
			roles = append(roles, r.name)
		}
	}
	if len(roles) == 0 {
		return "none of its roles does"
	}
	return "those that do are: " + strings.Join(roles, ", ")
}

// groups are the consumer groups of the definition, wherever they run, and the one by
// which the sink tells how far it is. One of a step that is another service's has a name
// that we do not know.
func (c Config) groups() []stream.Group {
	var all []stream.Group
	for _, s := range c.Definition.Names() {
		if c.Participants[s] != nil {
			all = append(all, stream.Group{Role: processors.RoleOf(s), Name: processors.RoleOf(s), Topic: codecs.StoreOrder})
		}
	}
	return append(all,
		stream.Group{Role: processors.RoleSaga, Name: processors.RoleSaga, Topic: codecs.StoreOrder, Loop: codecs.SagaTimers},
		stream.Group{Role: processors.RoleAggregate, Name: processors.GroupView, Topic: codecs.StoreOrder},
		stream.Group{Role: views.RoleSink, Name: views.RoleSink, Topic: codecs.ViewOrder, View: true},
	)
}

// local is how a part of this process is doing.
type local struct {
	Role          string `json:"role"`
	State         string `json:"state"`
	Ready         bool   `json:"ready"`
	Detail        string `json:"detail,omitempty"`
	*stream.Reach        // of a view here; nil for all else
}

// topology is what the brokers know of all roles, and what this process knows of its own.
func (n *Node) topology(ctx context.Context) (any, error) {
	topics := []string{codecs.StoreOrder, codecs.ViewOrder, codecs.SagaOrder, codecs.SagaTimers, codecs.DeadletterOrder}
	known, err := n.client.Topology(ctx, n.config.groups(), topics)
	if err != nil {
		n.config.Logger.WarnContext(ctx, "the brokers could not be asked about the topology", slog.Any("error", err))
		return nil, &order.Error{
			Kind:   order.Unavailable,
			Detail: "the brokers have not told how far the roles are; /readyz tells how this process is doing",
		}
	}
	return struct {
		stream.Topology
		Local []local `json:"local"`
	}{known, n.local(ctx)}, nil
}

func (n *Node) local(ctx context.Context) []local {
	reached := map[string]*stream.Reach{}
	for _, s := range n.client.Stats(ctx) {
		if reach, known := s.Reach(); known && s.Kind == "view" {
			reached[s.Role] = &reach
		}
	}
	all := []local{}
	for _, c := range n.components() {
		all = append(all, local{c.Name, c.State, c.Ready, c.Detail, reached[c.Name]})
	}
	return all
}
