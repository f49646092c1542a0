package views

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"simplecqrs/order"
)

// listed follows a list to its end and gives the ids of each page.
func (f filled) listed(t *testing.T, filter order.Filter, after string, limit int) (pages [][]string) {
	t.Helper()
	for {
		rows, next, err := f.List(patient(t), filter, after, limit)
		check(t, err)
		var ids []string
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		pages = append(pages, ids)
		if next == "" {
			return pages
		}
		if next <= after {
			t.Fatalf("after %s comes %s", after, next)
		}
		after = next
	}
}

// place puts rows in and waits for all of them.
func (f filled) place(t *testing.T, rows ...order.Row) {
	t.Helper()
	for _, r := range rows {
		f.put(t, r)
	}
	for _, r := range rows {
		f.arrived(t, r.ID, r.Meta.Version)
	}
}

func (f filled) pages(t *testing.T) {
	var rows []order.Row
	var ids []string
	for n := range 7 {
		rows = append(rows, rowOf(newID(), 1+n%3))
		ids = append(ids, rows[n].ID)
	}
	first, last := ids[0], ids[6]
	rows[0], rows[5] = rows[5], rows[0] // whatever the order of arrival
	f.place(t, rows...)
	for limit, want := range map[int][][]string{
		1:  {ids[1:2], ids[2:3], ids[3:4], ids[4:5], ids[5:6], ids[6:]},
		3:  {ids[1:4], ids[4:]},
		6:  {ids[1:]},
		7:  {ids[1:]},
		50: {ids[1:]},
	} {
		if diff := cmp.Diff(want, f.listed(t, order.Filter{}, first, limit)); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	all, _, err := f.List(patient(t), order.Filter{}, "", 500)
	check(t, err)
	if len(all) < 7 || all[len(all)-1].ID != last {
		t.Errorf("from the first on there are %d", len(all))
	}
	if diff := cmp.Diff(rowOf(last, 1), all[len(all)-1]); diff != "" {
		t.Errorf("a row in a list (-want +got):\n%s", diff)
	}
	if got := f.listed(t, order.Filter{}, last, 5); len(got) != 1 || got[0] != nil {
		t.Errorf("after the last there is %v", got)
	}
}

func (f filled) filters(t *testing.T) {
	now := time.Date(2026, 5, 6, 7, 8, 9, 500_700_000, time.UTC)
	metas := []order.Meta{
		{Status: order.StatusRunning, UpdatedAt: now},
		{Status: order.StatusRunning, UpdatedAt: now.Add(-time.Hour)},
		{Status: order.StatusRunning, Paused: true, UpdatedAt: now.Add(-time.Hour)},
		{Status: order.StatusScheduled, UpdatedAt: now.Add(-time.Hour), StartAt: now.Add(time.Hour)},
		{Status: order.StatusScheduled, UpdatedAt: now.Add(-2 * time.Hour), StartAt: now.Add(-time.Hour)},
		{Status: order.StatusStuck, UpdatedAt: now},
		{Status: order.StatusStuck, Paused: true, UpdatedAt: now},
		{Status: order.StatusUnknown, UpdatedAt: now, Parked: "a bug\x00"},
		{Status: order.StatusUnknown, UpdatedAt: now.Add(-time.Minute)},
		{Status: order.StatusCompensating, UpdatedAt: now.Add(-time.Minute)},
		{Status: order.StatusCompleted, UpdatedAt: now.Add(-time.Hour)},
		{Status: order.StatusFailed, UpdatedAt: now.Add(-time.Hour)},
		{Status: order.StatusCancelled, UpdatedAt: now, Parked: "another"},
	}
	after := newID()
	var rows []order.Row
	for i, m := range metas {
		r := rowOf(newID(), 1+i%6)
		m.Version, m.CreatedAt, m.History = r.Meta.Version, r.Meta.CreatedAt, r.Meta.History
		r.Meta = m
		rows = append(rows, r)
	}
	f.place(t, rows...)
	filters := map[string]order.Filter{
		"none":             {},
		"a type":           {Type: "PAYMENT_REQUESTED"},
		"a type of nobody": {Type: "$x"},
		"type and status":  {Type: "ORDER_REQUESTED", Status: order.StatusRunning},
		"since now":        {Since: now},
		"a little later":   {Since: now.Add(200 * time.Microsecond)},
		"later":            {Since: now.Add(time.Millisecond)},
		"since a while":    {Since: now.Add(-time.Minute)},
		"stalled":          {Stalled: now.Add(-30 * time.Second)},
		"stalled long":     {Stalled: now.Add(-time.Hour)},
		"stalled longer":   {Stalled: now.Add(-time.Hour + time.Millisecond)},
		"stalled and all":  {Stalled: now, Since: now.Add(-time.Minute), Status: order.StatusCompensating},
	}
	for _, s := range order.Statuses() {
		filters[string(s)] = order.Filter{Status: s}
	}
	for name, filter := range filters {
		var want []string
		for _, r := range rows {
			if filter.Matches(r) {
				want = append(want, r.ID)
			}
		}
		var got []string
		for _, page := range f.listed(t, filter, after, 3) {
			got = append(got, page...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func (f filled) moved(t *testing.T) {
	after, id := newID(), newID()
	for n, want := range [][]string{{id}, nil} { // it runs, then it is complete
		f.place(t, rowOf(id, 5+n))
		got := f.listed(t, order.Filter{Status: order.StatusRunning}, after, 5)
		if diff := cmp.Diff([][]string{want}, got); diff != "" {
			t.Errorf("after event %d (-want +got):\n%s", 5+n, diff)
		}
	}
}

func (f filled) large(t *testing.T) {
	after := newID()
	var rows []order.Row
	var ids []string
	for range 12 {
		r := rowOf(newID(), 2)
		r.Outputs[order.Detail] = order.JSON(`"` + strings.Repeat("x", 900<<10) + `"`)
		rows, ids = append(rows, r), append(ids, r.ID)
	}
	f.place(t, rows...)
	got := f.listed(t, order.Filter{}, after, 500)
	if len(got) != 2 {
		t.Errorf("%d pages", len(got))
	}
	var all []string
	for _, page := range got {
		all = append(all, page...)
	}
	if diff := cmp.Diff(ids, all); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

func (f filled) hurried(t *testing.T) {
	f.place(t, rowOf(newID(), 1))
	ctx, cancel := context.WithCancel(patient(t))
	cancel()
	if _, _, err := f.List(ctx, order.Filter{}, "", 5); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestATableLooksAtSoManyRowsForAPageAndNoMore(t *testing.T) {
	t.Parallel()
	table, b := startTable(t, 4, nil)
	table.maxLooked = 3
	f := filled{table, func(t *testing.T, r order.Row) { b.write(t, r.ID, encoded(t, r)) }}
	after := newID()
	var rows []order.Row
	for n := range 8 {
		rows = append(rows, rowOf(newID(), 1+5*(n/7))) // the last alone is complete
	}
	f.place(t, rows...)
	got := f.listed(t, order.Filter{Status: order.StatusCompleted}, after, 5)
	if diff := cmp.Diff([][]string{nil, nil, {rows[7].ID}}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func TestARowThatCannotBeReadHoldsUpNoList(t *testing.T) {
	t.Parallel()
	table, b := startTable(t, 4, nil)
	m := openMongo(t)
	for name, source := range map[string]struct {
		filled
		spoil func(id string)
	}{
		"table": {
			filled{table, func(t *testing.T, r order.Row) { b.write(t, r.ID, encoded(t, r)) }},
			func(id string) { b.write(t, id, []byte("garbage")) },
		},
		"mongo": {
			filled{m, func(t *testing.T, r order.Row) { check(t, m.Write(patient(t), []order.Row{r})) }},
			func(id string) {
				_, err := m.orders.InsertOne(patient(t), bson.D{{Key: "_id", Value: id}, {Key: "order", Value: "?"}})
				check(t, err)
			},
		},
	} {
		var good []string
		for n := range 9 {
			id := newID()
			if n%3 != 2 {
				source.spoil(id)
				continue
			}
			source.place(t, rowOf(id, 1))
			good = append(good, id)
		}
		await(t, "all to have arrived", func() bool { // those of other partitions
			var all []string
			for _, page := range source.listed(t, order.Filter{}, "", 2) {
				all = append(all, page...)
			}
			return cmp.Equal(good, all)
		})
		t.Log(name)
	}
}

func TestAListMayBeTriedAgainWhileItsSourceIsAway(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]source{
		"a table that has not caught up": NewTable(nil),
		"a store that is away":           openMongoAt(t, "mongodb://127.0.0.1:1/"),
	} {
		if _, _, err := source.List(patient(t), order.Filter{}, "", 5); order.KindOf(err) != order.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
