package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"sync"
	"time"

	"simplecqrs/order"
)

// commanding is the verb of a command to orders.
func commanding(command order.Command, synopsis string) verb {
	synopsis += "\nWhich orders is said by their ids, or by flags for all that are so."
	what := "what comes of it, which may be that it is rejected"
	if command == order.Cancel {
		what += ", and then until all is undone"
	}
	return verb{" [ID…]", synopsis, func(f *flag.FlagSet) doing {
		filter, dry := filterFlags(f), dryFlag(f)
		wait := waitFlag(f, what)
		record := recordFlags(f)
		var output, at *string
		if command == order.Skip {
			output = jsonFlag(f, "output", "`JSON` that stands for what the skipped step would have given")
		}
		if command == order.Schedule {
			at = timeFlag(f, "at", "`time` at which the order is to begin")
		}
		return func(ctx context.Context, c edgeClient, ids []string) error {
			body := record()
			if output != nil && *output != "" {
				body["output"] = json.RawMessage(*output)
			}
			if at != nil {
				if *at == "" {
					return wrongArguments("say when, with -at")
				}
				body["startAt"] = quoted(*at)
			}
			b := bulk{path: "/command/", verb: string(command), wait: *wait}
			if command == order.Cancel {
				b.then = c.undone
			}
			set := filter()
			switch {
			case len(ids) == 0 && len(set) == 0:
				return wrongArguments("name orders, or say by -status, -type, -since or -until which are meant")
			case len(ids) > 0 && len(set) > 0:
				return wrongArguments("orders are named, or meant by -status, -type, -since and -until: not both")
			}
			if *dry {
				return c.preview(ctx, "/query", ids, set)
			}
			return c.give(ctx, b, body, ids, set)
		}
	}}
}

func dryFlag(f *flag.FlagSet) *bool {
	return f.Bool("dry-run", false, "only list what the flags mean, and do nothing to it")
}

// preview lists all that a filter matches now.
func (c edgeClient) preview(ctx context.Context, path string, ids []string, filter map[string]string) error {
	if len(ids) > 0 {
		return wrongArguments("-dry-run is for what is meant by flags")
	}
	for first := true; ; first = false {
		a, err := c.ask(ctx, http.MethodGet, path+pageOf(mostListed, filter), nil, 0)
		if err != nil {
			return err
		}
		var page struct {
			Orders  []listed
			Letters []letter
			Next    string
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			return err
		}
		var t table
		switch {
		case first && path == "/query":
			t = append(t, listHead)
		case first:
			t = append(t, letterHead)
		}
		for _, o := range page.Orders {
			t = append(t, o.cells())
		}
		for _, l := range page.Letters {
			t = append(t, l.cells())
		}
		if c.raw {
			err = c.out.print(string(a.body))
		} else {
			err = c.out.show(t)
		}
		if filter["after"] = page.Next; err != nil || page.Next == "" {
			return err
		}
	}
}

// recordFlags are the flags that say why and for whom something is done; what it gives
// has what was said.
func recordFlags(f *flag.FlagSet) func() map[string]json.RawMessage {
	reason := f.String("reason", "", "`why`, for the record")
	actor := f.String("actor", whoami(), "`who` asks for it, for the record")
	return func() map[string]json.RawMessage {
		body := map[string]json.RawMessage{}
		for name, text := range said(map[string]string{"reason": *reason, "actor": *actor}) {
			body[name] = quoted(text)
		}
		return body
	}
}

// whoami is the user of the machine; empty if it does not tell.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return os.Getenv("USER")
	}
	return u.Username
}

