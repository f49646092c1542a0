package views

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

// source is what queries are answered from, whichever it is.
type source interface {
	Get(ctx context.Context, id string) (order.Row, error)
	Await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error)
	List(ctx context.Context, f order.Filter, p order.Page) ([]order.Row, order.Place, error)
}

// filled is a source and the way in.
type filled struct {
	source
	put func(*testing.T, order.Row)
}

// arrived gives the row of an order once it has at least the version.
func (f filled) arrived(t *testing.T, id string, version int64) order.Row {
	t.Helper()
	row, err := f.Await(patient(t), id, versionOf(version))
	check(t, err)
	return row
}

func TestTheTableAnswersAsASourceDoes(t *testing.T) {
	t.Parallel()
	table, b := startTable(t, 4, nil)
	conform(t, filled{table, func(t *testing.T, r order.Row) { b.write(t, r.ID, encoded(t, r)) }})
	table.changes.mu.Lock()
	defer table.changes.mu.Unlock()
	if n := len(table.changes.watchers); n > 0 {
		t.Errorf("%d orders are watched when nobody waits", n)
	}
}

func TestMongoAnswersAsASourceDoes(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	conform(t, filled{m, func(t *testing.T, r order.Row) {
		t.Helper()
		check(t, m.Write(patient(t), []order.Row{r}))
	}})
}

// conform holds a source to what all sources promise.
func conform(t *testing.T, f filled) {
	t.Run("an order that is not there is not found, in the seed's words", f.unknown)
	t.Run("a row comes back as it was, to the byte", f.exact)
	t.Run("a newer row replaces an older", f.newer)
	t.Run("Await gives what holds already at once", f.already)
	t.Run("Await gives the first row for which it holds", f.change)
	t.Run("Await gives the latest row and the context's error when that ends", f.end)
	t.Run("Await is asked for one order by many", f.many)
	t.Run("a list goes by when orders were placed, page by page, to its end", f.pages)
	t.Run("a list goes on where it was, whatever is written meanwhile", f.steady)
	t.Run("a list holds what its filter matches, and nothing else", f.filters)
	t.Run("a list leaves out what the filter no longer matches", f.moved)
	t.Run("a page holds no more than memory has room for", f.large)
	t.Run("a list ends with its context", f.hurried)
}

