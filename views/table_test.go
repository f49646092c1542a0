package views

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"simplecqrs/order"
)

func TestATableAnswersNothingBeforeItHasCaughtUpNorAfterItsEnd(t *testing.T) {
	t.Parallel()
	b := startBrokers(t, 4)
	row := rowOf(newID(), 2)
	b.write(t, row.ID, encoded(t, row))
	table := NewTable(nil)
	wantCatchingUp := func() {
		t.Helper()
		for name, get := range map[string]func() (order.Row, error){
			"Get":   func() (order.Row, error) { return table.Get(patient(t), row.ID) },
			"Await": func() (order.Row, error) { return table.Await(patient(t), row.ID, versionOf(2)) },
		} {
			if _, err := get(); order.KindOf(err) != order.Unavailable {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantCatchingUp()
	client := b.open("")
	stop := background(t, client.PrepareView(table.View()))
	// From the first answer on there is a row: it is never found missing.
	await(t, "an answer", func() bool {
		got, err := table.Get(patient(t), row.ID)
		if err != nil && order.KindOf(err) != order.Unavailable {
			t.Fatal(err)
		}
		return err == nil && cmp.Equal(row, got)
	})
	stop()
	check(t, client.Close())
	wantCatchingUp()
}

func TestATableThatIsReadyAnswersEver(t *testing.T) {
	t.Parallel()
	for range 5 {
		table, _ := startTable(t, 4, nil)
		if _, err := table.Get(patient(t), "ORD-B384F"); order.KindOf(err) != order.NotFound {
			t.Errorf("as soon as it runs: %v", err)
		}
	}
}

func TestATombstoneTakesNoOrderAway(t *testing.T) {
	t.Parallel()
	table, b := startTable(t, 1, nil)
	row, next := rowOf(newID(), 6), rowOf(newID(), 1)
	b.write(t, row.ID, encoded(t, row))
	b.write(t, row.ID, nil)
	b.write(t, next.ID, encoded(t, next))
	_, err := table.Await(patient(t), next.ID, versionOf(1))
	check(t, err)
	got, err := table.Get(patient(t), row.ID)
	check(t, err)
	if diff := cmp.Diff(row, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func TestARecordThatCannotBeReadIsOurFailureAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	var told notes
	table, b := startTable(t, 1, func(r order.Row) { told.add(labels(r)[0]) })
	bad, running, next := newID(), rowOf(newID(), 5), rowOf(newID(), 6)
	b.write(t, bad, []byte("\x00garbage"))
	b.write(t, running.ID, encoded(t, running))
	b.write(t, next.ID, encoded(t, next))
	_, err := table.Await(patient(t), next.ID, versionOf(6))
	check(t, err)
	if _, err := table.Get(patient(t), bad); err == nil || order.KindOf(err) != 0 {
		t.Errorf("got %v", err)
	}
	await(t, "the table to tell of the order that has ended, and of nothing else", func() bool { return cmp.Equal(labels(next), told.get()) })
}

// Not parallel, as goroutines of other tests would be counted.
func TestATableThatHasEndedLeavesNothingBehind(t *testing.T) {
	b, row := startBrokers(t, 2), rowOf(newID(), 2)
	b.write(t, row.ID, encoded(t, row))
	cycle := func() {
		client, table := b.open(""), NewTable(nil)
		stop := background(t, client.PrepareView(table.View()))
		check(t, client.WaitRunning(patient(t)))
		ctx, cancel := context.WithCancel(patient(t))
		seen, ended := filled{source: table}.waiting(ctx, row.ID, versionOf(3))
		receive(t, "a look at the row", seen)
		cancel()
		receive(t, "the end of the wait", ended)
		stop()
		check(t, client.Close())
	}
	cycle()
	before := goleak.IgnoreCurrent()
	cycle()
	wantNoneLeft(t, before)
}
