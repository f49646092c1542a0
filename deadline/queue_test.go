package deadline_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"simplecqrs/deadline"
)

var seed = flag.Uint64("seed", rand.Uint64(), "what the queue's test draws from; another each time")

// The model is a map that is looked through at each step.
func TestTheQueueIsWhatANaiveMapSays(t *testing.T) {
	type entry struct {
		due, arming int64
		with        int // the step in which it was armed
		sent        bool
		armed       int64 // when it is due by what it was armed with
		back        bool  // it was put back since
	}
	t.Logf("again: go test ./deadline -seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, 0))
	model := map[string]*entry{}
	earliest := func(but string) (due int64, found bool) {
		for key, e := range model {
			if key != but && !e.sent && (!found || e.due < due) {
				due, found = e.due, true
			}
		}
		return due, found
	}
	var q deadline.Queue[int]
	var now int64
	for step := range 200_000 {
		key := fmt.Sprint("k", r.IntN(50))
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			due, arming := now+int64(r.IntN(100)-20), int64(r.IntN(5))
			old := model[key]
			if old != nil && r.IntN(4) == 0 { // as it stands in its table, once more
				due, arming = old.armed, old.arming
			}
			changes := old == nil || old.arming != arming || old.due != due && !old.back
			if changes {
				model[key] = &entry{due: due, arming: arming, with: step, armed: due}
			}
			next := q.Arm(key, due, arming, step)
			// Of those that are due at the same time any may be the next.
			other, others := earliest(key)
			may, must := changes && (!others || due <= other), changes && (!others || due < other)
			if next && !may || !next && must {
				t.Fatalf("step %d: %s is due at %d, others at %d (%v), it changes: %v, and Arm says that it is the next: %v",
					step, key, due, other, others, changes, next)
			}
		case 4, 5:
			was := model[key] != nil
			delete(model, key)
			if q.Disarm(key) != was {
				t.Fatalf("step %d: %s was armed: %v, and Disarm does not say so", step, key, was)
			}
		case 6: // one that failed, if it is open at all
			failed := deadline.Armed[int]{Key: key, Arming: int64(r.IntN(5))}
			if e := model[key]; e != nil && e.arming == failed.Arming {
				e.due, e.sent, e.back = now+10, false, true
			}
			q.PutBack(failed, now+10)
		default:
			now += int64(r.IntN(20))
			most := 1 + r.IntN(5)
			last := int64(-1 << 62)
			got := q.Take(now, make([]deadline.Armed[int], 0, most))
			for _, one := range got {
				e := model[one.Key]
				if e == nil || e.sent || e.due != one.Due || e.arming != one.Arming || e.with != one.With || e.due >= now || one.Due < last {
					t.Fatalf("step %d: at %d it gives %+v, and the model has %+v", step, now, one, e)
				}
				e.sent, last = true, one.Due
			}
			if due, found := earliest(""); len(got) < most && found && due < now {
				t.Fatalf("step %d: at %d it leaves out what was due at %d", step, now, due)
			} else if found && due < last {
				t.Fatalf("step %d: it gives what is due at %d before what is at %d", step, last, due)
			}
		}
		due, found := q.Next()
		if want, has := earliest(""); found != has || due != want || q.Len() != len(model) {
			t.Fatalf("step %d: the next is at %d (%v), want %d (%v)", step, due, found, want, has)
		}
		one, armed := q.Of(key)
		e := model[key]
		if armed != (e != nil) || armed && (one.Key != key || one.Due != e.due || one.Arming != e.arming || one.With != e.with) {
			t.Fatalf("step %d: of %s it says %+v (%v), and the model %+v", step, key, one, armed, e)
		}
	}
}
