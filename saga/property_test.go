package saga_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

const seeds = 1000

var plans = []saga.Definition{
	saga.Default(), onlyOrder, shipping,
	{Version: 4, Steps: []order.Step{order.Detail, order.Payment, "PACKING", "SHIPPING", order.Mail}},
}

// anyLife is an order's inputs in their order: as far as it got, and how it ended.
func anyLife(r *rand.Rand, d saga.Definition) trace {
	life := trace{requestedFor(d)}
	for _, s := range d.Steps {
		switch r.IntN(6) {
		case 0:
			return life
		case 1:
			return append(life, declined(s))
		}
		life = append(life, completed(s))
	}
	return life
}

// disturbed is the same life as a reader at least once may hear it: each input
// again at any later point, and between them what is none of the order's.
func disturbed(r *rand.Rand, life trace) trace {
	var heard trace
	for i, in := range life {
		heard = append(heard, in)
		for r.IntN(3) > 0 {
			heard = append(heard, life[r.IntN(i+1)])
		}
		if r.IntN(3) == 0 {
			heard = append(heard, stray(r, i))
		}
	}
	return heard
}

// stray comes after the order was requested, and is no answer to what it asked.
func stray(r *rand.Rand, n int) saga.Input {
	s := []order.Step{order.Detail, order.Payment, order.Mail, "SHIPPING", "NONE"}[r.IntN(5)]
	done, no, rival := completed(s), declined(s), requestedFor(plans[r.IntN(len(plans))])
	for _, h := range []*saga.Heard{&done.Heard, &no.Heard, &rival.Heard} {
		h.ID = fmt.Sprint("stray ", n)
	}
	done.Cause, no.Cause = "another request", "another request"
	return []saga.Input{done, no, rival}[r.IntN(3)]
}

func idOf(in saga.Input) string {
	switch in := in.(type) {
	case saga.OrderRequested:
		return in.ID
	case saga.StepCompleted:
		return in.ID
	case saga.StepFailed:
		return in.ID
	}
	return ""
}

// wantOwed says, without deciding anything, how often each effect of a life is
// owed: for each time that its cause is heard until its answer is, which for an
// end is for ever.
func wantOwed(d saga.Definition, life, heard trace) map[string]int {
	want := map[string]int{}
	for i, in := range life {
		var effect, answer string
		switch in := in.(type) {
		case saga.StepCompleted:
			if i == len(d.Steps) {
				continue // the last
			}
			effect = requestID(d.Steps[i])
			if i+1 < len(life) {
				answer = idOf(life[i+1])
			}
		case saga.StepFailed:
			effect = in.ID + "/failed"
		default:
			continue // the order's request
		}
		for _, h := range heard {
			if answer != "" && idOf(h) == answer {
				break
			}
			if idOf(h) == idOf(in) {
				want[effect]++
			}
		}
	}
	return want
}

func TestCopiesAndStraysChangeNothingAndOweOnlyWhatIsNotAnswered(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := plans[r.IntN(len(plans))]
		life := anyLife(r, d)
		heard := disturbed(r, life)
		want, _ := decide(saga.State{}, life...)

		var got saga.State
		owed := map[string]int{}
		for _, in := range heard {
			var effects []saga.Effect
			got, effects = saga.Decide(got, in)
			for _, effect := range effects {
				owed[effect.Event("saga").ID]++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: %d inputs heard as %d give another state (-want +got):\n%s", seed, len(life), len(heard), diff)
		}
		if diff := cmp.Diff(wantOwed(d, life, heard), owed); diff != "" {
			t.Fatalf("seed %d: of %d inputs heard as %d, how often each effect is owed (-want +got):\n%s", seed, len(life), len(heard), diff)
		}
	}
}

// loop is a log with a saga and a worker at it. Each reads in order; the worker
// answers each copy of a request.
type loop struct {
	log          []order.Event
	state        saga.State
	saga, worker int // the next record of each
}

func (l *loop) decide(d saga.Definition, die bool) {
	e := l.log[l.saga]
	l.saga++
	in, ok := saga.InputOf(e, d, now)
	if !ok {
		return
	}
	var effects []saga.Effect
	l.state, effects = saga.Decide(l.state, in)
	if die { // between the store and the emit
		return
	}
	for _, effect := range effects {
		l.log = append(l.log, effect.Event("saga"))
	}
}

func (l *loop) answer() {
	request := l.log[l.worker]
	l.worker++
	step, phase, ok := request.Type.Split()
	if !ok || phase != order.Requested {
		return
	}
	done := order.TypeOf(step, order.Completed)
	l.log = append(l.log, order.Event{
		OrderID: id, Type: done, ID: order.EventID(id, done, request.Attempt), Attempt: request.Attempt, Causation: request.ID,
	})
}

// A saga that dies once loses nothing. What it says a second time may be answered
// a second time, and so on to the order's end; but two never become three.
func TestADeathLosesNothingAndIsNotMultipliedDownTheChain(t *testing.T) {
	longest := 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 2))
		d := plans[len(plans)-1]
		l := loop{log: []order.Event{saga.Begin(d, id, nil, now, "edge")}}
		deathAt, stored := r.IntN(2*len(d.Steps)), r.IntN(2) == 0
		for l.saga < len(l.log) || l.worker < len(l.log) {
			switch {
			case l.worker < len(l.log) && (r.IntN(2) == 0 || l.saga == len(l.log)):
				l.answer()
			case l.saga == deathAt:
				deathAt = -1
				committed := r.IntN(l.saga + 1)
				if stored {
					l.decide(d, true)
				}
				l.saga = committed
			default:
				l.decide(d, false)
			}
		}
		if l.state.Status != order.StatusCompleted {
			t.Fatalf("seed %d: it is %q with %s open", seed, l.state.Status, l.state.Open.Step)
		}
		copies := map[string]int{}
		for _, e := range l.log {
			if copies[e.ID]++; copies[e.ID] > 2 {
				t.Fatalf("seed %d: %s more than twice in %d records", seed, e.ID, len(l.log))
			}
		}
		longest = max(longest, len(l.log))
	}
	if longest == 2*len(plans[len(plans)-1].Steps) {
		t.Error("no death led to a copy, so this test proves nothing")
	}
}

// A foreign producer sends no headers, and says what it likes when it likes: its
// completions have the very ids under which the worker says them again.
func TestTheRowEndsAsTheSagaDoesWhateverIsSaidTooEarly(t *testing.T) {
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 3))
		d := plans[r.IntN(len(plans))]
		l := loop{log: []order.Event{saga.Begin(d, id, nil, now, "edge")}}
		for l.saga < len(l.log) || l.worker < len(l.log) {
			switch {
			case r.IntN(8) == 0 && len(l.log) < 20:
				early := order.TypeOf(d.Steps[r.IntN(len(d.Steps))], order.Completed)
				l.log = append(l.log, order.Event{OrderID: id, Type: early, ID: order.EventID(id, early, 1), Attempt: 1})
			case l.worker < len(l.log) && (r.IntN(2) == 0 || l.saga == len(l.log)):
				l.answer()
			case l.saga < len(l.log):
				l.decide(d, false)
			}
		}
		var row order.Row
		for _, e := range l.log {
			row = order.Fold(row, e)
		}
		if l.state.Status != order.StatusCompleted || row.Meta.Status != l.state.Status {
			t.Fatalf("seed %d: to the saga it is %q, in the row %q after %v", seed, l.state.Status, row.Meta.Status, row.Events())
		}
	}
}
