package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplecqrs/order"
)

// Exit codes of order, beside the others.
const (
	exitNotFound = 3
	exitConflict = 4
)

// codedError is a failure that has an exit code of its own.
type codedError struct {
	error
	code int
}

// codeOf is the exit code for a failure.
func codeOf(err error) int {
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailed
}

const orderExits = `
It exits with 0 if all went well, 1 if not, 2 if it was asked for what it does not
know, 3 if there is no such order, 4 if the order does not stand so that it could
take the command. Of several orders the first that did not take it counts.`

const orderSynopsis = `Talks to a running edge by HTTP.

  place                              place an order
  get ID                             show an order
  history ID                         show what happened to it, when, why and by whom
  list                               show orders, the oldest first
  stuck                              show orders that an operator should look at
  pause|resume|cancel ID…            hold an order, let it go on, undo it
  retry|skip ID…                     begin what is stuck again, or go past it
  schedule -at TIME ID…              have an order that has not begun begin then

Each takes -h.
` + orderExits

// orderVerb is one of the things to be done with orders: its flags, what it does with
// those and its arguments, and what -h tells.
type orderVerb struct {
	arguments, synopsis string
	define              func(*flag.FlagSet) func(context.Context, edgeClient, []string) error
}

var orderVerbs = map[string]orderVerb{
	"place":   {"", "Places an order and tells its id.", definePlace},
	"get":     {" ID", "Shows an order: its last event, what its steps gave, and all its events.", defineGet},
	"history": {" ID", "Shows what happened to an order, when, why and by whom.", defineHistory},
	"list":    {"", "Shows orders, by id and thus the oldest first.", defineList},
	"stuck": {"", "Shows orders that are stuck or parked, and those that have made no progress for a\n" +
		"time although nothing holds them, with since when and why.", defineStuck},
	"pause":    commanding(order.Pause, "Has orders keep what is running and begin nothing new."),
	"resume":   commanding(order.Resume, "Has paused orders go on."),
	"cancel":   commanding(order.Cancel, "Undoes what orders have done, and ends them."),
	"retry":    commanding(order.Retry, "Begins what is stuck again."),
	"skip":     commanding(order.Skip, "Goes past what is stuck, on your word that it is done."),
	"schedule": commanding(order.Schedule, "Has orders that have not begun begin at another time."),
}

func orders(ctx context.Context, args []string, out output) error {
	var name string
	if len(args) > 0 {
		name = args[0]
	}
	v, known := orderVerbs[name]
	if !known {
		names := strings.Join(slices.Sorted(maps.Keys(orderVerbs)), "|")
		f := newFlags("order "+names, orderSynopsis)
		if err := parse(f, args, out); err != nil {
			return err
		}
		return refuse(f, errors.New("say what to do"))
	}
	f := newFlags("order "+name+v.arguments, v.synopsis+"\n"+orderExits)
	c := edgeClient{out: out}
	server := define(f, "server", cmp.Or(os.Getenv("SIMPLECQRS_SERVER"), "http://127.0.0.1:8080"), httpURL, "`URL` of the edge; its default is taken from SIMPLECQRS_SERVER")
	format := define(f, "o", "text", oneOf("text", "json"), "`format` of the answer: text, or json as the edge gives it")
	do := v.define(f)
	rest, err := parseMixed(f, args[1:], out)
	if err != nil {
		return err
	}
	if _, err := httpURL(*server); err != nil {
		return refuse(f, fmt.Errorf("SIMPLECQRS_SERVER is %q: %w", *server, err))
	}
	for _, id := range rest {
		if !order.ValidID(id) {
			return refuse(f, fmt.Errorf("%q is no order id", id))
		}
	}
	c.server, c.raw = strings.TrimRight(*server, "/"), *format == "json"
	err = do(ctx, c, rest)
	var mistaken wrongArguments
	if errors.As(err, &mistaken) {
		return refuse(f, mistaken)
	}
	return err
}

// wrongArguments says what is wrong with arguments that do not go together.
type wrongArguments string

func (w wrongArguments) Error() string { return string(w) }