func (f filled) unknown(t *testing.T) {
	row, err := f.Get(patient(t), "ORD-B384F")
	if order.KindOf(err) != order.NotFound || err.Error() != "no order found for ORD-B384F" {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(order.Row{}, row); diff != "" {
		t.Errorf("and a row (-want +got):\n%s", diff)
	}
}

func (f filled) exact(t *testing.T) {
	for name, change := range oddities {
		t.Run(name, func(t *testing.T) {
			want := rowOf(newID(), 6)
			change(&want)
			want = transmitted(t, want)
			f.put(t, want)
			got := f.arrived(t, want.ID, want.Meta.Version)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(string(codecs.Answer(want)), string(codecs.Answer(got))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			// In which zone a time was said is not compared above.
			if diff := cmp.Diff(string(encoded(t, want)), string(encoded(t, got))); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
		})
	}
}

// transmitted is a row as it comes from view.order, which is how a source gets it.
func transmitted(t *testing.T, r order.Row) order.Row {
	t.Helper()
	decoded, err := codecs.Row{}.Decode(encoded(t, r))
	check(t, err)
	row, ok := decoded.(order.Row)
	if !ok {
		t.Fatalf("the codec gives %v", decoded)
	}
	return row
}

// oddities are what makes a row hard to keep.
var oddities = map[string]func(*order.Row){
	"nothing": func(*order.Row) {},
	"a history with reasons and causes": func(r *order.Row) {
		r.Meta.History[3] = order.Entry{
			ID: "x\x00\"\\<é", Type: "PAYMENT_FAILED", Time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
			Attempt: 7, Causation: "ORD/1", Reason: "no funds:\n\u2028 \U0001f4b8 <&>",
		}
		r.Meta.Status, r.Meta.Final, r.Meta.Outcome = order.StatusFailed, "", ""
	},
	"parked": func(r *order.Row) { *r = order.Park(*r, r.ID, "store.order/0/7", "PAYMENT_COMPLETED: it panicked\x00") },
	"times at the ends of the calendar": func(r *order.Row) {
		r.Meta.CreatedAt = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
		r.Meta.UpdatedAt = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	},
	"no outputs": func(r *order.Row) { r.Outputs = nil },
	"more steps": outputs("SHIPPING", `{"by":"sea"}`, "A", `1`, "Z9", `null`),
	// Names that the document has for itself.
	"steps named as members are": outputs("ROW", `"row"`, "VERSION", `-1`, "STATUS", `{}`, "CREATEDAT", `[]`),
	"the largest version":        func(r *order.Row) { r.Meta.Version = 1<<63 - 1 },
	"types that nobody knows": func(r *order.Row) {
		r.Type = "$x.y \x00 \U0001f4e6"
		r.Meta.History[5].Type = r.Type
		r.Meta.Status = "\x00$"
	},
	"deep nesting":               outputs("ORDER", strings.Repeat("[", 500)+strings.Repeat("]", 500)),
	"deep objects":               outputs("ORDER", strings.Repeat(`{"a":`, 500)+"0"+strings.Repeat("}", 500)),
	"arrays in arrays":           outputs("ORDER", `[[1,[2]],{"a":[[]]}]`),
	"numbers":                    outputs("ORDER", `[1e400,-1e400,1e308,9223372036854775808,12345678901234567890123,0.1,-0,-0.0,1E5,1.0]`),
	"a number that is none":      outputs("ORDER", `1e999`),
	"NUL":                        outputs("ORDER", `{"a\u0000b":"c\u0000d"}`),
	"keys with dollars and dots": outputs("ORDER", `{"$max":{"order":1},"a.b":2,"$":3,".":4,"__proto__":5,"_id":6}`),
	"a key twice":                outputs("ORDER", `{"a":1,"a":2}`),
	"the empty key":              outputs("ORDER", `{"":{"":0}}`),
	"unicode":                    outputs("ORDER", `{"żółć":"\ud83d\ude00 😀 \u2028 ﷽","\ud800":"\udfff"}`),
	"bytes that are no UTF-8":    outputs("ORDER", "{\"a\xff\":\"\xc3\x28\"}"),
	"more than a document shows": outputs("ORDER", "["+strings.Repeat("0,", 40_000)+"0]"),
}

// outputs adds outputs: a step's name, its JSON, and so on.
func outputs(pairs ...string) func(*order.Row) {
	return func(r *order.Row) {
		for i := 0; i < len(pairs); i += 2 {
			r.Outputs[order.Step(pairs[i])] = order.JSON(pairs[i+1])
		}
	}
}

func (f filled) newer(t *testing.T) {
	id := newID()
	for n := 1; n <= len(happy); n++ {
		want := rowOf(id, n)
		f.put(t, want)
		f.arrived(t, id, int64(n))
		got, err := f.Get(patient(t), id)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after event %d (-want +got):\n%s", n, diff)
		}
	}
}

func (f filled) already(t *testing.T) {
	id := newID()
	f.put(t, rowOf(id, 3))
	f.arrived(t, id, 3)
	asked := 0
	row, err := f.Await(patient(t), id, func(order.Row) bool { asked++; return true })
	check(t, err)
	if row.Meta.Version != 3 || asked != 1 {
		t.Errorf("version %d, after %d looks", row.Meta.Version, asked)
	}
}

// outcome is what Await gave.
type outcome struct {
	row order.Row
	err error
}

// waiting has somebody wait for an order, who tells of each version that he sees
// and, in the end, of the outcome.
func (f filled) waiting(ctx context.Context, id string, until func(order.Row) bool) (seen chan int64, ended chan outcome) {
	seen, ended = make(chan int64, 1000), make(chan outcome, 1)
	go func() {
		row, err := f.Await(ctx, id, func(r order.Row) bool {
			select {
			case seen <- r.Meta.Version:
			default: // the test has seen enough
			}
			return until(r)
		})
		ended <- outcome{row, err}
	}()
	return seen, ended
}

func (f filled) change(t *testing.T) {
	id := newID()
	seen, ended := f.waiting(patient(t), id, versionOf(4))
	f.put(t, rowOf(id, 2)) // there was none when the wait began, or it is just beginning
	if v := receive(t, "a look at the row", seen); v != 2 {
		t.Errorf("saw version %d", v)
	}
	f.put(t, rowOf(id, 4))
	got := receive(t, "the end of the wait", ended)
	check(t, got.err)
	if diff := cmp.Diff(rowOf(id, 4), got.row); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func (f filled) end(t *testing.T) {
	id := newID()
	never := func(order.Row) bool { return false }
	for _, c := range []struct {
		name string
		want order.Row
		with func(context.Context) (context.Context, context.CancelFunc)
		err  error
	}{
		{"nothing there, cancelled", order.Row{}, context.WithCancel, context.Canceled},
		{"a row there, cancelled", rowOf(id, 5), context.WithCancel, context.Canceled},
		{"a row there, the time is over", rowOf(id, 5), func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 300*time.Millisecond)
		}, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := c.with(patient(t))
			defer cancel()
			if c.want.ID != "" {
				f.put(t, c.want)
				f.arrived(t, id, c.want.Meta.Version)
			}
			seen, ended := f.waiting(ctx, id, never)
			if c.want.ID != "" {
				receive(t, "a look at the row", seen)
			}
			if errors.Is(c.err, context.Canceled) {
				cancel()
			}
			got := receive(t, "the end of the wait", ended)
			if !errors.Is(got.err, c.err) {
				t.Errorf("error %v, want %v", got.err, c.err)
			}
			if diff := cmp.Diff(c.want, got.row); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
}

func (f filled) many(t *testing.T) {
	id := newID()
	f.put(t, rowOf(id, 1))
	f.arrived(t, id, 1)
	var all sync.WaitGroup
	defer all.Wait()
	hurried, leave := context.WithCancel(patient(t))
	for i := range 18 {
		version := int64(2 + i%5)
		ctx, done := patient(t), error(nil)
		if i%6 == 5 { // some leave, which is nothing to the others
			ctx, version, done = hurried, 100, context.Canceled
		}
		seen, ended := f.waiting(ctx, id, versionOf(version))
		receive(t, "a look at the row", seen)
		all.Go(func() {
			got := receive(t, "the end of a wait", ended)
			if !errors.Is(got.err, done) || done == nil && got.row.Meta.Version < version {
				t.Errorf("waiting for version %d gave %d, %v", version, got.row.Meta.Version, got.err)
			}
		})
	}
	leave()
	for n := 2; n <= len(happy); n++ {
		f.put(t, rowOf(id, n))
	}
}
