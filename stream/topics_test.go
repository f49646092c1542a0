package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// check holds topics to what they must be, as a process does at its start.
func (p *process) check(w *world, topics []Topic) error {
	if p.client != nil {
		return p.client.CheckTopics(w.context(), topics)
	}
	m, err := goka.NewTopicManager(p.brokers, plainConfig(), goka.NewTopicManagerConfig())
	if err != nil {
		return err
	}
	for _, topic := range topics {
		err = errors.Join(err, m.EnsureTopicExists(topic.Name, int(topic.Partitions), int(topic.Replication), topic.Config))
	}
	return errors.Join(err, m.Close())
}

func TestATopicThatIsNotAsItMustBeIsRefusedByNameSettingFoundAndWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.process("")
	made := func(name string) Topic {
		return Topic{Name: w.name + name, Partitions: 4, Replication: 1, Config: map[string]string{
			"cleanup.policy": "delete", "retention.ms": "-1",
		}}
	}
	if p.client != nil {
		check(t, p.client.CreateTopics(w.context(), []Topic{made("a"), made("b")}))
	} else {
		check(t, p.check(w, []Topic{made("a"), made("b")}))
	}
	for _, c := range []struct {
		name   string
		change func(a, b *Topic)
		want   []string
	}{
		{"as they must be", func(*Topic, *Topic) {}, nil},
		{"any replication", func(a, _ *Topic) { a.Replication = 0 }, nil},
		{"partitions", func(a, _ *Topic) { a.Partitions = 12 }, []string{"topic a: partitions is 4, wanted 12"}},
		{"replication", func(a, _ *Topic) { a.Replication = 3 }, []string{"topic a: replication is 1, wanted 3"}},
		{
			"cleanup.policy", func(a, _ *Topic) { a.Config["cleanup.policy"] = "compact" },
			[]string{"topic a: cleanup.policy is delete, wanted compact"},
		},
		{
			"retention.ms", func(_, b *Topic) { b.Config["retention.ms"] = "3600000" },
			[]string{"topic b: retention.ms is -1, wanted 3600000"},
		},
		{
			"a setting that the brokers do not have", func(_, b *Topic) { b.Config["retention.years"] = "3" },
			[]string{"topic b: retention.years is unknown, wanted 3"},
		},
		{
			"everything", func(a, b *Topic) {
				a.Partitions, a.Replication = 1, 2
				a.Config["retention.ms"], a.Config["cleanup.policy"] = "1", "compact"
				b.Partitions = 5
			},
			[]string{
				"topic a: partitions is 4, wanted 1",
				"topic a: replication is 1, wanted 2",
				"topic a: cleanup.policy is delete, wanted compact",
				"topic a: retention.ms is -1, wanted 1",
				"topic b: partitions is 4, wanted 5",
			},
		},
		{
			"missing", func(_, b *Topic) { b.Name = w.name + "c" },
			[]string{"topic c: the topic is missing, wanted present"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := made("a"), made("b")
			c.change(&a, &b)
			var got []string
			if err := p.check(w, []Topic{a, b}); err != nil {
				got = strings.Split(strings.ReplaceAll(err.Error(), w.name, ""), "\n")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTopicsAreMadeAsTheyMustBeAndOnceOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.process("")
	if p.client == nil {
		t.Skip("goka makes what it needs as it sees fit")
	}
	topics := []Topic{
		{Name: w.name + "log", Partitions: 3, Config: map[string]string{"cleanup.policy": "delete", "retention.ms": "-1"}},
		{Name: w.name + "table", Partitions: 3, Replication: 1, Config: map[string]string{"cleanup.policy": "compact"}},
	}
	for range 2 {
		check(t, p.client.CreateTopics(w.context(), topics))
	}
	check(t, p.client.CheckTopics(w.context(), topics))

	topics[1].Partitions = 6
	want := fmt.Sprintf("topic %stable: partitions is 3, wanted 6", w.name)
	if err := p.client.CreateTopics(w.context(), topics); err == nil || err.Error() != want {
		t.Errorf("making a topic that exists and differs gives %v, want %s", err, want)
	}
	n, replicas, err := p.client.Shape(w.context(), topics[0].Name)
	if err != nil || n != 3 || replicas != 1 {
		t.Errorf("%d partitions, %d replicas, error %v", n, replicas, err)
	}
	var mismatch *Mismatch
	if _, _, err = p.client.Shape(w.context(), w.name+"none"); !errors.As(err, &mismatch) {
		t.Errorf("the shape of a missing topic gives %v", err)
	}
}

// metadata is an answer of the brokers about a topic.
func (w *world) metadata(q kmsg.Request, topic kmsg.MetadataResponseTopic) *kmsg.MetadataResponse {
	answer := q.ResponseKind().(*kmsg.MetadataResponse)
	answer.Topics = append(answer.Topics, topic)
	for i, addr := range w.fake.ListenAddrs() {
		at := netip.MustParseAddrPort(addr)
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = int32(i), at.Addr().String(), int32(at.Port())
		answer.Brokers = append(answer.Brokers, b)
	}
	return answer
}

// Each broker hears in its own time that a topic was made, and whoever starts next may
// ask any of them.
func TestTopicsAreMadeOnceAllBrokersKnowThem(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	for name, behind := range map[string]func(*kmsg.MetadataResponseTopic){
		"it knows of none":             func(t *kmsg.MetadataResponseTopic) { t.ErrorCode = kerr.UnknownTopicOrPartition.Code },
		"it knows of the one before":   func(t *kmsg.MetadataResponseTopic) { t.TopicID[0]++ },
		"it knows, and has no leaders": func(t *kmsg.MetadataResponseTopic) { t.ErrorCode = kerr.LeaderNotAvailable.Code },
	} {
		t.Run(name, func(t *testing.T) {
			w := fakeWorld(t, kfake.NumBrokers(3))
			p := w.process("")
			topic := Topic{Name: w.name + "late", Partitions: 2, Config: map[string]string{"cleanup.policy": "compact"}}
			var asked atomic.Int32
			w.fake.ControlKey(int16(kmsg.Metadata), func(q kmsg.Request) (kmsg.Response, error, bool) {
				w.fake.KeepControl()
				request := q.(*kmsg.MetadataRequest)
				id := w.fake.TopicInfo(topic.Name)
				if w.fake.CurrentNode() != 2 || len(request.Topics) == 0 || id == nil || asked.Add(1) > 2 {
					return nil, nil, false
				}
				one := kmsg.NewMetadataResponseTopic()
				one.Topic, one.TopicID = &topic.Name, id.TopicID
				behind(&one)
				return w.metadata(q, one), nil, true
			})
			check(t, p.client.CreateTopics(w.context(), []Topic{topic}))
			if n := asked.Load(); n < 3 {
				t.Errorf("the broker that was behind was asked %d times", n)
			}
		})
	}
}