// parseMixed reads flags and gives what stands between them.
func parseMixed(f *flag.FlagSet, args []string, out output) (rest []string, err error) {
	f.SetOutput(io.Discard)
	for {
		if f.Parse(args) != nil {
			return nil, parse(f, args, out) // which fails in the same way, and tells
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}

// maxOrderWait is the longest that the edge waits.
const maxOrderWait = time.Minute

func waitFlag(f *flag.FlagSet, what string) *time.Duration {
	return define(f, "wait", 0, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > maxOrderWait || d%time.Second != 0 {
			return 0, errors.New("want whole seconds up to 60s")
		}
		return d, nil
	}, "`time` to wait for "+what)
}

func timeFlag(f *flag.FlagSet, name, usage string) *string {
	return define(f, name, "", func(s string) (string, error) {
		if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
			return "", errors.New("want a time such as 2026-01-02T15:04:05Z")
		}
		return s, nil
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

// filterFlags are the flags that say which orders are meant; what it gives has those
// that were set.
func filterFlags(f *flag.FlagSet) func() map[string]string {
	var statuses []string
	for _, s := range order.Statuses() {
		statuses = append(statuses, string(s))
	}
	status := define(f, "status", "", oneOf(statuses...), "orders of this `status`: "+strings.Join(statuses, ", "))
	last := f.String("type", "", "orders whose last event is of this `type`")
	since := timeFlag(f, "since", "orders that have changed at this `time` or later")
	return func() map[string]string {
		set := map[string]string{"status": *status, "type": *last, "since": *since}
		maps.DeleteFunc(set, func(_, value string) bool { return value == "" })
		return set
	}
}

func definePlace(f *flag.FlagSet) func(context.Context, edgeClient, []string) error {
	inputs := jsonFlag(f, "inputs", "`JSON` object with what the steps are to work with, as {\"payment\": …}")
	at := timeFlag(f, "at", "`time` at which the order begins")
	wait := waitFlag(f, "the order's end")
	return func(ctx context.Context, c edgeClient, ids []string) error {
		body := map[string]json.RawMessage{}
		if *inputs != "" && json.Unmarshal([]byte(*inputs), &body) != nil || body == nil {
			return wrongArguments("-inputs: want a JSON object")
		}
		if *at != "" {
			body["startAt"] = quoted(*at)
		}
		if len(ids) > 0 {
			return wrongArguments("an order's id is not for you to say")
		}
		a, err := c.ask(ctx, http.MethodPost, "/command", body, *wait)
		switch {
		case err != nil:
			return err
		case c.raw:
			return c.print(string(a.body))
		case a.status == http.StatusOK:
			return c.show(a)
		}
		var placed struct{ ID string }
		if err := json.Unmarshal(a.body, &placed); err != nil {
			return err
		}
		if *wait > 0 {
			c.out.tell("it has not ended within %v\n", *wait)
		}
		return c.print(plain(placed.ID) + "\n")
	}
}

func defineGet(*flag.FlagSet) func(context.Context, edgeClient, []string) error {
	return func(ctx context.Context, c edgeClient, ids []string) error {
		if len(ids) != 1 {
			return wrongArguments("name one order")
		}
		a, err := c.ask(ctx, http.MethodGet, "/query/"+ids[0], nil, 0)
		switch {
		case err != nil:
			return err
		case c.raw:
			return c.print(string(a.body))
		}
		return c.show(a)
	}
}

// show prints an order.
func (c edgeClient) show(a edgeAnswer) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &members); err != nil {
		return err
	}
	var head struct {
		ID, Type string
		Events   []string
	}
	if err := json.Unmarshal(a.body, &head); err != nil {
		return err
	}
	t := table{{head.ID, head.Type}}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name != "id" && name != "type" && name != "events" {
			t = append(t, []string{"  " + name, string(members[name])})
		}
	}
	return c.print(append(t, []string{"  events", strings.Join(head.Events, ", ")}).String())
}

