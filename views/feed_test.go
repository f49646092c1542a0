package views

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

// feeding is a process that feeds a sink.
type feeding struct {
	sink *Sink
	said *journal
	// drain ends the sink, with all that it has written reported. stop ends the
	// view, and lets go of its offsets.
	drain, stop func()
}

// feed starts one that keeps its offsets in dir.
func (b *brokers) feed(t *testing.T, dir string, w Writer) *feeding {
	t.Helper()
	f := &feeding{said: &journal{}}
	client := b.open(dir)
	f.sink = NewSink(w, f.said.logger())
	f.drain = background(t, f.sink.Run)
	prepared := make(chan func(context.Context), 1)
	end := background(t, func(ctx context.Context) {
		run := client.PrepareView(Feed(ctx, f.sink, f.said.logger()))
		prepared <- run
		run(ctx)
		check(t, client.Close())
	})
	<-prepared
	check(t, client.WaitRunning(patient(t)))
	f.stop = end
	return f
}

// shelf is a Writer that keeps what it is given.
type shelf struct{ rows notes }

func (s *shelf) Write(_ context.Context, rows []order.Row) error {
	for _, l := range labels(rows...) {
		s.rows.add(l)
	}
	return nil
}

// holds waits until the shelf has a row, and gives all that it has.
func (s *shelf) holds(t *testing.T, row order.Row) []string {
	t.Helper()
	label := labels(row)[0]
	await(t, label+" at the writer", func() bool { return slices.Contains(s.rows.get(), label) })
	return s.rows.get()
}

func TestRowsThatTheSinkDidNotAcknowledgeComeAgainAndNoOthers(t *testing.T) {
	t.Parallel()
	b, dir, d := startBrokers(t, 1), t.TempDir(), newDesk()
	first := b.feed(t, dir, d)
	rows := make([]order.Row, 5)
	for i := range rows {
		rows[i] = rowOf(newID(), 1)
	}
	put := func(r order.Row) { b.write(t, r.ID, encoded(t, r)) }
	// An answer frees the desk for the next write only after the rows are done.
	put(rows[0])
	receive(t, "the first row", d.writes)
	put(rows[1])
	d.answers <- nil
	receive(t, "the second row", d.writes)
	put(rows[2])
	await(t, "the third row to be pending", func() bool {
		first.sink.mu.Lock()
		defer first.sink.mu.Unlock()
		return len(first.sink.pending) == 1
	})
	first.stop()
	// Late, and of no account to the process that has the offsets next.
	d.answers <- nil
	if diff := cmp.Diff(labels(rows[2]), receive(t, "the third row", d.writes)); diff != "" {
		t.Errorf("the last write (-want +got):\n%s", diff)
	}
	d.answers <- nil

	var later shelf
	second := b.feed(t, dir, &later)
	put(rows[3])
	if diff := cmp.Diff(labels(rows[1:4]...), later.holds(t, rows[3])); diff != "" {
		t.Errorf("rows that came in the second life (-want +got):\n%s", diff)
	}
	second.drain()
	second.stop()

	var last shelf
	b.feed(t, dir, &last)
	put(rows[4])
	if diff := cmp.Diff(labels(rows[4]), last.holds(t, rows[4])); diff != "" {
		t.Errorf("rows that came in the third life (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoRowIsPassedOverAndDoesNotComeAgain(t *testing.T) {
	t.Parallel()
	b, dir := startBrokers(t, 1), t.TempDir()
	good, last := rowOf(newID(), 2), rowOf(newID(), 1)
	b.write(t, good.ID, encoded(t, good))
	for _, value := range []string{"\x00garbage", "", "{}", `"text"`} {
		b.write(t, good.ID, []byte(value))
	}
	tombstone := b.write(t, good.ID, nil)
	b.write(t, last.ID, encoded(t, last))

	var first, second shelf
	life := b.feed(t, dir, &first)
	if diff := cmp.Diff(labels(good, last), first.holds(t, last)); diff != "" {
		t.Errorf("rows that came (-want +got):\n%s", diff)
	}
	for offset := int64(1); offset < tombstone.Offset; offset++ {
		place := fmt.Sprintf(" order=%s record.partition=0 record.offset=%d", good.ID, offset)
		if lines := life.said.lines("level=ERROR", "no row", "error=", place); len(lines) != 1 {
			t.Errorf("of record %d it said %q", offset, lines)
		}
	}
	if lines := life.said.lines("level=WARN", "tombstone", fmt.Sprint("record.offset=", tombstone.Offset)); len(lines) != 1 {
		t.Errorf("of the tombstone it said %q", lines)
	}
	life.drain()
	life.stop()

	life = b.feed(t, dir, &second)
	next := rowOf(newID(), 1)
	b.write(t, next.ID, encoded(t, next))
	if diff := cmp.Diff(labels(next), second.holds(t, next)); diff != "" {
		t.Errorf("rows that came in the next life (-want +got):\n%s", diff)
	}
	if lines := life.said.lines(); len(lines) > 0 {
		t.Errorf("in the next life it said %q", lines)
	}
}

func TestAFeedWhoseSinkIsFullEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	b, dir := startBrokers(t, 2), t.TempDir()
	life := b.feed(t, dir, &shelf{})
	life.drain() // nobody makes room any more
	for i := range maxPending {
		check(t, life.sink.Put(t.Context(), shortRow(fmt.Sprint(i), 1), func() {}))
	}
	row := rowOf(newID(), 1)
	b.write(t, row.ID, encoded(t, row))
	await(t, "the feed to wait for room", func() bool {
		life.sink.mu.Lock()
		defer life.sink.mu.Unlock()
		return life.sink.room != nil
	})
	life.stop()

	var later shelf
	b.feed(t, dir, &later)
	later.holds(t, row)
}
