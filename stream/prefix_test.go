package stream

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyTheFinishedPrefixMayBeCommitted(t *testing.T) {
	begin, finish := (*prefix).begin, func(p *prefix, offset int64) { p.finish(offset) }
	type step struct {
		do   func(*prefix, int64)
		at   int64
		want int64 // what may be committed after it; 0 for nothing
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"in order", []step{{begin, 5, 0}, {finish, 5, 6}, {begin, 6, 6}, {finish, 6, 7}}},
		{"a later one first", []step{{begin, 5, 0}, {begin, 6, 0}, {finish, 6, 0}, {finish, 5, 7}}},
		{"the middle one last", []step{
			{begin, 1, 0}, {begin, 2, 0}, {begin, 3, 0}, {finish, 3, 0}, {finish, 1, 2}, {finish, 2, 4},
		}},
		{"the very first record of the partition", []step{{begin, 0, 0}, {begin, 1, 0}, {finish, 1, 0}, {finish, 0, 2}}},
		{"offsets with gaps", []step{{begin, 3, 0}, {begin, 9, 0}, {finish, 9, 0}, {finish, 3, 10}}},
		{"one read again while it is being handled", []step{
			{begin, 5, 0}, {begin, 6, 0}, {finish, 6, 0}, {begin, 5, 0}, {begin, 6, 0}, {finish, 5, 7}, {finish, 5, 7},
		}},
		{"one read again after it was finished", []step{
			{begin, 5, 0}, {finish, 5, 6}, {begin, 5, 6}, {begin, 6, 6}, {finish, 6, 7},
		}},
		{"one finished twice", []step{{begin, 5, 0}, {begin, 6, 0}, {finish, 5, 6}, {finish, 5, 6}, {finish, 6, 7}}},
		{"one that never began", []step{{begin, 5, 0}, {finish, 7, 0}, {finish, 4, 0}, {finish, 5, 6}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p prefix
			var got, want []int64
			for _, s := range c.steps {
				s.do(&p, s.at)
				got, want = append(got, p.finished()), append(want, s.want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("may be committed after each step (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnyOrderOfFinishingKeepsThePrefix has records finish in random orders, with
// reconnects after which the unfinished are read again, and compares with a model
// that looks at all offsets each time.
func TestAnyOrderOfFinishingKeepsThePrefix(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		var (
			p        prefix
			begun    []int64
			finished = map[int64]bool{}
			next     = r.Int64N(10)
		)
		model := func() int64 {
			may := int64(0)
			for _, o := range begun {
				if !finished[o] {
					break
				}
				may = o + 1
			}
			return may
		}
		for range 200 {
			switch open := len(begun) - len(finished); {
			case r.IntN(20) == 0: // a reconnect: on from the first that is not finished
				for _, o := range begun {
					if o >= p.finished() {
						p.begin(o)
					}
				}
			case open == 0 || open < 30 && r.IntN(2) == 0:
				p.begin(next)
				begun = append(begun, next)
				next += 1 + r.Int64N(3)
			default:
				o := begun[r.IntN(len(begun))]
				finished[o] = true
				if got := p.finish(o); got != p.finished() {
					t.Fatalf("seed %d: finish gives %d, finished %d", seed, got, p.finished())
				}
			}
			if got, want := p.finished(), model(); got != want {
				t.Fatalf("seed %d: %d may be committed, want %d", seed, got, want)
			}
		}
		if open := len(p.open); open > len(begun) || open > 0 && p.open[0].done {
			t.Fatalf("seed %d: the prefix keeps %d marks, the first %+v", seed, open, p.open[0])
		}
	}
}
