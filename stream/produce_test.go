package stream

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The broker answers some requests with an error upon which the producer tries
// again, others are under way behind them.
func TestEmitsKeepTheirOrderAndAreWrittenOnceThroughErrorsThatAreTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		error *kerr.Error
	}{
		{"the partition has moved", kerr.NotLeaderForPartition},
		{"the answer is late, and the record is written", kerr.RequestTimedOut},
		{"too few replicas have it, and the record is written", kerr.NotEnoughReplicasAfterAppend},
	} {
		for _, failing := range []struct {
			name string
			nth  func(request int) bool
		}{
			{"the first request", func(n int) bool { return n == 1 }},
			{"every third request", func(n int) bool { return n%3 == 0 }},
			{"the first four requests", func(n int) bool { return n <= 4 }},
		} {
			t.Run(c.name+": "+failing.name, func(t *testing.T) {
				t.Parallel()
				w := fakeWorld(t)
				out := w.stream("out", 1)
				emitter, err := w.process("").emitter(out)
				check(t, err)
				requests := map[kmsg.Request]int{} // it is asked more than once of each
				w.fake.Fault(kfake.Fault{
					Keys: []kmsg.Key{kmsg.Produce}, Topic: string(out), Err: c.error, Count: -1,
					When: func(r kmsg.Request) bool {
						if requests[r] == 0 {
							requests[r] = len(requests) + 1
						}
						return failing.nth(requests[r])
					},
				})
				var emitted, broken list
				var promises sync.WaitGroup
				for i := range 40 {
					promises.Add(1)
					promise, err := emitter.Emit("k", fmt.Sprint(i))
					check(t, err)
					emitted.add(fmt.Sprint(i))
					promise.Then(func(err error) {
						defer promises.Done()
						if err != nil {
							broken.add(err.Error())
						}
					})
					if i%4 == 0 { // so that there are several requests
						<-time.After(2 * time.Millisecond)
					}
				}
				promises.Wait()
				if diff := cmp.Diff(emitted.get(), w.values(out)); diff != "" {
					t.Errorf("written (-emitted +written):\n%s", diff)
				}
				if errs := broken.get(); len(errs) > 0 {
					t.Errorf("%d promises were broken, the first: %s", len(errs), errs[0])
				}
			})
		}
	}
}

// Of 20 records that go alone through three processors, the fastest takes less than
// 200 ms. With goka's default none can: it waits 100 ms a hop for a batch to fill.
func TestNothingWaitsForABatchToFill(t *testing.T) {
	w := newWorld(t)
	topics := []goka.Stream{w.stream("one", 1), w.stream("two", 1), w.stream("three", 1)}
	p := w.process("")
	p.flush = 100 * time.Millisecond // goka's default
	arrived := make(chan string, 1)
	for i, in := range topics {
		hop := func(ctx goka.Context, msg any) { ctx.Emit(topics[i+1], ctx.Key(), msg) }
		edges := goka.Edges{}
		if i == len(topics)-1 {
			hop = func(_ goka.Context, msg any) { arrived <- msg.(string) }
		} else {
			edges = append(edges, goka.Output(topics[i+1], new(codec.String)))
		}
		edges = append(edges, goka.Input(in, new(codec.String), hop))
		p.processor(Processor{
			Role:  fmt.Sprint("hop", i),
			Graph: goka.DefineGroup(goka.Group(fmt.Sprint(w.name, "hop", i)), edges...),
		})
	}
	check(t, p.running(w.context()))
	emitter, err := p.emitter(topics[0])
	check(t, err)
	var took []time.Duration
	for i := range 20 {
		began := time.Now()
		_, err := emitter.Emit("k", fmt.Sprint(i))
		check(t, err)
		select {
		case got := <-arrived:
			if got != fmt.Sprint(i) {
				t.Fatalf("%s arrived, want %d", got, i)
			}
		case <-time.After(patience):
			t.Fatalf("%d did not arrive", i)
		}
		took = append(took, time.Since(began))
	}
	first := took[0]
	slices.Sort(took)
	t.Logf("three hops: the first took %v, the fastest %v, the median %v, the slowest %v", first, took[0], took[10], took[19])
	if took[0] > 200*time.Millisecond {
		t.Error("even the fastest waited")
	}
}
