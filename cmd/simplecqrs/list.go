package main

import (
	"context"
	"flag"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"simplecqrs/order"
)

// filterFlags are the flags that say which orders are meant; what it gives has those
// that were set.
func filterFlags(f *flag.FlagSet) func() map[string]string {
	var statuses []string
	for _, s := range order.Statuses() {
		statuses = append(statuses, string(s))
	}
	status := define(f, "status", "", oneOf(statuses...), "orders of this `status`: "+strings.Join(statuses, ", "))
	last := f.String("type", "", "orders whose last event is of this `type`")
	since := pastFlag(f, "since", "orders that have changed at this `time` or later; 1h is an hour ago")
	until := pastFlag(f, "until", "orders that last changed before this `time`; 1h is an hour ago")
	return func() map[string]string {
		return said(map[string]string{"status": *status, "type": *last, "since": *since, "until": *until})
	}
}

// said is what of it was said.
func said(values map[string]string) map[string]string {
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
	return values
}

// pageFlags are the flags that say which page of a list is meant, and add that to a query.
func pageFlags(f *flag.FlagSet, of string) func(map[string]string) string {
	limit := define(f, "limit", 50, count(mostListed), "`number` of "+of+" at most")
	after := f.String("after", "", "begin after this `place`, which the page before has told")
	return func(query map[string]string) string {
		query["after"] = *after
		return pageOf(*limit, query)
	}
}

// mostListed is the most that the edge puts on a page.
const mostListed = 500

// pageOf is a query for a page.
func pageOf(limit int, query map[string]string) string {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, value := range said(query) {
		q.Set(name, value)
	}
	return "?" + q.Encode()
}

// page shows a page of a list, and how to get the next.
func (c edgeClient) page(t table, next string) error {
	err := c.out.show(t)
	if next != "" {
		c.out.tell("there may be more: -after %s\n", plain(next))
	}
	return err
}

func defineList(f *flag.FlagSet) doing {
	filter, page := filterFlags(f), pageFlags(f, "orders")
	sort := define(f, "sort", "oldest", oneOf("oldest", "newest"), "`which` come first: the oldest or the newest")
	return func(ctx context.Context, c edgeClient, ids []string) error {
		if len(ids) > 0 {
			return wrongArguments("a list is not of orders that are named; get shows one")
		}
		query := filter()
		if *sort != "oldest" {
			query["sort"] = *sort
		}
		return c.list(ctx, "/query"+page(query), listHead, listed.cells)
	}
}

func defineStuck(f *flag.FlagSet) doing {
	idle := f.Duration("for", 15*time.Minute, "how long an order may make no progress")
	page := pageFlags(f, "orders")
	return func(ctx context.Context, c edgeClient, ids []string) error {
		switch {
		case len(ids) > 0:
			return wrongArguments("a list is not of orders that are named; get shows one")
		case *idle <= 0:
			return wrongArguments("-for: want more than 0")
		}
		return c.list(ctx, "/query/stuck"+page(map[string]string{"for": idle.String()}), []string{"ORDER", "STATUS", "SINCE", "WHY"}, func(o listed) []string {
			return []string{o.ID, o.Status, ago(o.Since), o.Reason}
		})
	}
}

// listed is an order in a list.
type listed struct {
	ID, Status, Type, Reason    string
	CreatedAt, UpdatedAt, Since time.Time
}

var listHead = []string{"ORDER", "STATUS", "LAST EVENT", "PLACED", "CHANGED"}

func (o listed) cells() []string {
	return []string{o.ID, o.Status, o.Type, ago(o.CreatedAt), ago(o.UpdatedAt)}
}

// list prints a page of a list.
func (c edgeClient) list(ctx context.Context, path string, head []string, cells func(listed) []string) error {
	var page struct {
		Orders []listed
		Next   string
	}
	return c.get(ctx, path, &page, func() error {
		t := table{head}
		for _, o := range page.Orders {
			t = append(t, cells(o))
		}
		return c.page(t, page.Next)
	})
}