func defineHistory(*flag.FlagSet) func(context.Context, edgeClient, []string) error {
	return func(ctx context.Context, c edgeClient, ids []string) error {
		if len(ids) != 1 {
			return wrongArguments("name one order")
		}
		a, err := c.ask(ctx, http.MethodGet, "/query/"+ids[0]+"/history", nil, 0)
		switch {
		case err != nil:
			return err
		case c.raw:
			return c.print(string(a.body))
		}
		var h struct {
			ID, Status, Parked string
			History            []struct {
				Type, Actor, Reason, Before, After string
				Time                               time.Time
				Attempt                            int
				Cause                              struct{ ID, Kind, Type string }
			}
		}
		if err := json.Unmarshal(a.body, &h); err != nil {
			return err
		}
		t := table{{"TIME", "EVENT", "ATTEMPT", "STATUS", "CAUSE", "ACTOR", "REASON"}}
		for _, e := range h.History {
			status := ""
			if e.Before != e.After {
				status = e.After
			}
			cause := e.Cause.Kind
			if what := cmp.Or(e.Cause.Type, e.Cause.ID); what != "" {
				cause += " " + what
			}
			t = append(t, []string{instant(e.Time), e.Type, strconv.Itoa(e.Attempt), status, cause, e.Actor, e.Reason})
		}
		head := table{{h.ID, h.Status}}
		if h.Parked != "" {
			head[0] = append(head[0], "parked: "+h.Parked)
		}
		return c.print(head.String() + "\n" + t.String())
	}
}

func defineList(f *flag.FlagSet) func(context.Context, edgeClient, []string) error {
	filter, page := filterFlags(f), pageFlags(f)
	return func(ctx context.Context, c edgeClient, ids []string) error {
		return c.list(ctx, "/query", ids, page(filter()))
	}
}

func defineStuck(f *flag.FlagSet) func(context.Context, edgeClient, []string) error {
	idle := f.Duration("for", 15*time.Minute, "how long an order may make no progress")
	page := pageFlags(f)
	return func(ctx context.Context, c edgeClient, ids []string) error {
		if *idle <= 0 {
			return wrongArguments("-for: want more than 0")
		}
		return c.list(ctx, "/query/stuck", ids, page(map[string]string{"for": idle.String()}))
	}
}

// pageFlags are the flags that say which page of a list is meant, and add that to a query.
func pageFlags(f *flag.FlagSet) func(map[string]string) url.Values {
	limit := define(f, "limit", 50, count(500), "`number` of orders at most")
	after := f.String("after", "", "begin at this `place`, which the page before told")
	return func(query map[string]string) url.Values {
		q := url.Values{"limit": {strconv.Itoa(*limit)}}
		if *after != "" {
			q.Set("after", *after)
		}
		for name, value := range query {
			q.Set(name, value)
		}
		return q
	}
}

// list prints a page of a list.
func (c edgeClient) list(ctx context.Context, path string, ids []string, q url.Values) error {
	if len(ids) > 0 {
		return wrongArguments("a list is not of orders that are named; get shows one")
	}
	a, err := c.ask(ctx, http.MethodGet, path+"?"+q.Encode(), nil, 0)
	switch {
	case err != nil:
		return err
	case c.raw:
		return c.print(string(a.body))
	}
	var page struct {
		Orders []struct {
			ID, Status, Type, Reason string
			UpdatedAt, Since         time.Time
		}
		Next string
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		return err
	}
	t := table{{"ORDER", "STATUS", "LAST EVENT", "CHANGED"}}
	if path != "/query" {
		t = table{{"ORDER", "STATUS", "SINCE", "WHY"}}
	}
	for _, o := range page.Orders {
		if path == "/query" {
			t = append(t, []string{o.ID, o.Status, o.Type, instant(o.UpdatedAt)})
		} else {
			t = append(t, []string{o.ID, o.Status, instant(o.Since), o.Reason})
		}
	}
	if page.Next != "" {
		c.out.tell("there may be more: -after %s\n", plain(page.Next))
	}
	return c.print(t.String())
}

