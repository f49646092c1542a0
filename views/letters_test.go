package views

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// box is an index, and the topic that it is made of.
type box struct {
	*Letters
	topic []stream.Raw
}

func newBox() *box {
	b := &box{}
	b.Letters = NewLetters(slog.New(slog.DiscardHandler), func(_ context.Context, places ...stream.Place) (found []stream.Raw, err error) {
		for _, p := range places {
			found = append(found, b.topic[p.Offset])
		}
		return found, nil
	})
	b.begin()
	return b
}

// post adds a letter to the topic.
func (b *box) post(l codecs.Letter) {
	r := stream.Raw{Partition: 1, Offset: int64(len(b.topic)), Key: []byte(l.Key), Value: l.Value, Headers: codecs.HeadersOfLetter(l)}
	b.topic = append(b.topic, r)
	b.each(r)
}

func lost(role, id string, offset int64) codecs.Letter {
	return codecs.Letter{
		Role: role, Topic: codecs.StoreOrder, Partition: 1, Offset: offset, Written: time.UnixMilli(1).UTC(), Tries: 1, Key: id,
		Reason: "panic: no\ngoroutine", Value: []byte("x"), Headers: codecs.Headers{"h": []byte("y")},
	}
}

func inTurn(l codecs.Letter) codecs.Letter { l.Parked = true; return l }

func resolved(l codecs.Letter) codecs.Letter {
	l.Value, l.Headers, l.Resolved, l.Time = nil, nil, codecs.Redriven, time.UnixMilli(2)
	return l
}

func (b *box) ids(t *testing.T, id, role string) (ids []string) {
	t.Helper()
	after := ""
	for {
		page, next, err := b.List(id, role, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page {
			ids = append(ids, l.ID())
		}
		if after = next; after == "" {
			return ids
		}
	}
}

func TestTheIndexHoldsTheOpenLetters(t *testing.T) {
	b := newBox()
	if _, _, err := b.List("", "", "", 1); order.KindOf(err) != order.Unavailable {
		t.Errorf("before it has caught up a list gives %v", err)
	}
	if _, err := b.Get(lost("saga", "A", 1).ID()); order.KindOf(err) != order.Unavailable {
		t.Errorf("before it has caught up a letter gives %v", err)
	}
	b.post(inTurn(lost("saga", "A", 7)))
	b.post(lost("aggregate", "A", 3))
	b.post(inTurn(lost("saga", "B", 8)))
	b.post(inTurn(lost("saga", "A", 9)))
	b.topic = append(b.topic, stream.Raw{})
	b.each(stream.Raw{Key: []byte("garbage")})
	b.post(resolved(lost("saga", "B", 8)))
	b.caughtUp()
	all := []string{"saga/store.order/1/7", "aggregate/store.order/1/3", "saga/store.order/1/9"}
	for _, c := range []struct {
		order, role string
		want        []string
	}{
		{"", "", all}, {"A", "", all}, {"", "saga", []string{all[0], all[2]}}, {"A", "aggregate", all[1:2]}, {"B", "", nil}, {"", "sag", nil},
	} {
		if diff := cmp.Diff(c.want, b.ids(t, c.order, c.role)); diff != "" {
			t.Errorf("of %q and %q (-want +got):\n%s", c.order, c.role, diff)
		}
	}
	if _, _, err := b.List("", "", "x", 1); order.KindOf(err) != order.Invalid {
		t.Errorf("a place that is none gives %v", err)
	}

	if n := b.Open(); n != len(all) {
		t.Errorf("%d are open, want %d", n, len(all))
	}

	// It fails once more, and keeps its place.
	again := inTurn(lost("saga", "A", 7))
	again.Tries, again.Reason = 2, "still no"
	b.post(again)
	if diff := cmp.Diff(all, b.ids(t, "", "")); diff != "" {
		t.Errorf("after another try (-want +got):\n%s", diff)
	}
	got, err := b.Get(all[0])
	if err != nil || got.Tries != 2 || got.Reason != "still no" || !got.Parked {
		t.Errorf("it is %+v, %v", got, err)
	}
	found, err := b.Read(t.Context(), all[0], all[1], "saga/store.order/1/8")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]codecs.Letter{all[0]: again, all[1]: lost("aggregate", "A", 3)}, found); diff != "" {
		t.Errorf("with their bytes (-want +got):\n%s", diff)
	}
	if _, err := b.Get("saga/store.order/1/8"); order.KindOf(err) != order.NotFound {
		t.Errorf("one that is resolved gives %v", err)
	}

	// A new life knows nothing of the one before.
	b.begin()
	b.caughtUp()
	if got := b.ids(t, "", ""); got != nil {
		t.Errorf("begun anew it has %v", got)
	}
}

