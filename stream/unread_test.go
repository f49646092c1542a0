package stream

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
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
