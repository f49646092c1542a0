package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/tmaxmax/go-sse"

	"simplecqrs/order"
)

func defineWatch(*flag.FlagSet) doing {
	return func(ctx context.Context, c edgeClient, ids []string) error {
		switch len(ids) {
		case 0:
			return c.watchAll(ctx)
		case 1:
			return c.watch(ctx, ids[0])
		}
		return wrongArguments("name one order, or none for all")
	}
}

// watch shows the events of an order until it has ended.
func (c edgeClient) watch(ctx context.Context, id string) error {
	told, parked := 0, ""
	last, err := c.follow(ctx, id, func(h history) error {
		all, err := h.entries()
		if err != nil {
			return err
		}
		for i, e := range all[min(told, len(all)):] {
			line := c.eventLine(h, e)
			if c.raw {
				line = string(h.History[told+i])
			}
			if err := c.out.print(line + "\n"); err != nil {
				return err
			}
		}
		if told = max(told, len(all)); h.Parked != parked {
			if parked = h.Parked; parked != "" {
				c.out.tell("%s is parked: %s\n", id, plain(parked))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return endOf(last)
}

// eventLine is an event as a line for people.
func (c edgeClient) eventLine(h history, e entry) string {
	line := fmt.Sprintf("%6d ms  %s", e.Time.Sub(h.CreatedAt).Milliseconds(), plain(e.Type))
	if e.Attempt > 1 {
		line += fmt.Sprintf("  attempt %d", e.Attempt)
	}
	for _, more := range []string{e.Actor, e.Reason} {
		if more != "" {
			line += "  " + plain(more)
		}
	}
	return c.out.fit(line)
}

// follow gives each state of an order that the edge tells of, until it has ended or
// each returns an error: errEnough for none.
func (c edgeClient) follow(ctx context.Context, id string, each func(history) error) (last history, err error) {
	err = c.stream(ctx, "/query/"+id+"/stream", func(m sse.Event) error {
		var h history
		if err := json.Unmarshal([]byte(m.Data), &h); err != nil {
			return err
		}
		last = h
		if err := each(h); err != nil || !h.Status.Ended() {
			return err
		}
		return errEnough
	})
	return last, err
}

// endOf tells by its exit code how an order has ended.
func endOf(h history) error {
	if h.Status == order.StatusCompleted {
		return nil
	}
	return errorf(exitOtherEnd, "%s is %s", h.ID, plain(standing(h.Status, h.why())))
}

// standing is a status with why it is so, if that is known.
func standing(s order.Status, why string) string {
	if why == "" {
		return string(s)
	}
	return string(s) + ": " + why
}

// why is the last reason that was told in an order's history, unless it says no more than
// the status does; of a scheduled order it is when it begins.
func (h history) why() (why string) {
	if h.Status == order.StatusScheduled {
		return "begins at " + instant(h.StartAt)
	}
	if all, err := h.entries(); err == nil {
		for _, e := range all {
			why = cmp.Or(e.Reason, why)
		}
	}
	if why == string(h.Status) {
		return ""
	}
	return why
}

// watchAll shows the events of all orders from now on.
func (c edgeClient) watchAll(ctx context.Context) error {
	err := c.stream(ctx, "/query/stream", func(m sse.Event) error {
		if m.Type == "reset" {
			c.out.tell("the log is another than before: some events may be missing here\n")
			return nil
		}
		if c.raw {
			var line bytes.Buffer
			if err := json.Compact(&line, []byte(m.Data)); err != nil {
				return err
			}
			return c.out.print(line.String() + "\n")
		}
		var e struct {
			Order, Type, Actor, Reason, Status string
			Time                               time.Time
			Attempt                            int
		}
		if err := json.Unmarshal([]byte(m.Data), &e); err != nil {
			return err
		}
		parts := []string{e.Time.Local().Format("15:04:05.000"), fmt.Sprintf("%-30s", plain(e.Order)), plain(e.Type)}
		if e.Attempt > 1 {
			parts = append(parts, fmt.Sprintf("attempt %d", e.Attempt))
		}
		if e.Type == string(order.OrderPaused) { // its status is the one beneath
			e.Status = string(order.StatusPaused)
		}
		for _, more := range []string{e.Status, e.Actor, e.Reason} {
			if more != "" {
				parts = append(parts, plain(more))
			}
		}
		return c.out.print(c.out.fit(strings.Join(parts, "  ")) + "\n")
	})
	if errors.Is(err, context.Canceled) {
		return nil // that is how it is ended
	}
	return err
}
