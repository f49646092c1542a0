package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// forward emits each record to the topic that its value names, and says so.
func forward(p *process, c child) error {
	p.processor(forwarder(c))
	return nil
}

func forwarder(c child) Processor {
	edges := []goka.Edge{goka.Input(goka.Stream(c.Args[0]), new(codec.String), func(ctx goka.Context, msg any) {
		fmt.Printf("%d/%d\n", ctx.Partition(), ctx.Offset())
		ctx.Emit(goka.Stream(msg.(string)), ctx.Key(), fmt.Sprintf("%d/%d", ctx.Partition(), ctx.Offset()))
	})}
	for _, out := range c.Args[1:] {
		edges = append(edges, goka.Output(goka.Stream(out), new(codec.String)))
	}
	return Processor{Role: "forward", Graph: goka.DefineGroup(goka.Group(c.Group), edges...)}
}

// holdAcks keeps the second of two brokers from handling what is produced to it,
// until released, upon which it drops what it holds.
func holdAcks(k *kfake.Cluster) (release func()) {
	released := make(chan struct{})
	held := map[int64]bool{}
	k.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if k.CurrentNode() != 1 {
			return nil, nil, false
		}
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records); err != nil {
			return nil, err, true
		}
		select {
		case <-released:
			// What the one who was killed had sent behind it may lie in its connection.
			if !held[batch.ProducerID] {
				return nil, nil, false
			}
			k.KeepControl()
			return nil, errors.New("dropped"), true
		default:
			held[batch.ProducerID] = true
		}
		k.KeepControl()
		k.SleepControl(func() { <-released })
		return nil, errors.New("dropped"), true
	})
	return func() { close(released) }
}

func TestALaterAcknowledgementNeverCommitsOverAnEarlierUnfinishedRecord(t *testing.T) {
	t.Parallel()
	w := fakeWorld(t, kfake.NumBrokers(2))
	in, slow, fast := w.stream("in", 2), w.stream("slow", 1), w.stream("fast", 1)
	for _, on := range []struct {
		topic     goka.Stream
		partition int32
		broker    int32
	}{{in, 0, 0}, {in, 1, 0}, {fast, 0, 0}, {slow, 0, 1}} {
		check(t, w.fake.MoveTopicPartition(string(on.topic), on.partition, on.broker))
	}
	release := holdAcks(w.fake)
	c := child{Does: "forward", Group: w.name + "forward", Args: []string{string(in), string(slow), string(fast)}}

	first := w.spawn(c)
	w.write(in, 0, "k", string(slow), string(fast), string(fast))
	w.await("the later two to be acknowledged", func() bool { return w.ends(string(fast))[0] == 2 })
	w.write(in, 1, "k", string(fast))
	group := goka.Group(c.Group)
	w.await("a commit", func() bool { return w.committed(group, in, 1) == 1 }) // which tells of all partitions
	if at := w.committed(group, in, 0); at > 0 {
		t.Errorf("%d is committed, and record 0 is not acknowledged", at)
	}
	first.kill()
	release()

	w.process("").processor(forwarder(c))
	w.await("the record to come again", func() bool { return w.ends(string(slow))[0] == 1 })
	w.await("all to be committed", func() bool { return w.committed(group, in, 0) == 3 })
}

func TestFailStopsTheCallbackWhileTheGenerationEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in, group := w.stream("in", 1), goka.Group(w.name+"pay")
	var first, second list
	payer := func(pay func(ctx goka.Context)) Processor {
		return Processor{Role: "pay", Graph: goka.DefineGroup(group,
			goka.Input(in, new(codec.String), func(ctx goka.Context, _ any) { pay(ctx) }))}
	}
	w.write(in, 0, "k", "payment")
	task := w.process("").processor(payer(func(ctx goka.Context) {
		first.add("begun")
		<-ctx.Context().Done()
		ctx.Fail(errors.New("not paid"))
		first.add("went on after it failed")
	}))
	w.await("the payment to begin", func() bool { return first.has("begun") })
	task.stop()
	if diff := cmp.Diff([]string{"begun"}, first.get()); diff != "" {
		t.Errorf("the callback (-want +got):\n%s", diff)
	}
	if at := w.committed(group, in, 0); at > 0 {
		t.Errorf("%d is committed, and the payment failed", at)
	}
	w.process("").processor(payer(func(goka.Context) { second.add("paid") }))
	w.await("the payment to come again", func() bool { return second.has("paid") })
}

// playedSession is sarama's side of a generation that a test plays.
type playedSession struct {
	sarama.ConsumerGroupSession
	ctx    context.Context
	marked map[int32]int64
}

func (s *playedSession) Context() context.Context { return s.ctx }
func (s *playedSession) MarkOffset(_ string, partition int32, next int64, _ string) {
	s.marked[partition] = next
}

type playedClaim struct {
	sarama.ConsumerGroupClaim
	messages chan *sarama.ConsumerMessage
}

func (c playedClaim) Topic() string                            { return "in" }
func (c playedClaim) Partition() int32                         { return 0 }
func (c playedClaim) InitialOffset() int64                     { return 5 }
func (c playedClaim) HighWaterMarkOffset() int64               { return 7 }
func (c playedClaim) Messages() <-chan *sarama.ConsumerMessage { return c.messages }

// busy is goka's handler when the generation ends before it takes a message.
type busy struct{}

func (busy) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (busy) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (busy) ConsumeClaim(s sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-s.Context().Done()
	return nil
}

// Once a claim ends, sarama empties the channel that the filter reads from, too.
// So a message behind one that sarama threw away may reach the filter, and must
// not be counted as finished.
func TestAFilteredRecordIsNotCommittedOverOneThatWasThrownAway(t *testing.T) {
	if *plain {
		t.Skip("goka has no filter")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		s := &playedSession{ctx: ctx, marked: map[int32]int64{}}
		c := playedClaim{messages: make(chan *sarama.ConsumerMessage)}
		defer close(c.messages)
		f, err := newFigures(prometheus.NewRegistry())
		check(t, err)
		h := &handler{ConsumerGroupHandler: busy{}, group: &group{
			role: newRole("r", f), filter: func(Record) bool { return false },
			ends: func(context.Context, ...string) (kadm.ListedOffsets, error) { return nil, nil },
		}}
		check(t, h.Setup(s))
		consumed := make(chan error)
		go func() { consumed <- h.ConsumeClaim(s, c) }()
		c.messages <- &sarama.ConsumerMessage{Topic: "in", Offset: 5}
		end()
		check(t, <-consumed)
		// 6 is thrown away here.
		c.messages <- &sarama.ConsumerMessage{Topic: "in", Offset: 7}
		synctest.Wait()
		check(t, h.Cleanup(s))
		if next := s.marked[0]; next != 6 {
			t.Errorf("%d is committed, want 6: 5 was filtered, 6 thrown away", next)
		}
	})
}
