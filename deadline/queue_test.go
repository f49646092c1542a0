package deadline_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"simplecqrs/deadline"
)

// The model is a map that is looked through at each step.
func TestTheQueueIsWhatANaiveMapSays(t *testing.T) {
	type entry struct {
		due, arming int64
		sent        bool
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	model := map[string]*entry{}
	earliest := func() (due int64, found bool) {
		for _, e := range model {
			if !e.sent && (!found || e.due < due) {
				due, found = e.due, true
			}
		}
		return due, found
	}
	var q deadline.Queue[struct{}]
	var now int64
	for step := range 200_000 {
		key := fmt.Sprint("k", r.IntN(50))
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			due, arming := now+int64(r.IntN(100)-20), int64(r.IntN(5))
			was, had := earliest()
			old := model[key]
			if old == nil || old.arming != arming || old.due != due {
				model[key] = &entry{due: due, arming: arming}
			}
			first := q.Arm(key, due, arming, struct{}{})
			if sooner := old == nil || old.arming != arming || old.due != due; sooner && (!had || due < was) && !first {
				t.Fatalf("step %d: %s is the next at %d, before %d, and Arm does not say so", step, key, due, was)
			}
		case 4, 5:
			was := model[key] != nil
			delete(model, key)
			if q.Disarm(key) != was {
				t.Fatalf("step %d: %s was armed: %v, and Disarm does not say so", step, key, was)
			}
		case 6: // one that failed, if it is open at all
			failed := deadline.Armed[struct{}]{Key: key, Arming: int64(r.IntN(5))}
			if e := model[key]; e != nil && e.arming == failed.Arming {
				e.due, e.sent = now+10, false
			}
			q.PutBack(failed, now+10)
		default:
			now += int64(r.IntN(20))
			most := 1 + r.IntN(5)
			last := int64(-1 << 62)
			got := q.Take(now, make([]deadline.Armed[struct{}], 0, most))
			for _, one := range got {
				e := model[one.Key]
				if e == nil || e.sent || e.due != one.Due || e.arming != one.Arming || e.due >= now || one.Due < last {
					t.Fatalf("step %d: at %d it gives %+v, and the model has %+v", step, now, one, e)
				}
				e.sent, last = true, one.Due
			}
			if due, found := earliest(); len(got) < most && found && due < now {
				t.Fatalf("step %d: at %d it leaves out what was due at %d", step, now, due)
			} else if found && due < last {
				t.Fatalf("step %d: it gives what is due at %d before what is at %d", step, last, due)
			}
		}
		due, found := q.Next()
		_, armed := q.Of(key)
		if want, has := earliest(); found != has || due != want || q.Len() != len(model) || armed != (model[key] != nil) {
			t.Fatalf("step %d: the next is at %d (%v), want %d (%v)", step, due, found, want, has)
		}
	}
}
