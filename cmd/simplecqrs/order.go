package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplecqrs/order"
)

const orderSynopsis = `Talks to a running edge by HTTP.

  place                              place an order, or many
  get ID                             show an order
  watch [ID]                         show what happens to it, or to all, as it happens
  history ID                         show what happened to it, when, why and by whom
  list                               show orders
  stuck                              show orders that an operator should look at
  pause|resume|cancel ID…            hold an order, let it go on, undo it
  retry|skip ID…                     begin what is stuck again, or go past it
  schedule -at TIME ID…              have an order that has not begun begin then

Each takes -h.
` + exitHelp

func orders(ctx context.Context, args []string, out output) error {
	return group{"order", orderSynopsis, orderVerbs(), func(id string) error {
		if !order.ValidID(id) {
			return fmt.Errorf("%q is no order id", id)
		}
		return nil
	}}.run(ctx, args, out)
}

func orderVerbs() map[string]verb {
	return map[string]verb{
		"place": {"", "Places an order and tells its id; with -wait, what has become of it.", definePlace},
		"get":   {" ID", "Shows an order: its last event, what its steps gave, and all its events.", defineGet},
		"watch": {" [ID]", "Shows each event of an order with the time since its beginning, until it has ended;\n" +
			"without an id the events of all orders from now on, until interrupted. With -o json\neach event is a line.", defineWatch},
		"history": {" ID", "Shows what happened to an order, when, why and by whom.", defineHistory},
		"list":    {"", "Shows orders, the oldest first.", defineList},
		"stuck": {"", "Shows orders that are stuck or parked, and those that have made no progress for a\n" +
			"time although nothing holds them, with since when and why.", defineStuck},
		"pause":    commanding(order.Pause, "Has orders keep what is running and begin nothing new."),
		"resume":   commanding(order.Resume, "Has paused orders go on."),
		"cancel":   commanding(order.Cancel, "Undoes what orders have done, and ends them."),
		"retry":    commanding(order.Retry, "Begins what is stuck again."),
		"skip":     commanding(order.Skip, "Goes past what is stuck, on your word that it is done."),
		"schedule": commanding(order.Schedule, "Has orders that have not begun begin at another time."),
	}
}

// maxOrderWait is the longest that the edge waits.
const maxOrderWait = time.Minute

func waitFlag(f *flag.FlagSet, what string) *time.Duration {
	return define(f, "wait", 0, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > maxOrderWait || d%time.Second != 0 {
			return 0, errors.New("want whole seconds up to 60s, such as 5s")
		}
		return d, nil
	}, "`time` to wait for "+what)
}

func timeFlag(f *flag.FlagSet, name, usage string) *string {
	return define(f, name, "", func(s string) (string, error) {
		return timeIn(s, "want a time such as 2026-01-02T15:04:05Z")
	}, usage)
}

// timeIn gives a time as it was given, or says what is wanted instead.
func timeIn(s, want string) (string, error) {
	if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
		return "", errors.New(want)
	}
	return s, nil
}

// pastFlag is a flag for a time, or for how long ago it was.
func pastFlag(f *flag.FlagSet, name, usage string) *string {
	return define(f, name, "", func(s string) (string, error) {
		if ago, err := time.ParseDuration(s); err == nil && ago > 0 {
			return time.Now().Add(-ago).UTC().Format(time.RFC3339Nano), nil
		}
		return timeIn(s, "want a time such as 2026-01-02T15:04:05Z, or how long ago, such as 1h30m")
	}, usage)
}

func jsonFlag(f *flag.FlagSet, name, usage string) *string {
	return define(f, name, "", func(s string) (string, error) {
		if !json.Valid([]byte(s)) {
			return "", errors.New("want JSON")
		}
		return s, nil
	}, usage)
}

func defineGet(*flag.FlagSet) doing {
	return func(ctx context.Context, c edgeClient, ids []string) error {
		id, err := theOne(ids, "order")
		if err != nil {
			return err
		}
		a, err := c.ask(ctx, http.MethodGet, "/query/"+id, nil, 0)
		switch {
		case err != nil:
			return err
		case c.raw:
			return c.out.print(string(a.body))
		}
		status, why := order.Status(a.header.Get("Order-Status")), ""
		if status == order.StatusScheduled || status == order.StatusStuck || status.Ended() && status != order.StatusCompleted {
			if h, _, err := c.history(ctx, id); err == nil { // the order is shown without, too
				why = h.why()
			}
		}
		return c.show(a.body, status, why)
	}
}

// show prints an order, with why it stands as it does, if there is something to say.
func (c edgeClient) show(body []byte, status order.Status, why string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return err
	}
	var head struct {
		ID, Type string
		Events   []string
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return err
	}
	var t table
	if why != "" {
		t = append(t, []string{"  why", why})
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name != "id" && name != "type" && name != "events" {
			t = append(t, []string{"  " + name, string(members[name])})
		}
	}
	t = append(t, []string{"  events", strings.Join(head.Events, ", ")})
	return errors.Join(c.out.show(table{{head.ID, string(status), head.Type}}), c.out.show(t))
}

// history is what happened to an order, as the edge tells it.
type history struct {
	ID, Parked string
	Status     order.Status
	CreatedAt  time.Time
	StartAt    time.Time // of an order that was scheduled
	History    []json.RawMessage
}

// entry is an event of an order.
type entry struct {
	Type, Actor, Reason, Before, After string
	Time                               time.Time
	Attempt                            int
	Cause                              struct{ ID, Kind, Type string }
}

func (e entry) cells() []string {
	status := ""
	if e.Before != e.After {
		status = e.After
	}
	cause := e.Cause.Kind
	if what := cmp.Or(e.Cause.Type, e.Cause.ID); what != "" {
		cause += " " + what
	}
	return []string{instant(e.Time), e.Type, strconv.Itoa(e.Attempt), status, cause, e.Actor, e.Reason}
}

func (h history) entries() ([]entry, error) {
	all := make([]entry, len(h.History))
	for i, raw := range h.History {
		if err := json.Unmarshal(raw, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// head is what is said of the order as a whole.
func (h history) head() table {
	t := table{{h.ID, string(h.Status)}}
	if h.Parked != "" {
		t[0] = append(t[0], "parked: "+h.Parked)
	}
	return t
}

func defineHistory(*flag.FlagSet) doing {
	return func(ctx context.Context, c edgeClient, ids []string) error {
		id, err := theOne(ids, "order")
		if err != nil {
			return err
		}
		h, a, err := c.history(ctx, id)
		switch {
		case err != nil:
			return err
		case c.raw:
			return c.out.print(string(a.body))
		}
		all, err := h.entries()
		if err != nil {
			return err
		}
		t := table{{"TIME", "EVENT", "ATTEMPT", "STATUS", "CAUSE", "ACTOR", "REASON"}}
		for _, e := range all {
			t = append(t, e.cells())
		}
		return errors.Join(c.out.show(h.head()), c.out.print("\n"), c.out.show(t))
	}
}

func (c edgeClient) history(ctx context.Context, id string) (h history, a edgeAnswer, err error) {
	if a, err = c.ask(ctx, http.MethodGet, "/query/"+id+"/history", nil, 0); err == nil {
		err = json.Unmarshal(a.body, &h)
	}
	return h, a, err
}
