package stream

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A partition that cannot be read looks to its reader as if nothing came any more.
func TestTheLagGrowsThoughNothingCanBeRead(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	w := fakeWorld(t)
	in := w.stream("in", 1)
	var heard list
	p := w.process("")
	p.processor(Processor{Role: "reader", Graph: goka.DefineGroup(goka.Group(w.name+"reader"),
		goka.Input(in, new(codec.String), func(_ goka.Context, m any) { heard.add(m.(string)) }))})
	check(t, p.running(w.context()))
	w.write(in, 0, "k", "1")
	w.await("the first record to be heard", func() bool { return len(heard.get()) == 1 })
	lag := func() float64 { return testGauge(t, p, "simplecqrs_consumer_lag_records") }

	var refused atomic.Bool
	refused.Store(true)
	w.refuseFetches(refused.Load)
	w.write(in, 0, "k", "2", "3")
	w.await("the lag to be told", func() bool { return lag() == 2 })
	if n := len(heard.get()); n != 1 {
		t.Fatalf("%d records were heard", n)
	}
	refused.Store(false)
	w.await("all to be heard, and no lag", func() bool { return len(heard.get()) == 3 && lag() == 0 })
}

func TestAPartitionWithoutALeaderKeepsNothingFromTheOthers(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	w := fakeWorld(t)
	topic := w.topic("in", 2, "delete")
	w.append(topic, 0, "k", "1")
	id := w.fake.TopicInfo(topic).TopicID
	w.fake.ControlKey(int16(kmsg.Metadata), func(q kmsg.Request) (kmsg.Response, error, bool) {
		w.fake.KeepControl()
		one := kmsg.NewMetadataResponseTopic()
		one.Topic, one.TopicID = &topic, id
		for i := range int32(2) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = i, 0, []int32{0}, []int32{0}
			if i == 1 {
				p.Leader, p.ErrorCode = -1, kerr.LeaderNotAvailable.Code
			}
			one.Partitions = append(one.Partitions, p)
		}
		return w.metadata(q, one), nil, true
	})
	c := w.process("").client
	all := &timers{inputs: []string{topic}, bounds: c.bounds}
	ends, err := all.endsNow(w.context(), 0)
	check(t, err)
	if end := ends[place{topic, 0}]; end != 1 {
		t.Errorf("partition 0 ends at %d", end)
	}
	if _, err := all.endsNow(w.context(), 1); !errors.Is(err, kerr.LeaderNotAvailable) {
		t.Errorf("of partition 1 it is said %v", err)
	}
	listed, err := listing(c.admin.ListEndOffsets).each(w.context(), []string{topic})
	check(t, err)
	if zero, one := listed[topic][0], listed[topic][1]; zero.Err != nil || zero.Offset != 1 || !errors.Is(one.Err, kerr.LeaderNotAvailable) {
		t.Errorf("listed are %+v and %+v", zero, one)
	}
}

func TestAPartitionWithoutALeaderIsToldOfOnce(t *testing.T) {
	oursOnly(t)
	f, err := newFigures(prometheus.NewRegistry())
	check(t, err)
	var log bytes.Buffer
	r := newRole("reader", f)
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	s := &session{role: r, claims: map[place]*claimed{{"in", 0}: {}, {"in", 1}: {}}}
	listed := func(err error) kadm.ListedOffsets {
		return kadm.ListedOffsets{"in": {
			0: {Topic: "in", Partition: 0, Offset: 7},
			1: {Topic: "in", Partition: 1, Err: err},
		}}
	}
	for _, err := range []error{kerr.LeaderNotAvailable, kerr.LeaderNotAvailable, nil, kerr.NotLeaderForPartition} {
		s.seen(listed(err))
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 2 || strings.Count(log.String(), "partition=1") != 2 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	if end := s.claims[place{"in", 0}].end; end != 7 {
		t.Errorf("partition 0 ends at %d", end)
	}
}
