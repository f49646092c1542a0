package views

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"simplecqrs/order"
)

// listed follows a list to its end and gives the ids of each page.
func (f filled) listed(t *testing.T, filter order.Filter, p order.Page) (pages [][]string) {
	t.Helper()
	for {
		rows, next, err := f.List(patient(t), filter, p)
		check(t, err)
		var ids []string
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		pages = append(pages, ids)
		if next == (order.Place{}) {
			return pages
		}
		if next == p.After {
			t.Fatalf("after %v comes the same", next)
		}
		p.After = next
	}
}

// from is the page of so many that begins after an order of these tests, all of which
// were placed at the same time.
func from(id string, limit int) order.Page {
	return order.Page{After: order.PlaceOf(rowOf(id, 1)), Limit: limit}
}

// placedAt is an order that was placed at that time, and not touched since.
func placedAt(at time.Time) order.Row {
	r := rowOf(newID(), 1)
	r.Meta.CreatedAt, r.Meta.UpdatedAt = at, at
	return r
}

// days hold each the orders of one test of this file alone.
var days atomic.Int64

func newDay() (time.Time, order.Filter) {
	day := time.Date(1990, 1, int(days.Add(1)), 0, 0, 0, 0, time.UTC)
	return day, order.Filter{Since: day, Until: day.AddDate(0, 0, 1)}
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
	day, ofDay := newDay()
	// Ids say nothing of when: two in one millisecond, one a little later, and before all.
	rows := []order.Row{
		placedAt(day.Add(2 * time.Millisecond)), placedAt(day.Add(time.Hour)), placedAt(day.Add(2*time.Millisecond + time.Microsecond)),
		placedAt(day), placedAt(day.Add(3 * time.Millisecond)), placedAt(day.Add(time.Minute)), placedAt(day.Add(time.Millisecond)),
	}
	f.place(t, rows...)
	ids := make([]string, len(rows))
	for i, n := range []int{3, 6, 0, 2, 4, 5, 1} {
		ids[i] = rows[n].ID
	}
	for _, newest := range []bool{false, true} {
		for limit, want := range map[int][][]string{
			1:  {ids[:1], ids[1:2], ids[2:3], ids[3:4], ids[4:5], ids[5:6], ids[6:]},
			3:  {ids[:3], ids[3:6], ids[6:]},
			7:  {ids},
			50: {ids},
		} {
			got := f.listed(t, ofDay, order.Page{Newest: newest, Limit: limit})
			for _, page := range got { // a source may only know at the end that there is no more
				if len(page) == 0 {
					got = got[:len(got)-1]
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
			}
		}
		slices.Reverse(ids)
	}
	rowsOfDay, next, err := f.List(patient(t), ofDay, order.Page{After: order.PlaceOf(rows[5]), Limit: 500})
	check(t, err)
	if diff := cmp.Diff([]order.Row{transmitted(t, rows[1])}, rowsOfDay); diff != "" || next != (order.Place{}) {
		t.Errorf("after the last but one there is %v, and (-want +got):\n%s", next, diff)
	}
}

// steady has orders placed, and moved, while a list is read.
func (f filled) steady(t *testing.T) {
	for _, newest := range []bool{false, true} {
		day, ofDay := newDay()
		var ids []string
		var rows []order.Row
		for n := range 6 {
			rows = append(rows, placedAt(day.Add(time.Duration(n)*time.Minute)))
			ids = append(ids, rows[n].ID)
		}
		f.place(t, rows...)
		if newest {
			slices.Reverse(ids)
		}
		var got []string
		p := order.Page{Newest: newest, Limit: 2}
		for more := true; more; more = p.After != (order.Place{}) {
			page, next, err := f.List(patient(t), ofDay, p)
			check(t, err)
			for _, r := range page {
				got = append(got, r.ID)
			}
			if p.After = next; len(got) > 2 {
				continue
			}
			for i := range rows { // each changes, and on the side that is read already one is new
				rows[i].Meta.Version++
				rows[i].Meta.UpdatedAt = day.Add(time.Hour)
			}
			early := placedAt(day)
			if newest {
				early = placedAt(day.Add(2 * time.Hour))
			}
			f.place(t, append(rows, early)...)
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("newest first: %t (-want +got):\n%s", newest, diff)
		}
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
		"until now":        {Until: now},
		"until later":      {Until: now.Add(time.Millisecond)},
		"since and until":  {Since: now.Add(-time.Minute), Until: now},
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
		for _, page := range f.listed(t, filter, from(after, 3)) {
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
		got := f.listed(t, order.Filter{Status: order.StatusRunning}, from(after, 5))
		if diff := cmp.Diff([][]string{want}, got); diff != "" {
			t.Errorf("after event %d (-want +got):\n%s", 5+n, diff)
		}
	}
}

func (f filled) large(t *testing.T) {
	day, ofDay := newDay()
	var rows []order.Row
	var ids []string
	for range 12 {
		r := placedAt(day)
		r.Outputs = map[order.Step]order.JSON{}
		r.Outputs[order.Detail] = order.JSON(`"` + strings.Repeat("x", 900<<10) + `"`)
		rows, ids = append(rows, r), append(ids, r.ID)
	}
	f.place(t, rows...)
	got := f.listed(t, ofDay, order.Page{Limit: 500})
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
	if _, _, err := f.List(ctx, order.Filter{}, order.Page{Limit: 5}); !errors.Is(err, context.Canceled) {
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
	got := f.listed(t, order.Filter{Status: order.StatusCompleted}, from(after, 5))
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
				_, err := m.orders.InsertOne(patient(t), bson.D{{Key: "_id", Value: id}, {Key: "order", Value: bson.D{
					{Key: "createdAt", Value: rowOf(id, 1).Meta.CreatedAt}, {Key: "row", Value: "?"},
				}}})
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
			for _, page := range source.listed(t, order.Filter{}, order.Page{Limit: 2}) {
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
		if _, _, err := source.List(patient(t), order.Filter{}, order.Page{Limit: 5}); order.KindOf(err) != order.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