// undone waits until a cancelled order has ended, or stands until an operator acts. Of many
// the turn of one may come only when the time is over: it may have ended all the same.
func (c edgeClient) undone(ctx context.Context, id string, ends time.Time) (order.Status, error) {
	stands := func(h history) bool {
		return h.Status.Ended() || h.Status == order.StatusStuck || h.Parked != ""
	}
	waiting, cancel := context.WithDeadline(ctx, ends)
	defer cancel()
	h, err := c.follow(waiting, id, func(h history) error {
		if stands(h) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		if h, err = c.lastLook(ctx, id, ends); err != nil || !stands(h) {
			return "", fmt.Errorf("%s is being undone still", id)
		}
	}
	if err == nil && h.Status != order.StatusCancelled {
		err = endOf(h)
	}
	return h.Status, err
}

// bulk is something that can be asked of one thing, or of several.
type bulk struct {
	path, verb string
	wait       time.Duration
	// then, if set, is waited for after the answer: it gives how the thing has ended.
	then func(ctx context.Context, id string, ends time.Time) (order.Status, error)

	all, wrong int
	first      error // of those that went wrong
	next       string
}

// give asks it of those that are named, or of all that a filter matches.
func (c edgeClient) give(ctx context.Context, b bulk, body map[string]json.RawMessage, ids []string, filter map[string]string) error {
	if b.wait > 0 {
		defer c.out.waiting("what comes of it").stop()
	}
	if len(ids) == 1 {
		return c.giveOne(ctx, b, body, ids[0])
	}
	member, which := "ids", any(ids)
	if len(ids) == 0 {
		member, which = "filter", filter
	}
	for {
		encoded, err := json.Marshal(which)
		if err != nil {
			return err
		}
		body[member] = encoded
		if err := c.giveMany(ctx, &b, body); err != nil {
			return err
		}
		if b.next == "" {
			break
		}
		filter["after"] = b.next
	}
	if b.wrong > 0 {
		return errorf(codeOf(b.first), "%d of %d went wrong, the first with: %w", b.wrong, b.all, b.first)
	}
	return nil
}

// giveOne asks it of one.
func (c edgeClient) giveOne(ctx context.Context, b bulk, body map[string]json.RawMessage, id string) error {
	ends := time.Now().Add(b.wait)
	a, err := c.ask(ctx, http.MethodPost, b.path+url.PathEscape(id)+"/"+b.verb, body, b.wait)
	if err != nil {
		return err
	}
	var said struct{ Command, Resolved string }
	if err := json.Unmarshal(a.body, &said); err != nil {
		return err
	}
	r := outcome{ID: id, Status: a.status, Command: said.Command, Resolved: said.Resolved}
	c.await(ctx, b, &r, ends)
	if c.raw {
		err = c.out.print(string(a.body))
	} else {
		err = c.out.show(table{r.cells()})
	}
	return errors.Join(err, r.judge(b.wait))
}

// outcome is what came of it for one of several.
type outcome struct {
	ID, Command, Error string
	Resolved           string // what became of a letter
	Status             int
	late               error
	ended              order.Status
}

// cells has nothing of the order's last event, which may be a failure of what the command
// has begun: that would read as if it were what was done.
func (r outcome) cells() []string {
	switch {
	case r.Status >= http.StatusBadRequest:
		return []string{r.ID, "refused", r.Error}
	case r.Status == http.StatusOK && r.late == nil:
		return []string{r.ID, "done", cmp.Or(string(r.ended), r.Resolved)}
	}
	return []string{r.ID, "accepted", cmp.Or(string(r.ended), r.Command)}
}

// judge says what went wrong, if anything did.
func (r outcome) judge(wait time.Duration) error {
	switch {
	case r.Status >= http.StatusBadRequest:
		return errorf(exitOf(r.Status), "%s", plain(r.Error))
	case wait > 0 && r.Status == http.StatusAccepted:
		return fmt.Errorf("%s has not answered within %v", plain(r.ID), wait)
	}
	return r.late
}

// await waits for what comes after the answer, until the wait is over.
func (c edgeClient) await(ctx context.Context, b bulk, r *outcome, ends time.Time) {
	if b.then == nil || r.Status != http.StatusOK {
		return
	}
	r.ended, r.late = b.then(ctx, r.ID, ends)
}

// giveMany asks it of several in one request, and counts what went wrong.
func (c edgeClient) giveMany(ctx context.Context, b *bulk, body map[string]json.RawMessage) error {
	ends := time.Now().Add(b.wait)
	a, err := c.ask(ctx, http.MethodPost, b.path+b.verb, body, b.wait)
	if err != nil {
		return err
	}
	var page struct {
		Results []outcome
		Next    string
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		return err
	}
	var (
		all  sync.WaitGroup
		turn = make(chan struct{}, atOnce)
	)
	for i := range page.Results {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			c.await(ctx, *b, &page.Results[i], ends)
		})
	}
	all.Wait()
	var t table
	for _, r := range page.Results {
		t = append(t, r.cells())
		b.all++
		if err := r.judge(b.wait); err != nil {
			b.wrong++
			b.first = cmp.Or(b.first, err)
		}
	}
	b.next = page.Next
	if c.raw {
		return c.out.print(string(a.body))
	}
	return c.out.show(t)
}
