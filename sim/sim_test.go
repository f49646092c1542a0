package sim

import (
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds   = flag.Uint64("seeds", 0, "how many seeds to run; 0: as many as fit the time of a test")
	from    = flag.Uint64("from", 0, "the first seed; 0: any")
	seed    = flag.Uint64("seed", 0, "the seed to run again, with a trace")
	without = flag.String("without", "", "faults to leave out, as a failure lists them")
	update  = flag.Bool("update", false, "rewrite the table of planted bugs in README.md")
)

const (
	testTime  = 30 * time.Second
	shortTime = 3 * time.Second
)

func TestTheRulesHoldWhateverGoesWrong(t *testing.T) {
	left, ok := ParseFaults(*without)
	if !ok {
		t.Fatalf("no such faults: %s", *without)
	}
	if *seed != 0 {
		for _, what := range Run(*seed, left, Real(), os.Stdout).Found {
			t.Error(what)
		}
		return
	}
	first := *from
	if first == 0 {
		first = 1 + rand.Uint64N(1<<40)
	}
	limit := testTime
	if testing.Short() {
		limit = shortTime
	}
	begun := time.Now()
	var ran, records, failed atomic.Uint64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for failed.Load() < 3 {
				n := ran.Add(1)
				if *seeds > 0 && n > *seeds || *seeds == 0 && time.Since(begun) > limit {
					ran.Add(^uint64(0))
					return
				}
				s := first + n - 1
				result := Run(s, left, Real(), nil)
				records.Add(uint64(result.Records))
				if len(result.Found) > 0 {
					failed.Add(1)
					t.Error(Report(s, left, Real()))
				}
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	t.Logf("%d seeds from %d on in %v, %.0f a second, %d records a seed", ran.Load(), first, took.Round(time.Second),
		float64(ran.Load())/took.Seconds(), records.Load()/max(ran.Load(), 1))
}

func TestASeedGivesTheSameRun(t *testing.T) {
	for s := range uint64(50) {
		var traces [2]string
		for i := range traces {
			var b strings.Builder
			Run(s, 0, Real(), &b)
			traces[i] = b.String()
		}
		if traces[0] != traces[1] {
			t.Fatalf("seed %d: the second run differs", s)
		}
	}
}
