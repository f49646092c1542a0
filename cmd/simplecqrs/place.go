package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"simplecqrs/order"
)

const (
	// mostPlaced is how many orders can be placed by one command.
	mostPlaced = 1_000_000
	// mostKey is how many characters the edge takes as a key.
	mostKey = 255
)

// keyFlag is the flag with the key of an order. One that is empty is a variable that a
// script has not set, and would place an order at each repetition.
func keyFlag(f *flag.FlagSet) *string {
	return define(f, "key", "", func(s string) (string, error) {
		if s == "" || len(s) > mostKey || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
			return "", fmt.Errorf("want 1 to %d visible ASCII characters or spaces", mostKey)
		}
		return s, nil
	}, "`key` of your choosing: however often the same order is placed with it, there is one")
}

func definePlace(f *flag.FlagSet) doing {
	inputs := jsonFlag(f, "inputs", "`JSON` object with what the steps are to work with, as {\"payment\": …}")
	at := timeFlag(f, "at", "`time` at which the order begins")
	n := define(f, "n", 1, count(mostPlaced), fmt.Sprintf("how many `orders` to place, %d at a time; with -o json the answers are lines", atOnce))
	key := keyFlag(f)
	wait := waitFlag(f, "the end of each order, which is then shown")
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
		switch {
		case *n > 1 && *key != "":
			return wrongArguments("-key is of one order, and does not go with -n")
		case *n > 1:
			return c.placeMany(ctx, body, *n, *wait)
		}
		var headers []string
		if *key != "" {
			headers = []string{"Idempotency-Key", strconv.Quote(*key)}
		}
		p, err := c.place(ctx, body, *wait, headers...)
		switch {
		case err != nil:
			return err
		case c.raw:
			err = c.out.print(string(p.body))
		case p.ended():
			err = c.show(p.body, p.status, p.why)
		default:
			err = c.out.print(plain(p.ID) + "\n")
		}
		if *wait > 0 && !p.ended() && p.unseen == nil {
			p.stands = c.stands(ctx, p.ID)
		}
		return errors.Join(err, p.judge(*wait))
	}
}

// placed is an order that was placed, and how it ended, if that was waited for and seen.
type placed struct {
	ID     string
	status order.Status
	why    string // it has ended so, if it is not completed
	unseen error  // why it was not seen how it has ended, although it has
	stands string // where it stood when the wait was over, and why, if it has not ended
	body   []byte
}

func (p placed) ended() bool { return p.status != "" }

// judge says what is wrong with how it ended, if that was waited for.
func (p placed) judge(wait time.Duration) error {
	switch {
	case wait == 0 || p.status == order.StatusCompleted:
		return nil
	case p.unseen != nil:
		return errorf(exitFailed, "%s was placed and has ended, and how could not be seen: %w", plain(p.ID), p.unseen)
	case p.ended():
		return errorf(exitOtherEnd, "%s is %s", plain(p.ID), plain(standing(p.status, p.why)))
	}
	return fmt.Errorf("%s has not ended within %v%s", plain(p.ID), wait, plain(p.stands))
}

// place places an order.
func (c edgeClient) place(ctx context.Context, body map[string]json.RawMessage, wait time.Duration, headers ...string) (p placed, err error) {
	if wait > 0 && !c.raw {
		defer c.out.waiting("the order's end").stop()
	}
	return c.placeOne(ctx, body, wait, headers...)
}

func (c edgeClient) placeOne(ctx context.Context, body map[string]json.RawMessage, wait time.Duration, headers ...string) (p placed, err error) {
	a, err := c.ask(ctx, http.MethodPost, "/command", body, wait, headers...)
	if err != nil {
		return p, err
	}
	p.body = a.body
	if err := json.Unmarshal(a.body, &p); err != nil {
		return p, err
	}
	if wait == 0 || a.status != http.StatusOK {
		return p, nil
	}
	if p.status = order.Status(a.header.Get("Order-Status")); p.status != order.StatusCompleted {
		c.look(ctx, &p)
	}
	return p, nil
}

// look asks how and why an order has ended. One that may place orders need not be one that
// may look at them: whatever comes of it, the order was placed.
func (c edgeClient) look(ctx context.Context, p *placed) {
	c.raw = false // it is not what was asked for
	h, _, err := c.history(ctx, p.ID)
	switch {
	case err == nil:
		p.status, p.why = h.Status, h.why()
	case p.status == "":
		p.unseen = err
	}
}

// stands tells where an order stands whose end was waited for in vain; empty if that is
// not to be seen soon, which changes nothing about the order.
func (c edgeClient) stands(ctx context.Context, id string) string {
	h, err := c.lastLook(ctx, id, time.Now())
	switch {
	case err != nil:
		return ""
	case h.Status.Ended():
		return "; since then it is " + string(h.Status)
	}
	return "; it is " + standing(h.Status, cmp.Or(h.Parked, h.why()))
}

// lastLook gives the history of an order that was waited for in vain, if it is to be seen soon
// after the wait is over.
func (c edgeClient) lastLook(ctx context.Context, id string, over time.Time) (history, error) {
	c.raw = false // it is not what was asked for
	ctx, cancel := context.WithDeadline(ctx, over.Add(2*time.Second))
	defer cancel()
	h, _, err := c.history(ctx, id)
	return h, err
}

// placeMany places orders, several at once, and tells of each as it is placed or, if
// that is waited for, has ended. The first that fails is the last that is begun.
func (c edgeClient) placeMany(ctx context.Context, body map[string]json.RawMessage, n int, wait time.Duration) error {
	var begun, done atomic.Int64
	bar := c.out.progress(func() string { return fmt.Sprintf("placed %d of %d", done.Load(), n) })
	var (
		mu    sync.Mutex
		first error // to fail
		other error // the first end that was not as it should be
		all   sync.WaitGroup
	)
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		first = cmp.Or(first, err)
	}
	stopped := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return first != nil
	}
	for range min(n, atOnce) {
		all.Go(func() {
			for begun.Add(1) <= int64(n) && !stopped() {
				p, err := c.placeOne(ctx, body, wait)
				if err == nil {
					done.Add(1)
					err = bar.print(c.placedLine(p, wait))
				}
				if err != nil {
					failed(err)
				} else if err := p.judge(wait); err != nil {
					mu.Lock()
					other = cmp.Or(other, err)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	bar.stop()
	if first != nil {
		return errorf(codeOf(first), "%d of %d orders were placed: %w", done.Load(), n, first)
	}
	return other
}

func (c edgeClient) placedLine(p placed, wait time.Duration) string {
	switch {
	case c.raw:
		return string(p.body)
	case wait > 0:
		return fmt.Sprintf("%s  %s\n", plain(p.ID), p.end())
	}
	return plain(p.ID) + "\n"
}

// end is how it has ended, in a word.
func (p placed) end() string {
	switch {
	case p.ended():
		return string(p.status)
	case p.unseen != nil:
		return "ended, not seen how"
	}
	return "not ended"
}
