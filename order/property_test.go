package order_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

const seeds = 500

// Whoever reads a log at least once reads it so: on from some place, then back to
// an earlier one, any number of times, and to the end at last.
func replay(r *rand.Rand, log []order.Event) []order.Event {
	var read []order.Event
	for next := 0; next < len(log); {
		read = append(read, log[next])
		next++
		if r.IntN(4) == 0 {
			next = r.IntN(next + 1)
		}
	}
	return read
}

func TestAnyDuplicationAndReplayOfALogGivesTheRowOfTheLog(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 1))
		log := anyLog(r)
		want, read := fold(log...), replay(r, log)
		if diff := cmp.Diff(want, fold(read...)); diff != "" {
			t.Fatalf("seed %d: %d events read as %d (-log +replay):\n%s", seed, len(log), len(read), diff)
		}
		if n := len(log); want.Meta.Version != int64(n) || len(want.Meta.History) != n {
			t.Fatalf("seed %d: %d events give version %d and a history of %d", seed, n, want.Meta.Version, len(want.Meta.History))
		}
	}
}

func TestAnyEventCanBeFoldedAndARowNeverGoesBack(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 2))
		var row order.Row
		for _, e := range replay(r, anyLog(r)) {
			next := order.Fold(row, e)
			if next.Meta.UpdatedAt.Before(row.Meta.UpdatedAt) || next.Meta.Version < row.Meta.Version ||
				row.Meta.Status.Ended() && next.Meta.Status != row.Meta.Status && next.Meta.Status != e.Status ||
				next.Meta.Status == "" || next.Meta.Paused && next.Meta.Status.Ended() {
				t.Fatalf("seed %d: %+v became %+v", seed, row.Meta, next.Meta)
			}
			row = next
		}
	}
}

// anyLog is a log that need not make sense: no id twice, all else at random.
func anyLog(r *rand.Rand) []order.Event {
	log := make([]order.Event, r.IntN(12))
	for i := range log {
		log[i] = anyEvent(r)
		log[i].ID = fmt.Sprint(i)
	}
	return log
}

func anyEvent(r *rand.Rand) order.Event {
	e := order.Event{
		OrderID: pick(r, id, id, "", "\xff"),
		Type: pick(r, order.Type("ORDER_REQUESTED"), "ORDER_COMPLETED", "PAYMENT_REQUESTED", "PAYMENT_COMPLETED",
			"PAYMENT_FAILED", "MAIL_REQUESTED", "MAIL_COMPLETED", "ORDER_FAILED", "SHIPPING_COMPLETED",
			"ORDER_PAUSED", "ORDER_RESUMED", "ORDER_SCHEDULED", "ORDER_CANCEL_REQUESTED", "MAIL_SKIPPED", "MAIL_TIMED_OUT",
			"PAYMENT_COMPENSATED", "ORDER_FINISHED", "", "_", "_COMPLETED", "ID_COMPLETED", "\xff_\x00"),
		ID:      fmt.Sprint(r.IntN(8)),
		Time:    at(r.IntN(60)),
		Attempt: pick(r, 1, 2, 0, -1),
		Status:  pick(r, append(order.Statuses(), "", "", "", "", "", "", "", "else")...),
		Outcome: pick(r, order.Status(""), "", "", order.StatusCompleted, order.StatusFailed, order.StatusRunning, "else"),
	}
	for _, s := range []order.Step{order.Detail, order.Payment, order.Mail, "SHIPPING", ""} {
		if r.IntN(2) == 0 {
			if e.Outputs == nil {
				e.Outputs = map[order.Step]order.JSON{}
			}
			e.Outputs[s] = pick(r, order.JSON(`{}`), order.JSON(`"a"`), nil, bytes.Repeat([]byte("["), 3))
		}
	}
	return e
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
