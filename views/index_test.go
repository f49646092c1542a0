package views

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka/storage"

	"simplecqrs/order"
	"simplecqrs/stream"
)

func TestTheKeysOfPlacesSortAsPlacesDo(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	places := []order.Place{ // as they are to stand in a list
		{CreatedAt: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), ID: "ORD-FFFFF"},
		{CreatedAt: time.Time{}, ID: "ORD-00000"},
		{CreatedAt: time.UnixMilli(-1).UTC(), ID: "ORD-00000"},
		{CreatedAt: time.UnixMilli(0).UTC(), ID: "ORD-00000"},
		{CreatedAt: at, ID: "ORD-01ARZ"},
		{CreatedAt: at, ID: "ORD-01ARZ3NDEKTSV4RRFFQ69G5FAV"}, // what begins another is before it
		{CreatedAt: at, ID: "ORD-01AS0"},
		{CreatedAt: at.Add(time.Millisecond), ID: "ORD-00000"},
		{CreatedAt: time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC), ID: "ORD-00000"},
	}
	for _, newest := range []bool{false, true} {
		key := map[bool]func(order.Place) string{false: oldestKey, true: newestKey}[newest]
		var keys []string
		for _, p := range places {
			keys = append(keys, key(p))
			if back := placeIn(key(p), newest); back != p {
				t.Errorf("%v comes back as %v", p, back)
			}
		}
		if newest {
			slices.Reverse(keys)
		}
		if !slices.IsSorted(keys) {
			t.Errorf("newest first: %t: %q", newest, keys)
		}
		for i, k := range keys {
			from, to := indexRange(order.Page{Newest: newest, After: placeIn(k, newest)})
			after := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k < from || k >= to })
			if diff := cmp.Diff(keys[i+1:], after); diff != "" {
				t.Errorf("after %q (-want +got):\n%s", k, diff)
			}
		}
	}
}

func TestAnOrderStandsWhereItsFirstEventPutsItThoughItWasHeardOfBefore(t *testing.T) {
	t.Parallel()
	table, b := startTable(t, 4, nil)
	f := filled{table, func(t *testing.T, r order.Row) { b.write(t, r.ID, encoded(t, r)) }}
	row := order.Park(order.Row{}, newID(), "aggregate/store.order/0/0", "a bug")
	f.place(t, row)
	row = order.Fold(row, order.Event{OrderID: row.ID, Type: "ORDER_REQUESTED", ID: "1", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	f.place(t, row)
	if diff := cmp.Diff([][]string{{row.ID}}, f.listed(t, order.Filter{}, order.Page{Limit: 5})); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

// full is a storage that has room for places, and for no row.
type full struct{ storage.Storage }

func (f full) Set(key string, value []byte) error {
	if !strings.HasPrefix(key, placed) {
		return errors.New("no room")
	}
	return f.Storage.Set(key, value)
}

// One that is there without its row is passed over; a row without its place would be in no
// list, for ever.
func TestARowsPlaceIsThereBeforeTheRow(t *testing.T) {
	s, row := storage.NewMemory(), rowOf(newID(), 1)
	if err := newest(nil, full{s}, row.ID, encoded(t, row)); err == nil {
		t.Error("it was stored where there is no room")
	}
	for _, key := range []string{oldestKey(order.PlaceOf(row)), newestKey(order.PlaceOf(row))} {
		if there, err := s.Has(key); err != nil || !there {
			t.Errorf("the place %q is there: %t, %v", key, there, err)
		}
	}
}

func TestATableThatWasKeptWithoutPlacesIsMadeAnew(t *testing.T) {
	t.Parallel()
	b, dir := startBrokers(t, 2), t.TempDir()
	var rows []order.Row
	for range 4 {
		rows = append(rows, rowOf(newID(), 1))
		b.write(t, rows[len(rows)-1].ID, encoded(t, rows[len(rows)-1]))
	}
	run := func(v stream.View) (stop func()) {
		client := b.open(dir)
		end := background(t, client.PrepareView(v))
		check(t, client.WaitRunning(patient(t)))
		return func() { end(); check(t, client.Close()) }
	}
	earlier := NewTable(nil).View()
	earlier.Layout, earlier.Callback = 0, newest
	for range 2 { // the second time it is all there
		run(earlier)()
	}
	table := NewTable(nil)
	defer run(table.View())()
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	if diff := cmp.Diff([][]string{ids}, filled{source: table}.listed(t, order.Filter{}, order.Page{Limit: 9})); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}