// commanding is the verb of a command to orders.
func commanding(verb order.Command, synopsis string) orderVerb {
	synopsis += "\nWhich orders is said by their ids, or by flags for all that are so."
	return orderVerb{" [ID…]", synopsis, func(f *flag.FlagSet) func(context.Context, edgeClient, []string) error {
		filter := filterFlags(f)
		wait := waitFlag(f, "what comes of it, which may be that it is rejected")
		texts := map[string]*string{
			"reason": f.String("reason", "", "`why`, for the record"),
			"actor":  f.String("actor", whoami(), "`who` asks for it, for the record"),
		}
		body := map[string]json.RawMessage{}
		var output, at *string
		if verb == order.Skip {
			output = jsonFlag(f, "output", "`JSON` that stands for what the skipped step would have given")
		}
		if verb == order.Schedule {
			at = timeFlag(f, "at", "`time` at which the order is to begin")
		}
		return func(ctx context.Context, c edgeClient, ids []string) error {
			for name, text := range texts {
				if *text != "" {
					body[name] = quoted(*text)
				}
			}
			if output != nil && *output != "" {
				body["output"] = json.RawMessage(*output)
			}
			if at != nil {
				if *at == "" {
					return wrongArguments("say when, with -at")
				}
				body["startAt"] = quoted(*at)
			}
			switch set := filter(); {
			case len(ids) > 0 == (len(set) > 0):
				return wrongArguments("name orders, or say by -status, -type or -since which are meant")
			case len(set) > 0:
				return c.commandAll(ctx, verb, body, set, *wait)
			case len(ids) == 1:
				return c.commandOne(ctx, verb, body, ids[0], *wait)
			}
			told := tally{}
			if err := c.commandMany(ctx, verb, body, "ids", ids, *wait, &told); err != nil {
				return err
			}
			return told.err()
		}
	}}
}

// whoami is the user of the machine; empty if it does not tell.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return os.Getenv("USER")
	}
	return u.Username
}

// commandOne gives a command to an order.
func (c edgeClient) commandOne(ctx context.Context, verb order.Command, body map[string]json.RawMessage, id string, wait time.Duration) error {
	a, err := c.ask(ctx, http.MethodPost, "/command/"+id+"/"+string(verb), body, wait)
	switch {
	case err != nil:
		return err
	case c.raw:
		return c.print(string(a.body))
	}
	var said struct{ Command, Type string }
	if err := json.Unmarshal(a.body, &said); err != nil {
		return err
	}
	if wait > 0 && a.status == http.StatusAccepted {
		c.out.tell("it was not answered within %v\n", wait)
	}
	return c.print(table{resultLine(id, a.status, cmp.Or(said.Command, said.Type))}.String())
}

func resultLine(id string, status int, what string) []string {
	switch status {
	case http.StatusOK:
		return []string{id, "done", what}
	case http.StatusAccepted:
		return []string{id, "accepted", what}
	}
	return []string{id, "refused", what}
}

// tally counts what became of a command to several orders.
type tally struct {
	all, refused int
	first        int // exit code for the first that did not take it
	next         string
}

func (t tally) err() error {
	if t.refused == 0 {
		return nil
	}
	return &codedError{fmt.Errorf("%d of %d orders did not take it", t.refused, t.all), t.first}
}

// commandAll gives a command to all orders that a filter matches, page by page.
func (c edgeClient) commandAll(ctx context.Context, verb order.Command, body map[string]json.RawMessage, filter map[string]string, wait time.Duration) error {
	for told := (tally{}); ; {
		if err := c.commandMany(ctx, verb, body, "filter", filter, wait, &told); err != nil {
			return err
		}
		if told.next == "" {
			return told.err()
		}
		filter["after"] = told.next
	}
}

// commandMany gives a command to several orders in one request.
func (c edgeClient) commandMany(ctx context.Context, verb order.Command, body map[string]json.RawMessage, member string, which any, wait time.Duration, told *tally) error {
	encoded, err := json.Marshal(which)
	if err != nil {
		return err
	}
	body[member] = encoded
	a, err := c.ask(ctx, http.MethodPost, "/command/"+string(verb), body, wait)
	if err != nil {
		return err
	}
	var page struct {
		Results []struct {
			ID, Command, Error string
			Status             int
		}
		Next string
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		return err
	}
	var t table
	for _, r := range page.Results {
		t = append(t, resultLine(r.ID, r.Status, cmp.Or(r.Error, r.Command)))
		if told.all++; r.Status >= http.StatusBadRequest {
			told.refused++
			told.first = cmp.Or(told.first, exitOf(r.Status))
		}
	}
	told.next = page.Next
	if c.raw {
		return c.print(string(a.body))
	}
	return c.print(t.String())
}

// exitOf is the exit code for a status that is a failure.
func exitOf(status int) int {
	switch status {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict:
		return exitConflict
	}
	return exitFailed
}
