package processors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// crowded is nearly the largest record that store.order takes, a good part of it
// in headers.
func crowded(id string) record {
	r := record{key: id, headers: codecs.Headers{}}
	for i := range 2000 {
		r.headers[fmt.Sprintf("h%04d", i)] = []byte(strings.Repeat("x", 100))
	}
	r.value = []byte(strings.Repeat("x", maxStored-2000*110-100))
	return r
}

// bomb is far larger than any topic takes, until it is compressed.
func bomb(id string) record {
	return record{key: id, value: make([]byte, 12<<20), headers: codecs.Headers{"who": []byte("a stranger")}}
}

// Poison of all kinds lies in each partition, under the key of an order that goes
// on and, at last, before another's first event.
func TestPoisonStopsNoPartition(t *testing.T) {
	w := newWorld(t)
	w.run(roles{})
	type expected struct {
		record *kgo.Record
		reason string
	}
	var want []expected
	var orders []string
	for p := range int32(partitions) {
		good := ids(p, 2)
		orders = append(orders, good...)
		w.write(w.kafka, p, bare(good[0]))
		for _, m := range misfits(good[0]) {
			want = append(want, expected{w.write(w.kafka, p, m.record), m.reason})
		}
		twice := recordOf(request(ids((p+1)%partitions, 1)[0], order.Detail))
		twice.headers[codecs.HeaderMoved] = []byte("store.order/9/9")
		want = append(
			want,
			expected{w.write(w.kafka, p, crowded(good[0])), "allowed"},
			expected{w.write(w.packed, p, bomb(good[0])), "cut from a key of 9, a value of 12582912 and headers of 29 bytes: the value has"},
			expected{w.write(w.kafka, p, twice), "in the wrong partition, although moved there from store.order/9/9"},
		)
		w.write(w.kafka, p, bare(good[1]))
	}
	w.settled()

	rows := w.rows()
	differ(t, "the orders", slices.Sorted(slices.Values(orders)), slices.Sorted(maps.Keys(rows)))
	for _, row := range rows {
		w.complete(row)
	}
	letters := w.letters()
	for _, one := range want {
		r := one.record
		wanted := codecs.Letter{
			Role: RoleAggregate, Tries: 1, Topic: codecs.StoreOrder, Partition: r.Partition, Offset: r.Offset,
			Written: r.Timestamp.UTC(), Key: string(r.Key), Value: r.Value, Headers: headersOf(r),
		}
		l, found := letters[wanted.ID()]
		if !found {
			t.Errorf("no letter tells of %.100q: want one with %q", r.Value, one.reason)
			continue
		}
		if !strings.Contains(l.Reason, one.reason) {
			t.Errorf("the reason is %q, want %q", l.Reason, one.reason)
		}
		if strings.HasPrefix(one.reason, "cut ") {
			wanted.Value = wanted.Value[:maxKept/3]
		}
		l.Reason = ""
		differ(t, "the letter", wanted, l)
	}
	differ(t, "the number of letters", len(want), len(letters))
	differ(t, "the letters counted", float64(len(want)), figures(t, w.registry)["simplecqrs_dead_letters_total aggregate"])
}

// Each of three orders of a partition makes another role fail, a fourth none.
func TestPanicsStopNoPartition(t *testing.T) {
	const fold, decide, pay, good = 0, 1, 2, 3
	kind := map[string]int{}
	for p := range int32(partitions) {
		for i, id := range ids(p, 4) {
			kind[id] = i
		}
	}
	w := newWorld(t)
	w.run(roles{
		worker: does(func(ctx context.Context, r Request) (order.JSON, error) {
			if kind[r.OrderID] == pay && r.Step == order.Payment {
				panic("no bank")
			}
			return Echo{}.Do(ctx, r)
		}),
		decide: func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			if done, ok := in.(saga.StepCompleted); ok && kind[done.OrderID] == decide {
				panic("no decision")
			}
			return saga.Decide(s, in)
		},
		fold: func(r order.Row, e order.Event) order.Row {
			if kind[e.OrderID] == fold && e.Type == "ORDER_COMPLETED" {
				panic("no fold")
			}
			return order.Fold(r, e)
		},
	})
	for id := range kind {
		w.write(w.kafka, stream.Partition(id, partitions), bare(id))
	}
	w.settled()

	rows, found := w.rows(), map[string][]string{}
	letters := slices.SortedFunc(maps.Values(w.letters()), func(a, b codecs.Letter) int { return int(a.Offset - b.Offset) })
	for _, l := range letters {
		e, err := codecs.Read(l.Key, l.Value, l.Headers, noon)
		check(t, err)
		reason, _, _ := strings.Cut(l.Reason, "\n")
		found[l.Key] = append(found[l.Key], fmt.Sprintf("%s on %s: %s", l.Role, e.Type, reason))
	}
	want := map[string][]string{}
	for id, k := range kind {
		switch k {
		case fold:
			differ(t, "parked", "panic: no fold", rows[id].Meta.Parked)
			const behind = ": behind an event that could not be folded: panic: no fold"
			want[id] = []string{
				"aggregate on ORDER_COMPLETED: panic: no fold",
				"aggregate on PAYMENT_REQUESTED" + behind, "aggregate on PAYMENT_COMPLETED" + behind,
				"aggregate on MAIL_REQUESTED" + behind, "aggregate on MAIL_COMPLETED" + behind,
			}
		case decide:
			want[id] = []string{"saga on ORDER_COMPLETED: panic: no decision"}
		case pay:
			want[id] = []string{"payment on PAYMENT_REQUESTED: panic: no bank"}
		case good:
			w.complete(rows[id])
		}
	}
	differ(t, "the letters", want, found)
}

func TestARecordInTheWrongPartitionIsSentOnAndHandled(t *testing.T) {
	w := newWorld(t)
	w.run(roles{})
	var moved []string
	for p := range int32(partitions) {
		id := ids((p+1)%partitions, 1)[0]
		moved = append(moved, fmt.Sprintf("%s from store.order/%d/0", id, p))
		w.write(w.kafka, p, bare(id))
	}
	w.settled()
	rows := w.rows()
	differ(t, "the number of rows", partitions, len(rows))
	for _, row := range rows {
		w.complete(row)
	}
	var found []string
	for _, r := range w.records(codecs.StoreOrder) {
		if from, ok := headersOf(r)[codecs.HeaderMoved]; ok {
			found = append(found, fmt.Sprintf("%s from %s", r.Key, from))
			differ(t, "where it is sent", stream.Partition(string(r.Key), partitions), r.Partition)
		}
	}
	differ(t, "what is sent on", slices.Sorted(slices.Values(moved)), slices.Sorted(slices.Values(found)))
	differ(t, "letters", 0, len(w.letters()))
}

func TestTheRolesUseNoTopicsButOurs(t *testing.T) {
	w := newWorld(t)
	before := w.topics()
	for _, name := range []string{"store.order", "view.order", "saga.order", "saga.timers", "deadletter.order"} {
		if !slices.Contains(before, name) {
			t.Errorf("%s is not made", name)
		}
	}
	w.run(roles{})
	w.write(w.kafka, stream.Partition(known, partitions), bare(known))
	w.settled()
	differ(t, "the topics", before, w.topics())
	w.complete(w.rows()[known])
	states := 0
	for _, r := range w.records("saga.order") {
		if string(r.Key) == known {
			states++
		}
	}
	differ(t, "what saga.order got of the order", len(happy), states)
	check(t, w.client.CheckTopics(w.context(), Topics(partitions, 1)))
}
