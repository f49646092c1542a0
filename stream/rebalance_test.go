package stream

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kgo"
)

// trickle writes a record to each partition every 10 ms until the test ends.
func (w *world) trickle(topic goka.Stream, partitions int32) {
	ctx := w.t.Context()
	keys := keysOf(int(partitions))
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			for p := range partitions {
				w.kafka.TryProduce(ctx, &kgo.Record{
					Topic: string(topic), Partition: p, Key: []byte(keys[p]), Value: fmt.Append(nil, i),
				}, nil)
			}
		}
	}()
}

// progress is when which member handled records of which partition.
type progress struct {
	mu      sync.Mutex
	last    map[int32]time.Time
	longest map[int32]time.Duration
	streaks map[int32]streak
	places  map[string]int
}

// streak is how many records of a partition a member was the last to handle.
type streak struct {
	member string
	length int
}

func newProgress() *progress {
	return &progress{
		last: map[int32]time.Time{}, longest: map[int32]time.Duration{},
		streaks: map[int32]streak{}, places: map[string]int{},
	}
}

func (p *progress) made(member string, ctx goka.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, partition := time.Now(), ctx.Partition()
	if last, begun := p.last[partition]; begun {
		p.longest[partition] = max(p.longest[partition], now.Sub(last))
	}
	p.last[partition] = now
	s := p.streaks[partition]
	if s.member != member {
		s = streak{member: member}
	}
	s.length++
	p.streaks[partition] = s
	p.places[fmt.Sprint(partition, "/", ctx.Offset())]++
}

// of gives how many partitions a member has been working on for a while.
func (p *progress) of(member string) (partitions int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.streaks {
		if s.member == member && s.length >= 20 {
			partitions++
		}
	}
	return partitions
}

// members are of one group, with a table, over a topic that is written to all the time.
type members struct {
	*world
	*progress
	in    goka.Stream
	group goka.Group
}

const partitions = 4

func newMembers(t *testing.T) members {
	w := newWorld(t)
	m := members{w, newProgress(), w.stream("in", partitions), w.group("members", partitions)}
	w.trickle(m.in, partitions)
	return m
}

func (m members) join(name string) *process {
	m.t.Helper()
	p := m.process("")
	p.processor(Processor{Role: name, Graph: goka.DefineGroup(m.group,
		goka.Input(m.in, new(codec.String), func(ctx goka.Context, msg any) {
			ctx.SetValue(msg)
			m.made(name, ctx)
		}), goka.Persist(new(codec.String)))})
	return p
}

// shared returns once each of the members handles as many partitions.
func (m members) shared(each int, names ...string) {
	m.t.Helper()
	m.await(fmt.Sprintf("%v to work on %d partitions each", names, each), func() bool {
		for _, name := range names {
			if m.of(name) != each {
				return false
			}
		}
		return true
	})
}

// idlest gives the longest time for which a partition was idle.
func (m members) idlest() (longest time.Duration) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	again := 0
	for _, n := range m.places {
		again += n - 1
	}
	m.t.Logf("the longest idle times: %v; %d of %d records came again", m.longest, again, len(m.places))
	for _, idle := range m.longest {
		longest = max(longest, idle)
	}
	return longest
}

// gokasSleep is for how long plain goka, at each rebalance, handles nothing. A scenario
// that leaves no partition idle for that long is free of it, on a busy machine too: a
// quiet one logs a third of a second, and plain goka between 5.7 and 6.1.
const gokasSleep = 5 * time.Second

// leavesNoneAsleep runs a scenario, up to three times while a partition sleeps in it: what
// goka does it does each time, what the machine does now and then.
func leavesNoneAsleep(t *testing.T, scenario func(m members)) {
	t.Helper()
	for range 3 {
		m := newMembers(t)
		scenario(m)
		idle := m.idlest()
		for _, p := range m.procs {
			p.stop()
		}
		if idle < gokasSleep {
			return
		}
	}
	t.Errorf("a partition was idle for %v or more each time", gokasSleep)
}

func TestACleanJoinOrLeavePutsNoPartitionToSleep(t *testing.T) {
	t.Parallel()
	leavesNoneAsleep(t, func(m members) {
		m.join("first")
		m.shared(4, "first")
		second := m.join("second")
		m.shared(2, "first", "second")
		second.stop()
		m.shared(4, "first")
	})
}

func TestMembersThatJoinAndLeaveTogetherPutNoPartitionToSleep(t *testing.T) {
	t.Parallel()
	leavesNoneAsleep(t, func(m members) {
		m.join("first")
		m.shared(4, "first")
		others := []*process{m.join("second"), m.join("third"), m.join("fourth")}
		m.shared(1, "first", "second", "third", "fourth")
		var left sync.WaitGroup
		for _, p := range others {
			left.Go(p.stop)
		}
		left.Wait()
		m.shared(4, "first")
	})
}
