package stream

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// replay runs one that tells all that happens to it, in its order.
func (w *world) replay(topic string) (*process, *list) {
	var told list
	p := w.process("")
	run := p.client.PrepareReplay(Replay{
		Role: "replay", Topic: topic,
		Begin: func() { told.add("begin") },
		Each: func(r Raw) {
			told.add(fmt.Sprintf("%d/%d %s=%s %s", r.Partition, r.Offset, r.Key, r.Value, r.Headers["h"]))
		},
		CaughtUp: func() { told.add("caught up") },
	})
	p.start("replay", nil, func(ctx context.Context) error { run(ctx); return nil })
	return p, &told
}

func (w *world) append(topic string, partition int32, key, value string) {
	w.t.Helper()
	r := &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}}
	check(w.t, w.kafka.ProduceSync(w.context(), r).FirstErr())
}

func TestAReplayGivesAllFromTheBeginningAndGoesOn(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	w := newWorld(t)
	topic := w.topic("letters", 3, "delete")
	for i := range 5 {
		w.append(topic, 0, "a", fmt.Sprint(i))
		w.append(topic, 2, "b", fmt.Sprint(i))
	}
	p, told := w.replay(topic)
	check(t, p.running(w.context()))
	all := told.get()
	if len(all) != 12 || all[0] != "begin" || all[11] != "caught up" {
		t.Fatalf("told: %q", all)
	}
	for _, partition := range []string{"0/", "2/"} {
		var own []string
		for _, one := range all {
			if strings.HasPrefix(one, partition) {
				own = append(own, one)
			}
		}
		if len(own) != 5 || !slices.IsSorted(own) {
			t.Errorf("of partition %s: %q", partition, own)
		}
	}
	w.append(topic, 1, "c", "later")
	w.await("what is added", func() bool { return slices.Contains(told.get(), "1/0 c=later x") })
}

func TestAReplayOfAnEmptyTopicHasCaughtUp(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	w := newWorld(t)
	p, told := w.replay(w.topic("letters", 3, "delete"))
	check(t, p.running(w.context()))
	if all := told.get(); !slices.Equal(all, []string{"begin", "caught up"}) {
		t.Errorf("told: %q", all)
	}
}

// refuseFetches has reading fail whenever it is so.
func (w *world) refuseFetches(whenever func() bool) {
	w.fake.ControlKey(int16(kmsg.Fetch), func(q kmsg.Request) (kmsg.Response, error, bool) {
		w.fake.KeepControl()
		fetch := q.(*kmsg.FetchRequest)
		if len(fetch.Topics) == 0 || !whenever() { // it goes on with a session
			return nil, nil, false
		}
		answer := fetch.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range fetch.Topics {
			one := kmsg.NewFetchResponseTopic()
			one.Topic, one.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				part := kmsg.NewFetchResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
				one.Partitions = append(one.Partitions, part)
			}
			answer.Topics = append(answer.Topics, one)
		}
		return answer, nil, true
	})
}

// Who reads on with a gap knows less than it thinks.
func TestAReplayThatCannotGoOnBeginsAnew(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	w := fakeWorld(t)
	topic := w.topic("letters", 1, "delete")
	w.append(topic, 0, "a", "1")
	p, told := w.replay(topic)
	check(t, p.running(w.context()))
	var failed atomic.Bool
	w.refuseFetches(func() bool { return !failed.Swap(true) })
	w.append(topic, 0, "a", "2")
	// What the first life was told before it failed is a matter of luck.
	want := []string{"begin", "0/0 a=1 x", "0/1 a=2 x", "caught up"}
	w.await("another life", func() bool {
		all := told.get()
		return failed.Load() && len(all) > len(want) && slices.Equal(all[len(all)-len(want):], want)
	})
}

func TestAReplayGoesOnAfterABrokersAbsence(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	dir := t.TempDir()
	w := fakeWorld(t, kfake.DataDir(dir))
	topic := w.topic("letters", 1, "delete")
	w.append(topic, 0, "a", "1")
	p, told := w.replay(topic)
	check(t, p.running(w.context()))
	addr := w.addrs[0]
	w.fake.Close()
	w.restart(addr, dir)
	w.append(topic, 0, "a", "2")
	w.await("what is added", func() bool { return slices.Contains(told.get(), "0/1 a=2 x") })
}

func TestRecordsAreReadByTheirPlaces(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	w := newWorld(t)
	topic := w.topic("letters", 3, "delete")
	var batch []*kgo.Record
	for i := range 3 * maxBetween {
		for p := range int32(2) {
			batch = append(batch, &kgo.Record{
				Topic: topic, Partition: p, Key: []byte("a"), Value: fmt.Appendf(nil, "%-4096d", i), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}},
			})
		}
	}
	check(t, w.kafka.ProduceSync(w.context(), batch...).FirstErr())
	p := w.process("")
	var places []Place
	for _, offset := range []int64{2999, 0, 2998, 42, 43, 1500, 42} {
		places = append(places, Place{1, offset}, Place{0, offset})
	}
	began := time.Now()
	found, err := p.client.ReadAt(w.context(), topic, places...)
	check(t, err)
	t.Logf("it took %v", time.Since(began))
	at := map[Place]bool{}
	for _, r := range found {
		if string(r.Key) != "a" || strings.TrimSpace(string(r.Value)) != fmt.Sprint(r.Offset) || string(r.Headers["h"]) != "x" {
			t.Errorf("found is %+v", r)
		}
		at[Place{r.Partition, r.Offset}] = true
	}
	for _, one := range places {
		if !at[one] {
			t.Errorf("%+v is not found", one)
		}
	}
	if len(found) != 12 || len(at) != 12 {
		t.Errorf("found are %d records", len(found))
	}
	var past kadm.Offsets
	past.AddOffset(topic, 1, 50, -1)
	_, err = w.admin.DeleteRecords(w.context(), past)
	check(t, err)
	if r, err := p.client.ReadAt(w.context(), topic, Place{1, 42}); err == nil {
		t.Errorf("one that is gone is %+v", r)
	}
	ctx, cancel := context.WithTimeout(w.context(), 300*time.Millisecond)
	defer cancel()
	if r, err := p.client.ReadAt(ctx, topic, Place{0, 3 * maxBetween}); err == nil {
		t.Errorf("one that is not there yet is %+v", r)
	}
}