func TestLettersOfAnOrderHaveTheirTurn(t *testing.T) {
	b := newBox()
	b.caughtUp()
	late := lost("saga", "A", 2) // it gets its turn by a redrive
	b.post(late)
	b.post(inTurn(lost("saga", "A", 5)))
	b.post(inTurn(lost("aggregate", "A", 5)))
	b.post(inTurn(lost("saga", "A", 6)))
	b.post(inTurn(late))
	b.post(inTurn(lost("saga", "A", 5))) // a copy
	want := []string{"saga/store.order/1/5", "saga/store.order/1/6", "saga/store.order/1/2"}
	turns := func(id string) []string {
		ids, err := b.Turns(id, "saga")
		if err != nil {
			t.Error(err)
		}
		return ids
	}
	if diff := cmp.Diff(want, turns("A")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, b.ids(t, "A", "saga")); diff != "" {
		t.Errorf("in the list (-want +got):\n%s", diff)
	}
	b.post(resolved(lost("saga", "A", 5)))
	if diff := cmp.Diff(want[1:], turns("A")); diff != "" {
		t.Errorf("after the first (-want +got):\n%s", diff)
	}
	if got := turns("B"); got != nil {
		t.Errorf("of another order: %v", got)
	}
	b.begin()
	if _, err := b.Turns("A", "saga"); order.KindOf(err) != order.Unavailable {
		t.Errorf("while it is read again: %v", err)
	}
}

func TestWhoeverWatchesALetterIsToldWhatBecomesOfIt(t *testing.T) {
	b := newBox()
	l := lost("saga", "A", 2)
	next, leave := b.Watch(l.ID())
	b.post(l) // an old tale
	b.caughtUp()
	b.post(lost("saga", "A", 3))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := next(ended); err == nil {
		t.Errorf("told of nothing it says %+v", got)
	}
	b.post(resolved(l))
	b.post(l)
	if got, err := next(t.Context()); err != nil || got.Resolved != codecs.Redriven {
		t.Errorf("it says %+v, %v", got, err)
	}
	leave()
	if len(b.watchers) > 0 {
		t.Errorf("%d still watch", len(b.watchers))
	}
}

func TestWhatHasBecomeOfALetterIsToldEvenWhenTheTimeIsOver(t *testing.T) {
	b := newBox()
	l := lost("saga", "A", 2)
	b.post(l)
	b.caughtUp()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // of two things that are ready select takes any
		next, leave := b.Watch(l.ID())
		b.post(l)
		b.post(resolved(l))
		if got, err := next(ended); err != nil {
			t.Errorf("it says %+v, %v", got, err)
		}
		leave()
	}
}

func TestALetterThatCouldNotBeDiscardedIsOpen(t *testing.T) {
	b := newBox()
	l := lost("saga", "A", 2)
	b.post(l)
	b.caughtUp()
	next, leave := b.Watch(l.ID())
	defer leave()
	stays := resolved(l)
	stays.Resolved = codecs.Stays
	b.post(stays)
	if got, err := next(t.Context()); err != nil || got.Resolved != codecs.Stays {
		t.Errorf("it says %+v, %v", got, err)
	}
	found, err := b.Read(t.Context(), l.ID())
	if err != nil || string(found[l.ID()].Value) != "x" {
		t.Errorf("there is %+v, %v", found, err)
	}
}

// A flood of letters is the time at which the index is needed. What the tests before this
// one leave to the collector may go at any moment: the median of three is told.
func TestAnOpenLetterCostsFewBytes(t *testing.T) {
	const n = 20_000
	var b *box
	measure := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var each []int64
	for range 3 {
		b = newBox()
		before := measure()
		for i := range n {
			l := inTurn(lost("saga", fmt.Sprintf("ORD-%026d", i), int64(i)))
			l.Value, l.Reason = make([]byte, 300), strings.Repeat("long ", 40)
			b.each(stream.Raw{Partition: 1, Offset: int64(i), Key: []byte(l.Key), Value: l.Value, Headers: codecs.HeadersOfLetter(l)})
		}
		each = append(each, (measure()-before)/n)
		runtime.KeepAlive(b)
	}
	t.Logf("%d bytes each", each)
	slices.Sort(each)
	if each[1] < 1 || each[1] > 400 {
		t.Errorf("an open letter takes %d bytes", each[1])
	}
	for i := range n {
		b.each(stream.Raw{Partition: 1, Headers: codecs.HeadersOfLetter(resolved(lost("saga", "", int64(i))))})
	}
	if len(b.open)+len(b.turns) > 0 {
		t.Errorf("%d letters and %d orders are kept after all are resolved", len(b.open), len(b.turns))
	}
}
